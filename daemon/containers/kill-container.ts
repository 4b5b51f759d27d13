// POST /containers/{id}/kill, and the certain end that stop and remove fall back on.
import { constants } from 'node:os';
import { EngineError } from '../errors/engine-error.ts';
import { cgroupPathOf } from './cgroup-path.ts';
import type { Container } from './container.ts';
import { publishContainerEvent } from './container-events.ts';
import { concludeRun } from './finish-run.ts';
import { forgoRestart } from './schedule-restart.ts';
import type { Services } from './services.ts';
import { parseSignal, parseSignalFor } from './signals.ts';
import { endMonitors, wakeMonitors } from './stopped-monitors.ts';

const { SIGKILL, SIGTERM } = constants.signals;
/** How long a killed process may take to be gone before every process of the cgroup is killed. */
const killGraceMs = 2000;
const killLimitMs = 20_000;
const killedExitCode = 128 + SIGKILL;
/** What a timer can hold: 24 days. A longer one would fire at once. */
const longestTimerMs = 2 ** 31 - 1;

export async function killContainer(services: Services, ref: string, options: { signal?: string }): Promise<void> {
  const container = services.store.get(ref);
  const signo = options.signal ? parseSignalFor('kill', ref, options.signal) : SIGKILL;
  if (container.state.status === 'restarting' && ends(container, signo)) {
    await forgoRestart(services, container);
    // The restart may have been under way: then it runs by now.
    if (!container.isRunning) return;
  }
  if (!container.isRunning) {
    throw new EngineError('conflict', `cannot kill container: ${ref}: container ${container.id} is not running`);
  }
  if (ends(container, signo)) markStopped(services, container);
  publishContainerEvent(services, container, 'kill', { signal: String(signo) });
  if (signo === SIGKILL) {
    await killAndWait(services, container);
    await forgoRestart(services, container);
  } else await sendSignal(services, container, signo);
}

/** A signal that is meant to end it: restart policies then leave it alone. */
function ends(container: Container, signo: number): boolean {
  const { StopSignal } = container.record.config;
  return signo === SIGKILL || signo === SIGTERM || (StopSignal !== undefined && parseSignal(StopSignal) === signo);
}

export function markStopped(services: Services, container: Container): void {
  if (container.state.stoppedByUser) return;
  container.state = { ...container.state, stoppedByUser: true };
  try {
    services.store.saveState(container);
  } catch (error) {
    // Not a reason to let it run on: on a full disk that is what fills it.
    services.log.warn({ err: error, container: container.id }, 'store that a container is to stop');
  }
}

export async function sendSignal(services: Services, container: Container, signo: number): Promise<void> {
  container.monitor?.signal(signo);
  // A frozen process acts on no signal on cgroup v1, not even KILL.
  if (signo === SIGKILL && container.state.status === 'paused')
    await services.cgroups.thaw(cgroupPathOf(services, container));
}

/** Whoever does not want a restart has marked it as stopped. Resolves when the exit is recorded. Throws 'system' when the kernel does not let go of a process. */
export async function killAndWait(services: Services, container: Container): Promise<void> {
  if (container.monitor === undefined) {
    // It is just ending, or nobody watches it: either way it is concluded when the lock is free.
    await container.lock.run(() =>
      container.isRunning ? concludeRun(services, container, killedExitCode) : undefined,
    );
    return;
  }
  await sendSignal(services, container, SIGKILL);
  if (await hasExited(container, killGraceMs)) return;
  await services.cgroups.kill(cgroupPathOf(services, container));
  if (await hasExited(container, killGraceMs)) return;
  // A process is gone when its parent has heard of it. One that somebody has stopped hears nothing; and until the last process of a pid
  // namespace is gone, its first one is not either.
  wakeMonitors(services, container);
  if (await hasExited(container, killGraceMs)) return;
  endMonitors(services, container);
  if (await hasExited(container, killLimitMs)) return;
  throw new EngineError(
    'system',
    `could not kill container ${container.id}: process ${container.state.pid} does not end (it waits in the kernel)`,
  );
}

/** True when the run ended within the time; a negative time, and one longer than any timer, waits for ever. */
export async function hasExited(container: Container, limitMs: number): Promise<boolean> {
  if (limitMs < 0 || limitMs > longestTimerMs) {
    await container.exited;
    return true;
  }
  const { promise: late, resolve } = Promise.withResolvers<false>();
  const timer = setTimeout(() => resolve(false), limitMs);
  try {
    return await Promise.race([container.exited.then(() => true as const), late]);
  } finally {
    clearTimeout(timer);
  }
}
