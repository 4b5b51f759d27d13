// A small blob (an image's config), into memory.

import type { Descriptor } from '../content/digest.ts';
import { EngineError } from '../errors/engine-error.ts';
import type { RegistrySession } from './registry-session.ts';

/** Its size is checked, its digest is the caller's business. Throws 'invalid' when it is not as large as it should be. */
export async function readWholeBlob(
  session: Pick<RegistrySession, 'blob'>,
  blob: Descriptor,
  maxBytes: number,
  signal: AbortSignal,
  origin = false,
): Promise<Buffer> {
  const limit = Math.min(blob.size, maxBytes);
  const { stream } = await session.blob(blob.digest, { origin, signal });
  const timer = setTimeout(() => stream.destroy(new Error(`download ${blob.digest}: it took too long`)), 120_000);
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > limit) break;
      chunks.push(chunk);
    }
  } finally {
    clearTimeout(timer);
    stream.destroy();
  }
  if (bytes === blob.size) return Buffer.concat(chunks);
  throw new EngineError(
    'invalid',
    `download ${blob.digest}: ${bytes > limit ? 'more than' : `${bytes} instead of`} ${blob.size} bytes came`,
  );
}
