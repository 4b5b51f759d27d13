// POST /containers/{id}/stop and /restart: the stop signal, time to act on it, then the certain end.
import { EngineError, isEngineError } from '../errors/engine-error.ts';
import { cgroupPathOf } from './cgroup-path.ts';
import type { Container } from './container.ts';
import { publishContainerEvent } from './container-events.ts';
import { hasExited, killAndWait, markStopped, sendSignal } from './kill-container.ts';
import { forgoRestart } from './schedule-restart.ts';
import type { Services } from './services.ts';
import { parseSignal } from './signals.ts';
import { startContainer } from './start-container.ts';

const defaultTimeoutSeconds = 10;

export interface StopOptions {
  signal?: string;
  /** -1 waits for ever. */
  timeoutSeconds?: number;
}

/** Throws 'not-modified' when it does not run. */
export async function stopContainer(services: Services, ref: string, options: StopOptions): Promise<void> {
  const container = services.store.get(ref);
  if (!(await stopRun(services, container, options))) {
    throw new EngineError('not-modified', 'the container does not run');
  }
}

export async function restartContainer(services: Services, ref: string, options: StopOptions): Promise<void> {
  const container = services.store.get(ref);
  container.restartsUnderWay++;
  try {
    await stopRun(services, container, options);
  } finally {
    container.restartsUnderWay--;
  }
  try {
    await startContainer(services, container);
  } catch (error) {
    // Someone else was faster with the start: it has been restarted all the same.
    if (!isEngineError(error, 'not-modified')) throw error;
  }
  publishContainerEvent(services, container, 'restart');
}

/** False when there was nothing to stop. */
async function stopRun(services: Services, container: Container, options: StopOptions): Promise<boolean> {
  if (container.state.status === 'restarting') {
    await forgoRestart(services, container);
    // The restart may have been under way: then it runs by now.
    if (!container.isRunning) return true;
  }
  if (!container.isRunning) return false;
  markStopped(services, container);
  await endRun(services, container, options);
  // It may have ended by itself a moment before, and its policy knew of no stop then.
  await forgoRestart(services, container);
  publishContainerEvent(services, container, 'stop');
  return true;
}

/** The stop signal, time to act on it, then the certain end. Resolves when the end is recorded. */
export async function endRun(services: Services, container: Container, options: StopOptions): Promise<void> {
  const { StopSignal, StopTimeout } = container.record.config;
  const signo = parseSignal(options.signal || StopSignal || 'TERM');
  const timeoutSeconds = options.timeoutSeconds ?? StopTimeout ?? defaultTimeoutSeconds;
  publishContainerEvent(services, container, 'kill', { signal: String(signo) });
  // Without a monitor (it does not answer) there is nobody to pass the signal on: only the certain end is left.
  const isWatched = container.monitor !== undefined;
  await sendSignal(services, container, signo);
  if (container.state.status === 'paused') await services.cgroups.thaw(cgroupPathOf(services, container));
  const ended = isWatched && (await hasExited(container, timeoutSeconds < 0 ? -1 : timeoutSeconds * 1000));
  if (!ended) {
    publishContainerEvent(services, container, 'kill', { signal: '9' });
    await killAndWait(services, container);
  }
}
