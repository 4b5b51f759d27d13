// Container layers on the real kernel: mount points, changes, and directories that are used again.
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statfsSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { Jail } from '../../../daemon/jail/jail.ts';
import { setxattr } from '../../../native-bindings/xattrs.ts';
import { put, StoreFixture } from '../images/store-fixture.ts';
import { dir, file, symlink } from '../jail/raw-tar.ts';

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

describe('a container layer', () => {
  test('has the usual mount points, which are no changes', async () => {
    const box = await fixture.create(await imported);
    fixture.inRoot(box, () => {
      for (const path of ['dev', 'proc', 'sys', 'dev/pts', 'dev/shm']) expect(statSync(path).isDirectory()).toBe(true);
      for (const path of ['.dockerenv', 'etc/hosts', 'etc/hostname', 'etc/resolv.conf'])
        expect(statSync(path).size).toBe(0);
      expect(statSync('etc').mode & 0o777).toBe(0o750);
    });
    expect(await fixture.changes(box)).toBeNull();
    expect(readdirSync(fixture.containers.dirs(box).upper)).toEqual([]);
  });

  test('of an image that has gone meanwhile is not made', async () => {
    const gone = await fixture.import([file('gone', 'x')]);
    await fixture.store.remove(gone, { force: false, noPrune: false });
    await expect(fixture.create(gone)).rejects.toMatchObject({ code: 'not-found' });
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
    expect(await fixture.changes(box)).toBeNull();
  });

  test('needs no jail once its image was used: it is a few calls on the main thread', async () => {
    const id = await imported;
    await fixture.create(id);
    // With the trash: it would want the jail for what earlier tests removed.
    await fixture.images.close();
    const box = await fixture.create(id);
    expect(fixture.inRoot(box, () => readFileSync('data/a', 'utf8'))).toBe('a');
    await fixture.restart();
  });

  test('forty containers of one new image share the making of its init layer', async () => {
    const id = await fixture.import([file('only', 'once')]);
    const before = layerDirs().length;
    const boxes = await Promise.all(Array.from({ length: 40 }, () => fixture.create(id)));
    expect(layerDirs().length).toBe(before + 1);
    for (const box of boxes) fixture.containers.remove(box);
  });

  test('refuses ids that are no ids', async () => {
    await expect(fixture.containers.prepare('../../etc', fixture.store.topLayer(await imported))).rejects.toThrow(
      /not a container id/,
    );
    expect(() => fixture.containers.remove('../x')).toThrow(/not a container id/);
    expect(() => fixture.containers.mount('a'.repeat(64))).toThrow(/no such container layer/);
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
      put('fresh-er', '1');
      unlinkSync('link');
    });
    expect(await fixture.changes(box)).toEqual([
      { Path: '/bin', Kind: 0 },
      { Path: '/bin/tool', Kind: 0 },
      { Path: '/data', Kind: 0 },
      { Path: '/data/a', Kind: 0 },
      { Path: '/data/b', Kind: 2 },
      { Path: '/data/new', Kind: 1 },
      { Path: '/fresh', Kind: 1 },
      { Path: '/fresh/x', Kind: 1 },
      { Path: '/fresh-er', Kind: 1 },
      { Path: '/link', Kind: 2 },
    ]);
    expect(await fixture.containers.usage(box, 'size')).toBe(1 + 7 + 2 + 1 + 1);
  });

  test('of many are counted together, a few jobs for all, and one whose files are lost is left out', async () => {
    const boxes = await Promise.all(Array.from({ length: 80 }, () => imported.then((id) => fixture.create(id))));
    for (const [n, box] of boxes.entries()) fixture.inRoot(box, () => put('data/n', 'x'.repeat(n)));
    const [lost] = boxes as [string];
    rmSync(fixture.containers.dirs(lost).upper, { recursive: true });
    const jobs = vi.spyOn(Jail.prototype, 'run');
    const sizes = await fixture.containers.usages([...boxes, 'f'.repeat(64)], 'size');
    expect(jobs.mock.calls.length).toBeLessThanOrEqual(80 / 20);
    jobs.mockRestore();
    expect(sizes).toEqual(new Map(boxes.slice(1).map((box, n) => [box, n + 1])));
    const usage = await fixture.containers.usages(boxes, 'usage');
    for (const box of boxes.slice(0, 3)) expect(usage.get(box)).toBe(await fixture.containers.usage(box, 'usage'));
  });

  test('tell a directory that was replaced', async () => {
    const box = await fixture.create(await imported);
    fixture.inRoot(box, () => {
      rmSync('data', { recursive: true });
      mkdirSync('data');
      writeFileSync('data/b', 'other');
    });
    expect(await fixture.changes(box)).toEqual([
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
    expect(await fixture.changes(box)).toEqual([
      { Path: '/link', Kind: 0 },
      { Path: '/link/conf', Kind: 1 },
    ]);
  });
});

