// Directories of clients that stay between builds: what is sent the second time, what is in them then, and who may have them at the same time.
import { linkSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { DirectoryResult } from '../../../daemon/build/steps/step.ts';
import {
  type ContextEntry,
  compareContextPaths,
  encodeContextEntry,
} from '../../../daemon/protocols/context-list/context-entry.ts';
import type { ContextOffer } from '../../../daemon/protocols/context-list/context-offer.ts';
import { dir, file, type RawEntry, rawTar, symlink } from '../jail/raw-tar.ts';
import { ContextFixture } from './context-fixture.ts';

const fixture = new ContextFixture();
const { signal } = new AbortController();
const keptPath = join(fixture.contexts, 'kept');

beforeEach(() => {
  fixture.maxBytes = 1024 ** 3;
  fixture.bootId = 'this';
  rmSync(keptPath, { recursive: true, force: true });
  fixture.reopen();
});
afterEach(() => {
  fixture.kept[Symbol.dispose]();
  expect(fixture.left).toEqual([]);
});
afterAll(() => fixture.close());

/** What a client has: contents of files, "->target" of links, undefined for directories. */
type Tree = Record<string, string | undefined>;

function entriesOf(tree: Tree): ContextEntry[] {
  return Object.entries(tree)
    .map(([path, text]): ContextEntry => {
      const common = { path, uid: 5, gid: 6, mtimeNs: '1700000000500000000' };
      if (text === undefined) return { ...common, mode: 0o750, kind: 'directory' };
      if (text.startsWith('->')) return { ...common, mode: 0o777, kind: 'symlink', target: text.slice(2) };
      return { ...common, mode: 0o640, kind: 'file', sizeBytes: Buffer.byteLength(text), stamp: text.slice(0, 50) };
    })
    .sort((a, b) => compareContextPaths(a.path, b.path));
}

function offer(tree: Tree, id = 'id'): Promise<ContextOffer> {
  const text = entriesOf(tree).map((entry) => `${encodeContextEntry(entry)}\n`);
  return fixture.kept.offer(id, Readable.from([Buffer.from(text.join(''), 'utf8')]), signal);
}

/** The files that were asked for, in order. */
function archive(tree: Tree, { needed }: ContextOffer): RawEntry[] {
  const files = entriesOf(tree).filter(({ kind }) => kind === 'file');
  return needed
    .flatMap(([first, count]) => files.slice(first, first + count))
    .map(({ path }) => file(path, tree[path] ?? ''));
}

function take(offered: ContextOffer, entries: readonly RawEntry[]): Promise<DirectoryResult> {
  return fixture.kept.take(offered.update, Readable.from([rawTar(entries)]), { signal });
}

async function send(tree: Tree, id?: string): Promise<{ context: DirectoryResult; sent: string[] }> {
  const offered = await offer(tree, id);
  const entries = archive(tree, offered);
  return { context: await take(offered, entries), sent: entries.map(({ name }) => name) };
}

function read(path: string, prefix = ''): Tree {
  const tree: Tree = {};
  for (const name of readdirSync(join(path, prefix))) {
    const [inside, full] = [prefix + name, join(path, prefix, name)];
    const stats = lstatSync(full);
    if (stats.isDirectory()) Object.assign(tree, { [inside]: undefined }, read(path, `${inside}/`));
    else tree[inside] = stats.isSymbolicLink() ? `->${readlinkSync(full)}` : readFileSync(full, 'utf8');
  }
  return tree;
}

const base: Tree = {
  Dockerfile: 'FROM scratch',
  d: undefined,
  'd/a': '1',
  'd/b': '2',
  l: '->d',
  'x-y': '',
  x: undefined,
};

describe('the second time', () => {
  test('only what changed is sent, and all of it is there', async () => {
    const first = await send(base);
    expect(first.sent).toEqual(['Dockerfile', 'd/a', 'd/b', 'x-y']);
    expect(read(first.context.path)).toEqual(base);
    expect(statSync(join(first.context.path, 'd/a'))).toMatchObject({ mode: 0o100640, uid: 5, gid: 6 });
    expect(statSync(join(first.context.path, 'd'))).toMatchObject({ mode: 0o040750, mtimeMs: 1_700_000_000_500 });
    const { identity } = first.context;
    first.context[Symbol.dispose]();

    const same = await send(base);
    expect(same).toMatchObject({ sent: [], context: { identity } });
    same.context[Symbol.dispose]();

    const changed: Tree = { ...base, 'd/a': 'changed', 'd/c': '3', 'x/n': 'new' };
    delete changed['d/b'];
    const second = await send(changed);
    expect(second.sent).toEqual(['d/a', 'd/c', 'x/n']);
    expect(read(second.context.path)).toEqual(changed);
    expect(second.context.identity).not.toBe(identity);
    expect(statSync(join(second.context.path, 'd')).mtimeMs).toBe(1_700_000_000_500);
    second.context[Symbol.dispose]();
  });

  test('kinds change into each other', async () => {
    const trees: Tree[] = [
      { a: undefined, 'a/x': '1', b: undefined, 'b/x': '2' },
      { a: '->b', b: undefined, 'b/x': '2' },
      { a: 'file', b: '->a' },
      { a: undefined, 'a/x': undefined, 'a/x/y': '3', b: 'file' },
      { 'a-': '4' },
      {},
    ];
    for (const tree of trees) {
      const { context } = await send(tree);
      expect(read(context.path)).toEqual(tree);
      context[Symbol.dispose]();
    }
  });

  test('a file is another one, for it may be part of a layer', async () => {
    const first = await send(base);
    const layer = join(fixture.path, 'layer');
    rmSync(layer, { force: true });
    linkSync(join(first.context.path, 'd/a'), layer);
    first.context[Symbol.dispose]();
    const second = await send({ ...base, 'd/a': 'changed' });
    expect(readFileSync(layer, 'utf8')).toBe('1');
    second.context[Symbol.dispose]();
  });
});

describe('at the same time', () => {
  test('what somebody holds stays as it is', async () => {
    const first = await send(base);
    const second = await send({ ...base, 'd/a': 'changed', l: '->x' });
    expect(second.sent).toEqual(['d/a']);
    expect(read(first.context.path)).toEqual(base);
    expect(read(second.context.path)).toEqual({ ...base, 'd/a': 'changed', l: '->x' });
    expect(statSync(join(second.context.path, 'd'))).toMatchObject({
      mode: 0o040750,
      uid: 5,
      mtimeMs: 1_700_000_000_500,
    });
    first.context[Symbol.dispose]();
    second.context[Symbol.dispose]();
    expect(readdirSync(join(keptPath, readdirSync(keptPath)[0] ?? ''))).toHaveLength(1);
  });

  test('two updates of one state', async () => {
    (await send(base)).context[Symbol.dispose]();
    const [one, two]: Tree[] = [
      { ...base, one: '1' },
      { ...base, two: '2' },
    ] as [Tree, Tree];
    const offers = [await offer(one as Tree), await offer(two as Tree)] as const;
    const contexts = await Promise.all([
      take(offers[0], archive(one as Tree, offers[0])),
      take(offers[1], archive(two as Tree, offers[1])),
    ]);
    expect(read(contexts[0].path)).toEqual(one);
    expect(read(contexts[1].path)).toEqual(two);
    for (const context of contexts) context[Symbol.dispose]();
    const third = await send(two as Tree);
    expect(read(third.context.path)).toEqual(two);
    third.context[Symbol.dispose]();
  });

  test('an update is good once', async () => {
    const offered = await offer(base);
    using _context = await take(offered, archive(base, offered));
    await expect(take(offered, [])).rejects.toMatchObject({ code: 'not-found' });
    await expect(take({ ...offered, update: '../../x' }, [])).rejects.toMatchObject({ code: 'not-found' });
  });
});

describe('what a client lies about', () => {
  const tree: Tree = { d: undefined, 'd/a': '1', 'd/b': '2', l: '->/etc' };
  const lies: [string, RawEntry[], RegExp][] = [
    ['a file that was not asked for', [file('d/a', '1'), file('d/b', '2'), file('d/c', '3')], /not asked for/],
    ['another name', [file('d/b', '2'), file('d/a', '1')], /d\/a has to come here/],
    ['a name that leads out', [file('../../../d/x', '1')], /has to come here/],
    ['through a link', [file('l/x', '1')], /has to come here/],
    ['a link in the place of a file', [symlink('/etc/passwd', 'd/a')], /has to come here/],
    ['a directory in the place of a file', [dir('d/a/')], /has to come here/],
    ['another size', [file('d/a', '123')], /not the size/],
    ['too few', [file('d/a', '1')], /ends before d\/b/],
    ['nothing', [], /ends before d\/a/],
  ];
  test.each(lies)('%s', async (_, entries, message) => {
    await expect(take(await offer(tree), entries)).rejects.toThrow(message);
    const { context, sent } = await send(tree);
    expect(sent).toEqual(['d/a', 'd/b']);
    expect(read(context.path)).toEqual(tree);
    context[Symbol.dispose]();
  });

  test('owners and modes of the archive count for nothing', async () => {
    const offered = await offer({ a: '1' });
    using context = await take(offered, [{ ...file('a', '1'), mode: 0o4777, uid: 99 }]);
    expect(statSync(join(context.path, 'a'))).toMatchObject({ mode: 0o100640, uid: 5 });
  });

  test('lists and ids that cannot be', async () => {
    const list = (text: string) => fixture.kept.offer('id', Readable.from([Buffer.from(text)]), signal);
    for (const text of ['x\n', '["d","../x",0,0,0,"0"]\n', '["f","a/b",0,0,0,"0",1,""]\n', 'x'.repeat(100_000)])
      await expect(list(text)).rejects.toMatchObject({ code: 'invalid' });
    for (const id of ['', '..', '../x', 'a/b', '-a', 'x'.repeat(200)])
      await expect(offer(base, id)).rejects.toMatchObject({ code: 'invalid' });
  });

  test('a client that goes away', async () => {
    const list = new PassThrough();
    list.write('["d","a",0,0,0,"0"]\n');
    const going = fixture.kept.offer('id', list, signal);
    setTimeout(() => list.destroy(new Error('gone')), 20);
    await expect(going).rejects.toThrow(/gone/);
    const body = new PassThrough();
    const offered = await offer(base);
    const taking = fixture.kept.take(offered.update, body, { signal });
    body.write(rawTar(archive(base, offered)).subarray(0, 700));
    setTimeout(() => body.destroy(new Error('gone')), 50);
    await expect(taking).rejects.toThrow(/gone/);
    expect(readdirSync(keptPath)).toEqual([]);
    expect((await send(base)).context[Symbol.dispose]()).toBeUndefined();
  });
});

describe('what stays', () => {
  test('for the next daemon, but not over a boot', async () => {
    const first = await send(base);
    fixture.reopen();
    const second = await send(base);
    expect(second.sent).toEqual([]);
    expect(second.context.identity).toBe(first.context.identity);
    fixture.bootId = 'next';
    fixture.reopen();
    expect(readdirSync(keptPath)).toEqual([]);
    const third = await send(base);
    expect(third.sent).toHaveLength(4);
    for (const { context } of [first, second, third]) context[Symbol.dispose]();
  });

  test('nothing that was cut off', async () => {
    (await send(base)).context[Symbol.dispose]();
    const key = join(keptPath, readdirSync(keptPath)[0] ?? '');
    mkdirSync(join(key, 'half/fs'), { recursive: true });
    const pending = await offer({ ...base, more: '1' });
    fixture.reopen();
    expect(readdirSync(key)).toHaveLength(1);
    await expect(take(pending, [])).rejects.toMatchObject({ code: 'not-found' });
    rmSync(join(key, readdirSync(key)[0] ?? '', 'done'));
    fixture.reopen();
    expect(readdirSync(keptPath)).toEqual([]);
  });

  test('no more than there is room for: the least recently used goes', async () => {
    const tree: Tree = { a: 'x'.repeat(10_000) };
    const idOf = async (id: string): Promise<number> => {
      const { context, sent } = await send(tree, id);
      context[Symbol.dispose]();
      await new Promise((resolve) => setTimeout(resolve, 5));
      return sent.length;
    };
    fixture.maxBytes = 40_000;
    fixture.reopen();
    expect([await idOf('1'), await idOf('2'), await idOf('1'), await idOf('3')]).toEqual([1, 1, 0, 1]);
    expect(fixture.kept.diskBytes).toBe(2 * (4096 + 12_288));
    expect([await idOf('1'), await idOf('2')]).toEqual([0, 1]);
    expect(readdirSync(keptPath)).toHaveLength(2);
    const entries = await fixture.kept.list();
    expect(entries).toMatchObject([
      { kind: 'source.local', isInUse: false, sizeBytes: 16_384 },
      { kind: 'source.local', isInUse: false, sizeBytes: 16_384 },
    ]);
    for (const { id } of entries) await fixture.kept.remove(id);
    await fixture.kept.remove('none');
    expect(await fixture.kept.list()).toEqual([]);
    expect(readdirSync(keptPath)).toEqual([]);
    const { context, sent } = await send(tree, '1');
    expect(sent).toEqual(['a']);
    const [held] = await fixture.kept.list();
    await fixture.kept.remove(held?.id ?? '');
    expect(await fixture.kept.list()).toMatchObject([{ isInUse: true }]);
    context[Symbol.dispose]();
  });
});

describe('filtered', () => {
  test('without anything to leave out it is the same', async () => {
    const { context } = await send(base);
    using same = await fixture.store.filtered(context, ['none', '*.md'], signal);
    expect(same.identity).toBe(context.identity);
    context[Symbol.dispose]();
  });

  test('what is left out is gone in another one', async () => {
    const tree: Tree = {
      ...base,
      e: undefined,
      'e/deep': undefined,
      'e/deep/keep': '1',
      'e/deep/drop': '2',
      f: undefined,
      'f/x': '3',
    };
    const { context } = await send(tree);
    using filtered = await fixture.store.filtered(
      context,
      ['Dockerfile', 'e', '!e/deep/keep', 'f', 'd/*', 'l'],
      signal,
    );
    expect(read(filtered.path)).toEqual({
      d: undefined,
      e: undefined,
      'e/deep': undefined,
      'e/deep/keep': '1',
      x: undefined,
      'x-y': '',
    });
    expect(statSync(join(filtered.path, 'e'))).toMatchObject({ mode: 0o040750, uid: 5, mtimeMs: 1_700_000_000_500 });
    expect(read(context.path)).toEqual(tree);
    using again = await fixture.store.filtered(context, ['Dockerfile', 'e', '!e/deep/keep', 'f', 'd/*', 'l'], signal);
    expect(again.identity).toBe(filtered.identity);
    context[Symbol.dispose]();
  });

  test('patterns that are none', async () => {
    const { context } = await send(base);
    await expect(fixture.store.filtered(context, ['[a'], signal)).rejects.toMatchObject({ code: 'invalid' });
    context[Symbol.dispose]();
  });
});
