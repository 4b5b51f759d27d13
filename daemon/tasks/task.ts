// A process tree that runs: its streams, signals, and one end. Whose it is (a container's first process, an exec, a health check) it does not
// know; it has no row, tells no events, and outlives the daemon that started it: another one finds it again by its run directory.
import type { LogHold, LogPosition, LogWriter } from '../logs/reader/log-writer.ts';
import type { MonitorClient, StdinStream } from '../runtime/monitor-client.ts';
import type { MemoryShortage } from '../runtime/monitor-connection.ts';
import { readTaskEnd, type TaskEnd } from './task-end.ts';
import { followOutput, lazyStdin } from './task-output.ts';
import type { OutputChunk, OutputOptions, StdinSink } from './task-stdio.ts';

/** Where the files of a task are: they last until their owner removes them. */
export interface TaskPlace {
  /** The monitor's socket and records. */
  readonly runDir: string;
  /** What the task writes. */
  readonly logDir: string;
}

export class Task implements LogWriter {
  readonly place: TaskPlace;
  /** Of its first process, in the daemon's pid namespace. Using it is safe while `ended` is pending. */
  readonly pid: number;
  /** Resolves once, when the last of it is on record. Never rejects. */
  readonly ended: Promise<TaskEnd>;
  readonly #monitor: MonitorClient;

  constructor(monitor: MonitorClient, place: TaskPlace) {
    this.#monitor = monitor;
    this.place = place;
    this.pid = monitor.pid;
    this.ended = monitor.ended.then(() => readTaskEnd(place.runDir));
  }

  /** `ended` has resolved or is about to. */
  get hasEnded(): boolean {
    return this.#monitor.hasEnded;
  }

  /** What keeps the log from its first byte, when that was asked for: to be released once the readers hold for themselves. */
  get initialHold(): LogHold | undefined {
    return this.#monitor.initialHold;
  }

  /** See LogWriter. */
  get heldSeq(): number {
    return this.#monitor.heldSeq;
  }

  /** To the first process. */
  signal(signo: number): void {
    this.#monitor.signal(signo);
  }

  /** Of its terminal. */
  resize(rows: number, columns: number): void {
    this.#monitor.resize(rows, columns);
  }

  /** Everything that it writes, losslessly, to its end: the task waits rather than that a reader loses something. */
  output(options: OutputOptions): AsyncGenerator<readonly OutputChunk[]> {
    return followOutput(this.place.logDir, this, options);
  }

  /** For one writer of any number. `endsInput`: the writer's end is the task's end of input. */
  stdin(options: { endsInput: boolean }): StdinSink {
    return lazyStdin(Promise.resolve(this), options.endsInput);
  }

  /** See MonitorClient.openStdin. */
  openStdin(): Promise<StdinStream> {
    return this.#monitor.openStdin();
  }

  /** The kernel's kills for want of memory, in the task's control group: see MonitorClient.onShortage. */
  onShortage(callback: (shortage: MemoryShortage) => void): void {
    this.#monitor.onShortage(callback);
  }

  onLog(callback: (position: LogPosition) => void): () => void {
    return this.#monitor.onLog(callback);
  }

  onEnd(callback: () => void): () => void {
    return this.#monitor.onEnd(callback);
  }

  holdLog(seq: number): LogHold {
    return this.#monitor.holdLog(seq);
  }

  /** Lets go of it: it goes on, and nobody here hears of it any more. */
  letGo(): void {
    this.#monitor.close();
  }
}
