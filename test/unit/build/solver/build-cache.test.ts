// What is kept for builds as a whole: how much of it, what a prune says, and what goes on at the same time.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { BuildCacheEntry } from '../../../../daemon/build/build-service.ts';
import {
  type BuildCacheParts,
  EngineBuildCache,
  type KeptForBuilds,
  MAX_ENTRIES,
} from '../../../../daemon/build/solver/build-cache.ts';
import { CacheRecords } from '../../../../daemon/build/solver/cache-records.ts';
import { holdLayers } from '../../../../daemon/build/steps/layers-result.ts';
import { Database } from '../../../../daemon/state/database.ts';
import { FakeLayers } from './solver-fixture.ts';

let database: Database;
let layers: FakeLayers;
let records: CacheRecords;
const errors: unknown[] = [];
const everything = { all: true, filters: new Map() };

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000, toFake: ['setTimeout', 'clearTimeout', 'Date'] });
  database = Database.open(':memory:');
  layers = new FakeLayers(database);
  records = new CacheRecords(database, layers, (error) => errors.push(error));
});
afterEach(() => {
  vi.useRealTimers();
  records.close();
  database.close();
  expect(errors.splice(0)).toEqual([]);
  expect([...layers.holds.keys()]).toEqual([]);
});

function open(parts: Partial<BuildCacheParts> = {}): EngineBuildCache {
  return new EngineBuildCache({
    records,
    layers,
    sizeOf: async () => 1,
    imageTops: () => [],
    collect: () => undefined,
    disk: () => ({ freeBytes: 1e12, totalBytes: 1e12 }),
    others: [],
    onError: (error) => errors.push(error),
    ...parts,
  });
}

/** `top` undefined: a result without files. */
function add(name: string, top: number | undefined): void {
  using output = holdLayers(layers, top);
  const key = name.padEnd(25, '.');
  records.add({ key, identity: key, aliases: [], inputs: [], description: name, outputs: [output] });
}

const names = (entries: readonly BuildCacheEntry[]) => entries.map(({ description }) => description);

/** As the store's, which knows nothing of layers that nobody holds. */
function dropUnheld(): void {
  for (let number = 1; layers.has(number); number++) if (!layers.holds.has(number)) layers.drop(number);
}

test('so many are kept at the most: the oldest go', async () => {
  for (let n = 0; n < MAX_ENTRIES + 5; n++) {
    vi.setSystemTime(1_000_000 + n);
    add(`${n}`, undefined);
  }
  const { promise: collected, resolve: collect } = Promise.withResolvers<void>();
  const cache = open({ collect });
  cache.collectSoon();
  vi.advanceTimersByTime(60_000);
  await collected;
  const left = names(await cache.list());
  expect(left).toHaveLength(MAX_ENTRIES);
  expect(left[0]).toBe('5');
});

test('what another prune takes away meanwhile can be listed still', async () => {
  add('a', layers.make(undefined));
  add('b', layers.make(undefined));
  let isFirst = true;
  const seen: number[] = [];
  const cache = open({
    sizeOf: async ({ number }) => {
      if (!layers.has(number)) throw new Error(`layer ${number} is not in the store`);
      seen.push(number);
      if (!isFirst) return 1;
      isFirst = false;
      for (const record of [...records.all()]) records.remove(record);
      dropUnheld();
      return 1;
    },
  });
  expect(names(await cache.list())).toEqual(['a', 'b']);
  expect(seen).toEqual([1, 2]);
  expect(names(await cache.list())).toEqual([]);
});

test('a prune tells what went: not what a build has taken meanwhile, nor what was gone', async () => {
  add('a', layers.make(undefined));
  add('b', layers.make(undefined));
  add('c', layers.make(undefined));
  const used: Disposable[] = [];
  const other = (id: string, isGone: boolean): BuildCacheEntry & { isGone: boolean } => ({
    ...{ id, isGone, parents: [], kind: 'exec.cachemount', description: id, isInUse: false, isShared: false },
    ...{ sizeBytes: 5, createdMs: 1, lastUsedMs: 1, useCount: 1 },
  });
  const mounts = [other('gone', true), other('taken', false)];
  const others: KeptForBuilds = {
    list: async () => mounts,
    remove: async (id) => {
      // The first thing that goes: meanwhile others do what they do.
      if (used.length === 0) {
        for (const record of records.all()) if (record.description === 'b') used.push(records.pin(record));
        for (const record of [...records.all()]) if (record.description === 'c') records.remove(record);
      }
      return mounts.some((mount) => mount.id === id && mount.isGone);
    },
  };
  const cache = open({ others: [others] });
  const pruned = await cache.prune(everything);
  expect(pruned.ids.map((id) => id.replaceAll('.', ''))).toEqual(['gone', 'a']);
  expect(pruned.bytes).toBe(6);
  for (const pin of used) pin[Symbol.dispose]();
});

test('the end waits for all that is being tidied up', async () => {
  add('a', layers.make(undefined));
  const first = Promise.withResolvers<number>();
  let counting = 0;
  const cache = open({
    sizeOf: () => {
      counting++;
      return first.promise;
    },
  });
  cache.collectSoon();
  vi.advanceTimersByTime(60_000);
  await vi.waitFor(() => expect(counting).toBe(1));
  cache.collectSoon();
  vi.advanceTimersByTime(60_000);
  let isClosed = false;
  const closed = cache.close().then(() => {
    isClosed = true;
  });
  for (let turn = 0; turn < 50; turn++) await undefined;
  expect(isClosed).toBe(false);
  first.resolve(1);
  await closed;
  expect(counting).toBe(1);
});
