// One blob from a registry into the content store's ingest: from where it stopped before, as often as it breaks, until its digest is right.

import { setTimeout as sleep } from 'node:timers/promises';
import type { BlobWriter } from '../content/blob-writer.ts';
import type { Descriptor } from '../content/digest.ts';
import { EngineError } from '../errors/engine-error.ts';
import { GarbageMeter } from '../jail/garbage-meter.ts';
import { RegistryFailure } from './registry-failure.ts';
import type { RegistrySession } from './registry-session.ts';

/** How far a download is. */
export type DownloadState =
  | { readonly kind: 'receiving'; readonly bytes: number }
  | { readonly kind: 'verifying' }
  /** It broke off, and goes on after that. */
  | { readonly kind: 'pausing'; readonly seconds: number };

export interface DownloadOptions {
  readonly session: Pick<RegistrySession, 'blob'>;
  readonly blob: Descriptor;
  readonly writer: BlobWriter;
  /** A mirror has been wrong about it: the registry itself is asked. */
  readonly origin?: boolean;
  /** In a row without much progress between them. */
  readonly maxAttempts: number;
  readonly retryPauseMs: number;
  readonly onState: (state: DownloadState) => void;
  /** After each piece that was written. */
  readonly onGrowth: () => void;
  readonly signal: AbortSignal;
}

const REPORT_MS = 100;
const GATHER_BYTES = 512 * 1024;
/** So much of it makes up for an attempt that failed. */
const GOOD_PROGRESS_BYTES = 1024 * 1024;
/** What is slower for so long is no connection: less than a modem. */
const CRAWL_MS = 30_000;
const CRAWL_BYTES = 16 * 1024;

/** Resolves when all bytes are there and verified. */
export async function downloadBlob(options: DownloadOptions): Promise<void> {
  const { blob, writer, signal, onState } = options;
  let canResume = true;
  for (let attempt = 1; writer.offset < blob.size; attempt++) {
    const before = writer.offset;
    const from = canResume ? before : 0;
    try {
      await receive(options, from);
    } catch (error) {
      signal.throwIfAborted();
      if (from > 0 && error instanceof RegistryFailure && !error.isTransient) {
        // It is bad at ranges (416, or another one than was asked for): the whole blob it may have.
        canResume = false;
        continue;
      }
      if (writer.offset - before >= GOOD_PROGRESS_BYTES) attempt = 1;
      const isFinal = error instanceof EngineError || (error instanceof RegistryFailure && !error.isTransient);
      if (isFinal || attempt >= options.maxAttempts) throw withDigest(error, blob);
      onState({ kind: 'pausing', seconds: Math.ceil(pauseMs(options, attempt) / 1000) });
      await sleep(pauseMs(options, attempt), undefined, { signal });
    }
  }
  onState({ kind: 'verifying' });
  writer.verify();
}

/** A connection's own words ("aborted") do not tell what broke. */
function withDigest(error: unknown, { digest }: Descriptor): unknown {
  if (error instanceof EngineError || error instanceof RegistryFailure || !(error instanceof Error)) return error;
  return new EngineError('system', `download ${digest}: ${error.message.replace(/^download \S+: /, '')}`, {
    cause: error,
  });
}

async function receive(options: DownloadOptions, offset: number): Promise<void> {
  const { session, blob, writer, origin = false, signal } = options;
  const fetched = await session.blob(blob.digest, { offset, origin, signal });
  const { stream } = fetched;
  if (fetched.sizeBytes !== undefined && fetched.sizeBytes !== blob.size) {
    stream.destroy();
    throw new EngineError(
      'invalid',
      `download ${blob.digest}: the registry has ${fetched.sizeBytes} bytes, the manifest says ${blob.size}`,
    );
  }
  // A registry without ranges begins anew: what is there already is skipped.
  let skip = writer.offset - fetched.offset;
  let came = 0;
  const meter = new GarbageMeter();
  const watch = watchCrawl(() => came, stream);
  try {
    for await (const piece of gathered(stream, (bytes) => {
      came += bytes;
    })) {
      const fresh = piece.subarray(Math.min(skip, piece.length));
      skip -= piece.length - fresh.length;
      if (fresh.length === 0) continue;
      if (writer.offset + fresh.length > blob.size) {
        throw new EngineError(
          'invalid',
          `download ${blob.digest}: more than the ${blob.size} bytes of the manifest came`,
        );
      }
      await writer.append(fresh);
      options.onGrowth();
      meter.count(fresh.length);
      watch.report(options);
    }
  } finally {
    watch.stop();
    stream.destroy();
  }
  if (writer.offset < blob.size) throw new Error(`download ${blob.digest}: it ended after ${writer.offset} bytes`);
}

/** Small pieces are joined: each is a trip to the disk. The last one comes when the stream ends, also by an error. One buffer for all. */
async function* gathered(stream: AsyncIterable<Buffer>, onBytes: (count: number) => void): AsyncGenerator<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(GATHER_BYTES);
  let used = 0;
  try {
    for await (const piece of stream) {
      onBytes(piece.length);
      for (let at = 0; at < piece.length; ) {
        const count = piece.copy(buffer, used, at);
        at += count;
        used += count;
        if (used < GATHER_BYTES) continue;
        yield buffer;
        used = 0;
      }
    }
  } catch (error) {
    if (used > 0) yield buffer.subarray(0, used);
    throw error;
  }
  if (used > 0) yield buffer.subarray(0, used);
}

function watchCrawl(received: () => number, stream: { destroy(error: Error): unknown }) {
  let last = received();
  let reportedAt = 0;
  const timer = setInterval(() => {
    const now = received();
    if (now - last < CRAWL_BYTES) stream.destroy(new Error(`less than ${CRAWL_BYTES} bytes in ${CRAWL_MS / 1000} s`));
    last = now;
  }, CRAWL_MS);
  return {
    stop: () => clearInterval(timer),
    report: ({ blob, writer, onState }: DownloadOptions) => {
      const now = Date.now();
      if (now - reportedAt < REPORT_MS && writer.offset < blob.size) return;
      reportedAt = now;
      onState({ kind: 'receiving', bytes: writer.offset });
    },
  };
}

function pauseMs({ retryPauseMs }: DownloadOptions, attempt: number): number {
  return Math.min(30_000, retryPauseMs * 2 ** (attempt - 1));
}
