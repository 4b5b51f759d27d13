// Import, commit, diff, names, removal and recovery of the image store, on the real kernel.
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { fgetxattr, lgetxattr, setxattr } from '../../../native-bindings/xattrs.ts';
import { dir, file, hardlink, rawTar, rawTarStream, symlink } from './raw-tar.ts';
import { put, StoreFixture } from './store-fixture.ts';

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
const everything = { all: true, filters: new Map<string, string[]>(), sharedSize: false };
const layerDirs = (): string[] => readdirSync(join(fixture.path, 'layers')).sort();

describe('import', () => {
  test('makes a named image of one layer, as inspect tells it', async () => {
    const id = await imported;
    expect(fixture.store.get('base:1').id).toBe(id);
    expect(fixture.store.get(id.slice(7, 19)).id).toBe(id);
    const inspected = fixture.store.inspect('base:1');
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
    expect(fixture.store.history('base:1')).toMatchObject([{ Id: id, Comment: 'imported', Tags: ['base:1'], Size: 7 }]);
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
    expect(fixture.store.inspect(two).RootFS).toEqual(fixture.store.inspect(one).RootFS);
    expect(layerDirs()).toEqual(layers);
  });

  test('changes are applied, and what is wrong in them is refused before a byte is read', async () => {
    const id = await fixture.import([file('a', 'x')], '', ['CMD ["a"]', 'ENV B=1', 'LABEL c=d']);
    expect(fixture.store.inspect(id).Config).toMatchObject({ Cmd: ['a'], Env: ['B=1'], Labels: { c: 'd' } });
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
    ['xz', Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 1, 2]), /xz archives cannot be read yet/],
  ];
  test.each(broken)('%s leaves nothing', async (_, bytes, message) => {
    const before = [fixture.store.count(), layerDirs()];
    await expect(fixture.importStream(Readable.from([bytes]), 'broken:1')).rejects.toThrow(message);
    expect([fixture.store.count(), layerDirs()]).toEqual(before);
    expect(readdirSync(join(fixture.path, 'staging'))).toEqual([]);
    expect(fixture.store.resolve('broken:1')).toBeUndefined();
  });
});

describe('a container layer', () => {
  test('has the usual mount points, which are no changes', async () => {
    const box = await fixture.create(await imported);
    fixture.inRoot(box, () => {
      for (const path of ['dev', 'proc', 'sys', 'dev/pts', 'dev/shm']) expect(statSync(path).isDirectory()).toBe(true);
      for (const path of ['.dockerenv', 'etc/hosts', 'etc/hostname', 'etc/resolv.conf'])
        expect(statSync(path).size).toBe(0);
      expect(statSync('etc').mode & 0o777).toBe(0o750);
    });
    expect(await fixture.containers.changes(box)).toEqual([]);
    expect(readdirSync(fixture.containers.upperDir(box))).toEqual([]);
  });

  test('has mount points that the image lacks, behind links too', async () => {
    const box = await fixture.create(await imported, [
      { path: '/data/new/deep', kind: 'directory' },
      { path: '/link/file', kind: 'file' },
      { path: '/data/a', kind: 'file' },
    ]);
    fixture.inRoot(box, () => {
      expect(statSync('data/new/deep').isDirectory()).toBe(true);
      expect(statSync('etc/file').isFile()).toBe(true);
      expect(readFileSync('data/a', 'utf8')).toBe('a');
    });
    expect(await fixture.containers.changes(box)).toEqual([]);
  });

  test('is made at once when its image was used before', async () => {
    const id = await imported;
    await fixture.create(id);
    const times: number[] = [];
    for (let i = 0; i < 20; i++) {
      const begun = performance.now();
      const box = await fixture.create(id);
      const fd = fixture.containers.openRoot(box);
      times.push(performance.now() - begun);
      (await import('node:fs')).closeSync(fd);
      fixture.containers.remove(box);
    }
    // A quarter of a millisecond on an idle machine; making directories alone can take ten times that on a busy one.
    expect(Math.min(...times)).toBeLessThan(5);
  });

  test('forty containers of one new image share the making of its init layer', async () => {
    const id = await fixture.import([file('only', 'once')]);
    const before = layerDirs().length;
    const boxes = await Promise.all(Array.from({ length: 40 }, () => fixture.create(id)));
    expect(layerDirs().length).toBe(before + 1);
    for (const box of boxes) fixture.containers.remove(box);
  });

  test('refuses ids that are no ids', async () => {
    await expect(fixture.containers.create('../../etc', await imported, [])).rejects.toThrow(/not a container id/);
    expect(() => fixture.containers.remove('../x')).toThrow(/not a container id/);
    expect(() => fixture.containers.openRoot('a'.repeat(64))).toThrow(/no such container layer/);
  });
});

