// Messages of D-Bus: a header (dbus specification, "Message Format"), and a body by its signature. Pure.
import { FormatError } from '../format-error.ts';
import { DbusReader, type DbusValue, DbusWriter, MAX_MESSAGE_BYTES, type Variant } from './dbus-codec.ts';

export type MessageType = 'call' | 'return' | 'error' | 'signal';

export interface DbusMessage {
  type: MessageType;
  serial: number;
  replySerial?: number;
  path?: string;
  interface?: string;
  member?: string;
  errorName?: string;
  body: DbusValue[];
}

export interface DbusCall {
  serial: number;
  path: string;
  interface: string;
  member: string;
  signature: string;
  body: readonly DbusValue[];
}

const LITTLE_ENDIAN = 0x6c;
const VERSION = 1;
const TYPES: readonly (MessageType | undefined)[] = [undefined, 'call', 'return', 'error', 'signal'];
const FIELD = { PATH: 1, INTERFACE: 2, MEMBER: 3, ERROR_NAME: 4, REPLY_SERIAL: 5, DESTINATION: 6, SIGNATURE: 8 };
const HEADER = 'yyyyuua(yv)';
/** Up to and with the length of the fields. */
const PREFIX_BYTES = 16;
const SYSTEMD = 'org.freedesktop.systemd1';

export function encodeCall({ serial, path, interface: name, member, signature, body }: DbusCall): Buffer {
  const bodyWriter = new DbusWriter();
  bodyWriter.write(signature, body);
  const bodyBytes = bodyWriter.bytes();
  const field = (code: number, type: string, value: string): DbusValue => [code, { signature: type, value }];
  const header = new DbusWriter();
  header.write(HEADER, [
    LITTLE_ENDIAN,
    TYPES.indexOf('call'),
    0,
    VERSION,
    bodyBytes.length,
    serial,
    [
      field(FIELD.PATH, 'o', path),
      field(FIELD.DESTINATION, 's', SYSTEMD),
      field(FIELD.INTERFACE, 's', name),
      field(FIELD.MEMBER, 's', member),
      ...(signature === '' ? [] : [field(FIELD.SIGNATURE, 'g', signature)]),
    ],
  ]);
  header.align(8);
  return Buffer.concat([header.bytes(), bodyBytes]);
}

/** How many bytes the message at the beginning of `bytes` has; undefined while that cannot be said. Throws for what is no message. */
export function messageLength(bytes: Buffer): number | undefined {
  if (bytes.length < PREFIX_BYTES) return undefined;
  if (bytes[0] !== LITTLE_ENDIAN || bytes[3] !== VERSION) {
    throw new FormatError('read a D-Bus message: it is of another byte order or version');
  }
  const fields = bytes.readUInt32LE(12);
  const length = Math.ceil((PREFIX_BYTES + fields) / 8) * 8 + bytes.readUInt32LE(4);
  if (length > MAX_MESSAGE_BYTES) throw new FormatError(`read a D-Bus message: it has ${length} bytes`);
  return length;
}

/** `bytes` is one whole message. Bodies of types that are not known here are left out when it is a signal. */
export function decodeMessage(bytes: Buffer): DbusMessage {
  const reader = new DbusReader(bytes);
  const [, typeCode, , , , serial, fields] = reader.read(HEADER);
  reader.align(8);
  const type = TYPES[typeCode as number];
  if (type === undefined) throw new FormatError(`read a D-Bus message: type ${typeCode}`);
  const found = new Map<number, DbusValue>();
  for (const field of fields as DbusValue[][]) found.set(field[0] as number, (field[1] as Variant).value);
  const text = (code: number) => {
    const value = found.get(code);
    return typeof value === 'string' ? value : undefined;
  };
  const message: DbusMessage = { type, serial: serial as number, body: [] };
  const [path, name, member, errorName] = [FIELD.PATH, FIELD.INTERFACE, FIELD.MEMBER, FIELD.ERROR_NAME].map(text);
  const replySerial = found.get(FIELD.REPLY_SERIAL);
  if (path !== undefined) message.path = path;
  if (name !== undefined) message.interface = name;
  if (member !== undefined) message.member = member;
  if (errorName !== undefined) message.errorName = errorName;
  if (typeof replySerial === 'number') message.replySerial = replySerial;
  const signature = text(FIELD.SIGNATURE) ?? '';
  try {
    message.body = reader.read(signature);
  } catch (error) {
    if (type !== 'signal') throw error;
  }
  return message;
}
