import { describe, expect, it } from 'vitest';
import { AddressAllocator } from '../../../daemon/networks/address-allocator.ts';
import { addressPools, chooseSubnet } from '../../../daemon/networks/address-pools.ts';
import {
  contains,
  formatAddress,
  formatSubnet,
  overlaps,
  parseAddress,
  parseSubnet,
  type Subnet,
} from '../../../daemon/protocols/addresses/ip-address.ts';

const subnet = (text: string): Subnet => {
  const parsed = parseSubnet(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
};
const written = (text: string) => {
  const parsed = parseAddress(text);
  return parsed === undefined ? undefined : formatAddress(parsed);
};

describe('addresses', () => {
  it.each([
    ['10.0.0.255', '10.0.0.255'],
    ['::', '::'],
    ['::1', '::1'],
    ['FD00:0:0:1::00A', 'fd00:0:0:1::a'],
    ['fd00::1:0:0:1', 'fd00::1:0:0:1'],
    ['1:0:2:0:3:0:4:0', '1:0:2:0:3:0:4:0'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['1::', '1::'],
    ['64:ff9b::192.0.2.1', '64:ff9b::c000:201'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
  ])('%s is written %s', (text, canonical) => {
    expect(written(text)).toBe(canonical);
  });
  it.each(['', '10.0.0', '10.0.0.256', '010.0.0.1', '1::2::3', 'fe80::1%eth0', '10.0.0.1/8', ' 10.0.0.1', '__proto__'])(
    '%j is none',
    (text) => expect(parseAddress(text)).toBeUndefined(),
  );
  it('a subnet drops the bits below its prefix', () => {
    expect(formatSubnet(subnet('10.1.2.3/16'))).toBe('10.1.0.0/16');
    expect(formatSubnet(subnet('fd00::1234/64'))).toBe('fd00::/64');
    expect(formatSubnet(subnet('1.2.3.4/0'))).toBe('0.0.0.0/0');
  });
  it.each(['10.0.0.0', '10.0.0.0/33', 'fd00::/129', '/8', '10.0.0.0/-1', '10.0.0.0/8/8', 'a/8'])(
    '%j is no subnet',
    (text) => expect(parseSubnet(text)).toBeUndefined(),
  );
  it('containing and overlapping know families', () => {
    expect(contains(subnet('10.0.0.0/8'), { family: 4, value: 0x0affffffn })).toBe(true);
    expect(contains(subnet('10.0.0.0/8'), { family: 6, value: 0x0affffffn })).toBe(false);
    expect(overlaps(subnet('10.0.0.0/8'), subnet('10.9.0.0/16'))).toBe(true);
    expect(overlaps(subnet('10.9.0.0/16'), subnet('10.0.0.0/8'))).toBe(true);
    expect(overlaps(subnet('10.8.0.0/16'), subnet('10.9.0.0/16'))).toBe(false);
    expect(overlaps(subnet('::/0'), subnet('0.0.0.0/0'))).toBe(false);
  });
});

describe('pools', () => {
  const choose = (taken: string[], family: 4 | 6 = 4, asked: { base: string; size: number }[] = []) =>
    formatSubnet(chooseSubnet(addressPools('engine', asked), family, taken.map(subnet)));
  it('go by docker’s defaults, clear of what is taken', () => {
    expect(choose([])).toBe('172.17.0.0/16');
    expect(choose(['172.17.0.0/16', '172.18.5.0/24'])).toBe('172.19.0.0/16');
    expect(choose(['172.16.0.0/12'])).toBe('192.168.0.0/20');
    expect(choose(['172.16.0.0/12', '192.168.0.0/18'])).toBe('192.168.64.0/20');
  });
  it('say so when all is taken', () => {
    expect(() => choose(['0.0.0.0/0'])).toThrow('all predefined address pools have been fully subnetted');
  });
  it('are the daemon’s options, each family for itself', () => {
    const asked = [{ base: '10.5.0.0/16', size: 24 }];
    expect(choose([], 4, asked)).toBe('10.5.0.0/24');
    expect(choose(['10.5.0.0/24'], 4, asked)).toBe('10.5.1.0/24');
    expect(() => choose(['10.5.0.0/16'], 4, asked)).toThrow('fully subnetted');
    expect(choose([], 6, asked)).toMatch(/^fd[0-9a-f:]+::\/64$/);
  });
  it('for IPv6 are this host’s own, /64 after /64', () => {
    const first = choose([], 6);
    expect(choose([first], 6)).not.toBe(first);
    expect(formatSubnet(chooseSubnet(addressPools('another', []), 6, []))).not.toBe(first);
  });
  it.each([
    ['10.0.0.0', 24],
    ['10.0.0.0/24', 16],
    ['10.0.0.0/24', 33],
    ['x/8', 8],
  ])('refuse base %s with size %d', (base, size) => {
    expect(() => addressPools('engine', [{ base, size }])).toThrow(/address pool/);
  });
});

describe('an allocator', () => {
  const address = (text: string) => parseAddress(text) ?? { family: 4 as const, value: 0n };
  const make = (net: string, range?: string, ...reserved: string[]) =>
    new AddressAllocator(subnet(net), range === undefined ? undefined : subnet(range), reserved.map(address));
  const all = (allocator: AddressAllocator) => {
    const given: string[] = [];
    for (let next = allocator.allocate(); next !== undefined; next = allocator.allocate())
      given.push(formatAddress(next));
    return given;
  };
  it('gives each address once, and none of the network’s own', () => {
    expect(all(make('10.0.0.0/29', undefined, '10.0.0.1', '10.0.0.4'))).toEqual([
      '10.0.0.2',
      '10.0.0.3',
      '10.0.0.5',
      '10.0.0.6',
    ]);
    expect(all(make('fd00::/125', undefined, 'fd00::1'))).toHaveLength(6);
  });
  it('keeps to the range, but an asked address may be anywhere', () => {
    const allocator = make('10.0.0.0/24', '10.0.0.128/30', '10.0.0.1');
    expect(allocator.claim(address('10.0.0.9'))).toBe(true);
    expect(allocator.claim(address('10.0.0.9'))).toBe(false);
    expect(allocator.claim(address('10.0.0.1'))).toBe(false);
    expect(allocator.claim(address('10.0.0.255'))).toBe(false);
    expect(allocator.claim(address('10.0.1.1'))).toBe(false);
    expect(all(allocator)).toEqual(['10.0.0.128', '10.0.0.129', '10.0.0.130', '10.0.0.131']);
  });
  it('gives out again what came back, the lowest first', () => {
    const allocator = make('10.0.0.0/28', undefined, '10.0.0.1');
    all(allocator);
    for (const text of ['10.0.0.7', '10.0.0.3']) allocator.release(address(text));
    allocator.release(address('10.0.0.3'));
    expect(all(allocator)).toEqual(['10.0.0.3', '10.0.0.7']);
  });
});
