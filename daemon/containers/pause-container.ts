// POST /containers/{id}/pause and /unpause: the freezer.
import { EngineError } from '../errors/engine-error.ts';
import { cgroupPathOf } from './cgroup-path.ts';
import { publishContainerEvent } from './container-events.ts';
import type { Services } from './services.ts';

export async function pauseContainer(services: Services, ref: string): Promise<void> {
  const container = services.store.get(ref);
  await container.lock.run(async () => {
    const { status } = container.state;
    if (status === 'paused') throw new EngineError('conflict', `Container ${container.id} is already paused`);
    if (status === 'restarting') {
      throw new EngineError('conflict', `Container ${container.id} is restarting, wait until the container is running`);
    }
    if (status !== 'running') throw new EngineError('conflict', `container ${container.id} is not running`);
    await services.cgroups.freeze(cgroupPathOf(services, container));
    container.health?.pause();
    container.state = { ...container.state, status: 'paused' };
    services.store.saveState(container);
    publishContainerEvent(services, container, 'pause');
  });
}

export async function unpauseContainer(services: Services, ref: string): Promise<void> {
  const container = services.store.get(ref);
  await container.lock.run(async () => {
    if (container.state.status !== 'paused') {
      throw new EngineError('conflict', `Container ${container.id} is not paused`);
    }
    await services.cgroups.thaw(cgroupPathOf(services, container));
    container.state = { ...container.state, status: 'running' };
    services.store.saveState(container);
    container.health?.resume();
    publishContainerEvent(services, container, 'unpause');
  });
}
