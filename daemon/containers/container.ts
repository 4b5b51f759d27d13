// One container in memory: its record, its lock, its task while it runs, and those who wait for it. No use case lives here.
// INVARIANT: `state` changes only through a LockedContainer, which is there only while the lock is held, and is stored before anyone is told.

import type { LogPlace } from '../logs/format/log-directory.ts';
import type { ContainerSpec } from '../spec/container-spec.ts';
import type { Task } from '../tasks/task.ts';
import type { ContainerRecord } from './container-record.ts';
import type { WaitCondition } from './container-service.ts';
import type { Exec } from './exec/exec.ts';
import type { ContainerState } from './lifecycle/container-state.ts';
import { type Follow, type LifecycleEvent, next } from './lifecycle/transitions.ts';
import { Mutex } from './mutex.ts';

export interface ExitResult {
  StatusCode: number;
  Error?: { Message: string };
}

interface PendingWait {
  condition: WaitCondition;
  resolve(result: ExitResult): void;
}

/** The health checks of the present run. */
export interface HealthChecks {
  pause(): void;
  resume(): void;
  stop(): void;
}

export class Container {
  readonly record: ContainerRecord;
  #state: ContainerState;
  readonly #lock = new Mutex();
  readonly execs = new Map<string, Exec>();
  /** Its first process, while it runs and somebody hears of its end. */
  task: Task | undefined;
  /** Where the log of the last run that this daemon started begins. */
  runLogStart: LogPlace = { seq: 0, offset: 0 };
  health: HealthChecks | undefined;
  /** Resolves when the exit of the present (or last) run is recorded. Never rejects. */
  exited: Promise<void> = Promise.resolve();
  /** Cancels a restart that waits for its back-off. */
  cancelRestart: (() => void) | undefined;
  /** The removal has begun: nothing else may. */
  isRemoving = false;
  isRemoved = false;
  /** The directory of the last run is still there. */
  hasOldRun = false;
  /** Restarts that have stopped it, or are about to: an end that they bring about does not remove it, whatever AutoRemove says. */
  restartsUnderWay = 0;
  /** Another container has joined a namespace of it, or an exec had more rights than it: see sealed.ts. */
  wasShared = false;
  readonly #waits = new Set<PendingWait>();
  /** Attached clients that have not yet been given the last byte of the present run. */
  readonly #attached = new Set<Promise<void>>();
  readonly #startListeners = new Set<(task: Task | undefined) => void>();

  constructor(record: ContainerRecord, state: ContainerState) {
    this.record = record;
    this.#state = state;
  }

  get state(): ContainerState {
    return this.#state;
  }

  /** Runs `work` while nobody else has the container, first come first served. Who has it already waits for ever: pass `held` on instead. */
  locked<T>(work: (held: LockedContainer) => Promise<T> | T): Promise<T> {
    return this.#lock.run(async () => {
      const held = new LockedContainer(this, (state) => {
        this.#state = state;
      });
      try {
        return await work(held);
      } finally {
        held.letGo();
      }
    });
  }

  get id(): string {
    return this.record.id;
  }

  get spec(): ContainerSpec {
    return this.record.spec;
  }

  /** Docker's State.Running: true also while paused. */
  get isRunning(): boolean {
    return this.state.status === 'running' || this.state.status === 'paused';
  }

  /** Once at least. */
  get hasStarted(): boolean {
    return this.state.startedNs !== '0';
  }

  /** Someone waits for the start to read the output from its first byte. */
  get hasStartListeners(): boolean {
    return this.#startListeners.size > 0;
  }

  wait(condition: WaitCondition): { result: Promise<ExitResult>; cancel(): void } {
    const { promise, resolve } = Promise.withResolvers<ExitResult>();
    const pending: PendingWait = { condition, resolve };
    this.#waits.add(pending);
    return { result: promise, cancel: () => this.#waits.delete(pending) };
  }

  wake(...conditions: WaitCondition[]): void {
    const result = this.exitResult();
    for (const pending of [...this.#waits]) {
      if (!conditions.includes(pending.condition)) continue;
      this.#waits.delete(pending);
      pending.resolve(result);
    }
  }

  /** Calls back once: with the task of the next start, or with undefined when that fails or never comes. */
  onStart(listener: (task: Task | undefined) => void): () => void {
    this.#startListeners.add(listener);
    return () => this.#startListeners.delete(listener);
  }

  tellStarted(task: Task | undefined): void {
    const listeners = [...this.#startListeners];
    this.#startListeners.clear();
    for (const listener of listeners) listener(task);
  }

  /** Notes a client that reads the output of the present run; what is returned says that it has all, or has left. */
  addAttached(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#attached.add(promise);
    return () => {
      this.#attached.delete(promise);
      resolve();
    };
  }

  /** Resolves when the attached clients have been given everything, at the latest after `limitMs`. */
  async outputDelivered(limitMs: number): Promise<void> {
    if (this.#attached.size === 0) return;
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, limitMs);
    await Promise.race([Promise.all(this.#attached), late]);
    clearTimeout(timer);
  }

  /** For those who wait for its health; undefined is no news. */
  tellHealth(result: ExitResult | undefined): void {
    if (result === undefined) return;
    for (const pending of [...this.#waits]) {
      if (pending.condition !== 'healthy') continue;
      this.#waits.delete(pending);
      pending.resolve(result);
    }
  }

  exitResult(): ExitResult {
    return { StatusCode: this.state.exitCode };
  }
}

/** A container whose lock is held: only `Container.locked` makes one. What changes the state takes it instead of a container. */
class LockedContainer {
  readonly container: Container;
  #set: ((state: ContainerState) => void) | undefined;

  constructor(container: Container, set: (state: ContainerState) => void) {
    this.container = container;
    this.#set = set;
  }

  /** Changes the state in memory; see transitions.ts. undefined, and no change, when the event means nothing in the present state. */
  apply(event: LifecycleEvent): Follow | undefined {
    if (this.#set === undefined)
      throw new TypeError(`${event.kind}: the lock of ${this.container.id} is not held any more`);
    const transition = next(this.container.state, event);
    if (transition === undefined) return undefined;
    this.#set(transition.state);
    return transition.follow;
  }

  /** As apply, for what cannot but mean something. Throws TypeError otherwise. */
  mustApply(event: LifecycleEvent): Follow {
    const follow = this.apply(event);
    if (follow !== undefined) return follow;
    throw new TypeError(`${event.kind}: container ${this.container.id} is ${this.container.state.status}`);
  }

  /** By `locked`: from now on nothing changes through it. */
  letGo(): void {
    this.#set = undefined;
  }
}

// The class itself stays here: nobody else makes one.
export type { LockedContainer };
