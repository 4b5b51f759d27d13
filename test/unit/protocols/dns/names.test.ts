import { describe, expect, it } from 'vitest';
import { addressOfReverseName, skipName, writeName } from '../../../../daemon/protocols/dns/names.ts';

describe('reverse names', () => {
  it.each([
    ['2.0.18.172.in-addr.arpa', '172.18.0.2'],
    ['2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa', 'fd00:1::2'],
    ['0.18.172.in-addr.arpa', undefined],
    ['256.0.18.172.in-addr.arpa', undefined],
    ['02.0.18.172.in-addr.arpa', undefined],
    ['2.0.18.172.in-addr.arpa.example', undefined],
    ['in-addr.arpa', undefined],
  ])('%s is %s', (name, address) => {
    expect(addressOfReverseName(name)).toBe(address);
  });
});

describe('names of the engine', () => {
  it('are written in labels', () => {
    expect(writeName('web.net')?.toString('latin1')).toBe('\x03web\x03net\0');
  });
  it('are left out when no domain name can hold them', () => {
    expect(writeName('a'.repeat(64))).toBeUndefined();
    expect(writeName(Array.from({ length: 64 }, () => 'abc').join('.'))).toBeUndefined();
    expect(writeName('a..b')).toBeUndefined();
  });
});

it('a name in a record is skipped up to its pointer, which is not followed', () => {
  expect(skipName(Buffer.from('01610161c000ff', 'hex'), 0)).toBe(6);
  expect(skipName(Buffer.from('c000', 'hex'), 0)).toBe(2);
  expect(skipName(Buffer.from('c0', 'hex'), 0)).toBe(-1);
  expect(skipName(Buffer.from('8000', 'hex'), 0)).toBe(-1);
});
