// A log driver as docs/architecture.md describes how to add one: it carries the log to a place of its own, and is read from there.
import type { LogDriver, LogRun } from '../../../daemon/logs/drivers/log-driver.ts';
import { checkKeys, parseCount } from '../../../daemon/logs/drivers/log-options.ts';
import type { LogChunk } from '../../../daemon/logs/format/log-record.ts';
import { type LogReader, type LogReaderOptions, openLogReader } from '../../../daemon/logs/reader/log-reader.ts';

interface Kept {
  readonly chunks: LogChunk[];
  isWhole: boolean;
  wake: PromiseWithResolvers<void>;
}

/** Keeps the last `chunks` (100) of each container in memory. */
export function memoryDriver(): LogDriver {
  const kept = new Map<string, Kept>();
  return {
    name: 'memory',
    configure(options) {
      checkKeys('memory', options, ['chunks']);
      const limit = parseCount('chunks', options.get('chunks')) ?? 100;
      return {
        limits: { maxBytes: 64 * 1024, maxFiles: 2 },
        warnings: [],
        details: () => '',
        follow: (run) => void keep(run, limit, kept),
        openReader: ({ containerId }, reading) => readerOf(kept.get(containerId), reading),
      };
    },
  };
}

async function keep({ containerId, directory, from, writer }: LogRun, limit: number, kept: Map<string, Kept>) {
  const mine: Kept = { chunks: [], isWhole: false, wake: Promise.withResolvers() };
  kept.set(containerId, mine);
  const place = from ?? 'end';
  const signal = new AbortController().signal;
  for await (const { stream, timeNs, dropped, data } of openLogReader(directory, {
    ...{ from: place, follow: writer, lossless: true, signal },
  })) {
    mine.chunks.push({ stream, timeNs, dropped, data: Buffer.from(data) });
    if (mine.chunks.length > limit) mine.chunks.shift();
    mine.wake.resolve();
    mine.wake = Promise.withResolvers();
  }
  mine.isWhole = true;
  mine.wake.resolve();
}

/** A chunk of this test's is a line. */
function readerOf(kept: Kept | undefined, { tail, sinceNs, untilNs, follow, signal }: LogReaderOptions): LogReader {
  async function* chunks(): AsyncGenerator<LogChunk> {
    if (kept === undefined) return;
    let at = tail === undefined ? 0 : Math.max(0, kept.chunks.length - tail);
    for (;;) {
      for (const chunk of kept.chunks.slice(at)) {
        at++;
        if ((sinceNs ?? 0n) <= chunk.timeNs && chunk.timeNs <= (untilNs ?? chunk.timeNs)) yield chunk;
      }
      if (follow === undefined || kept.isWhole || signal.aborted) return;
      const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      await Promise.race([kept.wake.promise, aborted]);
    }
  }
  async function* batches(): AsyncGenerator<readonly LogChunk[]> {
    for await (const chunk of chunks()) yield [chunk];
  }
  return { batches, [Symbol.asyncIterator]: chunks };
}
