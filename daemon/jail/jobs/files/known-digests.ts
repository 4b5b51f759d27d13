// Digests of files that nobody ever writes to again, as contexts have them, in memory that threads share: of a large context of which little has changed
// only that is read again. A file is known by what no other one ever has: its number, when it was made, its size and its time. Entries are written
// once and never changed, so that nobody waits for anybody.
import type { EntryStat } from '../../../../native-bindings/entries.ts';

/** See newKnownDigests. */
export type KnownDigests = SharedArrayBuffer;

const ENTRIES = 2 ** 17;
const ENTRY_BYTES = 64;
const HEADER_BYTES = 64;
/** More are not looked through: then the table is as good as full. */
const PROBES = 32;
const state = { free: 0, claimed: 1, written: 2 } as const;
/** Where what is in an entry: its state, the file's size (the lower half), number, birth and change; the digest. */
const at = { state: 0, size: 4, ino: 8, born: 16, changed: 24, digest: 32 } as const;

/** Eight megabytes at the most; what is not used takes none. */
export function newKnownDigests(): KnownDigests {
  return new SharedArrayBuffer(HEADER_BYTES + ENTRIES * ENTRY_BYTES);
}

/** Others had better begin with a new one. */
export function isNearlyFull(known: KnownDigests): boolean {
  return Atomics.load(new Int32Array(known, 0, 1), 0) > (ENTRIES * 3) / 4;
}

export class DigestTable {
  readonly #words: Int32Array;
  readonly #bytes: Buffer;

  constructor(known: KnownDigests) {
    this.#words = new Int32Array(known);
    this.#bytes = Buffer.from(known);
  }

  /** 32 bytes; of what was read last. */
  get(stat: EntryStat): Buffer | undefined {
    const identity = identityOf(stat);
    if (identity === undefined) return undefined;
    for (let probe = 0; probe < PROBES; probe++) {
      const entry = placeOf(identity, probe);
      const found = Atomics.load(this.#words, entry / 4);
      if (found === state.free) return undefined;
      if (found === state.written && this.#isOf(entry, identity))
        return this.#bytes.subarray(entry + at.digest, entry + ENTRY_BYTES);
    }
    return undefined;
  }

  set(stat: EntryStat, digest: Buffer): void {
    const identity = identityOf(stat);
    if (identity === undefined) return;
    for (let probe = 0; probe < PROBES; probe++) {
      const entry = placeOf(identity, probe);
      const word = entry / 4;
      if (Atomics.compareExchange(this.#words, word, state.free, state.claimed) !== state.free) continue;
      this.#bytes.writeUInt32LE(identity.size, entry + at.size);
      this.#bytes.writeBigUInt64LE(identity.ino, entry + at.ino);
      this.#bytes.writeBigUInt64LE(identity.born, entry + at.born);
      this.#bytes.writeBigUInt64LE(identity.changed, entry + at.changed);
      digest.copy(this.#bytes, entry + at.digest);
      Atomics.store(this.#words, word, state.written);
      Atomics.add(this.#words, 0, 1);
      return;
    }
  }

  #isOf(entry: number, { size, ino, born, changed }: Identity): boolean {
    return (
      this.#bytes.readBigUInt64LE(entry + at.ino) === ino &&
      this.#bytes.readBigUInt64LE(entry + at.born) === born &&
      this.#bytes.readBigUInt64LE(entry + at.changed) === changed &&
      this.#bytes.readUInt32LE(entry + at.size) === size
    );
  }
}

interface Identity {
  readonly size: number;
  readonly ino: bigint;
  readonly born: bigint;
  readonly changed: bigint;
}

/** undefined: the file system does not say when a file was made. */
function identityOf(stat: EntryStat): Identity | undefined {
  const born = stat.bornNs;
  if (born === undefined) return undefined;
  return {
    size: stat.sizeBytes % 2 ** 32,
    ino: stat.ino,
    born: BigInt.asUintN(64, born ^ (stat.dev << 1n)),
    changed: BigInt.asUintN(64, stat.changedNs),
  };
}

/** Byte offset of an entry. */
function placeOf({ ino, born }: Identity, probe: number): number {
  const hash = Number(BigInt.asUintN(64, (ino ^ born) * 0x9e3779b97f4a7c15n) >> 47n);
  return HEADER_BYTES + ((hash + probe) % ENTRIES) * ENTRY_BYTES;
}
