// Which entries of the cache go, how far, and by which filters.
import { describe, expect, test } from 'vitest';
import type { BuildCacheEntry } from '../../../../daemon/build/build-service.ts';
import { cacheFilter } from '../../../../daemon/build/solver/cache-filters.ts';
import { bytesToKeep, pruneOrder } from '../../../../daemon/build/solver/prune-order.ts';

function entry(id: string, usedMs: number, more: Partial<BuildCacheEntry> = {}): BuildCacheEntry {
  return {
    ...{ id, parents: [], kind: 'regular', description: id, isInUse: false, isShared: false },
    ...{ sizeBytes: 10, createdMs: 0, lastUsedMs: usedMs, useCount: 1, ...more },
  };
}

function order(entries: readonly BuildCacheEntry[], keptBytes?: number): string[] {
  return pruneOrder(entries, { isWanted: () => true, keptBytes }).map(({ id }) => id);
}

describe('the order', () => {
  test('is that of the last use, and nothing goes before what stands on it', () => {
    const chain = [entry('a', 1), entry('b', 2, { parents: ['a'] }), entry('c', 3, { parents: ['b'] })];
    expect(order([entry('new', 9), ...chain, entry('old', 0)])).toEqual(['old', 'c', 'b', 'a', 'new']);
  });

  test('ends where as many bytes are left as may be kept', () => {
    const entries = [entry('a', 1), entry('b', 2), entry('c', 3), entry('d', 4)];
    expect(order(entries, 25)).toEqual(['a', 'b']);
    expect(order(entries, 40)).toEqual([]);
    // What images have as well counts for nothing.
    expect(order([entry('shared', 0, { isShared: true }), ...entries], 35)).toEqual(['shared', 'a']);
  });

  test('ends where as few are left as may be, also of those that have no bytes', () => {
    const entries = [entry('a', 1, { sizeBytes: 0 }), entry('b', 2, { parents: ['a'] }), entry('c', 3), entry('d', 4)];
    const few = (keptCount: number, keptBytes?: number) =>
      pruneOrder(entries, { isWanted: () => true, keptBytes, keptCount }).map(({ id }) => id);
    expect(few(4)).toEqual([]);
    expect(few(2)).toEqual(['b', 'a']);
    expect(few(3, 10)).toEqual(['b', 'a', 'c']);
  });

  test('leaves what a build has, and what is below it', () => {
    const entries = [entry('a', 1), entry('b', 2, { parents: ['a'], isInUse: true }), entry('c', 3)];
    expect(order(entries)).toEqual(['c']);
  });
});

test('as much is kept as BuildKit would', () => {
  expect(bytesToKeep(100, 50, {})).toBeUndefined();
  expect(bytesToKeep(100, 50, { reservedBytes: 30 })).toBe(30);
  expect(bytesToKeep(100, 50, { reservedBytes: 30, maxUsedBytes: 80 })).toBe(80);
  expect(bytesToKeep(100, 50, { maxUsedBytes: 80, minFreeBytes: 90 })).toBe(60);
  expect(bytesToKeep(100, 50, { reservedBytes: 70, maxUsedBytes: 80, minFreeBytes: 90 })).toBe(70);
  expect(bytesToKeep(100, 50, { minFreeBytes: 60 })).toBe(90);
});

describe('filters', () => {
  const entries = [
    entry('plain', 1_000),
    entry('child', 5_000, { parents: ['plain'] }),
    entry('shared', 5_000, { isShared: true }),
    entry('mount', 5_000, { kind: 'exec.cachemount', isInUse: true }),
  ];
  const matching = (filters: Record<string, string[]>): string[] =>
    entries.filter(cacheFilter(new Map(Object.entries(filters)), 10_000)).map(({ id }) => id);

  test('choose by what an entry is', () => {
    expect(matching({})).toEqual(['plain', 'child', 'shared', 'mount']);
    expect(matching({ id: ['child'] })).toEqual(['child']);
    expect(matching({ parent: ['plain'] })).toEqual(['child']);
    expect(matching({ type: ['exec.cachemount'] })).toEqual(['mount']);
    expect(matching({ inuse: ['true'] })).toEqual(['mount']);
    expect(matching({ shared: ['true'] })).toEqual(['shared']);
    expect(matching({ private: ['true'], inuse: ['false'] })).toEqual(['plain', 'child']);
    expect(matching({ 'unused-for': ['8s'] })).toEqual(['plain']);
    expect(matching({ until: ['2'] })).toEqual(['plain']);
  });

  test('refuse what they do not know', () => {
    expect(() => matching({ nosuch: ['x'] })).toThrow("invalid filter 'nosuch'");
    expect(() => matching({ inuse: ['perhaps'] })).toThrow('invalid filter');
    expect(() => matching({ 'unused-for': ['long'] })).toThrow('invalid filter');
    expect(() => matching({ id: ['a', 'b'] })).toThrow('more than one value');
  });
});
