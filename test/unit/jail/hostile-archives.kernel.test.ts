// Archives that are made to get out of the jail, or to mean something to the kernel that they must not.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { JailFixture } from './jail-fixture.ts';
import { dir, file, hardlink, type RawEntry, symlink } from './raw-tar.ts';

const fixture = new JailFixture();
const root = fixture.root;
const at = (path: string): string => join(root, path);

beforeEach(() => fixture.clear());
afterAll(() => fixture.close());

const tripwire = fixture.tripwire;
const hostile: Record<string, RawEntry[]> = {
  'a name above the root': [file('../../../../tmp/x', 'x'), file(`../../../../../..${tripwire}/SENTINEL`, 'x')],
  'an absolute name of the host': [file(`${tripwire}/SENTINEL`, 'x')],
  'a symlink to the host, written through': [symlink(tripwire, 'l'), file('l/SENTINEL', 'x'), file('l/new', 'x')],
  'a symlink to a file of the host, overwritten': [symlink(`${tripwire}/SENTINEL`, 'l'), file('l', 'x')],
  'two hops': [
    dir('inner'),
    symlink('..', 'inner/go_up'),
    symlink(`../../../../../..${tripwire}`, 'inner/go_up/escape'),
    file('escape/x', 'x'),
  ],
  'a directory replaced by a symlink in mid-archive': [
    dir('d'),
    file('d/a', '1'),
    symlink(tripwire, 'd'),
    file('d/SENTINEL', 'x'),
    file('d/b', '2'),
  ],
  'a hard link to the host through a symlink': [symlink(tripwire, 'l'), dir('x')],
  'a directory entry over a symlink with another mode': [symlink(`${tripwire}/dir`, 'l'), dir('l', 0o777)],
  'a PAX path that differs from the name': [
    { ...file('harmless', 'x'), pax: { path: `../../../..${tripwire}/SENTINEL` } },
  ],
  'a GNU long name': [
    { name: '././@LongLink', type: 'L', data: `../../../..${tripwire}/SENTINEL\0` },
    file('short', 'x'),
  ],
};

describe('hostile names', () => {
  test.each(Object.entries(hostile))('%s changes nothing outside', async (_, entries) => {
    await fixture.unpackLayer(entries).catch(() => undefined);
    expect(fixture.isUntouched).toBe(true);
  });

  test('a hard link to a file of the host finds none', async () => {
    await expect(fixture.unpackLayer([hardlink(`../../../..${tripwire}/SENTINEL`, 'x')])).rejects.toThrow(
      /ENOENT|no such file/,
    );
    expect(existsSync(at('x'))).toBe(false);
    expect(fixture.isUntouched).toBe(true);
  });
});

describe('refused entries', () => {
  const refused: [string, RawEntry[], RegExp][] = [
    ['a device number that wraps', [{ name: 'x', type: '3', major: 8, minor: 2 ** 20 }], /out of range/],
    ['a negative device number', [{ name: 'x', type: '4', major: -1, minor: 0 }], /out of range/],
    ['an owner beyond 32 bits', [{ ...file('x', ''), pax: { uid: '4294967296' } }], /out of range/],
    ['a name of more than 255 bytes', [{ ...file('x', ''), pax: { path: 'n'.repeat(300) } }], /too long/],
    ['a path of more than 4095 bytes', [{ ...file('x', ''), pax: { path: 'n/'.repeat(3000) } }], /too long/],
    ['an unknown type', [{ name: 'x', type: 'Z' }], /unhandled tar header type/],
    ['a file of an exabyte', [{ name: 'x', type: '0', size: 2 ** 60 }], /too large|no number|out of range/],
    ['a negative size', [{ name: 'x', type: '0', size: -5 }], /no number|out of range/],
    ['a truncated file', [{ name: 'x', type: '0', data: 'abc', size: 100_000 }], /unexpected EOF/],
  ];
  test.each(refused)('%s', async (_, entries, message) => {
    await expect(fixture.unpackLayer(entries)).rejects.toThrow(message);
    expect(fixture.isUntouched).toBe(true);
  });
});
