// POST /containers/{id}/exec and /exec/{id}/start, resize, inspect: a task more in a running container.
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import type { ExecConfig, ExecInspectResponse } from '../../docker-types/exec.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { FailedLaunch } from '../../tasks/launch-program.ts';
import { runTask } from '../../tasks/run-task.ts';
import type { Task, TaskPlace } from '../../tasks/task.ts';
import type { TaskEnd } from '../../tasks/task-end.ts';
import type { Container } from '../container.ts';
import { type ContainerEventsNeeds, publishContainerEvent } from '../container-events.ts';
import type { Attachment, OutputChunk } from '../container-service.ts';
import type { Needs } from '../needs.ts';
import { type LinksNeeds, linkEnvironment } from '../network/links.ts';
import { type CgroupPathNeeds, cgroupPathOf } from '../start/cgroup-path.ts';
import { launchFailure } from '../start/launch-failure.ts';
import { checkSize } from '../streams/resize-container.ts';
import { Exec, type ExecRecord } from './exec.ts';
import { writeExecFile } from './exec-file.ts';
import type { ExecRegistry } from './exec-registry.ts';
import { notRunning, type RunningProcessNeeds, runningProcess, runningUser } from './running-process.ts';

/** See needs.ts. */
export type ExecRunNeeds = Needs<
  'cgroups.placement' | 'host' | 'launcher' | 'log.warn' | 'paths.execLogs' | 'paths.execRun' | 'store.get'
> &
  CgroupPathNeeds &
  ContainerEventsNeeds &
  LinksNeeds &
  RunningProcessNeeds;

const resizeWaitMs = 10_000;
const killedWithMonitor = 137;
/** Output of an exec is for who is attached; this much of it may wait to be read. */
const attachedLog = { maxBytes: 4 * 1024 * 1024, maxFiles: 4 };
const detachedLog = { maxBytes: 64 * 1024, maxFiles: 1 };

export interface ExecStartOptions {
  detach: boolean;
  tty?: boolean;
  consoleSize?: readonly number[];
}

export function createExec(
  services: ExecRunNeeds,
  execs: ExecRegistry,
  ref: string,
  body: ExecConfig,
  kind: Pick<ExecRecord, 'isProbe'> = {},
): { Id: string } {
  const container = services.store.get(ref);
  checkRuns(container, ref);
  const args = body.Cmd ?? [];
  if (args.length === 0 || args[0] === '') throw new EngineError('invalid', 'No exec command specified');
  if (body.WorkingDir && !body.WorkingDir.startsWith('/')) {
    throw new EngineError(
      'invalid',
      `the working directory '${body.WorkingDir}' is invalid, it needs to be an absolute path`,
    );
  }
  const texts = [...args, ...(body.Env ?? []), body.User ?? '', body.WorkingDir ?? ''];
  if (texts.some((text) => text.includes('\0'))) {
    throw new EngineError('invalid', 'invalid exec config: no value may contain a NUL byte');
  }
  const { process } = container.spec;
  const exec = new Exec({
    id: randomBytes(32).toString('hex'),
    containerId: container.id,
    user: body.User ?? '',
    attachStdin: body.AttachStdin ?? false,
    attachStdout: body.AttachStdout ?? false,
    attachStderr: body.AttachStderr ?? false,
    detachKeys: body.DetachKeys ?? '',
    consoleSize: body.ConsoleSize ?? null,
    ...kind,
    options: {
      args,
      env: body.Env ?? [],
      tty: body.Tty ?? false,
      openStdin: body.AttachStdin ?? false,
      privileged: body.Privileged ?? false,
      user: runningUser(services, container, body.User || process.user, process.groups),
      workingDir: body.WorkingDir ?? '',
    },
  });
  if (body.Privileged) container.wasShared = true;
  execs.add(container, exec);
  exec.onForget(() => execs.delete(exec));
  publishContainerEvent(services, container, `exec_create: ${args.join(' ')}`, { execID: exec.id });
  return { Id: exec.id };
}

