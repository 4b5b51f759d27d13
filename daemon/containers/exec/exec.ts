// One exec of a container: what is to be run, and what became of it. While it runs, it is a task of its own.
import type { ExecInspectResponse } from '../../docker-types/exec.ts';
import type { ExecOptions } from '../../runtime/container-input.ts';
import type { Task } from '../../tasks/task.ts';

/** What the client asked for, checked; kept beside the run so that the next daemon can take it over. */
export interface ExecRecord {
  readonly id: string;
  readonly containerId: string;
  readonly options: ExecOptions;
  /** As typed, for inspect. */
  readonly user: string;
  readonly attachStdin: boolean;
  readonly attachStdout: boolean;
  readonly attachStderr: boolean;
  readonly detachKeys: string;
  readonly consoleSize: readonly number[] | null;
  /** A health check: the next daemon does not wait for its result. */
  readonly isProbe?: boolean;
}

export type ExecStatus = 'created' | 'starting' | 'running' | 'ended';

export class Exec {
  readonly record: ExecRecord;
  status: ExecStatus = 'created';
  /** null until it has ended. */
  exitCode: number | null = null;
  pid = 0;
  task: Task | undefined;
  /** Resolves when it has ended and its exit code is known. */
  readonly ended: Promise<void>;
  readonly #resolveEnded: () => void;
  readonly #started = Promise.withResolvers<Task | undefined>();
  #forget: (() => void) | undefined;

  constructor(record: ExecRecord) {
    this.record = record;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    this.#resolveEnded = resolve;
  }

  get id(): string {
    return this.record.id;
  }

  get isRunning(): boolean {
    return this.status === 'running' || this.status === 'starting';
  }

  /** The task once it runs; undefined when the start failed. */
  get started(): Promise<Task | undefined> {
    return this.#started.promise;
  }

  tellStarted(task: Task): void {
    this.status = 'running';
    this.task = task;
    this.pid = task.pid;
    this.#started.resolve(task);
  }

  end(exitCode: number): void {
    if (this.status === 'ended') return;
    this.status = 'ended';
    this.exitCode = exitCode;
    this.task = undefined;
    this.#started.resolve(undefined);
    this.#resolveEnded();
  }

  /** What is to happen when the record is not wanted any longer: timers end, files go. */
  onForget(callback: () => void): void {
    this.#forget = callback;
  }

  forget(): void {
    this.#forget?.();
    this.#forget = undefined;
  }

  /** One that was never started can never be, once the container has ended. */
  containerEnded(): void {
    if (this.status === 'created') this.forget();
  }

  inspect(): ExecInspectResponse {
    const { options, user } = this.record;
    return {
      ID: this.id,
      Running: this.isRunning,
      ExitCode: this.exitCode,
      ProcessConfig: {
        tty: options.tty,
        entrypoint: options.args[0] ?? '',
        arguments: options.args.slice(1),
        privileged: options.privileged,
        ...(user === '' ? {} : { user }),
      },
      OpenStdin: this.record.attachStdin,
      OpenStderr: this.record.attachStderr,
      OpenStdout: this.record.attachStdout,
      CanRemove: false,
      ContainerID: this.record.containerId,
      DetachKeys: this.record.detachKeys,
      Pid: this.pid,
    };
  }
}
