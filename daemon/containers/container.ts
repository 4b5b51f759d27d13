// One container in memory: its record, its lock, its monitor while it runs, and those who wait for it. No use case lives here.
// INVARIANT: `state` changes only inside `lock` (or in recovery, before the API listens), and is stored before anyone is told.
import type { MonitorClient } from '../runtime/monitor-client.ts';
import type { ContainerRecord, ContainerState } from './container-record.ts';
import type { Exec } from './exec.ts';
import { Mutex } from './mutex.ts';

export interface ExitResult {
  StatusCode: number;
  Error?: { Message: string };
}

type ExitListener = (result: ExitResult) => void;

export class Container {
  readonly record: ContainerRecord;
  state: ContainerState;
  readonly lock = new Mutex();
  readonly execs = new Map<string, Exec>();
  monitor: MonitorClient | undefined;
  /** Resolves when the exit of the present run is recorded; there is one while it runs. */
  exited: Promise<void> = Promise.resolve();
  /** Cancels a restart that waits for its back-off. */
  cancelRestart: (() => void) | undefined;
  /** The removal has begun: nothing else may. */
  isRemoving = false;
  isRemoved = false;
  readonly #exitListeners = new Set<ExitListener>();
  readonly #removeListeners = new Set<ExitListener>();
  readonly #startListeners = new Set<(started: boolean) => void>();

  constructor(record: ContainerRecord, state: ContainerState) {
    this.record = record;
    this.state = state;
  }

  get id(): string {
    return this.record.id;
  }

  /** Docker's State.Running: true also while paused. */
  get isRunning(): boolean {
    return this.state.status === 'running' || this.state.status === 'paused';
  }

  get isPaused(): boolean {
    return this.state.status === 'paused';
  }

  onExit(listener: ExitListener): () => void {
    this.#exitListeners.add(listener);
    return () => this.#exitListeners.delete(listener);
  }

  onRemoved(listener: ExitListener): () => void {
    this.#removeListeners.add(listener);
    return () => this.#removeListeners.delete(listener);
  }

  /** Called once with true when the container has started, with false when it never will. */
  onStart(listener: (started: boolean) => void): () => void {
    this.#startListeners.add(listener);
    return () => this.#startListeners.delete(listener);
  }

  tellStarted(started: boolean): void {
    const listeners = [...this.#startListeners];
    this.#startListeners.clear();
    for (const listener of listeners) listener(started);
  }

  tellExited(): void {
    const result = this.exitResult();
    const listeners = [...this.#exitListeners];
    this.#exitListeners.clear();
    for (const listener of listeners) listener(result);
  }

  tellRemoved(): void {
    const result = this.exitResult();
    const listeners = [...this.#exitListeners, ...this.#removeListeners];
    this.#exitListeners.clear();
    this.#removeListeners.clear();
    for (const listener of listeners) listener(result);
    this.tellStarted(false);
  }

  exitResult(): ExitResult {
    const { exitCode, error } = this.state;
    return error === '' ? { StatusCode: exitCode } : { StatusCode: exitCode, Error: { Message: error } };
  }
}