export async function startExec(
  services: ExecRunNeeds,
  execs: ExecRegistry,
  id: string,
  options: ExecStartOptions,
): Promise<Attachment | undefined> {
  const { exec, container } = execs.get(id);
  if (exec.status === 'ended') throw new EngineError('conflict', `exec command ${id} has already run`);
  if (exec.status !== 'created') throw new EngineError('conflict', `exec command ${id} is already running`);
  checkRuns(container, container.id);
  exec.status = 'starting';
  const { options: asked, attachStdin, attachStdout, attachStderr } = exec.record;
  publishContainerEvent(services, container, `exec_start: ${asked.args.join(' ')}`, { execID: id });
  const { place, clean } = execFiles(services, container, id);
  let task: Task;
  try {
    mkdirSync(place.runDir, { recursive: true, mode: 0o700 });
    mkdirSync(place.logDir, { recursive: true, mode: 0o700 });
    task = await launchExec(services, container, exec, place, options);
  } catch (error) {
    // The container's first process ended meanwhile: its namespaces were not to be entered any longer.
    const hasEnded = error instanceof FailedLaunch && error.errnoName === 'ESRCH';
    const failure = hasEnded ? { error: notRunning(container), exitCode: killedWithMonitor } : launchFailure(error);
    exec.end(failure.exitCode);
    execs.expire(exec, clean);
    publishContainerEvent(services, container, 'exec_die', { execID: id, exitCode: String(failure.exitCode) });
    if (hasEnded || !(error instanceof FailedLaunch) || options.detach) throw failure.error;
    return failedAttachment(asked.tty, failure.error.message);
  }
  try {
    writeExecFile(place.runDir, exec.record);
  } catch (error) {
    // It runs: all that is lost is that the next daemon can take it over.
    services.log.warn(
      { err: error, container: container.id, name: container.record.name, exec: id },
      'cannot note an exec: the next daemon will not know it',
    );
  }
  exec.tellStarted(task);
  watchExec(services, execs, container, exec, task, clean);
  if (options.detach) {
    void exec.ended.then(clean);
    return undefined;
  }
  const closed = Promise.withResolvers<void>();
  // The record outlives its files: what was written may be a lot, and nobody reads it any more.
  void Promise.all([exec.ended, closed.promise]).then(clean);
  const abort = new AbortController();
  const hold = task.initialHold;
  const stdin = attachStdin ? task.stdin({ endsInput: !asked.tty }) : undefined;
  const streams = { stdout: attachStdout || asked.tty, stderr: attachStderr };
  async function* output(running: Task): AsyncGenerator<readonly OutputChunk[]> {
    yield* running.output({ streams, from: { seq: 0, offset: 0 }, signal: abort.signal, hold });
    // The exit code has to be there before the stream ends: the client asks for it then.
    if (!abort.signal.aborted) await exec.ended;
  }
  return {
    tty: asked.tty,
    output: output(task),
    ...(stdin === undefined ? {} : { stdin }),
    close() {
      abort.abort();
      hold?.release();
      stdin?.end().catch(() => undefined);
      closed.resolve();
    },
  };
}

export async function resizeExec(
  execs: ExecRegistry,
  id: string,
  size: { height: number; width: number },
): Promise<void> {
  const { exec } = execs.get(id);
  checkSize(size);
  // docker's CLI resizes right after the start, possibly before it has happened.
  const { promise: late, resolve } = Promise.withResolvers<'late'>();
  const timer = setTimeout(() => resolve('late'), resizeWaitMs);
  const task = await Promise.race([exec.started, late]).finally(() => clearTimeout(timer));
  if (task === 'late') throw new EngineError('system', 'timeout waiting for exec session ready');
  if (task === undefined || !exec.isRunning) throw new EngineError('conflict', `exec ${id} is not running`);
  task.resize(size.height, size.width);
}

export function inspectExec(execs: ExecRegistry, id: string): ExecInspectResponse {
  return execs.get(id).exec.inspect();
}

/** Where an exec's files are, and what removes them. */
export function execFiles(
  { paths }: ExecRunNeeds,
  container: Container,
  id: string,
): { place: TaskPlace; clean: () => void } {
  const place = { runDir: paths.execRun(container.id, id), logDir: paths.execLogs(container.id, id) };
  const clean = () => {
    rmSync(place.runDir, { recursive: true, force: true });
    rmSync(place.logDir, { recursive: true, force: true });
  };
  return { place, clean };
}

/** The end of its task is the end of the exec. Also for those that another daemon started. */
export function watchExec(
  services: ExecRunNeeds,
  execs: ExecRegistry,
  container: Container,
  exec: Exec,
  task: Task,
  clean: () => void,
): void {
  void task.ended.then((end) => concludeExec(services, execs, container, exec, end, clean));
}

/** Also for execs that ended while no daemon ran. */
export function concludeExec(
  services: ExecRunNeeds,
  execs: ExecRegistry,
  container: Container,
  exec: Exec,
  { exit, error }: TaskEnd,
  clean: () => void,
): void {
  const code = exit?.code ?? killedWithMonitor;
  if (error !== undefined) {
    services.log.warn(
      { err: error, container: container.id, name: container.record.name, exec: exec.id },
      'cannot read the exit record of an exec: how it ended is not known',
    );
  }
  exec.end(code);
  publishContainerEvent(services, container, 'exec_die', { execID: exec.id, exitCode: String(code) });
  execs.expire(exec, clean);
}

async function launchExec(
  services: ExecRunNeeds,
  container: Container,
  exec: Exec,
  place: TaskPlace,
  { detach, consoleSize }: ExecStartOptions,
): Promise<Task> {
  return runTask(services.launcher, {
    id: exec.id,
    ...place,
    log: { ...(detach ? detachedLog : attachedLog), firstSeq: 0 },
    holdLog: !detach,
    terminalSize: exec.record.options.tty ? (consoleSize ?? exec.record.consoleSize) : undefined,
    process: {
      kind: 'joining',
      input: {
        id: container.id,
        container: container.spec,
        linkEnv: linkEnvironment(services, container),
        exec: exec.record.options,
        ...runningProcess(services, container),
        cgroup: services.cgroups.placement(cgroupPathOf(services, container)),
        host: services.host,
      },
    },
  });
}

function checkRuns(container: Container, ref: string): void {
  if (container.state.status === 'paused') {
    throw new EngineError('conflict', `Container ${ref} is paused, unpause the container before exec`);
  }
  if (container.state.status === 'restarting') {
    throw new EngineError('conflict', `Container ${container.id} is restarting, wait until the container is running`);
  }
  if (!container.isRunning) throw notRunning(container);
}

/** Docker tells on the stream what kept the command from starting: the answer's status was sent before. */
function failedAttachment(tty: boolean, message: string): Attachment {
  async function* output(): AsyncGenerator<OutputChunk> {
    yield { stream: 1, data: Buffer.from(`${message}\r\n`) };
  }
  return { tty, output: output(), close: () => undefined };
}
