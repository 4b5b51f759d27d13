// Reads a container's log at its own pace: from the start, the end or a place, by time, the last lines, and on while it grows.
import type { LogChunk } from './log-record.ts';
import type { MonitorClient } from './monitor-client.ts';

export interface LogReaderOptions {
  readonly from: 'start' | 'end' | { readonly seq: number; readonly offset: number };
  /** Only the last lines of what is there at the start. */
  readonly tail?: number;
  readonly sinceNs?: bigint;
  readonly untilNs?: bigint;
  /** Go on until this monitor ends. */
  readonly follow?: MonitorClient;
  /** The container waits rather than have rotation delete what this reader has not read. Needs `follow`. */
  readonly lossless?: boolean;
  readonly signal: AbortSignal;
}

export interface LogReader extends AsyncIterable<LogChunk> {
  /** The same chunks, as many at once as one read gave: for those who read much. */
  batches(): AsyncIterable<readonly LogChunk[]>;
}
