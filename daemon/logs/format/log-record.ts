// The format of a container's log: files LOGDIR/log.<sequence> of records, as the monitor appends them
// (native-bindings/launcher/log.c): stream u8, flags u8, u16 0, payload length u32be, time u64be, payload. Pure.

/** What was read from the container at once: not a line. */
export interface LogChunk {
  /** 1 stdout (and everything of a terminal), 2 stderr. */
  readonly stream: 1 | 2;
  /** When the monitor read it: nanoseconds since 1970. */
  readonly timeNs: bigint;
  /** Of a reader: valid until its next batch is asked for. */
  readonly data: Buffer;
  /** Output was lost just before this chunk, because the disk was full. */
  readonly dropped: boolean;
}

/** A chunk as it is in the file. */
export interface LogRecord extends LogChunk {
  /** With its header. */
  readonly size: number;
  /** The stream's previous record did not end with a newline. */
  readonly continuesLine: boolean;
}

export const LOG_HEADER_BYTES = 16;
export const MAX_LOG_PAYLOAD_BYTES = 64 * 1024;
const FLAG_DROPPED = 1;
const FLAG_CONTINUES = 2;

/** Decodes its fields when they are asked for: a reader of 50 MB of short lines makes half a million of these. */
class LazyRecord implements LogRecord {
  readonly #block: Buffer;
  readonly #offset: number;

  constructor(block: Buffer, offset: number) {
    this.#block = block;
    this.#offset = offset;
  }

  get stream(): 1 | 2 {
    return this.#block[this.#offset] === 2 ? 2 : 1;
  }

  get dropped(): boolean {
    return ((this.#block[this.#offset + 1] as number) & FLAG_DROPPED) !== 0;
  }

  get continuesLine(): boolean {
    return ((this.#block[this.#offset + 1] as number) & FLAG_CONTINUES) !== 0;
  }

  get size(): number {
    return LOG_HEADER_BYTES + this.#block.readUInt32BE(this.#offset + 4);
  }

  get timeNs(): bigint {
    return this.#block.readBigUInt64BE(this.#offset + 8);
  }

  get data(): Buffer {
    const start = this.#offset + LOG_HEADER_BYTES;
    return this.#block.subarray(start, start + this.#block.readUInt32BE(this.#offset + 4));
  }
}

/** The whole records in `block`, which begins with one. `used` is where the first incomplete record begins; `damaged` says that what is
 * there can be no record, so that nothing after it in this file can be read. */
export function decodeRecords(block: Buffer): { chunks: LogRecord[]; used: number; damaged: boolean } {
  const chunks: LogRecord[] = [];
  let offset = 0;
  while (block.length - offset >= LOG_HEADER_BYTES) {
    const stream = block[offset];
    const length = block.readUInt32BE(offset + 4);
    if ((stream !== 1 && stream !== 2) || length > MAX_LOG_PAYLOAD_BYTES)
      return { chunks, used: offset, damaged: true };
    if (block.length - offset - LOG_HEADER_BYTES < length) break;
    chunks.push(new LazyRecord(block, offset));
    offset += LOG_HEADER_BYTES + length;
  }
  return { chunks, used: offset, damaged: false };
}
