// DELETE /containers/{id}. The row goes first: with it the container is gone for everybody, and its name is free; its files follow by
// renames into the trash. What a crash leaves between the two has no row, and is cleaned away at the next start.
import { EngineError } from '../errors/engine-error.ts';
import type { Container } from './container.ts';
import { publishContainerEvent } from './container-events.ts';
import { killAndWait, markStopped } from './kill-container.ts';
import { removeLink } from './links.ts';
import { abandonRestart } from './schedule-restart.ts';
import { isSealed } from './sealed.ts';
import type { Services } from './services.ts';
import { anonymousVolumes } from './volume-users.ts';

export async function removeContainer(
  services: Services,
  ref: string,
  options: { force: boolean; volumes: boolean; link: boolean },
): Promise<void> {
  if (options.link) return removeLink(services, ref);
  const container = services.store.get(ref);
  if (container.isRemoving) {
    throw new EngineError('conflict', `removal of container ${ref} is already in progress`);
  }
  checkRemovable(container, ref, options.force);
  container.isRemoving = true;
  try {
    if (container.isRunning) {
      publishContainerEvent(services, container, 'kill', { signal: '9' });
      markStopped(services, container);
      await killAndWait(services, container);
    }
    await container.lock.run(async () => {
      // It may have been started between the check and the lock.
      if (container.isRunning) throw new StillRunning();
      if (container.state.status === 'restarting') abandonRestart(services, container);
      if (!container.isRemoved) await removeLocked(services, container, options.volumes);
    });
  } catch (error) {
    container.isRemoving = false;
    if (error instanceof StillRunning) return removeContainer(services, ref, options);
    throw error;
  }
}

class StillRunning extends Error {}

function checkRemovable(container: Container, ref: string, force: boolean): void {
  const { status } = container.state;
  if (force || !(container.isRunning || status === 'restarting')) return;
  const advice =
    status === 'paused' ? 'and must be unpaused first' : ': stop the container before removing or force remove';
  throw new EngineError(
    'conflict',
    `cannot remove container "${ref}": container is ${status}${status === 'paused' ? ' ' : ''}${advice}`,
  );
}

/** The caller holds the lock; the container does not run. `withVolumes`: what only it has of anonymous ones goes too. */
export async function removeLocked(services: Services, container: Container, withVolumes: boolean): Promise<void> {
  container.isRemoving = true;
  container.cancelRestart?.();
  try {
    const names = withVolumes ? anonymousVolumes(container) : [];
    services.store.delete(container, (write) => services.volumes.removeWith(names, write));
  } catch (error) {
    container.isRemoving = false;
    throw error;
  }
  container.isRemoved = true;
  try {
    if (container.hasOldRun) services.runs.remove(container.id);
    for (const exec of container.execs.values()) exec.forget();
    services.layers.remove(container.id, { isSealed: isSealed(container) });
  } catch (error) {
    services.log.warn(
      { err: error, container: container.id },
      'clear away a removed container: done at the next start',
    );
  }
  publishContainerEvent(services, container, 'destroy');
  container.wake('removed', 'not-running', 'next-exit');
  container.tellHealth({ StatusCode: 1, Error: { Message: `container ${container.record.name} was removed` } });
  container.tellStarted(undefined);
}