describe('changes', () => {
  test('are told as docker diff tells them', async () => {
    const box = await fixture.create(await imported);
    fixture.inRoot(box, () => {
      put('data/new', 'n');
      writeFileSync('data/a', 'changed');
      unlinkSync('data/b');
      chmodSync('bin/tool', 0o700);
      mkdirSync('fresh');
      put('fresh/x', '1');
      unlinkSync('link');
    });
    expect(await fixture.containers.changes(box)).toEqual([
      { Path: '/bin', Kind: 0 },
      { Path: '/bin/tool', Kind: 0 },
      { Path: '/data', Kind: 0 },
      { Path: '/data/a', Kind: 0 },
      { Path: '/data/b', Kind: 2 },
      { Path: '/data/new', Kind: 1 },
      { Path: '/fresh', Kind: 1 },
      { Path: '/fresh/x', Kind: 1 },
      { Path: '/link', Kind: 2 },
    ]);
    expect(await fixture.containers.sizeBytes(box)).toBe(1 + 7 + 2 + 1);
  });

  test('tell a directory that was replaced', async () => {
    const box = await fixture.create(await imported);
    fixture.inRoot(box, () => {
      rmSync('data', { recursive: true });
      mkdirSync('data');
      writeFileSync('data/b', 'other');
    });
    expect(await fixture.containers.changes(box)).toEqual([
      { Path: '/data', Kind: 0 },
      { Path: '/data/a', Kind: 2 },
      { Path: '/data/b', Kind: 0 },
    ]);
  });

  test('do not follow a link of the image', async () => {
    const box = await fixture.create(await imported);
    fixture.inRoot(box, () => {
      unlinkSync('link');
      mkdirSync('link');
      writeFileSync('link/conf', 'mine');
    });
    expect(await fixture.containers.changes(box)).toEqual([
      { Path: '/link', Kind: 0 },
      { Path: '/link/conf', Kind: 1 },
    ]);
  });
});

