// What becomes of layers once their digest is known or their files are on the disk: keys, rows, and what happens in between.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Jail } from '../../../daemon/jail/jail.ts';
import { chainId, defaultInitKey } from '../../../daemon/snapshots/layer-keys.ts';
import { closeRigs, Rig } from './layer-rig.ts';

afterEach(async () => {
  vi.restoreAllMocks();
  await closeRigs();
});

const file = (name: string) => (root: string) => writeFileSync(join(root, name), name);

describe('the key of a layer', () => {
  it('is the chain id also of one whose digest was known before that of those below it', async () => {
    const rig = new Rig();
    using base = rig.made(undefined, file('a'));
    using middle = rig.made(base.layer.number, file('b'));
    using top = rig.made(middle.layer.number, file('c'));
    for (const { layer } of [top, middle, base]) await rig.files.digest(layer.number);
    const chain = [base, middle, top].map(({ layer }) => layer);
    const keys = chain.map(({ diffId }) => diffId).map((_, n, ids) => ids.slice(0, n + 1).reduce(chainId));
    expect(chain.map(({ key }) => key)).toEqual(keys);
    expect(keys.map((key) => rig.layers.byKey(key))).toEqual(chain);
    await rig.reopen();
    expect(keys.map((key) => rig.layers.byKey(key)?.number)).toEqual(chain.map(({ number }) => number));
  });

  it('takes that of the init layer on top with it', async () => {
    const rig = new Rig();
    using base = rig.made(undefined, file('a'));
    using top = rig.made(base.layer.number, file('b'));
    await rig.files.digest(top.layer.number);
    const id = 'b'.repeat(64);
    await rig.storage.snapshots.prepare(id, top.layer.number);
    const init = rig.layers.byKey(defaultInitKey(top.layer));
    await rig.files.digest(base.layer.number);
    expect(rig.layers.byKey(defaultInitKey(top.layer))?.number).toBe(init?.number);
    rig.storage.snapshots.remove(id);
    rig.layers.collect([top.layer.number]);
    expect(rig.layers.has(init?.number ?? 0), 'it stays with the image').toBe(true);
  });

  it('is no chain id on top of one that has none', async () => {
    const rig = new Rig();
    using base = rig.made(undefined, file('a'));
    const made = rig.layers.make(base.layer.number, async (directory) => {
      file('b')(directory);
      return { diffId: `sha256:${'b'.repeat(64)}`, sizeBytes: 1 };
    });
    using top = await made;
    expect(top.layer.key).toMatch(/^made:/);
    await rig.files.digest(base.layer.number);
    expect(top.layer.key).toBe(chainId(base.layer.key, top.layer.diffId));
  });

  it('is the chain id of a twin once the one that had it has gone and it is asked for', async () => {
    const rig = new Rig();
    const first = rig.made(undefined, () => undefined);
    using twin = rig.made(undefined, () => undefined);
    for (const { layer } of [first, twin]) await rig.files.digest(layer.number);
    expect(twin.layer.key).toMatch(/^made:/);
    first[Symbol.dispose]();
    rig.layers.collect([]);
    using again = rig.layers.restack(twin.layer.number, undefined);
    expect(again.layer).toMatchObject({ number: twin.layer.number, key: twin.layer.diffId });
  });
});

describe('what is on the disk', () => {
  it('is not what was changed while the disk was written', async () => {
    const rig = new Rig();
    using changed = rig.made(undefined, file('a'));
    using same = rig.made(undefined, file('b'));
    const before = rig.layers.unsynced();
    await rig.files.digest(changed.layer.number);
    rig.layers.setSynced(before);
    expect(rig.layers.unsynced()).toEqual([changed.layer]);
    expect(same.layer.boot).toBeUndefined();
  });

  it('is not what was changed after it: the digest takes away what hides nothing', async () => {
    const rig = new Rig();
    using base = rig.made(undefined, file('a'));
    await rig.files.syncAll();
    expect(rig.layers.unsynced()).toEqual([]);
    await rig.files.digest(base.layer.number);
    expect(rig.layers.unsynced()).toEqual([base.layer]);
  });

  it('is all that is there when the files of one layer are lost', async () => {
    const rig = new Rig();
    using lost = rig.made(undefined, file('a'));
    using _other = rig.made(undefined, file('b'));
    rmSync(rig.layers.dirOf(lost.layer.number), { recursive: true });
    await rig.files.syncAll();
    expect(rig.layers.unsynced()).toEqual([]);
  });
});

