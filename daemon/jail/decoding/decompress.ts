// Archives as they come: plain, gzip, zstd, xz or bzip2, told by their first bytes (never by a name or a header). Decompression runs on
// libuv's pool or in a program of the host's or our own, outside the jail: no program of an image has any part in it.
import { type Duplex, PassThrough, Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { EngineError } from '../../errors/engine-error.ts';
import { programDecoder, zstdProgramDecoder } from './program-decoder.ts';
import { ZstdFrames } from './zstd-frames.ts';
import { isLargeWindow, ZSTD_HEADER_BYTES, zstdOptions, zstdWindowLog } from './zstd-window.ts';

const compressions = ['none', 'gzip', 'zstd', 'bzip2', 'xz'] as const;
export type Compression = (typeof compressions)[number];

const CHUNK_BYTES = 256 * 1024;
/** Enough for a frame's header. */
const START_BYTES = ZSTD_HEADER_BYTES;
/** What a decoder takes, apart from a window: its buffers, and those before and behind it. */
const DECODER_BYTES = 2 * 1024 * 1024;

export function compressionOf(start: Uint8Array): Compression {
  const begins = (...bytes: number[]): boolean =>
    start.length >= bytes.length && bytes.every((byte, i) => start[i] === byte);
  if (begins(0x1f, 0x8b)) return 'gzip';
  // pzstd begins with a frame to be skipped, of any of sixteen kinds (RFC 8878, 3.1.2).
  if (begins(0x28, 0xb5, 0x2f, 0xfd) || (((start[0] ?? 0) & 0xf0) === 0x50 && begins(start[0] ?? 0, 0x2a, 0x4d, 0x18)))
    return 'zstd';
  if (begins(0x42, 0x5a, 0x68)) return 'bzip2';
  if (begins(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00)) return 'xz';
  return 'none';
}

/** Bytes to read. Who reads them calls `release` once, whether they were read to the end or not. */
export interface ByteSource {
  /** Asked for when its reader listens: from then on it takes memory, and tells its errors. */
  readonly stream: Readable;
  /** How much it then takes in this process. */
  readonly memoryBytes: number;
  /** And in a program of its own. */
  readonly programBytes?: number;
  /** Aborts when its bytes cannot come any more. */
  readonly signal?: AbortSignal;
  release(): void;
}

/** A stream that goes with its reader. */
export function ownedSource(stream: Readable): ByteSource {
  return { stream, memoryBytes: 0, release: () => stream.destroy() };
}

/**
 * The plain bytes of a stream. The stream itself is never destroyed, only not read any further: it may be a request whose connection still
 * has to carry the answer. Throws 'invalid' for what is not `known`, EngineError 'not-implemented' when the program that reads xz or bzip2 is not installed.
 */
export async function decompressed(
  source: Readable,
  known: readonly Compression[] = compressions,
): Promise<ByteSource & { compression: Compression }> {
  const start = await firstBytes(source, START_BYTES);
  const compression = compressionOf(start);
  if (!known.includes(compression)) {
    throw new EngineError('invalid', `read archive: it is packed with ${compression}: expected ${known.join(', ')}`);
  }
  return new PlainBytes(source, start, compression);
}

/** What a stream begins with, and a stream that still has all of it: the same, or one of what had come when it ended. */
export async function peek(source: Readable, wanted: number): Promise<{ start: Buffer; whole: Readable }> {
  const start = await firstBytes(source, wanted);
  if (source.readableEnded) return { start, whole: Readable.from([start]) };
  if (start.length > 0) source.unshift(start);
  return { start, whole: source };
}

/** Makes the decoder when somebody reads: a client that waits for its turn costs no memory, and may go meanwhile. */
class PlainBytes implements ByteSource {
  readonly compression: Compression;
  readonly memoryBytes: number;
  readonly programBytes: number;
  readonly #source: Readable;
  readonly #start: Buffer;
  readonly #broken = new AbortController();
  #stream: Readable | undefined;

  constructor(source: Readable, start: Buffer, compression: Compression) {
    this.compression = compression;
    const windowBytes = compression === 'zstd' ? 2 ** zstdWindowLog(start) : 0;
    this.programBytes = programBytes(compression, start);
    this.memoryBytes = this.programBytes > 0 ? DECODER_BYTES : DECODER_BYTES + windowBytes;
    this.#start = start;
    this.#source = source;
    // What happens to it while nobody reads is told to the reader.
    source.on('error', (error) => this.#broken.abort(error));
    if (!source.readableEnded && start.length > 0) source.unshift(start);
  }

  get signal(): AbortSignal {
    return this.#broken.signal;
  }

  get stream(): Readable {
    this.#stream ??= this.#open();
    return this.#stream;
  }

  release(): void {
    if (this.#stream !== this.#source) {
      this.#source.unpipe();
      this.#stream?.destroy();
    }
    this.#source.pause();
  }

  #open(): Readable {
    if (this.#source.readableEnded) return decoded(Readable.from([this.#start]), this.compression, this.#start);
    if (this.#source.destroyed) return broken(this.#source);
    return decoded(this.#source, this.compression, this.#start);
  }
}

/** What a program takes to decode what begins so; 0: it is decoded in this process, or by a program of the host's that has limits of its own. */
export function programBytes(compression: Compression, start: Buffer): number {
  if (compression !== 'zstd') return 0;
  const windowLog = zstdWindowLog(start);
  return isLargeWindow(windowLog) ? 2 ** windowLog : 0;
}

function closed(): EngineError {
  return new EngineError('invalid', 'read archive: the stream was closed');
}

/** Fails as soon as its reader listens. */
function broken(source: Readable): Readable {
  const stream = new PassThrough().destroy(source.errored ?? closed());
  stream.on('error', () => undefined);
  return stream;
}

/** So many bytes (or some more), or all there are. The stream is paused afterwards. */
function firstBytes(source: Readable, wanted: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const finish = (error?: Error): void => {
      source.pause();
      source.off('data', onData).off('end', onEnd).off('error', finish).off('close', onClose);
      if (error === undefined) resolve(Buffer.concat(chunks));
      else reject(error);
    };
    const onData = (chunk: Buffer): void => {
      chunks.push(Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk));
      bytes += chunk.length;
      if (bytes >= wanted) finish();
    };
    const onEnd = (): void => finish();
    const onClose = (): void => finish(source.errored ?? closed());
    if (source.destroyed) {
      reject(source.errored ?? closed());
      return;
    }
    source.on('data', onData).once('end', onEnd).once('error', finish).once('close', onClose);
    // Whoever looked at it before has paused it.
    source.resume();
  });
}

/** The plain bytes of a stream whose compression is known, and its first bytes (zstd: `ZSTD_HEADER_BYTES`). The stream itself stays the caller's. */
export function decoded(source: Readable, compression: Compression, start: Buffer): Readable {
  if (compression === 'none') return source;
  const decoder = decoderOf(compression, start);
  // The program cuts for itself.
  const cut = compression === 'zstd' && programBytes(compression, start) === 0 ? new ZstdFrames() : undefined;
  const first = cut ?? decoder;
  const plain = new PassThrough({ highWaterMark: CHUNK_BYTES });
  plain.on('error', () => undefined);
  const fail = (error: Error): void => {
    plain.destroy(error);
  };
  const failSource = (error?: Error): void => fail(error ?? closed());
  const onClose = (): void => {
    if (!source.readableEnded) failSource();
  };
  source.once('error', failSource).once('close', onClose);
  decoder.once('error', (error) => {
    fail(new EngineError('invalid', `read ${compression} archive: ${error.message}`, { cause: error }));
  });
  plain.once('close', () => {
    source.off('error', failSource).off('close', onClose);
    source.unpipe(first);
    cut?.destroy();
    decoder.destroy();
  });
  source.pipe(first);
  cut?.pipe(decoder);
  decoder.pipe(plain);
  return plain;
}

function decoderOf(compression: Exclude<Compression, 'none'>, start: Buffer): Duplex {
  const options = { chunkSize: CHUNK_BYTES };
  if (compression === 'gzip') return createGunzip(options);
  if (compression !== 'zstd') return programDecoder(compression);
  const windowLog = zstdWindowLog(start);
  if (isLargeWindow(windowLog)) return zstdProgramDecoder(windowLog);
  return createZstdDecompress({ ...options, ...zstdOptions(windowLog) });
}