describe('commit', () => {
  async function committed(change: () => void, more = {}): Promise<string> {
    const box = await fixture.create(await imported);
    fixture.inRoot(box, change);
    const id = await fixture.commit(box, await imported, more);
    fixture.containers.remove(box);
    return id;
  }

  test('the image has what the container had', async () => {
    const id = await committed(() => {
      writeFileSync('data/a', 'changed');
      unlinkSync('data/b');
      rmSync('bin', { recursive: true });
      mkdirSync('bin');
      writeFileSync('bin/other', 'x');
      put('new/1', 'one');
      linkSync('new/1', 'new/2');
      symlinkSync('1', 'new/3');
      chownSync('new/1', 11, 12);
      chmodSync('new', 0o711);
    });
    const box = await fixture.create(id);
    fixture.inRoot(box, () => {
      expect(readFileSync('data/a', 'utf8')).toBe('changed');
      expect(existsSync('data/b')).toBe(false);
      expect(readdirSync('bin')).toEqual(['other']);
      expect(lstatSync('new/1')).toMatchObject({ uid: 11, gid: 12, nlink: 2 });
      expect(lstatSync('new/2').ino).toBe(lstatSync('new/1').ino);
      expect(lstatSync('new').mode & 0o777).toBe(0o711);
      expect(readFileSync('etc/conf', 'utf8')).toBe('one');
    });
    const upper = fixture.store.inspect(id).GraphDriver.Data?.UpperDir as string;
    expect(lstatSync(join(upper, 'data/b'))).toMatchObject({ rdev: 0, mode: 0o020000 });
    expect(existsSync(join(upper, 'etc'))).toBe(false);
  });

  test('tells author, comment, changes and history', async () => {
    const id = await committed(() => put('x', 'y'), {
      author: 'me',
      comment: 'why',
      config: { Env: ['A=1'], Cmd: ['run'] },
      changes: ['ENV A=2 B=3', 'CMD ["b"]'],
      repo: 'committed',
      tag: '',
    });
    const inspected = fixture.store.inspect('committed');
    expect(inspected).toMatchObject({
      Id: id,
      Author: 'me',
      Comment: 'why',
      Parent: await imported,
      RepoTags: ['committed:latest'],
    });
    expect(inspected.Config).toEqual({ Env: ['A=2', 'B=3'], Cmd: ['b'] });
    expect(inspected.ContainerConfig.Cmd).toEqual(['sh', '-c', 'true']);
    expect(fixture.store.history(id)).toMatchObject([
      { Id: id, CreatedBy: 'sh -c true', Comment: 'why', Size: 1 },
      { Id: await imported, Comment: 'imported' },
    ]);
  });

  test('the same changes make the same layer, a renamed directory too', async () => {
    const { utimesSync } = await import('node:fs');
    const change = (): void => {
      put('same/file', 'content');
      renameSync('same', 'moved');
      for (const path of ['moved/file', 'moved']) utimesSync(path, 5, 5);
    };
    const [one, two] = [await committed(change), await committed(change)];
    expect(fixture.store.inspect(two).RootFS).toEqual(fixture.store.inspect(one).RootFS);
  });

  test('what is stored packs to the digest that it has', async () => {
    const id = await committed(() => {
      put('deep/er/x', '1'.repeat(70_000));
      unlinkSync('data/a');
      rmSync('etc', { recursive: true });
      mkdirSync('etc');
    });
    const { holdTree } = await import('../../../daemon/images/overlay.ts');
    const { MessageChannel } = await import('node:worker_threads');
    const { receiveChunks } = await import('../../../daemon/images/jail/chunk-port.ts');
    const { port1, port2 } = new MessageChannel();
    receiveChunks(port2, { chunk: () => undefined, end: () => undefined, failed: () => undefined });
    const inspected = fixture.store.inspect(id);
    const fd = holdTree(inspected.GraphDriver.Data?.UpperDir as string);
    const place = { kind: 'tree', rootFd: fd, mounts: [] } as const;
    const packed = await fixture.images.jail.run<'pack-layer'>({ do: 'pack-layer', place }, [fd], {
      outputPort: port1,
    });
    port2.close();
    expect(packed.diffId).toBe(inspected.RootFS.Layers?.at(-1));
  });

  test('an opaque directory stays opaque over three layers', async () => {
    const id = await committed(() => {
      rmSync('data', { recursive: true });
      mkdirSync('data');
      writeFileSync('data/c', 'c');
    });
    const upper = fixture.store.inspect(id).GraphDriver.Data?.UpperDir as string;
    const { openSync, closeSync } = await import('node:fs');
    const fd = openSync(join(upper, 'data'), 'r');
    expect(fgetxattr(fd, 'trusted.overlay.opaque')?.toString()).toBe('y');
    closeSync(fd);
    const box = await fixture.create(id);
    fixture.inRoot(box, () => writeFileSync('data/d', 'd'));
    const second = await fixture.commit(box, id);
    const last = await fixture.create(second);
    expect(fixture.inRoot(last, () => readdirSync('data').sort())).toEqual(['c', 'd']);
  });

  test('thirty at once do not wait for each other for ever', async () => {
    const boxes = await Promise.all(Array.from({ length: 30 }, async () => fixture.create(await imported)));
    for (const [i, box] of boxes.entries()) fixture.inRoot(box, () => put('which', `${i % 3}`));
    const ids = await Promise.all(boxes.map(async (box) => fixture.commit(box, await imported)));
    expect(ids).toHaveLength(30);
    for (const box of boxes) fixture.containers.remove(box);
  });

  test('of nothing makes an image with an empty layer', async () => {
    const id = await committed(() => undefined);
    expect(fixture.store.inspect(id).RootFS.Layers).toHaveLength(2);
    expect(fixture.store.inspect(id).Size).toBe(7);
  });
});

