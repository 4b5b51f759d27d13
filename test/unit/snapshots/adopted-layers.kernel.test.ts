// Layers that are there before their digest, their row and the disk: how they get those, and what is left of them after a kill and after a power cut.
import { closeSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Jail } from '../../../daemon/jail/jail.ts';
import { chainId } from '../../../daemon/snapshots/layer-keys.ts';
import { type LayerHold, MAX_LAYERS } from '../../../daemon/snapshots/layer-store.ts';
import type { Parent } from '../../../daemon/snapshots/snapshots.ts';
import { lgetxattr } from '../../../native-bindings/xattrs.ts';
import { closeRigs, Rig } from './layer-rig.ts';

afterEach(closeRigs);

describe('an adopted layer', () => {
  it('is there at once, and gets the chain id as its key when its digest is known', async () => {
    const rig = new Rig();
    using base = rig.made(undefined, (root) => writeFileSync(join(root, 'a'), 'a'));
    using top = rig.made(base.layer.number, (root) => writeFileSync(join(root, 'b'), 'bb'));
    expect(top.layer).toMatchObject({ diffId: '', key: expect.stringMatching(/^made:/), parent: base.layer.number });
    expect(rig.shows(top.layer.number, 'a') + rig.shows(top.layer.number, 'b')).toBe('abb');
    await rig.files.digest(base.layer.number);
    const layer = await rig.files.digest(top.layer.number);
    expect(layer).toEqual(top.layer);
    expect(layer.sizeBytes).toBe(2);
    expect(layer.key).toBe(chainId(base.layer.diffId, layer.diffId));
    expect(rig.layers.byKey(layer.key)).toEqual(layer);
  });

  it('keeps a key of its own below which nothing is known, and where another has the chain id', async () => {
    const rig = new Rig();
    using base = rig.made(undefined, () => undefined);
    using top = rig.made(base.layer.number, () => undefined);
    await rig.files.digest(top.layer.number);
    expect(top.layer).toMatchObject({
      diffId: expect.stringMatching(/^sha256:/),
      key: expect.stringMatching(/^made:/),
    });
    using twin = rig.made(undefined, () => undefined);
    await rig.files.digest(base.layer.number);
    await rig.files.digest(twin.layer.number);
    expect(twin.layer.diffId).toBe(base.layer.diffId);
    expect(base.layer.key).toBe(base.layer.diffId);
    expect(twin.layer.key).toMatch(/^made:/);
    await rig.reopen();
    expect([...rig.layers.all()].length).toBe(3);
  });

  it('has the digest of its archive, which is computed once for all who ask', async () => {
    const rig = new Rig();
    using base = rig.made(undefined, (root) => {
      mkdirSync(join(root, 'd'));
      writeFileSync(join(root, 'd/a'), 'a');
    });
    const jobs = vi.spyOn(Jail.prototype, 'run');
    const number = base.layer.number;
    const left = new AbortController();
    const asked = [rig.files.digest(number), rig.files.digest(number, left.signal), rig.files.digest(number)];
    left.abort(new Error('gone'));
    await expect(asked[1]).rejects.toThrow('gone');
    await Promise.all([asked[0], asked[2]]);
    expect(jobs.mock.calls.filter(([job]) => job.do === 'digest-layer').length).toBe(1);
    jobs.mockRestore();
    let bytes = 0;
    for await (const chunk of rig.files.pack(base.layer)) bytes += (chunk as Buffer).length;
    expect(base.layer.tarBytes).toBe(bytes);
  });

  it('stops computing when nobody asks any more, and can be asked again', async () => {
    const rig = new Rig();
    using base = rig.made(undefined, (root) => writeFileSync(join(root, 'a'), Buffer.alloc(64 * 1024 * 1024, 'x')));
    const left = new AbortController();
    const asked = rig.files.digest(base.layer.number, left.signal);
    left.abort(new Error('gone'));
    await expect(asked).rejects.toThrow('gone');
    expect(base.layer.diffId).toBe('');
    expect((await rig.files.digest(base.layer.number)).diffId).toMatch(/^sha256:/);
  });

  it('says nothing of what hides nothing, and all of what does', async () => {
    const rig = new Rig();
    using base = rig.made(undefined, (root) => {
      mkdirSync(join(root, 'old/deep'), { recursive: true });
      for (const name of ['gone', 'turned', 'old/file', 'old/deep/file']) writeFileSync(join(root, name), '1');
    });
    const id = 'a'.repeat(64);
    await rig.storage.snapshots.prepare(id, base.layer.number, { isBare: true });
    const fd = rig.storage.snapshots.mount(id);
    const root = `/proc/self/fd/${fd}`;
    // The engine's own places are below: deleting them hides nothing of the image.
    rmSync(join(root, 'etc/hosts'));
    rmSync(join(root, 'proc'), { recursive: true });
    for (const name of ['gone', 'turned', 'old']) rmSync(join(root, name), { recursive: true });
    mkdirSync(join(root, 'turned'));
    mkdirSync(join(root, 'old'));
    closeSync(fd);
    using top = rig.storage.snapshots.seal(id);
    const directory = rig.layers.dirOf(top.layer.number);
    const opaque = (name: string) => lgetxattr(join(directory, name), 'trusted.overlay.opaque')?.toString();
    expect(readdirSync(directory).sort()).toEqual(['etc', 'gone', 'old', 'proc', 'turned']);
    const { mtimeNs } = statSync(join(directory, 'etc'), { bigint: true });
    expect([readdirSync(join(directory, 'etc')), opaque('old'), opaque('turned')]).toEqual([['hosts'], 'y', 'y']);
    await rig.files.digest(top.layer.number);
    expect(readdirSync(directory).sort()).toEqual(['etc', 'gone', 'old', 'turned']);
    expect([readdirSync(join(directory, 'etc')), opaque('old'), opaque('turned')]).toEqual([[], 'y', undefined]);
    expect(statSync(join(directory, 'etc'), { bigint: true }).mtimeNs, 'taking it away leaves no trace').toBe(mtimeNs);
    const view = rig.storage.snapshots.view(top.layer.number);
    expect(readdirSync(`/proc/self/fd/${view}`).sort()).toEqual(['etc', 'old', 'turned']);
    expect(readdirSync(`/proc/self/fd/${view}/old`)).toEqual([]);
    closeSync(view);
  });

  it('may be dropped before its digest is known', async () => {
    const rig = new Rig();
    const base = rig.made(undefined, (root) => writeFileSync(join(root, 'a'), Buffer.alloc(1024 * 1024)));
    const { number } = base.layer;
    const digest = rig.files.digest(number);
    base[Symbol.dispose]();
    rig.layers.collect([]);
    expect(rig.layers.has(number), 'it is held while it is read').toBe(true);
    await digest;
    expect(base.layer.diffId).toMatch(/^sha256:/);
    rig.layers.collect([]);
    expect(rig.layers.has(number)).toBe(false);
    rig.layers.settle(number, { diffId: 'sha256:x', sizeBytes: 0, tarBytes: 0 });
    await expect(rig.files.digest(number)).rejects.toThrow(/is not in the store/);
    await rig.reopen();
    expect(rig.directories()).toEqual([]);
  });

  it('outlives the end of the daemon, and once its row is written its death', async () => {
    const rig = new Rig();
    using base = rig.made(undefined, (root) => writeFileSync(join(root, 'a'), 'a'));
    const before = base.layer;
    await rig.reopen();
    expect(rig.layers.get(before.number)).toEqual(before);
    using top = rig.made(before.number, (root) => writeFileSync(join(root, 'b'), 'b'));
    rig.layers.writeRows();
    using lost = rig.made(before.number, (root) => writeFileSync(join(root, 'c'), 'c'));
    await rig.reopen({ isKilled: true });
    expect(rig.shows(top.layer.number, 'b')).toBe('b');
    expect(rig.layers.has(lost.layer.number)).toBe(false);
    expect(rig.directories()).toEqual([String(before.number), String(top.layer.number)]);
  });

  it('is gone after the host was booted, with all on top of it, unless it was synced', async () => {
    const rig = new Rig();
    using synced = rig.made(undefined, (root) => writeFileSync(join(root, 'a'), 'a'));
    await rig.files.syncAll();
    expect(rig.layers.unsynced()).toEqual([]);
    using unsynced = rig.made(synced.layer.number, () => undefined);
    using above = rig.made(unsynced.layer.number, () => undefined);
    rig.layers.writeRows();
    rig.database.run("UPDATE layers SET boot = 'another' WHERE number = ?", unsynced.layer.number);
    await rig.reopen();
    expect([...rig.layers.all()].map(({ number }) => number)).toEqual([synced.layer.number]);
    expect(rig.layers.has(above.layer.number)).toBe(false);
    expect(rig.directories()).toEqual([String(synced.layer.number)]);
    await rig.reopen();
    expect(rig.database.all('SELECT number FROM layers').length).toBe(1);
  });

  it('is on the disk, with its row, before an image refers to it', () => {
    const rig = new Rig();
    using base = rig.made(undefined, () => undefined);
    using other = rig.made(undefined, () => undefined);
    rig.layers.makeDurable(undefined);
    expect(rig.layers.unsynced()).toEqual([base.layer, other.layer]);
    using top = rig.made(base.layer.number, () => undefined);
    rig.layers.makeDurable(top.layer.number);
    expect(rig.layers.unsynced()).toEqual([]);
    expect(rig.database.all('SELECT number FROM layers WHERE boot IS NULL').length).toBe(3);
  });

  it('is never one too many for the kernel', () => {
    const rig = new Rig();
    using holds = new DisposableStack();
    let top: Parent;
    const add = (): LayerHold => rig.layers.adopt(mkdtempSync(join(rig.path, 'staging/x')), top);
    for (let n = 0; n < MAX_LAYERS; n++) top = holds.use(add()).layer.number;
    expect(add).toThrow(/max depth exceeded/);
    expect(() => rig.layers.restack(1, top)).toThrow(/max depth exceeded/);
    expect(rig.directories().length).toBe(MAX_LAYERS);
  });
});

