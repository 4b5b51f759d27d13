// The times that an archive gives to directories. They are set last, since making entries changes them, and an archive has as many directories as
// it likes: a few are kept in memory, the others on the scratch file.
import { fromBytes } from '../../protocols/tar/tar-entry.ts';
import type { Scratch } from './scratch.ts';

const MAX_HELD = 2000;
const MAX_HELD_BYTES = 2 * 1024 * 1024;
/** The time; whether it is a Date; the length of the path. */
const RECORD_BYTES = 8 + 1 + 4;

/** As node:fs takes it. */
export type FileTime = number | Date;

export class DirectoryTimes {
  readonly #scratch: Scratch;
  readonly #held = new Map<string, FileTime>();
  #heldBytes = 0;

  constructor(scratch: Scratch) {
    this.#scratch = scratch;
  }

  /** A path is a byte string. What is said later about the same one counts. */
  set(path: string, time: FileTime): void {
    this.#held.set(path, time);
    this.#heldBytes += path.length;
    if (this.#held.size > MAX_HELD || this.#heldBytes > MAX_HELD_BYTES) this.#store();
  }

  /** What was said, in this order; a path may come more than once. It is forgotten on the way. */
  *take(): Generator<readonly [path: string, time: FileTime]> {
    const end = this.#scratch.end;
    const head = Buffer.alloc(RECORD_BYTES);
    for (let at = 0; at < end; ) {
      this.#scratch.read(head, RECORD_BYTES, at);
      const path = Buffer.alloc(head.readUInt32LE(9));
      this.#scratch.read(path, path.length, at + RECORD_BYTES);
      at += RECORD_BYTES + path.length;
      const time = head.readDoubleLE(0);
      yield [path.toString('latin1'), head[8] === 1 ? new Date(time) : time];
    }
    this.#scratch.clear();
    yield* this.#held;
    this.#held.clear();
  }

  #store(): void {
    const records = [...this.#held].map(([path, time]) => {
      const bytes = fromBytes(path);
      const head = Buffer.alloc(RECORD_BYTES);
      head.writeDoubleLE(Number(time), 0);
      head[8] = time instanceof Date ? 1 : 0;
      head.writeUInt32LE(bytes.length, 9);
      return Buffer.concat([head, bytes]);
    });
    this.#scratch.append(Buffer.concat(records));
    this.#held.clear();
    this.#heldBytes = 0;
  }
}
