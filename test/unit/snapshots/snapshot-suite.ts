// What every implementation of Snapshots has to do, whatever lies below it: run by a test file of each with a rig of its own. It looks at files
// through the kernel, as a container does, and never at where the implementation keeps them.
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { afterAll, describe, expect, it } from 'vitest';
import type { Change } from '../../../daemon/jail/file-facts.ts';
import type { Parent, SnapshotOptions, Snapshots } from '../../../daemon/snapshots/snapshots.ts';

export interface SnapshotRig {
  readonly snapshots: Snapshots;
  /** Makes a layer on top of another; `fill` writes its files. Resolves to its number. */
  makeLayer(parent: Parent, fill: (directory: string) => void): Promise<number>;
  /** As after a restart of the daemon. */
  reopen(): Promise<void>;
  close(): Promise<void>;
}

/** `carriesOut`: the options that the implementation has. Each of the others has to be refused by its name. */
export function snapshotSuite(
  name: string,
  make: () => Promise<SnapshotRig>,
  carriesOut: readonly (keyof SnapshotOptions)[] = ['mountPoints', 'isBare'],
): void {
  describe(name, async () => {
    const rig = await make();
    afterAll(() => rig.close());
    const { prepared, within, changes } = usesOf(rig);
    const base = await rig.makeLayer(undefined, (directory) => {
      mkdirSync(join(directory, 'data'));
      writeFileSync(join(directory, 'data/a'), 'a');
      writeFileSync(join(directory, 'data/b'), 'b');
      symlinkSync('/data', join(directory, 'link'));
    });

    it('shows what its parent has, and nobody else what is written to it', async () => {
      const [one, other] = [await prepared(base), await prepared(base)];
      within(one, (root) => {
        expect(readFileSync(join(root, 'data/a'), 'utf8')).toBe('a');
        writeFileSync(join(root, 'data/a'), 'changed');
        rmSync(join(root, 'data/b'));
      });
      within(other, (root) => {
        expect(readFileSync(join(root, 'data/a'), 'utf8')).toBe('a');
        expect(readFileSync(join(root, 'data/b'), 'utf8')).toBe('b');
      });
      within(one, (root) => {
        expect(readFileSync(join(root, 'data/a'), 'utf8'), 'after it was mounted again').toBe('changed');
        expect(existsSync(join(root, 'data/b'))).toBe(false);
      });
    });

    it('may stand on nothing', async () => {
      const id = await prepared(undefined);
      within(id, (root) => writeFileSync(join(root, 'first'), '1'));
      expect(await changes(id)).toEqual([{ Path: '/first', Kind: 1 }]);
    });

    it('is mounted nowhere that anybody sees', async () => {
      const id = await prepared(base);
      const before = readFileSync('/proc/self/mountinfo', 'utf8');
      within(id, () => expect(readFileSync('/proc/self/mountinfo', 'utf8')).toBe(before));
    });

    it('has its mount points, which are no changes', async () => {
      const mountPoints = [
        { path: '/link/inner/deep', kind: 'directory' },
        { path: '/etc/some/file', kind: 'file' },
      ] as const;
      const id = await prepared(base, { mountPoints });
      within(id, (root) => {
        expect(lstatSync(join(root, 'data/inner/deep')).isDirectory(), 'the link is followed inside').toBe(true);
        expect(lstatSync(join(root, 'etc/some/file')).isFile()).toBe(true);
        for (const path of ['dev', 'proc', 'sys']) expect(lstatSync(join(root, path)).isDirectory()).toBe(true);
        for (const path of ['etc/hosts', 'etc/hostname', 'etc/resolv.conf', '.dockerenv'])
          expect(lstatSync(join(root, path)).isFile()).toBe(true);
      });
      expect(await changes(id)).toBeNull();
      within(await prepared(base), (root) => expect(existsSync(join(root, 'etc/some'))).toBe(false));
    });

    it.runIf(carriesOut.includes('isBare'))(
      'has few places to mount on when it is bare, and what is there stays',
      async () => {
        const odd = await rig.makeLayer(base, (directory) => {
          mkdirSync(join(directory, 'etc'));
          chmodSync(join(directory, 'etc'), 0o700);
          writeFileSync(join(directory, 'etc/hosts'), 'own');
          symlinkSync('/data', join(directory, 'sys'));
        });
        const id = await prepared(odd, { isBare: true });
        expect(rig.snapshots.ids()).toContain(id);
        within(id, (root) => {
          expect(readdirSync(root).sort()).toEqual(['data', 'dev', 'etc', 'link', 'proc', 'sys']);
          expect(readdirSync(join(root, 'etc')).sort()).toEqual(['hosts', 'resolv.conf']);
          expect(lstatSync(join(root, 'etc')).mode & 0o7777).toBe(0o700);
          expect(lstatSync(join(root, 'sys')).isSymbolicLink()).toBe(true);
          expect(readFileSync(join(root, 'etc/hosts'), 'utf8')).toBe('own');
          writeFileSync(join(root, 'written'), '1');
        });
        expect(await changes(id)).toEqual([{ Path: '/written', Kind: 1 }]);
        using made = await rig.snapshots.commit(id);
        expect(made.layer.parent).toBe(odd);
        rig.snapshots.remove(id);
        expect(rig.snapshots.ids()).not.toContain(id);
        const empty = await prepared(undefined, { isBare: true });
        within(empty, (root) => expect(readdirSync(root).sort()).toEqual(['dev', 'etc', 'proc', 'sys']));
        rig.snapshots.remove(empty);
      },
    );

    it('makes directories inside of it, and refuses where a file stands', async () => {
      const id = await prepared(base);
      await rig.snapshots.makeDirectory(id, '/link/work/here');
      within(id, (root) => {
        const { mode, uid } = lstatSync(join(root, 'data/work/here'));
        expect([mode & 0o7777, uid]).toEqual([0o755, 0]);
      });
      await expect(rig.snapshots.makeDirectory(id, '/data/a')).rejects.toMatchObject({ code: 'invalid' });
    });

    it('tells what was changed, added and deleted, sorted', async () => {
      const id = await prepared(base);
      within(id, (root) => {
        writeFileSync(join(root, 'data/a'), 'other');
        rmSync(join(root, 'data/b'));
        mkdirSync(join(root, 'new'));
        writeFileSync(join(root, 'new/file'), '');
      });
      expect(await changes(id)).toEqual([
        { Path: '/data', Kind: 0 },
        { Path: '/data/a', Kind: 0 },
        { Path: '/data/b', Kind: 2 },
        { Path: '/new', Kind: 1 },
        { Path: '/new/file', Kind: 1 },
      ]);
    });

    it('becomes a layer with owners, modes, renames and deletions, on which others stand', async () => {
      const id = await prepared(base);
      within(id, (root) => {
        writeFileSync(join(root, 'owned'), 'mine');
        chownSync(join(root, 'owned'), 1000, 1001);
        chmodSync(join(root, 'owned'), 0o4750);
        rmSync(join(root, 'data/b'));
        mkdirSync(join(root, 'put'));
        writeFileSync(join(root, 'put/in'), 'x');
        renameSync(join(root, 'put'), join(root, 'moved'));
        symlinkSync('nowhere', join(root, 'dangling'));
      });
      using hold = await rig.snapshots.commit(id);
      expect(hold.layer.parent).toBe(base);
      expect(hold.layer.diffId).toMatch(/^sha256:[0-9a-f]{64}$/);
      within(await prepared(hold.layer.number), (root) => {
        const { mode, uid, gid } = lstatSync(join(root, 'owned'));
        expect([mode & 0o7777, uid, gid]).toEqual([0o4750, 1000, 1001]);
        expect(readdirSync(join(root, 'data'))).toEqual(['a']);
        expect(readFileSync(join(root, 'moved/in'), 'utf8')).toBe('x');
        expect(existsSync(join(root, 'put'))).toBe(false);
        expect(lstatSync(join(root, 'dangling')).isSymbolicLink()).toBe(true);
      });
    });

    it('is a layer itself when it is sealed: what was changed and nothing else', async () => {
      const id = await prepared(base, { isBare: true });
      within(id, (root) => {
        writeFileSync(join(root, 'data/new'), 'n');
        rmSync(join(root, 'data/b'));
        mkdirSync(join(root, 'etc/made'));
      });
      using hold = rig.snapshots.seal(id);
      expect(hold.layer.parent).toBe(base);
      expect(rig.snapshots.ids()).not.toContain(id);
      const fd = rig.snapshots.view(hold.layer.number);
      try {
        const root = `/proc/self/fd/${fd}`;
        expect(readdirSync(root).sort()).toEqual(['data', 'etc', 'link']);
        expect(readdirSync(join(root, 'data')).sort()).toEqual(['a', 'new']);
        expect(readdirSync(join(root, 'etc'))).toEqual(['made']);
        expect(lstatSync(join(root, 'etc')).mode & 0o7777).toBe(0o755);
      } finally {
        closeSync(fd);
      }
    });

    it('makes the same layer of the same changes', async () => {
      const layers = [];
      for (const id of [await prepared(base), await prepared(base)]) {
        within(id, (root) => symlinkSync('same', join(root, 'same')));
        // Times are part of a layer.
        within(id, (root) => {
          for (const path of ['same', '']) lutimesSync(join(root, path), 1000, 1000);
        });
        layers.push(await rig.snapshots.commit(id));
      }
      const [first, second] = layers;
      expect(second?.layer.number).toBe(first?.layer.number);
      for (const hold of layers) hold[Symbol.dispose]();
    });

    it('counts what was written to it, one by one and many at once', async () => {
      const ids = [await prepared(base), await prepared(base)];
      for (const [n, id] of ids.entries())
        within(id, (root) => writeFileSync(join(root, 'n'), 'x'.repeat(n * 5000 + 1)));
      const sizes = await rig.snapshots.usages([...ids, newId()], 'size');
      expect([...sizes]).toEqual([
        [ids[0], 1],
        [ids[1], 5001],
      ]);
      for (const id of ids) expect(await rig.snapshots.usage(id, 'size')).toBe(sizes.get(id));
      expect(await rig.snapshots.usage(ids[1] as string, 'usage')).toBeGreaterThanOrEqual(5001);
    });

    it('counts the others when one goes meanwhile', async () => {
      const ids = await Promise.all(Array.from({ length: 70 }, () => prepared(base)));
      const counting = rig.snapshots.usages(ids, 'size');
      const gone = ids.at(-1) as string;
      rig.snapshots.remove(gone);
      expect([...(await counting).keys()].sort()).toEqual(ids.filter((id) => id !== gone).sort());
    });

    it('gives a layer to read, with all below it', async () => {
      const top = await rig.makeLayer(base, (directory) => writeFileSync(join(directory, 'top'), 'top'));
      const fd = rig.snapshots.view(top);
      try {
        expect(readFileSync(`/proc/self/fd/${fd}/top`, 'utf8')).toBe('top');
        expect(readFileSync(`/proc/self/fd/${fd}/data/a`, 'utf8')).toBe('a');
      } finally {
        closeSync(fd);
      }
    });

    it('outlives a restart', async () => {
      const id = await prepared(base);
      within(id, (root) => writeFileSync(join(root, 'kept'), 'kept'));
      await rig.reopen();
      expect(rig.snapshots.ids()).toContain(id);
      within(id, (root) => expect(readFileSync(join(root, 'kept'), 'utf8')).toBe('kept'));
      expect(await changes(id)).toEqual([{ Path: '/kept', Kind: 1 }]);
    });

    it.each([false, true])('leaves nothing to the next one when it is removed (sealed: %s)', async (isSealed) => {
      const id = await prepared(base);
      within(id, (root) => writeFileSync(join(root, 'secret'), 'secret'));
      rig.snapshots.remove(id, { isSealed });
      rig.snapshots.remove(id, { isSealed });
      expect(rig.snapshots.ids()).not.toContain(id);
      expect(() => rig.snapshots.mount(id)).toThrow(expect.objectContaining({ code: 'not-found' }));
      await rig.snapshots.makeRoom();
      for (let n = 0; n < 3; n++)
        within(await prepared(base), (root) => expect(existsSync(join(root, 'secret'))).toBe(false));
    });

    it('says what is no id, and what is not there', async () => {
      await expect(rig.snapshots.prepare('../../etc', base)).rejects.toMatchObject({ code: 'invalid' });
      expect(() => rig.snapshots.remove('../x')).toThrow(expect.objectContaining({ code: 'invalid' }));
      expect(() => rig.snapshots.mount(newId())).toThrow(expect.objectContaining({ code: 'not-found' }));
      for (const work of [
        rig.snapshots.diff(newId()),
        rig.snapshots.commit(newId()),
        rig.snapshots.usage(newId(), 'size'),
      ])
        await expect(work).rejects.toMatchObject({ code: 'not-found' });
    });

    const options: Required<Omit<SnapshotOptions, 'mountPoints'>> = {
      sizeBytes: 1024 * 1024,
      idMap: [{ containerId: 0, hostId: 100_000, size: 65_536 }],
      isBare: true,
    };
    const missing = Object.entries(options).filter(([key]) => !carriesOut.includes(key as keyof SnapshotOptions));
    it.each(missing)('refuses %s by its name, and makes nothing', async (key, value) => {
      const id = newId();
      const work = rig.snapshots.prepare(id, base, { [key]: value });
      await expect(work).rejects.toMatchObject({ code: 'not-implemented', message: expect.stringContaining(key) });
      expect(rig.snapshots.ids()).not.toContain(id);
    });
  });
}

function newId(): string {
  return randomBytes(32).toString('hex');
}

function usesOf(rig: SnapshotRig) {
  return {
    async prepared(parent: Parent, options?: SnapshotOptions): Promise<string> {
      const id = newId();
      await rig.snapshots.prepare(id, parent, options);
      return id;
    },
    /** What is mounted is looked at by its descriptor: it is visible nowhere else. */
    within<T>(id: string, work: (root: string) => T): T {
      const fd = rig.snapshots.mount(id);
      try {
        return work(`/proc/self/fd/${fd}`);
      } finally {
        closeSync(fd);
      }
    },
    async changes(id: string): Promise<Change[] | null> {
      return (await json(await rig.snapshots.diff(id))) as Change[] | null;
    },
  };
}
