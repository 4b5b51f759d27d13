// Files that the kernel makes while they are read (procfs, sysfs): what their size is is known at their end only.
import { readSync, type Stats } from 'node:fs';
import { EngineError } from '../../errors/engine-error.ts';
import { displayName } from '../../protocols/tar/tar-entry.ts';
import { throwIfCancelled } from '../cancellation.ts';

const MADE_SIZE_BYTES = 64 * 1024;
/** Kept until the end is reached. The kernel's longest is the list of its symbols, about as long. */
const MAX_MADE_BYTES = 16 * 1024 * 1024;

/** Files of procfs say 0 bytes and those of sysfs a page, and neither has blocks. Others like that are short or empty. */
export function mayBeMade({ blocks, size }: Stats): boolean {
  return blocks === 0 && size <= MADE_SIZE_BYTES;
}

/** Throws 'invalid' when there is no end to it. */
export function readToEnd(fd: number, path: string): Buffer {
  const parts: Buffer[] = [];
  for (let bytes = 0; ; ) {
    throwIfCancelled();
    const part = Buffer.allocUnsafe(MADE_SIZE_BYTES);
    const count = readSync(fd, part, 0, part.length, null);
    if (count === 0) return Buffer.concat(parts, bytes);
    parts.push(part.subarray(0, count));
    bytes += count;
    if (bytes > MAX_MADE_BYTES) {
      throw new EngineError(
        'invalid',
        `read ${displayName(path)}: it says that it is empty, and has more than ${MAX_MADE_BYTES} bytes`,
      );
    }
  }
}
