// Layers that others make and that look odd: made of an overlay's or an aufs directory, older than 1970, packed in many frames. Docker loads all
// of these; what is seen in a container is what it shows there.
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { zstdCompressSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { TarReader } from '../../../daemon/protocols/tar/tar-reader.ts';
import { llistxattr, setxattr } from '../../../native-bindings/xattrs.ts';
import { dir, file, type RawEntry, rawTar } from '../jail/raw-tar.ts';
import { contentOf, put, StoreFixture } from './store-fixture.ts';

const fixture = new StoreFixture();
const other = new StoreFixture();
afterAll(async () => {
  await fixture.close();
  await other.close();
});
afterEach(() => expect([...fixture.errors, ...other.errors]).toEqual([]));

const baseTar = rawTar([dir('etc'), file('etc/a', 'a'), file('etc/b', 'b'), dir('tmp', 0o1777)]);

function digestOf(bytes: Buffer | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** A docker-archive of an image with these layers; what is kept of each may be packed. */
function archiveOf(name: string, tars: readonly Buffer[], packed: readonly Buffer[] = tars): Buffer {
  const config = JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    config: { Cmd: ['x'] },
    rootfs: { type: 'layers', diff_ids: tars.map((tar) => digestOf(tar)) },
  });
  const Layers = packed.map((_, i) => `${i}/layer.tar`);
  return rawTar([
    ...packed.map((bytes, i) => file(Layers[i] as string, bytes)),
    file('config.json', config),
    file('manifest.json', JSON.stringify([{ Config: 'config.json', RepoTags: [name], Layers }])),
  ]);
}

function load(target: StoreFixture, archive: Buffer): Promise<void> {
  return target.store.load(Readable.from([archive]), { quiet: true, tell: () => {} });
}

async function saved(from: StoreFixture, name: string): Promise<Buffer> {
  return contentOf(await from.store.save([name], {}));
}

/** What a container of the image sees. */
async function seen<T>(store: StoreFixture, name: string, look: () => T): Promise<T> {
  const box = await store.create(store.store.get(name).id);
  const result = store.inRoot(box, look);
  store.containers.remove(box);
  return result;
}

/** In /etc of a container of an image of the base and this layer, apart from what the engine puts there; saved and loaded again it is the same. */
async function inEtc(name: string, layer: readonly RawEntry[]): Promise<string[]> {
  await load(fixture, archiveOf(name, [baseTar, rawTar(layer)]));
  const managed = ['hostname', 'hosts', 'mtab', 'resolv.conf'];
  const look = () =>
    readdirSync('etc')
      .filter((entry) => !managed.includes(entry))
      .sort();
  const found = await seen(fixture, name, look);
  await load(other, await saved(fixture, name));
  expect(await seen(other, name, look)).toEqual(found);
  return found;
}

/** The paths of a tar. */
function pathsOf(tar: Buffer): string[] {
  const paths: string[] = [];
  const reader = new TarReader({ entry: ({ path }) => paths.push(path), data: () => {}, end: () => {} });
  reader.write(tar);
  reader.end();
  return paths;
}

let base: string;
beforeAll(async () => {
  await load(fixture, archiveOf('base:1', [baseTar]));
  base = fixture.store.get('base:1').id;
});