/** linux/magic.h */
const OVERLAYFS_MAGIC = 0x794c7630;

/** Inode numbers are used again, but not at the same time. */
function identity(path: string): string {
  const { ino, birthtimeNs } = statSync(path, { bigint: true });
  return `${ino}:${birthtimeNs}`;
}

/** Descriptors of overlays that are mounted nowhere: their path is their own root. */
function openRoots(): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      const path = `/proc/self/fd/${fd}`;
      return readlinkSync(path) === '/' && statfsSync(path).type === OVERLAYFS_MAGIC;
    } catch {
      // The descriptor that the list was read with.
      return false;
    }
  }).length;
}

describe('directories of removed containers', () => {
  test('are used again when nothing was changed in them, with no more than files that are written over', async () => {
    const id = await fixture.import([dir('.', 0o751), file('spare', '1')], 'spare:1');
    const box = await fixture.create(id);
    const directory = join(fixture.path, 'containers', box);
    put(join(directory, 'log/log.1'), 'old lines');
    put(join(directory, 'hosts'), 'old hosts');
    put(join(directory, 'hostname'), 'as the container left it');
    chmodSync(join(directory, 'hostname'), 0o600);
    put(join(directory, 'resolv.conf'), 'x'.repeat(100_000));
    put(join(directory, 'other'), 'x');
    const made = identity(fixture.containers.dirs(box).upper);
    fixture.inRoot(box, () => readFileSync('spare'));
    fixture.containers.remove(box, { isSealed: true });
    expect(existsSync(directory)).toBe(false);
    const soon = await fixture.create(id);
    expect(identity(fixture.containers.dirs(soon).upper)).not.toBe(made);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const later = await fixture.create(id);
    expect(identity(fixture.containers.dirs(later).upper)).toBe(made);
    expect(readdirSync(join(fixture.path, 'containers', later)).sort()).toEqual([
      'hosts',
      'init',
      'log',
      'upper',
      'work',
    ]);
    expect(readdirSync(join(fixture.path, 'containers', later, 'log'))).toEqual([]);
    expect(fixture.inRoot(later, () => statSync('.').mode & 0o777)).toBe(0o755);
  });

  test('have their root mounted ahead, for whoever opens it first', async () => {
    const id = fixture.store.get('spare:1').id;
    const first = await fixture.create(id);
    fixture.containers.remove(first, { isSealed: true });
    const resting = openRoots();
    await new Promise((resolve) => setTimeout(resolve, 1100));
    expect(openRoots(), 'mounted').toBe(resting + 1);
    const unopened = await fixture.create(id);
    fixture.containers.remove(unopened, { isSealed: true });
    expect(openRoots(), 'closed with the container that had it').toBe(resting);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const opened = await fixture.create(id);
    fixture.inRoot(opened, () => writeFileSync('made', 'by the first'));
    expect(openRoots(), 'closed by who opened it').toBe(resting);
    expect(fixture.inRoot(opened, () => readFileSync('made', 'utf8'))).toBe('by the first');
    fixture.containers.remove(opened);
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
      seen.add(identity(fixture.containers.dirs(box).upper));
      fixture.containers.remove(box, { isSealed: true });
    }
    // Untouched, but somebody may hold a descriptor of what is in it.
    const shared = await fixture.create(id);
    seen.add(identity(fixture.containers.dirs(shared).upper));
    fixture.containers.remove(shared, { isSealed: false });
    await new Promise((resolve) => setTimeout(resolve, 1100));
    for (let i = 0; i < 10; i++) {
      const box = await fixture.create(id);
      expect(seen.has(identity(fixture.containers.dirs(box).upper))).toBe(false);
    }
  });
});
