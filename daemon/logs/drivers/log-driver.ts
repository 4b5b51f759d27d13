// What a log driver is. The monitor writes every container's log, in one format, because attached clients and the driver read it there;
// the driver says how much of it is kept, who may read it, and may carry it elsewhere while the container runs.
import type { LogPlace } from '../format/log-directory.ts';
import type { LogReader, LogReaderOptions } from '../reader/log-reader.ts';
import type { LogWriter } from '../reader/log-writer.ts';
import type { LogSubject } from './log-details.ts';

export interface LogDriver {
  /** As in --log-driver and /info. */
  readonly name: string;
  /** For one container; options that all drivers share have been checked. Throws 'invalid' or 'not-implemented' in docker's words. */
  configure(options: ReadonlyMap<string, string>): ContainerLog;
}

/** What the monitor keeps: at least one file, since a client that attaches reads it. */
export interface LogLimits {
  /** Bytes per file. */
  readonly maxBytes: number;
  readonly maxFiles: number;
}

/** A driver with the options of one container. Holds nothing: it is made again whenever it is asked for. */
export interface ContainerLog {
  readonly limits: LogLimits;
  /** For who makes the container. */
  readonly warnings: readonly string[];
  /** What `logs --details` puts before a line. */
  details(subject: LogSubject): string;
  /** Without it `logs` cannot read what this driver keeps. */
  openReader?(source: LogSource, options: LogReaderOptions): LogReader;
  /** At the start of each run, and when a daemon takes a running container over. Returns at once; it stops by itself when the writer ends. */
  follow?(run: LogRun): void;
}

export interface LogSource {
  readonly containerId: string;
  /** Where the monitor writes. */
  readonly directory: string;
}

export interface LogRun extends LogSource {
  readonly subject: LogSubject;
  /** undefined: another daemon began with this run; how far it came is for the driver to know. */
  readonly from: LogPlace | undefined;
  readonly writer: LogWriter;
  /** For what fails later. */
  readonly onError: (error: unknown) => void;
}
