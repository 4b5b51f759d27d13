// What follows what in a container's life: carries out what transitions.ts decides. Actions (start-run, conclude-run, delete-container, end-run)
// do one thing each and know nothing of each other; here is the only place that goes from one to the next.
import { EngineError } from '../../errors/engine-error.ts';
import type { Task } from '../../tasks/task.ts';
import { readTaskEnd, type TaskEnd } from '../../tasks/task-end.ts';
import type { Container, LockedContainer } from '../container.ts';
import { beginHealth, type HealthNeeds } from '../health/health.ts';
import type { Needs } from '../needs.ts';
import { type ConcludeRunNeeds, concludeRun, killedWithMonitor } from './conclude-run.ts';
import { type DeleteContainerNeeds, deleteContainer } from './delete-container.ts';
import { type RenewUnhealthyNeeds, renewUnhealthy } from './renew-unhealthy.ts';
import { recordFailure, type StartRunNeeds, startRun } from './start-run.ts';
import type { Follow } from './transitions.ts';
import { type WatchMemoryNeeds, watchMemory } from './watch-memory.ts';

/** See needs.ts. */
export type LifecycleNeeds = Needs<'log.error' | 'log.warn' | 'paths.run'> &
  HealthNeeds &
  ConcludeRunNeeds &
  DeleteContainerNeeds &
  RenewUnhealthyNeeds &
  StartRunNeeds &
  WatchMemoryNeeds;

export class Lifecycle {
  readonly #services: LifecycleNeeds;

  constructor(services: LifecycleNeeds) {
    this.#services = services;
  }

  /** By hand. Throws 'not-modified' when it runs already, 'conflict' when its state forbids a start. */
  start(container: Container): Promise<void> {
    return container.locked((held) => {
      if (container.isRemoving) {
        throw new EngineError('conflict', 'container is marked for removal and cannot be started');
      }
      if (held.apply({ kind: 'start-asked' }) === undefined) throw refusedStart(container);
      container.cancelRestart?.();
      return this.#start(held);
    });
  }

  /** From now on the end of the task is the end of the run. The run is recorded as running. */
  watch({ container }: LockedContainer, task: Task): void {
    container.task = task;
    watchMemory(this.#services, container, task);
    container.exited = task.ended
      .then((end) =>
        container.locked(async (held) => {
          if (container.task !== task) return;
          container.task = undefined;
          await this.conclude(held, killedWithMonitor, end);
        }),
      )
      .catch((error) => {
        this.#services.log.error(
          { err: error, container: container.id, name: container.record.name },
          'cannot conclude the end of a container: the next daemon does',
        );
      });
  }

  /** Health checks of a running container; nothing for one without a check. The state has its health already. */
  checkHealth({ container }: LockedContainer): void {
    beginHealth(this.#services, container, () => void renewUnhealthy(this.#services, this, container));
  }

  /** A run has ended: records that, and does what follows. `codeWithoutRecord` is the exit code when its monitor left none. */
  async conclude(held: LockedContainer, codeWithoutRecord: number, end = this.#endOf(held)): Promise<void> {
    await this.follow(held, await concludeRun(this.#services, held, end, codeWithoutRecord));
  }

  /** Does what a change of the state has brought about. */
  async follow(held: LockedContainer, follow: Follow): Promise<void> {
    if (follow.kind === 'restart') this.#schedule(held.container, follow);
    else if (follow.kind === 'removal') await deleteContainer(this.#services, held, true);
  }

  #endOf({ container }: LockedContainer): TaskEnd {
    return readTaskEnd(this.#services.paths.run(container.id));
  }

  async #start(held: LockedContainer): Promise<void> {
    try {
      await startRun(this.#services, held, (task) => {
        this.watch(held, task);
        this.checkHealth(held);
      });
    } catch (error) {
      const { failure, follow } = recordFailure(this.#services, held, error);
      await this.follow(held, follow);
      throw failure;
    }
  }

  /** A restart by policy: after the back-off, unless someone stops or removes the container meanwhile. */
  #schedule(container: Container, { delayMs, restartCount }: Extract<Follow, { kind: 'restart' }>): void {
    const timer = setTimeout(() => {
      container.cancelRestart = undefined;
      container
        .locked(async (held) => {
          if (container.isRemoving) return;
          if (held.apply({ kind: 'restart-due', delayMs, restartCount }) !== undefined) await this.#start(held);
        })
        .catch((error) =>
          this.#services.log.warn(
            { err: error, container: container.id, name: container.record.name },
            'cannot restart a container by its policy: it stays stopped',
          ),
        );
    }, delayMs);
    // The daemon may end while a container waits: the next one goes on from the stored state.
    timer.unref();
    container.cancelRestart = () => {
      clearTimeout(timer);
      container.cancelRestart = undefined;
    };
  }
}

function refusedStart({ id, state }: Container): EngineError {
  switch (state.status) {
    case 'dead':
      return new EngineError('conflict', `container ${id} is dead and cannot be started: ${state.error}`);
    case 'paused':
      return new EngineError('conflict', 'cannot start a paused container, try unpause instead');
    case 'running':
      return new EngineError('not-modified', 'the container runs already');
    default:
      return new EngineError('conflict', `container ${id} is ${state.status} and cannot be started`);
  }
}
