// Import on the real kernel: what comes out of an archive, the layer's digest, and what is refused.
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { lgetxattr } from '../../../../native-bindings/xattrs.ts';
import { dir, file, hardlink, rawTar, rawTarStream, symlink } from '../../jail/raw-tar.ts';
import { StoreFixture } from '../store-fixture.ts';

const fixture = new StoreFixture();
afterAll(() => fixture.close());
afterEach(() => {
  fixture.users.clear();
  fixture.events.length = 0;
  expect(fixture.errors).toEqual([]);
});

const base = [
  dir('bin'),
  file('bin/tool', '#!', 0o4755),
  dir('etc', 0o750),
  file('etc/conf', 'one'),
  dir('data'),
  file('data/a', 'a'),
  file('data/b', 'b'),
  symlink('/etc', 'link'),
];
const imported = fixture.import(base, 'base:1');
beforeAll(() => imported);
const layerDirs = (): string[] => readdirSync(join(fixture.path, 'layers')).sort();

describe('import', () => {
  test('makes a named image of one layer, as inspect tells it', async () => {
    const id = await imported;
    expect(fixture.store.get('base:1').id).toBe(id);
    expect(fixture.store.get(id.slice(7, 19)).id).toBe(id);
    const inspected = fixture.inspect('base:1');
    expect(inspected).toMatchObject({
      Id: id,
      RepoTags: ['base:1'],
      RepoDigests: [],
      Parent: '',
      Os: 'linux',
      Comment: 'imported',
      ContainerConfig: {},
    });
    expect(inspected.RootFS.Layers).toHaveLength(1);
    expect(fixture.history('base:1')).toMatchObject([{ Id: id, Comment: 'imported', Tags: ['base:1'], Size: 7 }]);
  });

  test('keeps modes, owners, times, links, attributes and devices', async () => {
    const capability = Buffer.from([1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    const id = await fixture.import([
      {
        ...file('ping', 'x', 0o755),
        uid: 5,
        gid: 6,
        mtime: 1000,
        pax: { 'SCHILY.xattr.security.capability': capability },
      },
      hardlink('ping', 'pong'),
      { name: 'fifo', type: '6', mode: 0o620, uid: 1 },
      { name: 'null', type: '3', major: 1, minor: 3, mode: 0o666 },
      { ...symlink('../nowhere', 'dangling'), uid: 9 },
      { ...dir('sticky', 0o1777), mtime: 77 },
      file('sticky/inside', 'x'),
    ]);
    const box = await fixture.create(id);
    fixture.inRoot(box, () => {
      expect(lstatSync('ping')).toMatchObject({ mode: 0o100755, uid: 5, gid: 6, nlink: 2, mtimeMs: 1_000_000 });
      expect(lstatSync('pong').ino).toBe(lstatSync('ping').ino);
      expect(lgetxattr('ping', 'security.capability')).toEqual(capability);
      expect(lstatSync('fifo').mode).toBe(0o010620);
      expect(lstatSync('null')).toMatchObject({ mode: 0o020666, rdev: 0x103 });
      expect(lstatSync('dangling').uid).toBe(9);
      expect(lstatSync('sticky')).toMatchObject({ mode: 0o041777, mtimeMs: 77_000 });
    });
  });

  test.each(['gzip', 'zstd'])('%s is told by its first bytes', async (kind) => {
    const plain = rawTar([file(kind, 'content')]);
    const packed = kind === 'gzip' ? gzipSync(plain) : zstdCompressSync(plain);
    const id = await fixture.importStream(Readable.from([packed.subarray(0, 3), packed.subarray(3)]));
    const box = await fixture.create(id);
    expect(fixture.inRoot(box, () => readFileSync(kind, 'utf8'))).toBe('content');
  });

  test('the same tree makes the same layer, whatever archive it came in', async () => {
    const one = await fixture.import([dir('x'), file('x/1', 'a'), file('x/2', 'b')]);
    const layers = layerDirs();
    const two = await fixture.import([file('x/2', 'b'), file('x/1', 'old'), { ...dir('x') }, file('x/1', 'a')]);
    expect(fixture.inspect(two).RootFS).toEqual(fixture.inspect(one).RootFS);
    expect(layerDirs()).toEqual(layers);
  });

  test('changes are applied, and what is wrong in them is refused before a byte is read', async () => {
    const id = await fixture.import([file('a', 'x')], '', ['CMD ["a"]', 'ENV B=1', 'LABEL c=d']);
    expect(fixture.inspect(id).Config).toMatchObject({ Cmd: ['a'], Env: ['B=1'], Labels: { c: 'd' } });
    const tar = rawTarStream([file('a', 'x')]);
    await expect(fixture.importStream(tar, '', ['RUN x'])).rejects.toThrow('RUN is not a valid change command');
    expect([tar.destroyed, tar.readableDidRead]).toEqual([false, false]);
    await expect(fixture.import([file('a', 'x')], 'UPPER:1')).rejects.toThrow(/must be lowercase/);
  });

  const broken: [string, Buffer, RegExp][] = [
    ['no archive', Buffer.from('this is not a tar archive at all'.repeat(50)), /checksum|invalid/],
    ['a truncated one', rawTar([file('a', 'x'.repeat(5000))]).subarray(0, 2000), /unexpected EOF/],
    ['broken gzip', Buffer.concat([Buffer.from([0x1f, 0x8b]), Buffer.alloc(100, 7)]), /gzip/],
    ['truncated gzip', gzipSync(rawTar([file('a', 'x'.repeat(5000))])).subarray(0, 60), /gzip/],
    ['broken xz', Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 1, 2]), /read xz archive/],
  ];
  test.each(broken)('%s leaves nothing', async (_, bytes, message) => {
    const before = [fixture.store.count(), layerDirs()];
    await expect(fixture.importStream(Readable.from([bytes]), 'broken:1')).rejects.toThrow(message);
    expect([fixture.store.count(), layerDirs()]).toEqual(before);
    expect(readdirSync(join(fixture.path, 'staging'))).toEqual([]);
    expect(fixture.store.resolve('broken:1')).toBeUndefined();
  });
});
