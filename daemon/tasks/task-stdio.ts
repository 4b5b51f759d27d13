// What goes in and out of a task, as whoever is attached to it sees it.
import type { LogPlace } from '../logs/format/log-directory.ts';
import type { LogHold } from '../logs/reader/log-writer.ts';

/** What a task wrote, in order; `stream` is 1 for stdout (and for a terminal), 2 for stderr. */
export interface OutputChunk {
  stream: 1 | 2;
  data: Buffer;
}

export interface Streams {
  stdout: boolean;
  stderr: boolean;
}

export interface StdinSink {
  /** Resolves when the bytes are taken: wait for it, that is the back-pressure. Rejects when the task has ended. */
  write(bytes: Uint8Array): Promise<void>;
  /** The client's input ended. Closes the task's stdin where Docker does (StdinOnce, exec). */
  end(): Promise<void>;
}

export interface OutputOptions {
  readonly streams: Streams;
  /** A place in the log, or where it stands now. */
  readonly from: LogPlace | 'start' | 'end';
  /** Ends the reading; the task goes on. */
  readonly signal: AbortSignal;
  /** Kept the log from `from` on until the reader holds it for itself. */
  readonly hold?: LogHold | undefined;
}
