import { describe, expect, it } from 'vitest';
import { resolveQuery, type Viewer } from '../../../../daemon/networks/dns/resolve-query.ts';
import type { NameDirectory } from '../../../../daemon/networks/name-directory.ts';
import { readQuery, responseCode, TYPE } from '../../../../daemon/protocols/dns/message.ts';
import { question } from '../../../harness/dns-messages.ts';

const directory: NameDirectory = {
  addressesOf: (_, name) => {
    if (name === 'web') return { ipv4: ['172.18.0.2'], ipv6: [] };
    if (name === 'both') return { ipv4: ['172.18.0.3', '172.18.0.4'], ipv6: ['fd00::3'] };
    return undefined;
  },
  nameOf: (_, address) => (address === '172.18.0.2' ? 'web.net' : undefined),
  isOwnSubnet: (_, address) => address.startsWith('172.18.'),
};
const viewer: Viewer = { containerId: 'c', directory, random: () => 0, keepsSingleLabels: false };

function resolve(name: string, type: number, change: Partial<Viewer> = {}, classNumber = 1) {
  const bytes = question({ name, type });
  bytes.writeUInt16BE(classNumber, bytes.length - 2);
  const read = readQuery(bytes);
  if (read === undefined || !('query' in read)) throw new Error('no query');
  const reply = resolveQuery(read.query, { ...viewer, ...change });
  if (reply === undefined) return 'outside';
  return { code: responseCode(reply), count: reply.readUInt16BE(6), data: reply.subarray(read.query.questionEnd) };
}

describe('a neighbour', () => {
  it('is answered with its addresses of the family asked for', () => {
    expect(resolve('WEB', TYPE.A)).toMatchObject({ code: 0, count: 1 });
    expect(resolve('both', TYPE.A)).toMatchObject({ code: 0, count: 2 });
    expect(resolve('both', TYPE.AAAA)).toMatchObject({ code: 0, count: 1 });
    expect(resolve('both', TYPE.ANY)).toMatchObject({ code: 0, count: 3 });
  });
  it('is known even if nothing of the type asked for is: nobody outside is asked', () => {
    for (const type of [TYPE.AAAA, 16, 65, TYPE.PTR]) expect(resolve('web', type)).toMatchObject({ code: 0, count: 0 });
  });
  it('that shares its name comes first as often as the others', () => {
    const firsts = [0, 1].map((value) => {
      const reply = resolve('both', TYPE.A, { random: () => value });
      return reply === 'outside' ? 0 : reply.data[15];
    });
    expect(firsts.sort()).toEqual([3, 4]);
  });
});

describe('an address', () => {
  it('of a neighbour has a name; one of an own subnet without is not asked outside; any other is', () => {
    expect(resolve('2.0.18.172.in-addr.arpa', TYPE.PTR)).toMatchObject({ code: 0, count: 1 });
    expect(resolve('9.0.18.172.in-addr.arpa', TYPE.PTR)).toMatchObject({ code: 3, count: 0 });
    expect(resolve('9.9.9.9.in-addr.arpa', TYPE.PTR)).toBe('outside');
  });
});

describe('what no neighbour has', () => {
  it('is asked outside', () => {
    expect(resolve('example.org', TYPE.A)).toBe('outside');
    expect(resolve('single', TYPE.A)).toBe('outside');
  });
  it('of one label is kept when ndots was asked for, so that the client goes through its search list', () => {
    expect(resolve('single', TYPE.A, { keepsSingleLabels: true })).toMatchObject({ code: 0, count: 0 });
    expect(resolve('single', 16, { keepsSingleLabels: true })).toBe('outside');
    expect(resolve('example.org', TYPE.A, { keepsSingleLabels: true })).toBe('outside');
  });
  it('is refused when it is a zone transfer or no question about the Internet', () => {
    expect(resolve('example.org', 252)).toMatchObject({ code: 5 });
    expect(resolve('version.bind', 16, {}, 3)).toMatchObject({ code: 5 });
  });
});
