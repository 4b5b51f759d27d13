// POST /containers/{id}/pause and /unpause: the freezer.
import { EngineError } from '../errors/engine-error.ts';
import { type ContainerEventsNeeds, publishContainerEvent } from './container-events.ts';
import type { Needs } from './needs.ts';
import { type CgroupPathNeeds, cgroupPathOf } from './start/cgroup-path.ts';

/** See needs.ts. */
export type PauseContainerNeeds = Needs<'cgroups.freeze' | 'cgroups.thaw' | 'store.get' | 'store.saveState'> &
  CgroupPathNeeds &
  ContainerEventsNeeds;

export async function pauseContainer(services: PauseContainerNeeds, ref: string): Promise<void> {
  const container = services.store.get(ref);
  await container.locked(async (held) => {
    const { status } = container.state;
    if (status === 'paused') throw new EngineError('conflict', `Container ${container.id} is already paused`);
    if (status === 'restarting') {
      throw new EngineError('conflict', `Container ${container.id} is restarting, wait until the container is running`);
    }
    if (status !== 'running') throw new EngineError('conflict', `container ${container.id} is not running`);
    await services.cgroups.freeze(cgroupPathOf(services, container));
    container.health?.pause();
    held.mustApply({ kind: 'paused' });
    services.store.saveState(held);
    publishContainerEvent(services, container, 'pause');
  });
}

export async function unpauseContainer(services: PauseContainerNeeds, ref: string): Promise<void> {
  const container = services.store.get(ref);
  await container.locked(async (held) => {
    if (container.state.status !== 'paused') {
      throw new EngineError('conflict', `Container ${container.id} is not paused`);
    }
    await services.cgroups.thaw(cgroupPathOf(services, container));
    held.mustApply({ kind: 'unpaused' });
    services.store.saveState(held);
    container.health?.resume();
    publishContainerEvent(services, container, 'unpause');
  });
}
