// Netlink's wire format (netlink(7)): messages with a header of 16 bytes and attributes of type and length, all padded to 4 bytes.
// Pure. Integers are in the host's order, which is little-endian on every machine this runs on, except where a name says `Be`.

export const NLM_F = {
  REQUEST: 0x1,
  MULTI: 0x2,
  ACK: 0x4,
  DUMP: 0x300,
  REPLACE: 0x100,
  EXCL: 0x200,
  CREATE: 0x400,
  APPEND: 0x800,
  /** Of an acknowledgement: attributes follow that say more. */
  ACK_TLVS: 0x200,
} as const;
export const NLMSG = { ERROR: 2, DONE: 3 } as const;
const NESTED = 0x8000;
const TYPE_MASK = 0x3fff;
const HEADER_BYTES = 16;
/** Of the acknowledgement's attributes. */
const ERROR_TEXT = 1;

export interface NetlinkMessage {
  type: number;
  flags: number;
  seq: number;
  payload: Buffer;
}

/** What the kernel answered to a message: 0, or an error number and its own words where it has any. */
export interface Acknowledgement {
  errno: number;
  text: string;
}

/** A request; the sequence number is put in when it is sent (`numberMessage`). */
export function message(type: number, flags: number, header: Uint8Array, ...attributes: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat([header, ...attributes]);
  const head = Buffer.alloc(HEADER_BYTES);
  head.writeUInt32LE(HEADER_BYTES + body.length, 0);
  head.writeUInt16LE(type, 4);
  head.writeUInt16LE(flags | NLM_F.REQUEST, 6);
  return pad(Buffer.concat([head, body]));
}

export function numberMessage(bytes: Buffer, seq: number, flags = 0): void {
  bytes.writeUInt16LE(bytes.readUInt16LE(6) | flags, 6);
  bytes.writeUInt32LE(seq, 8);
}

export function attribute(type: number, value: Uint8Array): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt16LE(4 + value.byteLength, 0);
  head.writeUInt16LE(type, 2);
  return pad(Buffer.concat([head, value]));
}

export function nested(type: number, ...attributes: readonly Uint8Array[]): Buffer {
  return attribute(type | NESTED, Buffer.concat(attributes));
}

/** With its NUL. */
export function text(type: number, value: string): Buffer {
  return attribute(type, Buffer.from(`${value}\0`));
}

export function u8(type: number, value: number): Buffer {
  return attribute(type, Buffer.from([value]));
}

export function u16Be(type: number, value: number): Buffer {
  return attribute(type, be16(value));
}

export function u32(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return attribute(type, bytes);
}

export function u32Be(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return attribute(type, bytes);
}

export function be16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

/** Throws RangeError for what cannot be a run of messages. */
export function parseMessages(bytes: Buffer): NetlinkMessage[] {
  const messages: NetlinkMessage[] = [];
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    if (length < HEADER_BYTES || at + length > bytes.length) throw new RangeError(`netlink message of ${length} bytes`);
    messages.push({
      type: bytes.readUInt16LE(at + 4),
      flags: bytes.readUInt16LE(at + 6),
      seq: bytes.readUInt32LE(at + 8),
      payload: bytes.subarray(at + HEADER_BYTES, at + length),
    });
    at += align(length);
  }
  return messages;
}

/** By type, without the bits that say how the value is made up; of a repeated type the last counts. */
export function parseAttributes(bytes: Buffer): Map<number, Buffer> {
  return new Map(attributeList(bytes));
}

/** In order, for lists whose entries share a type. */
export function attributeList(bytes: Buffer): [type: number, value: Buffer][] {
  const list: [number, Buffer][] = [];
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at);
    if (length < 4 || at + length > bytes.length) break;
    list.push([bytes.readUInt16LE(at + 2) & TYPE_MASK, bytes.subarray(at + 4, at + length)]);
    at += align(length);
  }
  return list;
}

/** Of a message of type NLMSG.ERROR, with the headers of NETLINK_CAP_ACK. */
export function parseAcknowledgement({ flags, payload }: NetlinkMessage): Acknowledgement {
  const errno = -payload.readInt32LE(0);
  const isMore = (flags & NLM_F.ACK_TLVS) !== 0;
  const said = isMore ? parseAttributes(payload.subarray(4 + HEADER_BYTES)).get(ERROR_TEXT) : undefined;
  return { errno, text: said === undefined ? '' : stringOf(said) };
}

/** A text of an attribute, without its NUL. */
export function stringOf(value: Buffer): string {
  const end = value.indexOf(0);
  return value.toString('utf8', 0, end < 0 ? value.length : end);
}

function align(length: number): number {
  return (length + 3) & ~3;
}

function pad(bytes: Buffer): Buffer {
  const missing = align(bytes.length) - bytes.length;
  return missing === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(missing)]);
}
