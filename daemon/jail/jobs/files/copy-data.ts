// The bytes of a file into another one that is empty: in the kernel where they are many, with its holes.
import { ftruncateSync, readSync, writeSync } from 'node:fs';
import { SEEK } from '../../../../native-bindings/constants.ts';
import { check, copyRange } from '../../../../native-bindings/entries.ts';
import { ERRNO } from '../../../../native-bindings/errno.ts';
import { lseek } from '../../../../native-bindings/files.ts';
import { throwIfCancelled } from '../../cancellation.ts';

/** A smaller file takes one read and one write, which is less than what the kernel's way takes to begin. */
const SMALL_BYTES = 128 * 1024;
/** Between two looks whether the job is still wanted. */
const RANGE_BYTES = 16 * 1024 * 1024;
const BUFFER_BYTES = 1024 * 1024;
const notHere: ReadonlySet<number> = new Set([ERRNO.EXDEV, ERRNO.ENOSYS, ERRNO.EINVAL, ERRNO.ENOTSUP]);

export class DataCopier {
  readonly #small = Buffer.allocUnsafeSlow(SMALL_BYTES);
  #large: Buffer | undefined;

  /** At most `sizeBytes`, which was the size of `from` when it was opened. `blocks`: of 512 bytes, how many it has. */
  copy(from: number, to: number, sizeBytes: number, blocks: number): void {
    if (sizeBytes <= SMALL_BYTES) this.#copyThrough(this.#small, from, to, sizeBytes);
    else if (blocks * 512 < sizeBytes) this.#copySparse(from, to, sizeBytes);
    else this.#copyRange(from, to, sizeBytes);
  }

  #copySparse(from: number, to: number, sizeBytes: number): void {
    for (let at = 0; at < sizeBytes; ) {
      const data = lseek(from, at, SEEK.DATA);
      if (data < 0 || data >= sizeBytes) break;
      const end = Math.min(sizeBytes, lseek(from, data, SEEK.HOLE));
      lseek(from, data, SEEK.SET);
      lseek(to, data, SEEK.SET);
      this.#copyRange(from, to, end - data);
      at = end;
    }
    ftruncateSync(to, sizeBytes);
  }

  #copyRange(from: number, to: number, bytes: number): void {
    for (let left = bytes; left > 0; ) {
      throwIfCancelled();
      const count = copyRange(from, to, Math.min(left, RANGE_BYTES));
      if (count === 0) return;
      if (count < 0 && left === bytes && notHere.has(-count)) {
        this.#large ??= Buffer.allocUnsafeSlow(BUFFER_BYTES);
        this.#copyThrough(this.#large, from, to, left);
        return;
      }
      left -= check('copy_file_range', count, '');
    }
  }

  #copyThrough(buffer: Buffer, from: number, to: number, bytes: number): void {
    for (let left = bytes; left > 0; ) {
      throwIfCancelled();
      const count = readSync(from, buffer, 0, Math.min(left, buffer.length), null);
      if (count === 0) return;
      for (let done = 0; done < count; ) done += writeSync(to, buffer, done, count - done, null);
      left -= count;
    }
  }
}
