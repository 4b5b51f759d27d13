// Domain names as they lie in a message (RFC 1035, 3.1) and as text. Text is lower case without the last dot; a dot or any other byte
// that a label may hold but text cannot show plainly is written \DDD, so that two names are equal exactly when their texts are.

import { SocketAddress } from 'node:net';

const MAX_NAME_BYTES = 255;
const MAX_LABEL_BYTES = 63;

export interface ReadName {
  text: string;
  /** Offset of the byte behind the name. */
  end: number;
}

/**
 * The name at an offset of a message; undefined when it is malformed. Compression pointers are refused: the first question has nothing
 * before it that a pointer could mean, and no other name is ever read here.
 */
export function readName(message: Uint8Array, start: number): ReadName | undefined {
  const labels: string[] = [];
  let at = start;
  for (;;) {
    const length = message[at];
    if (length === undefined || length > MAX_LABEL_BYTES) return undefined;
    at++;
    if (length === 0) return { text: labels.join('.'), end: at };
    if (at + length > message.length || at + length - start >= MAX_NAME_BYTES) return undefined;
    labels.push(labelText(message.subarray(at, at + length)));
    at += length;
  }
}

function labelText(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) {
    if (byte >= 0x41 && byte <= 0x5a) text += String.fromCharCode(byte + 0x20);
    else if (byte > 0x20 && byte < 0x7f && byte !== 0x2e && byte !== 0x5c) text += String.fromCharCode(byte);
    else text += `\\${String(byte).padStart(3, '0')}`;
  }
  return text;
}

/** The bytes of a name of the engine's own; undefined when it does not fit into a domain name (RFC 1035, 2.3.4). */
export function writeName(text: string): Buffer | undefined {
  const parts: Buffer[] = [];
  let total = 1;
  for (const label of text.replace(/\.$/, '').split('.')) {
    const bytes = Buffer.from(label);
    total += bytes.length + 1;
    if (bytes.length === 0 || bytes.length > MAX_LABEL_BYTES || total > MAX_NAME_BYTES) return undefined;
    parts.push(Buffer.of(bytes.length), bytes);
  }
  return Buffer.concat([...parts, Buffer.of(0)]);
}

/** Offset behind a name of a resource record, which may end in a pointer (RFC 1035, 4.1.4) that is not followed; -1 when malformed. */
export function skipName(message: Uint8Array, start: number): number {
  let at = start;
  for (;;) {
    const length = message[at];
    if (length === undefined || at - start > MAX_NAME_BYTES) return -1;
    if (length === 0) return at + 1;
    if (length >= 0xc0) return at + 2 <= message.length ? at + 2 : -1;
    if (length > MAX_LABEL_BYTES) return -1;
    at += length + 1;
  }
}

/**
 * The address that a name below in-addr.arpa or ip6.arpa asks for (RFC 1035, 3.5; RFC 3596, 2.5), IPv6 in the form of RFC 5952.
 * undefined for other names.
 */
export function addressOfReverseName(name: string): string | undefined {
  const v4 = /^((?:\d{1,3}\.){3}\d{1,3})\.in-addr\.arpa$/.exec(name);
  if (v4?.[1] !== undefined) {
    const bytes = v4[1].split('.');
    return bytes.every((byte) => String(Number(byte)) === byte && Number(byte) < 256)
      ? bytes.reverse().join('.')
      : undefined;
  }
  const v6 = /^((?:[0-9a-f]\.){32})ip6\.arpa$/.exec(name);
  if (v6?.[1] === undefined) return undefined;
  const digits = v6[1].replaceAll('.', '').split('').reverse().join('');
  const address = (digits.match(/.{4}/g) ?? []).join(':');
  return new SocketAddress({ address, family: 'ipv6' }).address;
}