describe('names and lists', () => {
  test('a tag moves from image to image, and the other is dangling', async () => {
    const one = await fixture.import([file('1', '1')], 'moving:x');
    const two = await fixture.import([file('2', '2')], 'moving:x');
    expect(fixture.store.get('moving:x').id).toBe(two);
    const dangling = fixture.store.list({ ...everything, filters: new Map([['dangling', ['true']]]) });
    expect(dangling.map(({ Id }) => Id)).toContain(one);
    expect(dangling.find(({ Id }) => Id === one)?.RepoTags).toEqual([]);
  });

  test('names such as constructor and __proto__ are only names', async () => {
    for (const name of ['constructor', 'x/constructor', 'tostring']) {
      fixture.store.tag('base:1', name, 'constructor');
      expect(fixture.store.get(`${name}:constructor`).id).toBe(await imported);
    }
    expect(() => fixture.store.tag('base:1', '__proto__', 'x')).toThrow(/invalid reference format/);
    expect(fixture.store.resolve('constructor')).toBeUndefined();
    for (const name of ['constructor', 'x/constructor', 'tostring']) {
      await fixture.store.remove(`${name}:constructor`, { force: false, noPrune: false });
    }
  });

  test('filters', async () => {
    const id = await fixture.import([file('f', 'f')], 'reg.example:5000/team/app:v1', ['LABEL k=v']);
    const ids = (key: string, ...values: string[]) =>
      fixture.store.list({ ...everything, filters: new Map([[key, values]]) }).map(({ Id }) => Id);
    expect(ids('label', 'k=v')).toEqual([id]);
    expect(ids('label', 'k=w')).toEqual([]);
    expect(ids('reference', 'reg.example:5000/*/app')).toEqual([id]);
    expect(ids('reference', '*:1')).toContain(await imported);
    expect(ids('reference', 'ba*')).toEqual([await imported]);
    expect(ids('until', '1h')).toEqual([]);
    expect(() => ids('nosuch', 'x')).toThrow("invalid filter 'nosuch'");
    expect(() => ids('before', 'missing')).toThrow('No such image: missing:latest');
  });

  test('what is not there', () => {
    for (const [ref, shown] of [
      ['nosuch', 'nosuch:latest'],
      ['a/b:c', 'a/b:c'],
      ['sha256:abc', 'sha256:abc'],
      ['f'.repeat(64), 'f'.repeat(64)],
    ]) {
      expect(() => fixture.store.get(ref as string)).toThrow(`No such image: ${shown}`);
    }
    expect(() => fixture.store.get('Bad Name')).toThrow(/invalid reference format/);
  });
});

