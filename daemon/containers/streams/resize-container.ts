// POST /containers/{id}/resize: the window size of a container's terminal.
import { EngineError } from '../../errors/engine-error.ts';
import { type ContainerEventsNeeds, publishContainerEvent } from '../container-events.ts';
import type { Needs } from '../needs.ts';

/** See needs.ts. */
export type ResizeContainerNeeds = Needs<'store.get'> & ContainerEventsNeeds;

const sizeLimit = 0xffff;

export function checkSize(size: { height: number; width: number }): void {
  for (const value of [size.height, size.width]) {
    if (!Number.isInteger(value) || value < 0 || value > sizeLimit) {
      throw new EngineError('invalid', `invalid terminal size ${size.height}x${size.width}: each 0 to ${sizeLimit}`);
    }
  }
}

export function resizeContainer(
  services: ResizeContainerNeeds,
  ref: string,
  size: { height: number; width: number },
): void {
  const container = services.store.get(ref);
  checkSize(size);
  const { task } = container;
  if (!container.isRunning || task === undefined) {
    throw new EngineError('conflict', `container ${container.id} is not running`);
  }
  task.resize(size.height, size.width);
  publishContainerEvent(services, container, 'resize', { height: String(size.height), width: String(size.width) });
}
