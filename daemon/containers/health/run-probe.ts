// One health check: an exec of the container's own posture, whose output is kept up to a limit and which is killed when it takes too long.

import { constants } from 'node:os';
import { formatDurationNs } from '../../protocols/units/go-duration.ts';
import type { HealthCheck } from '../../spec/container-spec.ts';
import { wallClockNs } from '../../state/event-log.ts';
import type { Container } from '../container.ts';
import type { Attachment } from '../container-service.ts';
import { createExec, type ExecRunNeeds, startExec } from '../exec/exec-run.ts';
import type { Needs } from '../needs.ts';
import { type HealthResult, maxOutputBytes } from './health-rules.ts';

/** See needs.ts. */
export type RunProbeNeeds = Needs<'execs'> & ExecRunNeeds;

/** How long the result waits for a killed check to be gone. */
const killGraceMs = 10_000;

/** Never rejects. `signal` kills the check: nobody wants its result any more. */
export async function runProbe(
  services: RunProbeNeeds,
  container: Container,
  probe: HealthCheck,
  signal: AbortSignal,
): Promise<HealthResult> {
  const startNs = wallClockNs().toString();
  const result = (exitCode: number, output: string): HealthResult => ({
    startNs,
    endNs: wallClockNs().toString(),
    exitCode,
    output,
  });
  try {
    const { exitCode, output, isLate } = await runExec(services, container, probe, signal);
    if (!isLate) return result(exitCode, output);
    const words = `Health check exceeded timeout (${formatDurationNs(probe.timeoutMs * 1e6)})`;
    return result(-1, output === '' ? words : `${words}: ${output}`);
  } catch (error) {
    return result(-1, error instanceof Error ? error.message : String(error));
  }
}

async function runExec(
  services: RunProbeNeeds,
  container: Container,
  probe: HealthCheck,
  signal: AbortSignal,
): Promise<{ exitCode: number; output: string; isLate: boolean }> {
  const { execs } = services;
  const body = { Cmd: [...probe.args], AttachStdout: true, AttachStderr: true };
  const { Id } = createExec(services, execs, container.id, body, { isProbe: true });
  const { exec } = execs.get(Id);
  let isLate = false;
  const kill = () => exec.task?.signal(constants.signals.SIGKILL);
  const timer = setTimeout(() => {
    isLate = true;
    kill();
  }, probe.timeoutMs);
  signal.addEventListener('abort', kill);
  try {
    const attachment = await startExec(services, execs, Id, { detach: false });
    if (attachment === undefined) throw new TypeError('an attached exec has an attachment');
    if (signal.aborted || isLate) kill();
    const output = new Output();
    const { promise: tooLong, resolve } = Promise.withResolvers<void>();
    const limit = setTimeout(resolve, probe.timeoutMs + killGraceMs).unref();
    try {
      await Promise.race([collect(attachment, output), tooLong]);
    } finally {
      clearTimeout(limit);
      attachment.close();
    }
    // Without a process there was nothing to run: what is on the output says why.
    return { exitCode: exec.pid === 0 ? -1 : (exec.exitCode ?? -1), output: output.text(), isLate };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', kill);
    // It would be kept for a while, as execs of clients are; there may be one every millisecond.
    if (exec.status === 'ended') exec.forget();
    else void exec.ended.then(() => setImmediate(() => exec.forget()));
  }
}

async function collect(attachment: Attachment, output: Output): Promise<void> {
  for await (const batch of attachment.output) {
    for (const { data } of Array.isArray(batch) ? batch : [batch]) output.add(data);
  }
}

/** Keeps the beginning. */
class Output {
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #isCut = false;

  add(data: Buffer): void {
    const room = maxOutputBytes - this.#bytes;
    if (data.length > room) this.#isCut = true;
    if (room === 0) return;
    const kept = Buffer.from(data.subarray(0, room));
    this.#chunks.push(kept);
    this.#bytes += kept.length;
  }

  text(): string {
    return Buffer.concat(this.#chunks).toString() + (this.#isCut ? '...' : '');
  }
}