describe('removal', () => {
  const force = { force: true, noPrune: false };
  const plain = { force: false, noPrune: false };

  test('the last name takes the image and its layer along', async () => {
    const id = await fixture.import([file('gone', 'soon')], 'gone:1');
    const layer = fixture.store.inspect(id).GraphDriver.Data?.UpperDir as string;
    fixture.store.tag('gone:1', 'gone', '2');
    expect(await fixture.store.remove('gone:1', plain)).toEqual([{ Untagged: 'gone:1' }]);
    const records = await fixture.store.remove('gone:2', plain);
    expect(records.slice(0, 2)).toEqual([{ Untagged: 'gone:2' }, { Deleted: id }]);
    expect(records).toHaveLength(3);
    expect(existsSync(layer)).toBe(false);
    expect(existsSync(join(fixture.path, 'content/blobs/sha256', id.slice(7)))).toBe(false);
    expect(fixture.events.map(({ action }) => action)).toEqual(['tag', 'import', 'tag', 'untag', 'untag', 'delete']);
  });

  test('by id, several names of several repositories need force', async () => {
    const id = await fixture.import([file('m', 'm')], 'many:1');
    fixture.store.tag(id, 'other', '1');
    const short = id.slice(7, 19);
    await expect(fixture.store.remove(id, plain)).rejects.toThrow(
      `conflict: unable to delete ${short} (must be forced) - image is referenced in multiple repositories`,
    );
    const records = await fixture.store.remove(short, force);
    expect(records.slice(0, 3)).toEqual([{ Untagged: 'many:1' }, { Untagged: 'other:1' }, { Deleted: id }]);
  });

  test('containers stand in the way in the words of Docker', async () => {
    const id = await fixture.import([file('u', 'u')], 'used:1');
    const [short, box] = [id.slice(7, 19), 'c'.repeat(64)];
    fixture.users.set(id, [{ id: box, isRunning: false }]);
    await expect(fixture.store.remove('used:1', plain)).rejects.toThrow(
      `conflict: unable to remove repository reference "used:1" (must force) - container cccccccccccc is using its referenced image ${short}`,
    );
    await expect(fixture.store.remove(short, plain)).rejects.toThrow(
      `conflict: unable to delete ${short} (must be forced) - image is being used by stopped container cccccccccccc`,
    );
    fixture.users.set(id, [{ id: box, isRunning: true }]);
    await expect(fixture.store.remove(short, force)).rejects.toThrow(
      `conflict: unable to delete ${short} (cannot be forced) - image is being used by running container cccccccccccc`,
    );
    expect(fixture.store.get('used:1').id).toBe(id);
  });

  test('a forced removal leaves the container its layers', async () => {
    const id = await fixture.import([file('kept', 'still here')], 'forced:1');
    const box = await fixture.create(id);
    fixture.users.set(id, [{ id: box, isRunning: false }]);
    await fixture.store.remove('forced:1', force);
    expect(fixture.store.resolve(id)).toBeUndefined();
    expect(fixture.inRoot(box, () => readFileSync('kept', 'utf8'))).toBe('still here');
    await fixture.restart();
    expect(fixture.inRoot(box, () => readFileSync('kept', 'utf8'))).toBe('still here');
    const before = layerDirs().length;
    fixture.containers.remove(box);
    await fixture.store.prune(new Map());
    expect(layerDirs().length).toBeLessThan(before);
  });

  test('an image with children cannot go, and goes with the last of them', async () => {
    const parent = await fixture.import([file('p', 'p')], 'parent:1');
    const box = await fixture.create(parent);
    const child = await fixture.commit(box, parent, { repo: 'child', tag: '1' });
    fixture.containers.remove(box);
    await expect(fixture.store.remove(parent, force)).rejects.toThrow(/image has dependent child images/);
    expect(await fixture.store.remove('parent:1', plain)).toEqual([{ Untagged: 'parent:1' }]);
    const records = await fixture.store.remove('child:1', plain);
    expect(records).toContainEqual({ Deleted: child });
    expect(records).toContainEqual({ Deleted: parent });
  });

  test('prune takes the nameless, or all that no container uses', async () => {
    const nameless = await fixture.import([file('n', '12345')]);
    const used = await fixture.import([file('v', 'v')], 'inuse:1');
    fixture.users.set(used, [{ id: 'd'.repeat(64), isRunning: false }]);
    const pruned = await fixture.store.prune(new Map());
    expect(pruned.ImagesDeleted).toContainEqual({ Deleted: nameless });
    expect(pruned.SpaceReclaimed).toBeGreaterThanOrEqual(5);
    await fixture.store.prune(new Map([['dangling', ['false']]]));
    expect(fixture.store.list(everything).map(({ Id }) => Id)).toEqual([used]);
  });
});

