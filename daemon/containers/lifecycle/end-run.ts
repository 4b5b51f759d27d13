// How a run is brought to its end: signals, time to act on them, and the certain end. Nothing here knows what follows.

import { constants } from 'node:os';
import { EngineError } from '../../errors/engine-error.ts';
import { parseSignal } from '../../spec/signals.ts';
import type { Container, LockedContainer } from '../container.ts';
import { type ContainerEventsNeeds, publishContainerEvent } from '../container-events.ts';
import type { Needs } from '../needs.ts';
import { type CgroupPathNeeds, cgroupPathOf } from '../start/cgroup-path.ts';
import { endMonitors, type StoppedMonitorsNeeds, wakeMonitors } from './stopped-monitors.ts';

/** See needs.ts. */
export type EndRunNeeds = Needs<'cgroups.kill' | 'cgroups.thaw' | 'log.warn' | 'store.saveState'> &
  CgroupPathNeeds &
  ContainerEventsNeeds &
  StoppedMonitorsNeeds;

const { SIGKILL } = constants.signals;
/** How long a killed process may take to be gone before every process of the cgroup is killed. */
const killGraceMs = 2000;
const killLimitMs = 20_000;
const killedExitCode = 128 + SIGKILL;
/** What a timer can hold: 24 days. A longer one would fire at once. */
const longestTimerMs = 2 ** 31 - 1;
const defaultTimeoutSeconds = 10;

export interface StopOptions {
  signal?: string;
  /** -1 waits for ever. */
  timeoutSeconds?: number;
}

/** What records the end of a run that nobody watches: see lifecycle.ts. */
export interface Concluding {
  conclude(held: LockedContainer, codeWithoutRecord: number): Promise<void>;
}

/** See needs.ts. */
export type MarkStoppedNeeds = Needs<'log.warn' | 'store.saveState'>;

/**
 * Before it is ended on request: no policy starts it again, and a restart that is due is taken back. Waits for who has the lock: a commit has
 * frozen it, and its end could not be told before.
 */
export function markStopped(services: MarkStoppedNeeds, container: Container): Promise<void> {
  return container.locked((held) => {
    if (container.state.status === 'restarting') return abandonRestart(services, held);
    if (container.state.stoppedByUser || held.apply({ kind: 'stop-asked' }) === undefined) return;
    try {
      services.store.saveState(held);
    } catch (error) {
      // Not a reason to let it run on: on a full disk that is what fills it.
      services.log.warn(
        { err: error, container: container.id, name: container.record.name },
        'cannot store that a container is to stop: after a new start of the daemon its policy may restart it',
      );
    }
  });
}

/** Takes a restart that is due back, when there is one. */
export function forgoRestart(services: EndRunNeeds, container: Container): Promise<void> {
  return container.locked((held) => {
    if (container.state.status === 'restarting') abandonRestart(services, held);
  });
}

/** A stop of a container that waits for its restart. */
export function abandonRestart(services: Needs<'store.saveState'>, held: LockedContainer): void {
  const { container } = held;
  container.cancelRestart?.();
  held.mustApply({ kind: 'stop-asked' });
  services.store.saveState(held);
  container.wake('not-running');
}

/** The stop signal, time to act on it, then the certain end. Resolves when the end is recorded. */
export async function endRun(
  services: EndRunNeeds,
  lifecycle: Concluding,
  container: Container,
  options: StopOptions,
): Promise<void> {
  const { stop } = container.spec;
  const signo = parseSignal(options.signal || stop.signal || 'TERM');
  const timeoutSeconds = options.timeoutSeconds ?? stop.timeoutSeconds ?? defaultTimeoutSeconds;
  publishContainerEvent(services, container, 'kill', { signal: String(signo) });
  // Without a task (its monitor does not answer) there is nobody to pass the signal on: only the certain end is left.
  const isWatched = container.task !== undefined;
  await sendSignal(services, container, signo);
  if (container.state.status === 'paused') await services.cgroups.thaw(cgroupPathOf(services, container));
  const ended = isWatched && (await hasExited(container, timeoutSeconds < 0 ? -1 : timeoutSeconds * 1000));
  if (!ended) {
    publishContainerEvent(services, container, 'kill', { signal: '9' });
    await killAndWait(services, lifecycle, container);
  }
}

export async function sendSignal(services: EndRunNeeds, container: Container, signo: number): Promise<void> {
  container.task?.signal(signo);
  // A frozen process acts on no signal on cgroup v1, not even KILL.
  if (signo === SIGKILL && container.state.status === 'paused')
    await services.cgroups.thaw(cgroupPathOf(services, container));
}

/** Whoever does not want a restart has marked it as stopped. Resolves when the exit is recorded. Throws 'system' when the kernel does not let go of a process. */
export async function killAndWait(services: EndRunNeeds, lifecycle: Concluding, container: Container): Promise<void> {
  if (container.task === undefined) {
    // It is just ending, or nobody watches it: either way it is concluded when the lock is free.
    await container.locked((held) =>
      container.isRunning && container.task === undefined ? lifecycle.conclude(held, killedExitCode) : undefined,
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
export async function hasExited(container: Pick<Container, 'exited'>, limitMs: number): Promise<boolean> {
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
