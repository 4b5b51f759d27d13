// POST /containers/{id}/stop and /restart.
import { EngineError, isEngineError } from '../errors/engine-error.ts';
import type { Container } from './container.ts';
import { type ContainerEventsNeeds, publishContainerEvent } from './container-events.ts';
import { type EndRunNeeds, endRun, forgoRestart, markStopped, type StopOptions } from './lifecycle/end-run.ts';
import type { Lifecycle } from './lifecycle/lifecycle.ts';
import type { Needs } from './needs.ts';

/** See needs.ts. */
export type StopContainerNeeds = Needs<'store.get'> & ContainerEventsNeeds & EndRunNeeds;

/** Throws 'not-modified' when it does not run. */
export async function stopContainer(
  services: StopContainerNeeds,
  lifecycle: Lifecycle,
  ref: string,
  options: StopOptions,
): Promise<void> {
  const container = services.store.get(ref);
  if (!(await stopRun(services, lifecycle, container, options))) {
    throw new EngineError('not-modified', 'the container does not run');
  }
}

export async function restartContainer(
  services: StopContainerNeeds,
  lifecycle: Lifecycle,
  ref: string,
  options: StopOptions,
): Promise<void> {
  const container = services.store.get(ref);
  container.restartsUnderWay++;
  try {
    await stopRun(services, lifecycle, container, options);
  } finally {
    container.restartsUnderWay--;
  }
  try {
    await lifecycle.start(container);
  } catch (error) {
    // Someone else was faster with the start: it has been restarted all the same.
    if (!isEngineError(error, 'not-modified')) throw error;
  }
  publishContainerEvent(services, container, 'restart');
}

/** False when there was nothing to stop. */
async function stopRun(
  services: StopContainerNeeds,
  lifecycle: Lifecycle,
  container: Container,
  options: StopOptions,
): Promise<boolean> {
  if (container.state.status === 'restarting') {
    await forgoRestart(services, container);
    // The restart may have been under way: then it runs by now.
    if (!container.isRunning) return true;
  }
  if (!container.isRunning) return false;
  await markStopped(services, container);
  // Who had the lock may have kept it for longer than the run lasted.
  if (!container.isRunning) return true;
  await endRun(services, lifecycle, container, options);
  // It may have ended by itself a moment before, and its policy knew of no stop then.
  await forgoRestart(services, container);
  publishContainerEvent(services, container, 'stop');
  return true;
}
