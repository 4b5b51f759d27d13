// Contexts as clients send them: unpacked aside, read safely, gone when nobody holds them.
import { execFileSync } from 'node:child_process';
import { lstatSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { readFile } from '../../../daemon/build/contexts/read-file.ts';
import { dir, file, hardlink, type RawEntry, rawTar, symlink } from '../jail/raw-tar.ts';
import { ContextFixture } from './context-fixture.ts';

const fixture = new ContextFixture();
afterEach(() => expect(fixture.left).toEqual([]));
afterAll(() => fixture.close());

const { signal } = new AbortController();
const bytes = (...chunks: (Buffer | string)[]): Readable => Readable.from(chunks.map((chunk) => Buffer.from(chunk)));
const receive = (entries: readonly RawEntry[]) => fixture.store.receive(bytes(rawTar(entries)), { signal });

function packedBy(program: string, tar: Buffer): Buffer {
  return execFileSync(program, ['-c'], { input: tar });
}

describe('receive', () => {
  const tar = rawTar([dir('d'), { ...file('d/a', 'text'), uid: 7, gid: 8, mode: 0o640 }, symlink('a', 'd/l')]);
  const packings: [string, () => Buffer][] = [
    ['plain', () => tar],
    ['gzip', () => gzipSync(tar)],
    ['zstd', () => zstdCompressSync(tar)],
    ['xz', () => packedBy('xz', tar)],
    ['bzip2', () => packedBy('bzip2', tar)],
  ];
  test.each(packings)('%s, with modes as they came, and all of it root’s', async (_, pack) => {
    const packed = pack();
    let seen = 0;
    const onBytes = (total: number): void => {
      seen = total;
    };
    using context = await fixture.store.receive(bytes(packed.subarray(0, 100), packed.subarray(100)), {
      signal,
      onBytes,
    });
    expect(readFileSync(join(context.path, 'd/l'), 'utf8')).toBe('text');
    expect(lstatSync(join(context.path, 'd/a'))).toMatchObject({ uid: 0, gid: 0, mode: 0o100640 });
    expect(seen).toBe(packed.length);
  });

  test('each is another one, and stays until the last hold goes', async () => {
    const first = await receive([file('a', '1')]);
    using second = await receive([file('a', '1')]);
    expect(first.identity).not.toBe(second.identity);
    const again = first.again();
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    expect(readFileSync(join(again.path, 'a'), 'utf8')).toBe('1');
    again[Symbol.dispose]();
    expect(() => again.again()).toThrow(/let go/);
    expect(fixture.left).toHaveLength(1);
  });

  const refused: [string, RawEntry[], RegExp][] = [
    [
      'a file that is cut off',
      [file('x', 'x'), { name: 'y', type: '0', data: 'abc', size: 100_000 }],
      /unexpected EOF/,
    ],
    ['a hard link to nothing', [hardlink('../../etc/passwd', 'x')], /no such file/],
    ['a whiteout of overlayfs', [{ name: 'x', type: '3', major: 0, minor: 0 }], /whiteout/],
  ];
  test.each(refused)('%s is refused, and nothing is left', async (_, entries, message) => {
    await expect(receive(entries)).rejects.toThrow(message);
  });

  test('a link to the host is written through inside', async () => {
    const target = join(fixture.path, 'outside');
    mkdirSync(target);
    using _context = await receive([symlink(target, 'l'), file('l/x', 'x')]);
    expect(() => lstatSync(join(target, 'x'))).toThrow(/ENOENT/);
  });

  test('a client that goes away, or an abort, leaves nothing', async () => {
    const gone = new PassThrough();
    gone.write(rawTar([file('a', '1')]).subarray(0, 600));
    const going = fixture.store.receive(gone, { signal });
    setTimeout(() => gone.destroy(new Error('gone')), 50);
    await expect(going).rejects.toThrow(/gone/);

    const slow = new PassThrough();
    slow.write(rawTar([file('a', '1')]).subarray(0, 600));
    const cancel = new AbortController();
    const waiting = fixture.store.receive(slow, { signal: cancel.signal });
    setTimeout(() => cancel.abort(new Error('stopped')), 50);
    await expect(waiting).rejects.toThrow(/stopped/);
  });

  test('the next start clears what was there', async () => {
    const lost = await receive([file('a', '1')]);
    fixture.reopen();
    expect(fixture.left).toEqual([]);
    lost[Symbol.dispose]();
  });
});

describe('an archive or a Dockerfile', () => {
  test.each([
    ['a tar', rawTar([file('Dockerfile', 'FROM scratch')])],
    ['a packed tar of a few bytes', gzipSync(rawTar([file('Dockerfile', 'FROM scratch')]))],
    ['a tar without magic', rawTar([{ ...file('Dockerfile', 'FROM scratch'), magic: '\0\0\0\0\0\0\0\0' }])],
  ])('%s', async (_, body) => {
    const received = await fixture.store.receiveAny(bytes(body), { signal });
    if (received.kind !== 'directory') throw new Error('no directory');
    using context = received.directory;
    expect(readFile(context, 'Dockerfile', 100).toString()).toBe('FROM scratch');
  });

  test.each(['FROM scratch\n', `FROM scratch\n${'# long\n'.repeat(1000)}`])('text', async (text) => {
    expect(await fixture.store.receiveAny(bytes(text.slice(0, 3), text.slice(3)), { signal })).toEqual({
      kind: 'dockerfile',
      text,
    });
  });

  test.each([
    ['too much text', 'a'.repeat(2 * 1024 * 1024)],
    ['neither', `FROM\0${'x'.repeat(2000)}`],
  ])('%s is refused', async (_, text) => {
    await expect(fixture.store.receiveAny(bytes(text), { signal })).rejects.toThrow(/neither an archive/);
  });
});

describe('readFile', () => {
  test('follows links inside the directory only, and opens nothing but files', async () => {
    using context = await receive([
      dir('d'),
      file('d/Dockerfile', 'FROM scratch'),
      symlink('/d/Dockerfile', 'absolute'),
      symlink('../../../d/Dockerfile', 'up'),
      symlink('/etc/passwd', 'host'),
      symlink('loop', 'loop'),
      { name: 'pipe', type: '6' },
      { name: 'null', type: '3', major: 1, minor: 3 },
    ]);
    const read = (path: string, most = 100): string => readFile(context, path, most).toString();
    expect(read('d/Dockerfile')).toBe('FROM scratch');
    expect(read('/d/../d/Dockerfile')).toBe('FROM scratch');
    expect(read('absolute')).toBe('FROM scratch');
    expect(read('up')).toBe('FROM scratch');
    for (const path of ['host', '../../../../etc/passwd', 'missing', 'd/Dockerfile/x', '']) {
      expect(() => read(path), path).toThrow(expect.objectContaining({ code: 'not-found' }));
    }
    for (const path of ['loop', 'pipe', 'null', 'd', '.', 'n'.repeat(5000), 'd\0']) {
      expect(() => read(path), path).toThrow(expect.objectContaining({ code: 'invalid' }));
    }
    expect(() => read('d/Dockerfile', 11)).toThrow(/more than 11 bytes/);
    expect(read('d/Dockerfile', 12)).toBe('FROM scratch');
  });

  test('of a link that leads out of the store', async () => {
    using context = await receive([file('a', '1')]);
    writeFileSync(join(fixture.path, 'secret'), 'secret');
    symlinkSync(join(fixture.path, 'secret'), join(context.path, 'l'));
    expect(() => readFile(context, 'l', 100)).toThrow(expect.objectContaining({ code: 'not-found' }));
  });
});