describe('whiteouts', () => {
  test.each<[string, RawEntry[], string[]]>([
    ['as a file', [file('etc/.wh.a')], ['b']],
    ['as a directory', [dir('etc/.wh.a')], ['b']],
    ['as a link to nothing', [{ name: 'etc/.wh.a', type: '1', link: 'nothing' }], ['b']],
    ["in overlay's own form", [{ name: 'etc/a', type: '3', major: 0, minor: 0 }], ['b']],
    ['of all, as a directory', [dir('etc'), dir('etc/.wh..wh..opq'), file('etc/c')], ['c']],
    ["aufs's books, which are no files", [dir('etc/.wh..wh.orph'), file('etc/.wh..wh.plnk/1')], ['a', 'b']],
    ["aufs's books at the top", [dir('.wh..wh.plnk'), file('.wh..wh.orph/1'), file('.wh..wh.aufs')], ['a', 'b']],
    ['a directory that is named like one and has files, as docker has it', [file('etc/.wh.x/f')], ['.wh.x', 'a', 'b']],
  ])('%s', async (what, layer, expected) => {
    const name = `wh:${what.replace(/\W+/g, '-')}`;
    expect(await inEtc(name, layer)).toEqual(expected);
    expect((await seen(fixture, name, () => readdirSync('.'))).filter((entry) => entry.startsWith('.wh'))).toEqual([]);
  });

  test('a device 0:0 that is copied into a container is none', async () => {
    const box = await fixture.create(base);
    const tar = Readable.from([rawTar([{ name: 'etc/a', type: '3', major: 0, minor: 0 }])]);
    await expect(
      fixture.storage.archive.put(fixture.stopped(box), '/', tar, { noOverwriteDirNonDir: false }),
    ).rejects.toMatchObject({ code: 'invalid', message: expect.stringMatching(/device 0:0/) });
    fixture.containers.remove(box);
  });

  test('a file that a container gave such a name is in no layer, and hides nothing', async () => {
    const box = await fixture.create(base);
    fixture.inRoot(box, () => {
      writeFileSync('.wh.etc', 'mine');
      writeFileSync('etc/.wh..wh..opq', 'mine');
      symlinkSync('x', 'etc/.wh.a');
      put('etc/.wh.b/c', 'mine');
      put('etc/new', 'new');
    });
    const id = await fixture.commit(box, base, { repo: 'named', tag: '1' });
    expect(fixture.inRoot(box, () => readFileSync('.wh.etc', 'utf8'))).toBe('mine');
    fixture.containers.remove(box);
    await load(other, await saved(fixture, 'named:1'));
    expect(other.store.get('named:1').id).toBe(id);
    for (const store of [fixture, other]) {
      const entries = await seen(store, 'named:1', () => readdirSync('etc'));
      expect(entries).toEqual(expect.arrayContaining(['a', 'b', 'new']));
      expect(entries.filter((entry) => entry.startsWith('.wh'))).toEqual([]);
    }
  });
});

describe("overlay's own attributes", () => {
  const names = ['user.overlay.origin', 'trusted.overlay.impure', 'trusted.overlay.opaque', 'trusted.overlay.redirect'];
  test.each([...names, 'trusted.overlay.metacopy'])('%s is left out, and the layer taken', async (name) => {
    const pax = { [`SCHILY.xattr.${name}`]: name.endsWith('opaque') ? 'y' : '/etc', 'SCHILY.xattr.user.kept': 'yes' };
    const layer = [
      { ...dir('etc'), pax },
      { ...file('etc/c', 'c'), pax },
    ];
    const image = `x:${name}`;
    expect(await inEtc(image, layer)).toEqual(['a', 'b', 'c']);
    expect(await seen(fixture, image, () => [readFileSync('etc/c', 'utf8'), llistxattr('etc/c')])).toEqual([
      'c',
      ['user.kept'],
    ]);
  });

  test('an attribute with a value that it cannot have is told as that', async () => {
    const bad = rawTar([{ ...file('x'), pax: { 'SCHILY.xattr.security.capability': 'abc' } }]);
    await expect(load(fixture, archiveOf('bad:1', [bad]))).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringMatching(/entry x: the extended attribute security\.capability has no such value/),
    });
  });
});

describe("a layer's word about the root", () => {
  test('does not lock anybody out', async () => {
    const owned = { ...dir('./', 0o700), uid: 5, gid: 6 };
    await load(fixture, archiveOf('root:1', [baseTar, rawTar([owned, file('n')])]));
    const id = await fixture.import([owned, file('n')], 'root:2');
    const box = await fixture.create(id);
    fixture.inRoot(box, () => writeFileSync('m', ''));
    await fixture.commit(box, id, { repo: 'root', tag: '3' });
    fixture.containers.remove(box);
    for (const name of ['root:1', 'root:2', 'root:3']) {
      const { mode, uid, gid } = await seen(fixture, name, () => lstatSync('.'));
      expect([name, mode & 0o7777, uid, gid]).toEqual([name, 0o755, 0, 0]);
      await load(other, await saved(fixture, name));
    }
  });
});

