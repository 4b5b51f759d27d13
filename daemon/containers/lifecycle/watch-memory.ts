// The kernel's kills for want of memory, while a run lasts: each is an event, and stays in the state.
import type { Task } from '../../tasks/task.ts';
import type { Container, LockedContainer } from '../container.ts';
import { type ContainerEventsNeeds, publishContainerEvent } from '../container-events.ts';
import type { Needs } from '../needs.ts';

/** See needs.ts. */
export type WatchMemoryNeeds = Needs<'log.warn' | 'store.saveState'> & ContainerEventsNeeds;

/** Any process of the container counts, an exec's too. */
export function watchMemory(services: WatchMemoryNeeds, container: Container, task: Task): void {
  let toldStalls: number | undefined;
  const take = (held: LockedContainer, { kills, stalls }: { kills: number; stalls: number }) => {
    if (container.task !== task) return;
    const told = container.state.oomKills;
    const events = Math.max(0, kills - told) + (stalls - (toldStalls ?? stalls));
    toldStalls = stalls;
    if (events === 0) return;
    if (held.apply({ kind: 'memory-short', kills }) === undefined) return;
    try {
      services.store.saveState(held);
    } catch (error) {
      services.log.warn(
        { err: error, container: container.id, name: container.record.name },
        'cannot store that a container lacked memory: it is not shown after the next start',
      );
    }
    for (let n = 0; n < events; n++) publishContainerEvent(services, container, 'oom');
  };
  // Before `ended`, which asks for the lock after it: the end knows of all of them.
  task.onShortage((shortage) => void container.locked((held) => take(held, shortage)));
}
