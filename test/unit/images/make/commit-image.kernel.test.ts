// Commit on the real kernel: the new layer has what the container changed, and nothing else.
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
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { fgetxattr } from '../../../../native-bindings/xattrs.ts';
import { dir, file, symlink } from '../../jail/raw-tar.ts';
import { put, StoreFixture } from '../store-fixture.ts';

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
    const upper = fixture.inspect(id).GraphDriver.Data?.UpperDir as string;
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
    const inspected = fixture.inspect('committed');
    expect(inspected).toMatchObject({
      Id: id,
      Author: 'me',
      Comment: 'why',
      Parent: await imported,
      RepoTags: ['committed:latest'],
    });
    expect(inspected.Config).toEqual({ Env: ['A=2', 'B=3'], Cmd: ['b'] });
    expect(inspected.ContainerConfig?.Cmd).toEqual(['sh', '-c', 'true']);
    expect(fixture.history(id)).toMatchObject([
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
    expect(fixture.inspect(two).RootFS).toEqual(fixture.inspect(one).RootFS);
  });

  test('what is stored packs to the digest that it has', async () => {
    const id = await committed(() => {
      put('deep/er/x', '1'.repeat(70_000));
      unlinkSync('data/a');
      rmSync('etc', { recursive: true });
      mkdirSync('etc');
    });
    const { holdTree } = await import('../../../../daemon/jail/hold-tree.ts');
    const { MessageChannel } = await import('node:worker_threads');
    const { receiveChunks } = await import('../../../../daemon/jail/chunk-port.ts');
    const { port1, port2 } = new MessageChannel();
    receiveChunks(port2, { chunk: () => undefined, end: () => undefined, failed: () => undefined });
    const inspected = fixture.inspect(id);
    const fd = holdTree(inspected.GraphDriver.Data?.UpperDir as string);
    const place = { kind: 'tree', rootFd: fd, mounts: [] } as const;
    const packed = await fixture.storage.jail.run<'pack-layer'>({ do: 'pack-layer', place }, [fd], {
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
    const upper = fixture.inspect(id).GraphDriver.Data?.UpperDir as string;
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
    expect(fixture.inspect(id).RootFS.Layers).toHaveLength(2);
    expect(fixture.inspect(id).Size).toBe(7);
  });
});