describe('times before 1970', () => {
  const seconds = (year: number) => Date.UTC(year, 0, 1) / 1000;
  const years = [1960, 1935, 1970, 2024, 2200];

  test('of committed files and directories are kept, and the image is saved and loaded again the same', async () => {
    const box = await fixture.create(base);
    fixture.inRoot(box, () => {
      for (const year of years) {
        put(`old/${year}/file`, 'x');
        symlinkSync('x', `old/${year}/link`);
        for (const path of [`old/${year}/file`, `old/${year}`]) {
          utimesSync(path, new Date(0), new Date(seconds(year) * 1000));
        }
      }
      utimesSync('old', new Date(0), new Date(-1));
    });
    const id = await fixture.commit(box, base, { repo: 'old', tag: '1' });
    fixture.containers.remove(box);
    await load(other, await saved(fixture, 'old:1'));
    expect(other.store.get('old:1').id).toBe(id);
    for (const store of [fixture, other]) {
      const times = await seen(store, 'old:1', () =>
        years.flatMap((year) => [`old/${year}`, `old/${year}/file`]).map((path) => lstatSync(path).mtimeMs / 1000),
      );
      expect(times).toEqual(years.flatMap((year) => [seconds(year), seconds(year)]));
    }
    expect(digestOf(await saved(other, 'old:1'))).toBe(digestOf(await saved(fixture, 'old:1')));
  });

  test('in the form of GNU, and of PAX with fractions', async () => {
    const gnu = rawTar([file('gnu')]);
    // Base 256: two's complement in all bits of the field.
    gnu.fill(0xff, 136, 148);
    gnu.writeBigInt64BE(BigInt(seconds(1960)), 140);
    gnu.fill(0x20, 148, 156);
    const sum = gnu.subarray(0, 512).reduce((all, byte) => all + byte, 0);
    gnu.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    const pax = rawTar([
      { ...file('half'), pax: { mtime: '-1.5' } },
      { ...file('far'), pax: { mtime: '-99999999999999999999' } },
      { ...file('late'), pax: { mtime: '99999999999999999999' } },
    ]);
    await load(fixture, archiveOf('gnu:1', [gnu, pax]));
    const times = await seen(fixture, 'gnu:1', () =>
      ['gnu', 'half', 'far', 'late'].map((path) => lstatSync(path).mtimeMs / 1000),
    );
    expect(times.slice(0, 2)).toEqual([seconds(1960), -1.5]);
    // What the file system of the tests can hold.
    expect(times[2]).toBeLessThanOrEqual(-(2 ** 31));
    expect(times[3]).toBeGreaterThanOrEqual(2 ** 31 - 1);
  });
});

describe('a zstd layer of several frames', () => {
  const skippable = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4]);
  const tar = rawTar([dir('d'), file('d/first', Buffer.alloc(700_000, 'f')), file('d/last', 'last')]);
  const [a, b, c] = [tar.subarray(0, 300_000), tar.subarray(300_000, 600_000), tar.subarray(600_000)];
  const empty = zstdCompressSync(Buffer.alloc(0));
  const frames = [a, b, c].map((part) => zstdCompressSync(part));
  test.each<[string, Buffer[]]>([
    ['one after the other', frames],
    ['an empty one among them', [frames[0] as Buffer, empty, frames[1] as Buffer, empty, empty, frames[2] as Buffer]],
    ['each behind one to be skipped, as pzstd writes', frames.flatMap((frame) => [skippable, frame])],
    ['with a table at the end, as zstd:chunked has it', [...frames, skippable]],
  ])('%s: is loaded, saved, committed on and packed', async (what, parts) => {
    const name = `frames:${what.replace(/\W+/g, '-')}`;
    await load(fixture, archiveOf(name, [tar], [Buffer.concat(parts)]));
    await load(other, await saved(fixture, name));
    const { id } = fixture.store.get(name);
    expect(other.store.get(name).id).toBe(id);
    const box = await fixture.create(id);
    fixture.inRoot(box, () => put('d/more', 'm'));
    await fixture.commit(box, id, { repo: 'onframes', tag: '1' });
    fixture.containers.remove(box);
    await load(other, await saved(fixture, 'onframes:1'));
    expect(await seen(other, 'onframes:1', () => readdirSync('d').sort())).toEqual(['first', 'last', 'more']);
    expect(await seen(other, 'onframes:1', () => readFileSync('d/last', 'utf8'))).toBe('last');
    // What a push sends.
    const layer = fixture.catalogue.parts.layers.chain(fixture.catalogue.parts.tables.get(id)?.topLayer)[0];
    const packed = await fixture.catalogue.parts.archives.packed(layer as NonNullable<typeof layer>);
    expect(packed.mediaType).toMatch(/gzip$/);
    for (const one of [name, 'onframes:1']) {
      await fixture.store.remove(one, { force: true, noPrune: false });
      await other.store.remove(one, { force: true, noPrune: false });
    }
  });
});

test('a user attribute of the container that reads as overlay’s is in no layer', async () => {
  const box = await fixture.create(base);
  fixture.inRoot(box, () => {
    writeFileSync('f', 'x');
    setxattr('f', 'user.overlay.origin', Buffer.from('x'));
  });
  await fixture.commit(box, base, { repo: 'attr', tag: '1' });
  fixture.containers.remove(box);
  await load(other, await saved(fixture, 'attr:1'));
  expect(await seen(other, 'attr:1', () => [existsSync('f'), llistxattr('f')])).toEqual([true, []]);
  expect(pathsOf(await saved(other, 'attr:1')).length).toBeGreaterThan(4);
});
