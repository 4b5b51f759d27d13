// Lines out of chunks: for timestamps and prefixes. A chunk is whatever was read at once; a line may span several of one stream.

import type { LogChunk } from '../format/log-record.ts';
import type { LogReader } from './log-reader.ts';

export interface LogLine {
  readonly stream: 1 | 2;
  /** When its first byte was read. */
  readonly timeNs: bigint;
  /** With its newline, except at the end of the log and where a very long line is given in parts. Valid until the next line is asked for. */
  readonly data: Buffer;
  /** False for the later parts of a very long line. */
  readonly startsLine: boolean;
}

const NEWLINE = 10;
/** A line that is longer comes in parts, so that memory is bounded. */
const MAX_PART_BYTES = 64 * 1024;

interface Partial {
  timeNs: bigint;
  parts: Buffer[];
  bytes: number;
  startsLine: boolean;
}

/** The lines of both streams in the order in which they are complete; what is left without a newline comes at the end. */
export async function* splitLines(reader: LogReader): AsyncGenerator<LogLine> {
  const partials = new Map<1 | 2, Partial>();
  for await (const batch of reader.batches()) {
    for (const chunk of batch) yield* linesOf(chunk, partials);
  }
  for (const [stream, partial] of partials) if (partial.bytes > 0) yield toLine(stream, partial);
}

function* linesOf(chunk: LogChunk, partials: Map<1 | 2, Partial>): Generator<LogLine> {
  const { stream, data, timeNs } = chunk;
  let start = 0;
  while (start < data.length) {
    const newline = data.indexOf(NEWLINE, start);
    const end = newline < 0 ? data.length : newline + 1;
    const piece = data.subarray(start, end);
    start = end;
    const partial = partials.get(stream);
    if (newline >= 0) {
      partials.delete(stream);
      yield partial ? toLine(stream, append(partial, piece)) : { stream, timeNs, data: piece, startsLine: true };
      continue;
    }
    const longer = append(partial ?? { timeNs, parts: [], bytes: 0, startsLine: true }, piece);
    if (longer.bytes < MAX_PART_BYTES) {
      partials.set(stream, longer);
    } else {
      yield toLine(stream, longer);
      partials.set(stream, { timeNs, parts: [], bytes: 0, startsLine: false });
    }
  }
}

function append(partial: Partial, piece: Buffer): Partial {
  // Copied: the reader uses the memory of a batch again for the next.
  partial.parts.push(Buffer.from(piece));
  partial.bytes += piece.length;
  return partial;
}

function toLine(stream: 1 | 2, { timeNs, parts, startsLine }: Partial): LogLine {
  const [only] = parts;
  return { stream, timeNs, data: parts.length === 1 && only ? only : Buffer.concat(parts), startsLine };
}