describe('after a kill', () => {
  test('half-made things are gone, whole ones are there', async () => {
    const id = await fixture.import([file('whole', 'yes')], 'whole:1');
    const box = await fixture.create(id);
    mkdirSync(join(fixture.path, 'staging/half/fs'), { recursive: true });
    mkdirSync(join(fixture.path, 'layers/9999'));
    writeFileSync(join(fixture.path, 'trash/old'), 'x');
    await fixture.restart();
    expect(existsSync(join(fixture.path, 'staging/half'))).toBe(false);
    expect(existsSync(join(fixture.path, 'layers/9999'))).toBe(false);
    expect(fixture.containers.ids()).toContain(box);
    expect(fixture.inRoot(box, () => readFileSync('whole', 'utf8'))).toBe('yes');
    await expect.poll(() => readdirSync(join(fixture.path, 'trash')), { timeout: 5000 }).toEqual([]);
  });

  test('a damaged config is told, not used', async () => {
    const id = await fixture.import([file('dam', 'age')], 'damaged:1');
    await fixture.restart();
    writeFileSync(join(fixture.path, 'content/blobs/sha256', id.slice(7)), '{}');
    expect(() => fixture.store.get('damaged:1')).toThrow(/it is damaged/);
  });
});

/** Inode numbers are used again, but not at the same time. */
function identity(path: string): string {
  const { ino, birthtimeNs } = statSync(path, { bigint: true });
  return `${ino}:${birthtimeNs}`;
}

describe('directories of removed containers', () => {
  test('are used again when nothing was changed in them, without what others left there', async () => {
    const id = await fixture.import([dir('.', 0o751), file('spare', '1')], 'spare:1');
    const box = await fixture.create(id);
    const directory = join(fixture.path, 'containers', box);
    put(join(directory, 'log/log.1'), 'old lines');
    put(join(directory, 'hosts'), 'old hosts');
    const made = identity(fixture.containers.upperDir(box));
    fixture.inRoot(box, () => readFileSync('spare'));
    fixture.containers.remove(box);
    expect(existsSync(directory)).toBe(false);
    const soon = await fixture.create(id);
    expect(identity(fixture.containers.upperDir(soon))).not.toBe(made);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const later = await fixture.create(id);
    expect(identity(fixture.containers.upperDir(later))).toBe(made);
    expect(readdirSync(join(fixture.path, 'containers', later)).sort()).toEqual(['init', 'log', 'upper', 'work']);
    expect(readdirSync(join(fixture.path, 'containers', later, 'log'))).toEqual([]);
    expect(fixture.inRoot(later, () => statSync('.').mode & 0o777)).toBe(0o751);
  });

  const touches: [string, () => void][] = [
    ['a file was made', () => writeFileSync('made', 'x')],
    ['a file was made and deleted again', () => put('etc/made', 'x')],
    ['the root has another mode', () => chmodSync('.', 0o700)],
    ['the root has another owner', () => chownSync('.', 1, 1)],
    ['the root has an attribute', () => setxattr('.', 'user.mine', Buffer.from('x'))],
  ];
  test('are deleted when anything about them is not as it was', async () => {
    const id = fixture.store.get('spare:1').id;
    const seen = new Set<string>();
    for (const [, touch] of touches) {
      const box = await fixture.create(id);
      fixture.inRoot(box, touch);
      seen.add(identity(fixture.containers.upperDir(box)));
      fixture.containers.remove(box);
    }
    await new Promise((resolve) => setTimeout(resolve, 1100));
    for (let i = 0; i < 10; i++) {
      const box = await fixture.create(id);
      expect(seen.has(identity(fixture.containers.upperDir(box)))).toBe(false);
    }
  });
});
