// The image config's check, list filters, platforms and Go's file modes.
import type { BigIntStats } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseImageConfig } from '../../../daemon/images/documents/image-config.ts';
import { parsePlatform } from '../../../daemon/images/documents/platform.ts';
import { parseGlobs } from '../../../daemon/images/glob.ts';
import { untilSeconds } from '../../../daemon/images/list-images.ts';
import { compressionOf } from '../../../daemon/jail/decoding/decompress.ts';
import { goFileMode, rfc3339 } from '../../../daemon/jail/jobs/path-stat.ts';
import { cleanComponents } from '../../../daemon/jail/jobs/path-walk.ts';
import { chainId } from '../../../daemon/snapshots/layer-keys.ts';
import { usualMs, workMs } from '../../harness/pace.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const config = (change: object): Buffer =>
  Buffer.from(
    JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [digest] }, ...change }),
  );

describe('image configs', () => {
  test('a plain one is read', () => {
    expect(parseImageConfig(config({ config: { Cmd: ['x'], Entrypoint: 'y', Labels: null } })).rootfs.diff_ids).toEqual(
      [digest],
    );
  });

  const refused: [string, Buffer][] = [
    ['no JSON', Buffer.from('{')],
    ['a list', Buffer.from('[]')],
    ['invalid UTF-8', Buffer.from([0x22, 0xff, 0x22])],
    ['no architecture', config({ architecture: 1 })],
    ['no rootfs', config({ rootfs: null })],
    ['a digest that is a path', config({ rootfs: { diff_ids: ['sha256:../../x'] } })],
    ['a digest in capitals', config({ rootfs: { diff_ids: [digest.toUpperCase()] } })],
    ['too many layers', config({ rootfs: { diff_ids: new Array(500).fill(digest) } })],
    ['User as a number', config({ config: { User: 5 } })],
    ['Env as an object', config({ config: { Env: { a: 1 } } })],
    ['Env with a NUL', config({ config: { Env: ['a=\0'] } })],
    ['Labels with numbers', config({ config: { Labels: { a: 1 } } })],
    ['Volumes as a list', config({ config: { Volumes: ['/a'] } })],
    ['a WorkingDir that is a list', config({ config: { WorkingDir: ['/'] } })],
    ['a history of numbers', config({ history: [1] })],
    ['an oversize one', config({ comment: 'x'.repeat(9_000_000) })],
  ];
  test.each(refused)('%s is refused', (_, bytes) => {
    expect(() => parseImageConfig(bytes)).toThrow(/read image config/);
  });
});

test('patterns match as Go matches paths', () => {
  const cases: [string, string, boolean][] = [
    ['busy*', 'busybox', true],
    ['*', 'a/b', false],
    ['*/*', 'a/b', true],
    ['b?x', 'box', true],
    ['[a-c]x', 'bx', true],
    ['a.b', 'axb', false],
    ['*:latest', 'x:latest', true],
    ['a+(b)', 'a+(b)', true],
    ['*ab', 'aab', true],
    ['a*b*c', 'abbbc', true],
    ['*/a*b', 'x/a-b', true],
    ['*/a*b', 'x/a/b', false],
    ['a*/b', 'a/x/b', false],
    ['[^a-c]x', 'dx', true],
    ['[^a-c]x', 'bx', false],
    ['\\*', '*', true],
    ['\\*', 'x', false],
    ['a**b', 'axxb', true],
    ['a*', 'a', true],
    ['', '', true],
    ['', 'x', false],
    ['💾?', '💾a', true],
  ];
  for (const [pattern, text, expected] of cases)
    expect([pattern, text, parseGlobs([pattern])[0]?.matches(text)]).toEqual([pattern, text, expected]);
});

test.each(['[', '[]', '[^]', '[]a]', '[-a]', '[a', '[a-', '[a-]', '\\', '[\\'])('%j is no pattern', (pattern) => {
  expect(() => parseGlobs([pattern])).toThrow(/syntax error in pattern/);
});

test('a pattern of many stars takes no longer than its length times the name', () => {
  const work = () => expect(parseGlobs([`${'*a'.repeat(120)}b`])[0]?.matches('a'.repeat(250))).toBe(false);
  expect(workMs(work)).toBeLessThan(100 * usualMs());
  expect(() => parseGlobs(Array.from({ length: 100 }, () => '*a'.repeat(50)))).toThrow(/together/);
});

test('until is a time or a duration', () => {
  const now = Date.parse('2026-01-01T01:00:00Z');
  expect(untilSeconds(['1h'], now)).toBe(Date.parse('2026-01-01T00:00:00Z') / 1000);
  expect(untilSeconds(['1m30s'], now)).toBe(now / 1000 - 90);
  expect(untilSeconds(['1700000000'], now)).toBe(1_700_000_000);
  expect(untilSeconds(['2025-01-01'], now)).toBe(1_735_689_600);
  expect(() => untilSeconds(['soon'], now)).toThrow(/invalid filter/);
  expect(() => untilSeconds(['1h', '2h'], now)).toThrow(/more than one/);
});

test('platforms', () => {
  expect(parsePlatform('linux/arm/v7')).toEqual({ os: 'linux', architecture: 'arm', variant: 'v7' });
  expect(parsePlatform('x86_64')).toEqual({ os: 'linux', architecture: 'amd64' });
  expect(() => parsePlatform('windows/amd64')).toThrow(/only linux/);
  expect(() => parsePlatform('a/b/c/d')).toThrow(/"a\/b\/c\/d": cannot parse platform specifier/);
});

test("modes and times are Go's", () => {
  const stats = (mode: number, kind: string): BigIntStats =>
    new Proxy({ mode: BigInt(mode) } as BigIntStats, {
      get: (target, key) =>
        key === 'mode'
          ? target.mode
          : () => key === kind || (kind === 'isCharacterDevice' && key === 'isCharacterDevice'),
    });
  expect(goFileMode(stats(0o40755, 'isDirectory'))).toBe(2147484141);
  expect(goFileMode(stats(0o120777, 'isSymbolicLink'))).toBe(134218239);
  expect(goFileMode(stats(0o104755, 'isFile'))).toBe(2 ** 23 + 0o755);
  expect(goFileMode(stats(0o41777, 'isDirectory'))).toBe(2 ** 31 + 2 ** 20 + 0o777);
  expect(goFileMode(stats(0o20666, 'isCharacterDevice'))).toBe(2 ** 26 + 2 ** 21 + 0o666);
  expect(rfc3339(1_795_207_850_132_343_442n)).toBe('2026-11-20T20:50:50.132343442Z');
  expect(rfc3339(1_700_000_000_500_000_000n)).toBe('2023-11-14T22:13:20.5Z');
  expect(rfc3339(0n)).toBe('1970-01-01T00:00:00Z');
  expect(rfc3339(-1n)).toBe('1969-12-31T23:59:59.999999999Z');
});

test('paths are cleaned as text, and never above the root', () => {
  expect(cleanComponents('a/./b//../c')).toEqual(['a', 'c']);
  expect(cleanComponents('../../etc/..')).toEqual([]);
});

test('compression is told by the first bytes', () => {
  expect([
    compressionOf(Buffer.from([0x1f, 0x8b])),
    compressionOf(Buffer.from('BZh9')),
    compressionOf(Buffer.alloc(6)),
  ]).toEqual(['gzip', 'bzip2', 'none']);
});

test('chain ids', () => {
  expect(chainId(undefined, digest)).toBe(digest);
  expect(chainId(digest, digest)).toMatch(/^sha256:[0-9a-f]{64}$/);
});
