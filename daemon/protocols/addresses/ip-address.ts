// IP addresses and subnets as numbers: reading, writing, containing. Pure; knows nothing of who has them.
import { isIPv4, isIPv6 } from 'node:net';

export interface IpAddress {
  family: 4 | 6;
  value: bigint;
}

/** `base` has no bits below the prefix. */
export interface Subnet {
  family: 4 | 6;
  base: bigint;
  prefix: number;
}

const bitsOf = { 4: 32, 6: 128 } as const;

/** undefined for anything but a plain address: no zone, no prefix. An IPv4 address written as IPv6 is IPv4, as in Go's net.IP. */
export function parseAddress(text: string): IpAddress | undefined {
  if (isIPv4(text)) return { family: 4, value: BigInt(parseQuad(text)) };
  if (!isIPv6(text) || text.includes('%')) return undefined;
  const value = parseGroups(text);
  return value >> 32n === 0xffffn ? { family: 4, value: value & 0xffffffffn } : { family: 6, value };
}

function parseQuad(text: string): number {
  return text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

function parseGroups(text: string): bigint {
  const tail = /(\d+\.\d+\.\d+\.\d+)$/.exec(text)?.[1];
  const quad = tail === undefined ? 0 : parseQuad(tail);
  const hex =
    tail === undefined
      ? text
      : `${text.slice(0, -tail.length)}${Math.floor(quad / 65536).toString(16)}:${(quad % 65536).toString(16)}`;
  const [left = '', right] = hex.split('::');
  const groups = (half: string) => (half === '' ? [] : half.split(':'));
  const before = groups(left);
  const after = right === undefined ? [] : groups(right);
  const all = [...before, ...Array<string>(8 - before.length - after.length).fill('0'), ...after];
  return all.reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n);
}

/** RFC 5952 for IPv6. */
export function formatAddress({ family, value }: IpAddress): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join('.');
  const groups = Array.from({ length: 8 }, (_, i) => ((value >> BigInt(112 - 16 * i)) & 0xffffn).toString(16));
  let best = { at: -1, length: 1 };
  for (let at = 0; at < 8; at++) {
    let length = 0;
    while (groups[at + length] === '0') length++;
    if (length > best.length) best = { at, length };
  }
  if (best.at < 0) return groups.join(':');
  return `${groups.slice(0, best.at).join(':')}::${groups.slice(best.at + best.length).join(':')}`;
}

/** "10.1.2.3/16" is 10.1.0.0/16. undefined for anything else than an address and a length. */
export function parseSubnet(text: string): Subnet | undefined {
  const match = /^([^/]+)\/(\d{1,3})$/.exec(text);
  const address = parseAddress(match?.[1] ?? '');
  const prefix = Number(match?.[2]);
  if (address === undefined || prefix > bitsOf[address.family]) return undefined;
  return subnetOf(address, prefix);
}

export function subnetOf({ family, value }: IpAddress, prefix: number): Subnet {
  const hostBits = BigInt(bitsOf[family] - prefix);
  return { family, base: (value >> hostBits) << hostBits, prefix };
}

export function formatSubnet({ family, base, prefix }: Subnet): string {
  return `${formatAddress({ family, value: base })}/${prefix}`;
}

export function sizeOf({ family, prefix }: Subnet): bigint {
  return 1n << BigInt(bitsOf[family] - prefix);
}

export function lastOf(subnet: Subnet): bigint {
  return subnet.base + sizeOf(subnet) - 1n;
}

export function contains(subnet: Subnet, address: IpAddress): boolean {
  return address.family === subnet.family && address.value >= subnet.base && address.value <= lastOf(subnet);
}

export function overlaps(a: Subnet, b: Subnet): boolean {
  return a.family === b.family && a.base <= lastOf(b) && b.base <= lastOf(a);
}
