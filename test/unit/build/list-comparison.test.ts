// What is to be done between two lists of a directory; held against what would be seen if it were done.
import { describe, expect, test } from 'vitest';
import { type Comparison, ListComparison } from '../../../daemon/build/contexts/list-comparison.ts';
import {
  type ContextEntry,
  compareContextPaths,
  decodeContextEntry,
  encodeContextEntry,
} from '../../../daemon/protocols/context-list/context-entry.ts';

/** "d a", "f a/b 1", "l a/c target": sorted, and as lines. */
function listOf(...words: string[]): string[] {
  const common = { mode: 0o644, uid: 0, gid: 0, mtimeNs: '0' };
  return words
    .map((word): ContextEntry => {
      const [kind, path = '', more = ''] = word.split(' ');
      if (kind === 'd') return { ...common, path, kind: 'directory' };
      if (kind === 'l') return { ...common, path, kind: 'symlink', target: more };
      return { ...common, path, kind: 'file', sizeBytes: 1, stamp: more };
    })
    .sort((a, b) => compareContextPaths(a.path, b.path))
    .map(encodeContextEntry);
}

function compare(old: readonly string[], list: readonly string[]): Comparison & { changes: string[] } {
  const changes: string[] = [];
  const comparison = new ListComparison(old[Symbol.iterator](), (change) => changes.push(change));
  for (const line of list) expect(inTurns(() => comparison.add(line))).toBe(line);
  return { ...inTurns(() => comparison.end()), changes };
}

function inTurns<T>(work: () => T | undefined): T {
  for (;;) {
    const made = work();
    if (made !== undefined) return made;
  }
}

/** As update-tree.ts does it, on a map. */
function applied(old: readonly string[], changes: readonly string[]): string[] {
  const tree = new Map(old.map((line) => [decodeContextEntry(line).path, line]));
  const removeBelow = (path: string): void => {
    for (const other of tree.keys()) if (other.startsWith(`${path}/`)) tree.delete(other);
  };
  for (const change of changes) {
    if (!change.startsWith('-')) continue;
    const path = JSON.parse(change.slice(1)) as string;
    tree.delete(path);
    removeBelow(path);
  }
  for (const change of changes) {
    if (!change.startsWith('+')) continue;
    const entry = decodeContextEntry(change.slice(1));
    tree.set(entry.path, change.slice(1));
    if (entry.kind !== 'directory') removeBelow(entry.path);
  }
  return [...tree].sort(([a], [b]) => compareContextPaths(a, b)).map(([, line]) => line);
}

const shown = (changes: readonly string[]): string[] =>
  changes.map((change) =>
    change.startsWith('-') ? `-${JSON.parse(change.slice(1))}` : `+${decodeContextEntry(change.slice(1)).path}`,
  );

describe('changes', () => {
  test('of nothing', () => {
    const list = listOf('d a', 'f a/b', 'f c');
    expect(compare(list, list)).toMatchObject({ isChanged: false, files: 0, bytes: 0, needed: [], changes: [] });
    expect(compare([], [])).toMatchObject({ isChanged: false });
  });

  test('of everything', () => {
    const list = listOf('d a', 'f a/b', 'l a/c x', 'f d');
    const made = compare([], list);
    expect(made).toMatchObject({ isChanged: true, files: 2, bytes: 2, needed: [[0, 2]] });
    expect(applied([], made.changes)).toEqual(list);
  });

  test('one file of many, and the time of its directory', () => {
    const old = listOf('d a', 'f a/1', 'f a/2', 'f a/3', 'f b');
    const made = compare(old, listOf('d a', 'f a/1', 'f a/2 changed', 'f a/3', 'f b'));
    expect(shown(made.changes)).toEqual(['+a/2', '+a']);
    expect(made.needed).toEqual([[1, 1]]);
  });

  test('a directory goes with all below, named once', () => {
    expect(shown(compare(listOf('d a', 'd a/b', 'f a/b/c', 'f a-b', 'f z'), listOf('f a-b', 'f z')).changes)).toEqual([
      '-a',
    ]);
  });

  test('a link in the place of a directory takes what was below with it', () => {
    const old = listOf('d a', 'f a/x', 'd b', 'f b/x');
    const made = compare(old, listOf('l a b', 'd b', 'f b/x'));
    expect(shown(made.changes)).toEqual(['+a']);
    expect(made.files).toBe(0);
  });

  test('of much of it are passed bit by bit, however much of the new list comes between', () => {
    const old = listOf(...Array.from({ length: 30_000 }, (_, n) => `f f${String(n).padStart(5, '0')} 1`));
    const kept = old.filter((_, n) => n % 100 === 99 && n < 20_000);
    let read = 0;
    let most = 0;
    const lines = old[Symbol.iterator]();
    const next = (): IteratorResult<string> => {
      read++;
      return lines.next();
    };
    const changes: string[] = [];
    const comparison = new ListComparison({ next }, (change) => changes.push(change));
    const turn = <T>(work: () => T): T => {
      const made = work();
      most = Math.max(most, read);
      if (made === undefined) read = 0;
      return made;
    };
    for (const line of kept) expect(inTurns(() => turn(() => comparison.add(line)))).toBe(line);
    inTurns(() => turn(() => comparison.end()));
    expect(most).toBeLessThan(3000);
    const isKept = new Set(kept);
    const gone = old.filter((line) => !isKept.has(line)).map((line) => decodeContextEntry(line).path);
    expect(shown(changes)).toEqual(gone.map((path) => `-${path}`));
  });

  test('any, held against what they make', () => {
    let seed = 1;
    const random = (below: number): number => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed % below;
    };
    const some = (): string[] => {
      const words = new Map<string, string>();
      for (let i = 0; i < 12; i++) {
        const path = Array.from({ length: 1 + random(3) }, () => 'ab-'[random(3)]).join('/');
        const parents = path
          .split('/')
          .slice(0, -1)
          .map((_, n, parts) => parts.slice(0, n + 1).join('/'));
        if (parents.some((parent) => (words.get(parent) ?? 'd').startsWith('d') === false)) continue;
        for (const parent of parents) words.set(parent, `d ${parent}`);
        if (![...words.keys()].some((other) => other.startsWith(`${path}/`)))
          words.set(path, [`d ${path}`, `f ${path} ${random(2)}`, `l ${path} ${random(2)}`][random(3)] ?? '');
      }
      return listOf(...words.values());
    };
    for (let i = 0; i < 2000; i++) {
      const [old, list] = [some(), some()];
      const made = compare(old, list);
      expect(applied(old, made.changes)).toEqual(list);
      expect(made.isChanged).toBe(old.join() !== list.join());
    }
  });
});

describe('a list is refused', () => {
  test.each([
    ['with an entry in no directory of it', ['f a/b']],
    ['with an entry in a file', ['f a', 'f a/b']],
    ['with an entry in a link', ['l a x', 'f a/b']],
    ['with one entry twice', ['f a', 'f a']],
  ])('%s', (_, words) => {
    const comparison = new ListComparison([][Symbol.iterator](), () => undefined);
    expect(() => listOf(...words).map((line) => comparison.add(line))).toThrow(/read list of a context/);
  });

  test('in another order', () => {
    const comparison = new ListComparison([][Symbol.iterator](), () => undefined);
    const lines = ['f b', 'f a'].flatMap((word) => listOf(word));
    expect(() => lines.map((line) => comparison.add(line))).toThrow(/order/);
  });
});
