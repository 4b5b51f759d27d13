// Protocol Buffers as bytes (protobuf.dev, "Encoding"): fields out of a message, and back. What the fields mean, and which there are, say those who call this.
import { FormatError } from '../format-error.ts';

export interface ProtobufField {
  readonly number: number;
  /** A number (varint, or fixed in 4 or 8 bytes), or bytes. */
  readonly value: bigint | Buffer;
}

const MAX_FIELDS = 100_000;
const MASK_64 = (1n << 64n) - 1n;

/** The fields in the order in which they stand. Throws FormatError. Bytes are views into the message. */
export function* readFields(message: Buffer): Generator<ProtobufField> {
  const cursor = { at: 0 };
  for (let count = 0; cursor.at < message.length; count++) {
    if (count >= MAX_FIELDS) throw bad();
    const key = Number(readVarint(message, cursor));
    const number = Math.floor(key / 8);
    if (number < 1) throw bad();
    yield { number, value: readValue(message, cursor, key % 8) };
  }
}

function readValue(message: Buffer, cursor: { at: number }, type: number): bigint | Buffer {
  if (type === 0) return readVarint(message, cursor);
  const length = type === 1 ? 8 : type === 5 ? 4 : type === 2 ? Number(readVarint(message, cursor)) : Number.NaN;
  const end = cursor.at + length;
  if (!(end <= message.length)) throw bad();
  const bytes = message.subarray(cursor.at, end);
  cursor.at = end;
  if (type === 2) return bytes;
  return type === 1 ? bytes.readBigUInt64LE() : BigInt(bytes.readUInt32LE());
}

function readVarint(message: Buffer, cursor: { at: number }): bigint {
  // Nearly all of them are short.
  const first = message[cursor.at];
  if (first !== undefined && first < 0x80) {
    cursor.at++;
    return BigInt(first);
  }
  let value = 0n;
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const byte = message[cursor.at++];
    if (byte === undefined) throw bad();
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return value & MASK_64;
  }
  throw bad();
}

/** Fields of a message by number: text, bytes and numbers; lists are repeated. Empty values, which mean the default, are left out. */
export type ProtobufValues = Readonly<Record<number, ProtobufValue | readonly ProtobufValue[]>>;
type ProtobufValue = string | Uint8Array | number | bigint;

export function writeMessage(values: ProtobufValues): Buffer {
  const parts: Buffer[] = [];
  for (const [key, given] of Object.entries(values)) {
    const isList = Array.isArray(given);
    for (const value of isList ? given : [given as ProtobufValue]) {
      const isNumber = typeof value === 'number' || typeof value === 'bigint';
      if (!isList && (isNumber ? Number(value) === 0 : value.length === 0)) continue;
      parts.push(varint(Number(key) * 8 + (isNumber ? 0 : 2)));
      if (isNumber) parts.push(varint(value));
      else {
        const bytes = typeof value === 'string' ? Buffer.from(value) : Buffer.from(value);
        parts.push(varint(bytes.length), bytes);
      }
    }
  }
  return Buffer.concat(parts);
}

function varint(given: number | bigint): Buffer {
  const bytes: number[] = [];
  // A negative one is its two's complement, in ten bytes.
  let value = BigInt(given) & MASK_64;
  while (value >= 0x80n) {
    bytes.push(Number(value & 0x7fn) | 0x80);
    value >>= 7n;
  }
  bytes.push(Number(value));
  return Buffer.from(bytes);
}

/** The fields of a message by number; of one that comes again the last counts, as everywhere in protobuf. */
export class ProtobufMessage {
  readonly #fields = new Map<number, (bigint | Buffer)[]>();

  constructor(message: Buffer) {
    for (const { number, value } of readFields(message)) {
      const known = this.#fields.get(number);
      if (known === undefined) this.#fields.set(number, [value]);
      else known.push(value);
    }
  }

  bytes(number: number): Buffer {
    const value = this.#fields.get(number)?.at(-1) ?? Buffer.alloc(0);
    if (typeof value === 'bigint') throw bad();
    return value;
  }

  text(number: number): string {
    return this.bytes(number).toString('utf8');
  }

  texts(number: number): string[] {
    return (this.#fields.get(number) ?? []).map((value) => {
      if (typeof value === 'bigint') throw bad();
      return value.toString('utf8');
    });
  }

  has(number: number): boolean {
    return this.#fields.has(number);
  }

  /** Signed, as int64 and int32 are. */
  integer(number: number): bigint {
    const value = this.#fields.get(number)?.at(-1) ?? 0n;
    if (typeof value !== 'bigint') throw bad();
    return BigInt.asIntN(64, value);
  }

  /** uint32, and enumerations. */
  count(number: number): number {
    return Number(BigInt.asUintN(32, this.integer(number)));
  }
}

function bad(): FormatError {
  return new FormatError('read message: it is no protocol buffer');
}
