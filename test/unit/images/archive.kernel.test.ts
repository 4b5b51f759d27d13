import { existsSync, lstatSync, mkdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import type { RootView } from '../../../daemon/jail/archive-service.ts';
import type { TarEntry } from '../../../daemon/protocols/tar/tar-entry.ts';
import { TarReader } from '../../../daemon/protocols/tar/tar-reader.ts';
import { dir, file, hardlink, type RawEntry, rawTar, rawTarStream, symlink } from '../jail/raw-tar.ts';
import { contentOf, StoreFixture } from './store-fixture.ts';

const fixture = new StoreFixture();
const { archive } = fixture.storage;
const tripwire = join(fixture.path, 'tripwire');
mkdirSync(tripwire);
writeFileSync(join(tripwire, 'SENTINEL'), 'untouched');
afterAll(() => fixture.close());

const busybox = readFileSync('/bin/busybox');
const image = fixture.import([
  dir('bin'),
  file('bin/busybox', busybox, 0o755),
  ...['old', 'proc', 'tmp'].map((name) => dir(name)),
  dir('etc'),
  file('etc/conf', 'conf\n', 0o640),
  symlink('conf', 'etc/rel'),
  symlink('/etc/conf', 'etc/abs'),
  symlink('../../../../etc', 'up'),
  symlink('/nowhere/else', 'etc/dangling'),
  dir('run'),
  dir('var'),
  symlink('/run', 'var/run'),
  dir('tree'),
  file('tree/a', 'a'),
  dir('tree/sub'),
  file('tree/sub/b', 'b'),
  hardlink('tree/a', 'tree/c'),
  { name: 'tree/pipe', type: '6' },
]);

async function box(): Promise<string> {
  return fixture.create(await image);
}

function read(bytes: Buffer): { entry: TarEntry; content: string }[] {
  const found: { entry: TarEntry; content: string }[] = [];
  const reader = new TarReader({
    entry: (entry) => found.push({ entry, content: '' }),
    data: (data) => {
      (found.at(-1) as { content: string }).content += data.toString();
    },
    end: () => undefined,
  });
  reader.write(bytes);
  reader.end();
  return found;
}

async function get(view: RootView, path: string) {
  const { stat, tar } = await archive.get(view, path);
  return { stat, entries: read(await contentOf(tar)) };
}

const paths = (entries: { entry: TarEntry }[]): string[] => entries.map(({ entry }) => entry.path);
const plain = { noOverwriteDirNonDir: false };

describe('stat', () => {
  test('tells name, size, mode and time as Docker does', async () => {
    const id = await box();
    expect(await archive.stat(fixture.stopped(id), '/etc/conf')).toEqual({
      name: 'conf',
      size: 5,
      mode: 0o640,
      mtime: '2023-11-14T22:13:20Z',
      linkTarget: '',
    });
    expect((await archive.stat(fixture.stopped(id), 'tree')).mode).toBe(0x80000000 + 0o755);
    expect((await archive.stat(fixture.stopped(id), '/tree/pipe')).mode).toBe(2 ** 25 + 0o644);
  });

  const links: [string, string][] = [
    ['/etc/rel', '/etc/conf'],
    ['/etc/abs', '/etc/conf'],
    ['/up', '/etc'],
    ['/etc/dangling', '/nowhere/else'],
    ['/up/abs', '/etc/conf'],
  ];
  test.each(links)('the target of %s is %s', async (path, target) => {
    const stat = await archive.stat(fixture.stopped(await box()), path);
    expect(stat.linkTarget).toBe(target);
    expect(stat.mode).toBe(2 ** 27 + 0o777);
  });

  test('a slash at the end follows the link', async () => {
    const id = await box();
    expect(await archive.stat(fixture.stopped(id), '/up/')).toMatchObject({ name: 'up', linkTarget: '' });
    expect(await archive.stat(fixture.stopped(id), '/tree/.')).toMatchObject({ name: '.', linkTarget: '' });
    expect(await archive.stat(fixture.stopped(id), '/')).toMatchObject({ name: '/' });
  });

  test.each(['/etc/conf/x', '/etc/conf/', '/etc/conf/.'])('%s is below no directory', async (path) => {
    await expect(archive.stat(fixture.stopped(await box()), path)).rejects.toMatchObject({
      code: 'invalid',
      message: `lstat ${path}: not a directory`,
    });
  });

  test.each(['/nothing', '/etc/dangling/', '/nothing/../x'])('%s is not there', async (path) => {
    await expect(archive.stat(fixture.stopped(await box()), path)).rejects.toThrow(
      `Could not find the file ${path} in container box`,
    );
  });

  test.each(['', 'a\0b', 'x'.repeat(5000)])('a bad path is refused (%#)', async (path) => {
    await expect(archive.stat(fixture.stopped(await box()), path)).rejects.toThrow(/bad parameter/);
  });
});

describe('get', () => {
  test('of a directory has its entries under its name, sorted, with hard links', async () => {
    const { entries } = await get(fixture.stopped(await box()), '/tree');
    expect(paths(entries)).toEqual(['tree/', 'tree/a', 'tree/c', 'tree/pipe', 'tree/sub/', 'tree/sub/b']);
    expect(entries[2]?.entry).toMatchObject({ type: 'link', linkPath: 'tree/a' });
    expect(entries[5]?.content).toBe('b');
  });

  test('of a path that ends in a dot has its contents only', async () => {
    const { entries } = await get(fixture.stopped(await box()), '/tree/sub/.');
    expect(paths(entries)).toEqual(['./', './b']);
  });

  test('of a link is the link, and with a slash what it leads to under its own name', async () => {
    const id = await box();
    const { entries } = await get(fixture.stopped(id), '/etc/abs');
    expect(entries.map(({ entry }) => [entry.path, entry.type, entry.linkPath])).toEqual([
      ['abs', 'symlink', '/etc/conf'],
    ]);
    expect(paths((await get(fixture.stopped(id), '/up/')).entries)).toContain('up/conf');
  });

  test('of the root has names that begin with a slash', async () => {
    const { entries } = await get(fixture.stopped(await box()), '/');
    expect(paths(entries)).toContain('/etc/conf');
    expect(entries[0]?.entry.path).toBe('/');
  });

  test('a stream that nobody reads to its end is given up, and the next one works', async () => {
    const id = await box();
    for (let i = 0; i < 20; i++) {
      const { tar } = await archive.get(fixture.stopped(id), '/bin/busybox');
      tar.destroy();
    }
    const { entries } = await get(fixture.stopped(id), '/bin/busybox');
    expect(entries[0]?.entry.sizeBytes).toBe(busybox.length);
  });
});

describe('put', () => {
  async function putAt(id: string, path: string, entries: RawEntry[], options = plain, mounts = {}) {
    await archive.put(fixture.stopped(id), path, rawTarStream(entries), { ...options, ...mounts });
  }

  test('unpacks below the directory, with owners and modes, through its links', async () => {
    const id = await box();
    await putAt(id, '/var/run', [{ ...file('x', '1', 0o4711), uid: 7, gid: 8 }, dir('d/e'), file('d/e/f', '2')]);
    fixture.inRoot(id, () => {
      expect(lstatSync('run/x')).toMatchObject({ mode: 0o104711, uid: 7, gid: 8 });
      expect(readFileSync('run/d/e/f', 'utf8')).toBe('2');
    });
  });

  test('gives everything one owner when asked', async () => {
    const id = await box();
    await archive.put(
      fixture.stopped(id),
      '/tmp',
      rawTarStream([dir('d'), { ...file('d/x', '1'), uid: 7 }, symlink('x', 'd/l')]),
      {
        ...plain,
        owner: { uid: 33, gid: 44 },
      },
    );
    fixture.inRoot(id, () => {
      for (const path of ['tmp/d', 'tmp/d/x', 'tmp/d/l']) expect(lstatSync(path)).toMatchObject({ uid: 33, gid: 44 });
    });
  });

  test('compressed bodies are unpacked, whatever programs the image has', async () => {
    const id = await box();
    fixture.inRoot(id, () => {
      for (const name of ['gzip', 'gunzip', 'unpigz', 'xz', 'zstd', 'tar'])
        writeFileSync(`bin/${name}`, '#!/bin/sh\ntouch /marker', { mode: 0o755 });
    });
    const body = gzipSync(rawTar([file('zipped', 'yes')]));
    await archive.put(fixture.stopped(id), '/tmp', Readable.from([body]), plain);
    fixture.inRoot(id, () => {
      expect(readFileSync('tmp/zipped', 'utf8')).toBe('yes');
      expect(existsSync('marker')).toBe(false);
    });
    expect(existsSync('/marker')).toBe(false);
  });

  test('a link in the container leads to the container only', async () => {
    const id = await box();
    fixture.inRoot(id, () => {
      symlinkSync(tripwire, 'out');
      mkdirSync(`.${tripwire}`, { recursive: true });
    });
    await putAt(id, '/out', [file('SENTINEL', 'inside')]);
    await putAt(id, '/tmp', [symlink(tripwire, 'l'), file('l/SENTINEL', 'inside too')]);
    expect(fixture.inRoot(id, () => readFileSync(`.${tripwire}/SENTINEL`, 'utf8'))).toBe('inside too');
    expect(readFileSync(join(tripwire, 'SENTINEL'), 'utf8')).toBe('untouched');
  });

  test('refusals say what is wrong', async () => {
    const id = await box();
    await expect(putAt(id, '/nothing', [file('x')])).rejects.toThrow(
      'Could not find the file /nothing in container box',
    );
    await expect(putAt(id, '/etc/conf', [file('x')])).rejects.toThrow('extraction point is not a directory');
    const strict = { noOverwriteDirNonDir: true };
    await expect(putAt(id, '/', [file('tree', 'x')], strict)).rejects.toThrow(
      'cannot overwrite directory "/tree" with non-directory "/tree"',
    );
    await expect(putAt(id, '/tree', [dir('a')], strict)).rejects.toThrow(
      'cannot overwrite non-directory "/tree/a" with directory "/tree/a"',
    );
    const readOnly = fixture.stopped(id, [], true);
    await expect(archive.put(readOnly, '/tmp', rawTarStream([file('x', '1')]), plain)).rejects.toThrow(
      'container rootfs is marked read-only',
    );
    await expect(
      archive.put(fixture.stopped(id), '/tmp', Readable.from(['no tar'.repeat(200)]), plain),
    ).rejects.toThrow(/read tar/);
  });

  test('types are replaced without the option', async () => {
    const id = await box();
    await putAt(id, '/', [file('tree', 'now a file'), dir('etc/conf'), symlink('a', 'run')]);
    fixture.inRoot(id, () => {
      expect(readFileSync('tree', 'utf8')).toBe('now a file');
      expect(lstatSync('etc/conf').isDirectory()).toBe(true);
      expect(readlinkSync('run')).toBe('a');
    });
  });
});

describe('mounts of a stopped container', () => {
  const source = join(fixture.path, 'volume');
  mkdirSync(source);
  writeFileSync(join(source, 'in-volume'), 'v');

  test('are seen, written to, and refused when they are read-only', async () => {
    const id = await fixture.create(await image, [
      { path: '/data/vol', kind: 'directory' },
      { path: '/var/run/file', kind: 'file' },
    ]);
    const mounts = [
      { source, target: '/data/vol', readOnly: false },
      { source: join(source, 'in-volume'), target: '/var/run/file', readOnly: true },
    ];
    expect((await get(fixture.stopped(id, mounts), '/data/vol/in-volume')).entries[0]?.content).toBe('v');
    expect((await get(fixture.stopped(id, mounts), '/run/file')).entries[0]?.content).toBe('v');
    await archive.put(fixture.stopped(id, mounts), '/data/vol', rawTarStream([file('new', 'n')]), plain);
    expect(readFileSync(join(source, 'new'), 'utf8')).toBe('n');
    const readOnly = mounts.map((mount) => ({ ...mount, readOnly: true }));
    await expect(
      archive.put(fixture.stopped(id, readOnly), '/data/vol', rawTarStream([file('x', 'n')]), plain),
    ).rejects.toThrow(/read-only/);
    expect(existsSync(join(source, 'x'))).toBe(false);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(source);
  });

  test('are not part of an export', async () => {
    const id = await fixture.create(await image, [{ path: '/data/vol', kind: 'directory' }]);
    const view = fixture.stopped(id, [{ source, target: '/data/vol', readOnly: false }]);
    const names = paths(read(await contentOf(await archive.exportTar(view))));
    expect(names).toContain('data/vol/');
    expect(names).not.toContain('data/vol/in-volume');
    expect(names).toContain('etc/conf');
  });
});