describe('a layer on another parent', () => {
  it('has the same files without a copy, and its own chain id', async () => {
    const rig = new Rig();
    using base = rig.made(undefined, (root) => writeFileSync(join(root, 'a'), 'a'));
    using link = rig.made(undefined, (root) => writeFileSync(join(root, 'b'), 'b'));
    await rig.files.digest(base.layer.number);
    using early = rig.layers.restack(link.layer.number, base.layer.number);
    expect(rig.layers.dirOf(early.layer.number)).toBe(rig.layers.dirOf(link.layer.number));
    expect(rig.shows(early.layer.number, 'a') + rig.shows(early.layer.number, 'b')).toBe('ab');
    await rig.files.digest(link.layer.number);
    expect(early.layer).toMatchObject({
      diffId: link.layer.diffId,
      key: chainId(base.layer.key, link.layer.diffId),
      sizeBytes: 1,
    });
    using again = rig.layers.restack(link.layer.number, base.layer.number);
    expect(again.layer.number).toBe(early.layer.number);
    using same = rig.layers.restack(link.layer.number, undefined);
    expect(same.layer.number).toBe(link.layer.number);
  });

  it('keeps the files that it shares until the last one goes, over restarts and kills', async () => {
    const rig = new Rig();
    using base = rig.made(undefined, (root) => writeFileSync(join(root, 'a'), 'a'));
    const link = rig.made(undefined, (root) => writeFileSync(join(root, 'b'), 'b'));
    using moved = rig.layers.restack(link.layer.number, base.layer.number);
    const { number } = moved.layer;
    const directory = rig.layers.dirOf(number);
    link[Symbol.dispose]();
    rig.layers.collect([]);
    expect(rig.layers.has(link.layer.number)).toBe(false);
    expect(rig.shows(number, 'b')).toBe('b');
    rig.layers.writeRows();
    await rig.reopen({ isKilled: true });
    expect(rig.layers.dirOf(number)).toBe(directory);
    expect(rig.shows(number, 'b')).toBe('b');
    using next = rig.made(undefined, (root) => writeFileSync(join(root, 'c'), 'c'));
    expect(rig.layers.dirOf(next.layer.number)).not.toBe(directory);
    await rig.files.digest(number);
    rig.layers.collect([]);
    expect(existsSync(directory)).toBe(false);
    expect(rig.directories()).toEqual([String(next.layer.number)]);
  });
});
