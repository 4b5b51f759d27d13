// A container goes. The row goes first: with it the container is gone for everybody, and its name is free; its files follow by renames
// into the trash. What a crash leaves between the two has no row, and is cleaned away at the next start.
import type { LockedContainer } from '../container.ts';
import { type ContainerEventsNeeds, publishContainerEvent } from '../container-events.ts';
import { anonymousVolumes } from '../create/volume-users.ts';
import type { Needs } from '../needs.ts';
import { isSealed } from '../start/sealed.ts';

/** See needs.ts. */
export type DeleteContainerNeeds = Needs<
  'layers.remove' | 'log.warn' | 'runs.remove' | 'store.delete' | 'volumes.removeWith'
> &
  ContainerEventsNeeds;

/** The container does not run. `withVolumes`: what only it has of anonymous ones goes too. */
export async function deleteContainer(
  services: DeleteContainerNeeds,
  held: LockedContainer,
  withVolumes: boolean,
): Promise<void> {
  const { container } = held;
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
      { err: error, container: container.id, name: container.record.name },
      'cannot clear away a removed container: done at the next start',
    );
  }
  publishContainerEvent(services, container, 'destroy');
  container.wake('removed', 'not-running', 'next-exit');
  container.tellHealth({ StatusCode: 1, Error: { Message: `container ${container.record.name} was removed` } });
  container.tellStarted(undefined);
}
