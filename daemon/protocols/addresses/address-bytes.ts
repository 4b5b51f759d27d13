// IP addresses as the bytes that messages carry, in network order. Pure.
import { isIP, SocketAddress } from 'node:net';

/** The kernel's numbers of the address families (address_families(7)), as headers of messages have them. */
export const FAMILY = { INET: 2, INET6: 10 } as const;

/** The 4 or 16 bytes of an address. Throws TypeError when the text is none. */
export function addressBytes(text: string): Buffer {
  const family = isIP(text);
  if (family === 4) return Buffer.from(text.split('.').map(Number));
  if (family !== 6 || text.includes('%')) throw new TypeError(`${JSON.stringify(text)} is no IP address`);
  const [head = '', tail] = text.split('::');
  const front = groupsOf(head);
  const back = tail === undefined ? [] : groupsOf(tail);
  const middle = new Array<number>(16 - front.length - back.length).fill(0);
  return Buffer.from([...front, ...middle, ...back]);
}

/** In the shortest form. */
export function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16));
  return new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address;
}

export function familyOf(address: string): 4 | 6 {
  return isIP(address) === 6 ? 6 : 4;
}

function groupsOf(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number);
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}