describe('rows that wait', () => {
  it('are not written in a transaction of somebody else', async () => {
    const rig = new Rig();
    using base = rig.made(undefined, file('a'));
    const { database, layers } = rig;
    expect(() => database.transaction(() => layers.writeRows())).toThrow(/a transaction is open/);
    using top = rig.made(base.layer.number, file('b'));
    layers.writeRows();
    expect(() => database.transaction(() => layers.writeRows()), 'nothing waits').not.toThrow();
    await rig.reopen({ isKilled: true });
    expect([base, top].map(({ layer }) => rig.layers.has(layer.number))).toEqual([true, true]);
  });

  it('wait still when others could not be removed', async () => {
    const rig = new Rig();
    const written = rig.made(undefined, file('a'));
    rig.layers.writeRows();
    const waiting = rig.made(undefined, file('b'));
    written[Symbol.dispose]();
    waiting[Symbol.dispose]();
    vi.spyOn(rig.database, 'transaction').mockImplementationOnce(() => {
      throw new Error('no space left');
    });
    expect(() => rig.layers.collect([])).toThrow('no space left');
    using top = rig.made(waiting.layer.number, file('c'));
    rig.layers.writeRows();
    await rig.reopen({ isKilled: true });
    expect(rig.layers.chain(top.layer.number).map(({ number }) => number)).toEqual([
      top.layer.number,
      waiting.layer.number,
    ]);
  });
});

describe('the digest of a layer', () => {
  it('is computed by one job at a time, also when one was given up and is asked for again', async () => {
    const rig = new Rig();
    using base = rig.made(undefined, (root) => writeFileSync(join(root, 'a'), Buffer.alloc(64 * 1024 * 1024, 'x')));
    const { number } = base.layer;
    const running = { now: 0, most: 0 };
    const run = Jail.prototype.run;
    vi.spyOn(Jail.prototype, 'run').mockImplementation(async function (this: Jail, ...given) {
      if (given[0].do !== 'digest-layer') return run.apply(this, given);
      running.most = Math.max(running.most, ++running.now);
      try {
        return await run.apply(this, given);
      } finally {
        running.now--;
      }
    });
    const left = new AbortController();
    const asked = rig.files.digest(number, left.signal);
    left.abort(new Error('gone'));
    await expect(asked).rejects.toThrow('gone');
    expect(running.now, 'the job is still ending').toBe(1);
    const impatient = new AbortController();
    const [again, also, third] = [
      rig.files.digest(number),
      rig.files.digest(number),
      rig.files.digest(number, impatient.signal),
    ];
    impatient.abort(new Error('gone as well'));
    await expect(third).rejects.toThrow('gone as well');
    expect((await again).diffId).toMatch(/^sha256:/);
    expect(await also).toEqual(base.layer);
    expect(running).toEqual({ now: 0, most: 1 });
  });

  it('keeps the files of its layer from giving way to others meanwhile', async () => {
    const rig = new Rig();
    using base = rig.made(undefined, file('a'));
    using top = rig.made(base.layer.number, file('b'));
    const digest = rig.files.digest(top.layer.number);
    expect([base, top].map(({ layer }) => rig.layers.isRead(layer))).toEqual([true, true]);
    await digest;
    expect([base, top].map(({ layer }) => rig.layers.isRead(layer))).toEqual([false, false]);
  });
});
