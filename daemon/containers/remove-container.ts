// DELETE /containers/{id}: a running one is killed first when that is asked for.
import { EngineError } from '../errors/engine-error.ts';
import type { Container } from './container.ts';
import { type ContainerEventsNeeds, publishContainerEvent } from './container-events.ts';
import { type DeleteContainerNeeds, deleteContainer } from './lifecycle/delete-container.ts';
import { abandonRestart, type Concluding, type EndRunNeeds, killAndWait, markStopped } from './lifecycle/end-run.ts';
import type { Needs } from './needs.ts';
import { type LinksNeeds, removeLink } from './network/links.ts';

/** See needs.ts. */
export type RemoveContainerNeeds = Needs<'store.get'> &
  ContainerEventsNeeds &
  DeleteContainerNeeds &
  EndRunNeeds &
  LinksNeeds;

export async function removeContainer(
  services: RemoveContainerNeeds,
  lifecycle: Concluding,
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
      await markStopped(services, container);
      await killAndWait(services, lifecycle, container);
    }
    await container.locked(async (held) => {
      // It may have been started between the check and the lock.
      if (container.isRunning) throw new StillRunning();
      if (container.state.status === 'restarting') abandonRestart(services, held);
      if (!container.isRemoved) await deleteContainer(services, held, options.volumes);
    });
  } catch (error) {
    container.isRemoving = false;
    if (error instanceof StillRunning) return removeContainer(services, lifecycle, ref, options);
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
