// Under which name a file with several ones was seen first. Some are kept in memory; from then on all go to the scratch file, as chains of records
// that begin in a table of fixed size.
import type { BigIntStats } from 'node:fs';
import { fromBytes } from '../../protocols/tar/tar-entry.ts';
import type { Scratch } from './scratch.ts';

const MAX_HELD = 20_000;
const MAX_HELD_BYTES = 4 * 1024 * 1024;
/** Eight bytes each. */
const TABLE_SIZE = 2 ** 20;
/** Device and inode; where the record before in the same chain lies, plus one; the length of the name. */
const RECORD_BYTES = 28;

export class FirstNames {
  readonly #scratch: Scratch;
  #held = new Map<string, string>();
  #heldBytes = 0;
  #table: Float64Array | undefined;
  readonly #record = Buffer.alloc(RECORD_BYTES);

  constructor(scratch: Scratch) {
    this.#scratch = scratch;
  }

  /** The first name of the file, or undefined: then this one is. A name is a byte string. */
  seen({ dev, ino }: Pick<BigIntStats, 'dev' | 'ino'>, name: string): string | undefined {
    if (this.#table !== undefined) return this.#seenOnDisk(this.#table, unsigned(dev), unsigned(ino), name);
    const key = `${dev}:${ino}`;
    const first = this.#held.get(key);
    if (first !== undefined) return first;
    this.#held.set(key, name);
    this.#heldBytes += name.length;
    if (this.#held.size > MAX_HELD || this.#heldBytes > MAX_HELD_BYTES) this.#moveToDisk();
    return undefined;
  }

  #moveToDisk(): void {
    const table = new Float64Array(TABLE_SIZE);
    for (const [key, name] of this.#held) {
      const [dev, ino] = key.split(':');
      this.#add(table, unsigned(BigInt(dev as string)), unsigned(BigInt(ino as string)), name);
    }
    this.#held = new Map();
    this.#table = table;
  }

  #seenOnDisk(table: Float64Array, dev: bigint, ino: bigint, name: string): string | undefined {
    for (let place = table[placeOf(dev, ino)] as number; place > 0; ) {
      const position = place - 1;
      this.#scratch.read(this.#record, RECORD_BYTES, position);
      if (this.#record.readBigUInt64LE(0) === dev && this.#record.readBigUInt64LE(8) === ino) {
        const bytes = Buffer.alloc(this.#record.readUInt32LE(24));
        this.#scratch.read(bytes, bytes.length, position + RECORD_BYTES);
        return bytes.toString('latin1');
      }
      place = Number(this.#record.readBigUInt64LE(16));
    }
    this.#add(table, dev, ino, name);
    return undefined;
  }

  #add(table: Float64Array, dev: bigint, ino: bigint, name: string): void {
    const bytes = fromBytes(name);
    const record = Buffer.allocUnsafe(RECORD_BYTES + bytes.length);
    record.writeBigUInt64LE(dev, 0);
    record.writeBigUInt64LE(ino, 8);
    const at = placeOf(dev, ino);
    record.writeBigUInt64LE(BigInt(table[at] as number), 16);
    record.writeUInt32LE(bytes.length, 24);
    bytes.copy(record, RECORD_BYTES);
    table[at] = this.#scratch.end + 1;
    this.#scratch.append(record);
  }
}

/** Overlays use all 64 bits. */
function unsigned(value: bigint): bigint {
  return BigInt.asUintN(64, value);
}

/** Inode numbers follow one another: a multiplication spreads them well enough, whoever chooses them. */
function placeOf(dev: bigint, ino: bigint): number {
  return Number(BigInt.asUintN(64, (ino ^ (dev << 32n)) * 0x9e3779b97f4a7c15n) >> 44n);
}
