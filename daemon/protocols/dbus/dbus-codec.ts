// D-Bus's marshalling (dbus.freedesktop.org/doc/dbus-specification, "Type System"), little-endian, for the types that systemd's manager
// speaks. Pure. Values: y u i numbers, b booleans, t x bigints, s o g strings, arrays for `a` and for structs, Variant for `v`.
import { FormatError } from '../format-error.ts';

export interface Variant {
  signature: string;
  value: DbusValue;
}

export type DbusValue = number | bigint | boolean | string | Variant | readonly DbusValue[];

/** The specification allows 64 MiB; nothing that is asked of systemd here comes near this. */
export const MAX_MESSAGE_BYTES = 1 << 20;
const MAX_DEPTH = 16;

const FIXED = new Map([
  ['y', 1],
  ['b', 4],
  ['u', 4],
  ['i', 4],
  ['t', 8],
  ['x', 8],
]);

function malformed(what: string): FormatError {
  return new FormatError(`read a D-Bus message: ${what}`);
}

/** The complete types of a signature: "sa(sv)u" has "s", "a(sv)" and "u". */
export function splitSignature(signature: string): string[] {
  const types: string[] = [];
  for (let at = 0; at < signature.length; ) {
    const end = endOfType(signature, at, 0);
    types.push(signature.slice(at, end));
    at = end;
  }
  return types;
}

function endOfType(signature: string, at: number, depth: number): number {
  const letter = signature[at];
  if (depth > MAX_DEPTH) throw malformed('types nested too deeply');
  if (letter === 'a') return endOfType(signature, at + 1, depth + 1);
  if (letter === '(' || letter === '{') {
    const close = letter === '(' ? ')' : '}';
    let next = at + 1;
    while (signature[next] !== close) next = endOfType(signature, next, depth + 1);
    return next + 1;
  }
  if (letter === undefined || !'ybuitxsogv'.includes(letter)) throw malformed(`type ${letter ?? '(none)'}`);
  return at + 1;
}

function alignmentOf(type: string): number {
  const letter = type[0] as string;
  if (letter === '(' || letter === '{') return 8;
  if (letter === 'g' || letter === 'v') return 1;
  return FIXED.get(letter) ?? 4;
}

/** Collects bytes; alignment counts from the first one. */
export class DbusWriter {
  #bytes = Buffer.alloc(512);
  #length = 0;

  align(to: number): void {
    this.#room((to - (this.#length % to)) % to);
  }

  write(signature: string, values: readonly DbusValue[]): void {
    for (const [index, type] of splitSignature(signature).entries()) this.#value(type, values[index] as DbusValue);
  }

  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Makes room for zeros and returns where they begin. */
  #room(count: number): number {
    const at = this.#length;
    if (at + count > this.#bytes.length) {
      this.#bytes = Buffer.concat([this.#bytes], Math.max(at + count, this.#bytes.length * 2));
    }
    this.#length += count;
    return at;
  }

  #value(type: string, value: DbusValue): void {
    this.align(alignmentOf(type));
    const letter = type[0] as string;
    const size = FIXED.get(letter);
    if (size !== undefined) this.#number(letter, value, this.#room(size));
    else if (letter === 'g') this.#text(value as string, 1);
    else if (letter === 'a') this.#array(type.slice(1), value as readonly DbusValue[]);
    else if (letter === '(' || letter === '{') this.write(type.slice(1, -1), value as readonly DbusValue[]);
    else if (letter === 'v') {
      const { signature, value: inner } = value as Variant;
      this.#text(signature, 1);
      this.#value(signature, inner);
    } else this.#text(value as string, 4);
  }

  #number(letter: string, value: DbusValue, at: number): void {
    if (letter === 'y') this.#bytes.writeUInt8(value as number, at);
    else if (letter === 'i') this.#bytes.writeInt32LE(value as number, at);
    else if (letter === 't') this.#bytes.writeBigUInt64LE(value as bigint, at);
    else if (letter === 'x') this.#bytes.writeBigInt64LE(value as bigint, at);
    else this.#bytes.writeUInt32LE(Number(value), at);
  }

  #text(text: string, lengthBytes: 1 | 4): void {
    const size = Buffer.byteLength(text);
    const at = this.#room(lengthBytes + size + 1);
    if (lengthBytes === 4) this.#bytes.writeUInt32LE(size, at);
    else this.#bytes.writeUInt8(size, at);
    this.#bytes.write(text, at + lengthBytes);
  }

  /** The length counts from the first element, after its alignment. */
  #array(type: string, values: readonly DbusValue[]): void {
    const at = this.#room(4);
    this.align(alignmentOf(type));
    const start = this.#length;
    for (const value of values) this.#value(type, value);
    this.#bytes.writeUInt32LE(this.#length - start, at);
  }
}

/** Reads what came from a socket: every length is checked against what is there. */
export class DbusReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  align(to: number): void {
    this.#take((to - (this.#at % to)) % to);
  }

  read(signature: string, depth = 0): DbusValue[] {
    return splitSignature(signature).map((type) => this.#value(type, depth));
  }

  #take(count: number): number {
    const at = this.#at;
    if (count > this.#bytes.length - at) throw malformed('it ends too early');
    this.#at += count;
    return at;
  }

  #value(type: string, depth: number): DbusValue {
    if (depth > MAX_DEPTH) throw malformed('values nested too deeply');
    this.align(alignmentOf(type));
    switch (type[0]) {
      case 'y':
        return this.#bytes.readUInt8(this.#take(1));
      case 'b':
        return this.#bytes.readUInt32LE(this.#take(4)) !== 0;
      case 'u':
        return this.#bytes.readUInt32LE(this.#take(4));
      case 'i':
        return this.#bytes.readInt32LE(this.#take(4));
      case 't':
        return this.#bytes.readBigUInt64LE(this.#take(8));
      case 'x':
        return this.#bytes.readBigInt64LE(this.#take(8));
      case 'g':
        return this.#text(this.#bytes.readUInt8(this.#take(1)));
      case 'v':
        return this.#variant(depth);
      case 'a':
        return this.#array(type.slice(1), depth);
      case '(':
      case '{':
        return this.read(type.slice(1, -1), depth + 1);
      default:
        return this.#text(this.#bytes.readUInt32LE(this.#take(4)));
    }
  }

  #variant(depth: number): Variant {
    const signature = this.#text(this.#bytes.readUInt8(this.#take(1)));
    if (splitSignature(signature).length !== 1) throw malformed('a variant that is not one value');
    return { signature, value: this.#value(signature, depth + 1) };
  }

  #text(length: number): string {
    const at = this.#take(length + 1);
    return this.#bytes.toString('utf8', at, at + length);
  }

  #array(type: string, depth: number): DbusValue[] {
    const length = this.#bytes.readUInt32LE(this.#take(4));
    this.align(alignmentOf(type));
    const end = this.#at + length;
    if (end > this.#bytes.length) throw malformed('an array is longer than the message');
    const values: DbusValue[] = [];
    while (this.#at < end) values.push(this.#value(type, depth + 1));
    if (this.#at !== end) throw malformed('an array ends inside of an element');
    return values;
  }
}
