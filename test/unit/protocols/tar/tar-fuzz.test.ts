// Archives with a few bytes changed at random: the reader ends, or throws a FormatError; never anything else, and never more than it was
// given. The seed is fixed, so that a failure comes back.
import { expect, test } from 'vitest';
import { FormatError } from '../../../../daemon/protocols/format-error.ts';
import { TarReader } from '../../../../daemon/protocols/tar/tar-reader.ts';
import { dir, file, rawTar, symlink } from '../../jail/raw-tar.ts';

const rounds = 4000;

const seed = rawTar([
  dir('d/'),
  file('d/a', 'hello'.repeat(300)),
  { ...file('b', 'x'), pax: { path: 'renamed', mtime: '12.5', 'SCHILY.xattr.user.a': 'v' } },
  { name: '././@LongLink', type: 'L', data: `${'gnu/'.repeat(50)}x\0` },
  file('cut', 'y'),
  symlink('d/a', 'l'),
  { ...file('s', 'AB'), pax: { 'GNU.sparse.map': '0,1,100,1', 'GNU.sparse.size': '200' } },
  { name: 'dev', type: '3', major: 1, minor: 3, magic: 'ustar  \0' },
]);

/** xorshift32. */
function random(state: { x: number }, below: number): number {
  state.x ^= state.x << 13;
  state.x ^= state.x >>> 17;
  state.x ^= state.x << 5;
  return (state.x >>> 0) % below;
}

/** Repairs the checksums, so that changes get past them. */
function fixChecksums(bytes: Buffer): void {
  for (let at = 0; at + 512 <= bytes.length; at += 512) {
    if (bytes.toString('latin1', at + 257, at + 262) !== 'ustar') continue;
    bytes.fill(0x20, at + 148, at + 156);
    let sum = 0;
    for (let i = at; i < at + 512; i++) sum += bytes[i] as number;
    bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148, 'latin1');
  }
}

test('changed archives are read or refused', () => {
  const state = { x: 20261120 };
  const outcomes = { read: 0, refused: 0 };
  for (let round = 0; round < rounds; round++) {
    const bytes = Buffer.from(seed);
    for (let i = random(state, 6) + 1; i > 0; i--) {
      const at = random(state, bytes.length);
      bytes[at] = random(state, 3) === 0 ? random(state, 256) : 0x30 + random(state, 10);
    }
    fixChecksums(bytes);
    let given = 0;
    const reader = new TarReader({
      entry: () => undefined,
      data: (data) => {
        given += data.length;
      },
      end: () => undefined,
    });
    const step = random(state, 2000) + 1;
    try {
      for (let at = 0; at < bytes.length; at += step) reader.write(bytes.subarray(at, at + step));
      reader.end();
      outcomes.read++;
    } catch (error) {
      expect(error, `round ${round}`).toBeInstanceOf(FormatError);
      outcomes.refused++;
    }
    expect(given).toBeLessThanOrEqual(bytes.length);
  }
  expect(outcomes.read).toBeGreaterThan(100);
  expect(outcomes.refused).toBeGreaterThan(100);
});
