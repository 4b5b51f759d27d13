// Archives as they come: plain, gzip or zstd, told by their first bytes (never by a name or a header). Decompression runs on libuv's pool,
// outside the jail: no program of an image has any part in it.
import { type Duplex, PassThrough, Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { EngineError } from '../errors/engine-error.ts';

export type Compression = 'none' | 'gzip' | 'zstd' | 'bzip2' | 'xz';

const CHUNK_BYTES = 256 * 1024;

export function compressionOf(start: Uint8Array): Compression {
  const begins = (...bytes: number[]): boolean =>
    start.length >= bytes.length && bytes.every((byte, i) => start[i] === byte);
  if (begins(0x1f, 0x8b)) return 'gzip';
  if (begins(0x28, 0xb5, 0x2f, 0xfd)) return 'zstd';
  if (begins(0x42, 0x5a, 0x68)) return 'bzip2';
  if (begins(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00)) return 'xz';
  return 'none';
}

/**
 * The plain bytes of a stream. Errors of the source end the result. The source is never destroyed: it may be a request whose connection
 * still has to carry the answer. When the result is destroyed it is just not read any further.
 */
export async function decompressed(source: Readable): Promise<Readable> {
  const iterator = source.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>;
  const start: Buffer[] = [];
  let startBytes = 0;
  while (startBytes < 6) {
    const next = await iterator.next();
    if (next.done) break;
    const chunk = Buffer.isBuffer(next.value) ? next.value : Buffer.from(next.value);
    start.push(chunk);
    startBytes += chunk.length;
  }
  const compression = compressionOf(Buffer.concat(start));
  if (compression === 'bzip2' || compression === 'xz') {
    await iterator.return?.();
    throw new EngineError(
      'not-implemented',
      `${compression} archives cannot be read yet: use gzip, zstd or a plain tar`,
    );
  }
  const whole = Readable.from(resumed(start, iterator), { objectMode: false, highWaterMark: CHUNK_BYTES });
  if (compression === 'none') return whole;
  const decoder: Duplex =
    compression === 'gzip'
      ? createGunzip({ chunkSize: CHUNK_BYTES })
      : createZstdDecompress({ chunkSize: CHUNK_BYTES });
  const plain = new PassThrough({ highWaterMark: CHUNK_BYTES });
  whole.on('error', (error) => decoder.destroy(error));
  decoder.on('error', (error) =>
    plain.destroy(new EngineError('invalid', `read ${compression} archive: ${error.message}`, { cause: error })),
  );
  plain.on('close', () => {
    decoder.destroy();
    whole.destroy();
  });
  whole.pipe(decoder).pipe(plain);
  return plain;
}

async function* resumed(start: Buffer[], iterator: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* start;
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
  } finally {
    // Lets go of the source, so that others can read what is left of it.
    await iterator.return?.();
  }
}
