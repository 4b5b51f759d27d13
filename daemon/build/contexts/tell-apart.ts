// What came as a context: an archive, or a Dockerfile and nothing else. As BuildKit does, the bytes are asked, not the Content-Type.
import { compressionOf } from '../../jail/decoding/decompress.ts';
import { FormatError } from '../../protocols/format-error.ts';
import { BLOCK_BYTES } from '../../protocols/tar/tar-entry.ts';
import { decodeHeader } from '../../protocols/tar/tar-header.ts';

/** Enough to tell. */
export const TOLD_BYTES = BLOCK_BYTES;

/** `start`: at least TOLD_BYTES, or all there is. */
export function isArchive(start: Buffer): boolean {
  if (compressionOf(start) !== 'none') return true;
  if (start.length < BLOCK_BYTES) return start.length === 0;
  const block = start.subarray(0, BLOCK_BYTES);
  // An empty archive is two blocks of zeros.
  if (block.every((byte) => byte === 0)) return true;
  try {
    decodeHeader(block);
    return true;
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}
