// A client's directory over its session: all of it, then what changed; and clients that send what they should not.

import { lstatSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { metadataOf } from '../../../../daemon/build/session/file-sync.ts';
import type { DirectoryResult } from '../../../../daemon/build/steps/step.ts';
import {
  encodeFilePacket,
  type FilePacket,
  type FileStat,
} from '../../../../daemon/protocols/grpc/file-sync-messages.ts';
import { frameMessage } from '../../../../daemon/protocols/grpc/grpc-messages.ts';
import { ContextFixture } from '../context-fixture.ts';
import { type SentTree, SessionFixture, sendTree, statsOf } from './session-fixture.ts';

const contexts = new ContextFixture();
let fixture = new SessionFixture(contexts);
const wanted = { include: [], exclude: ['*.md'], followPaths: [] };

const warned = vi.spyOn(process, 'emitWarning');
afterEach(() => {
  // Of listeners that nobody takes away.
  expect(warned.mock.calls).toEqual([]);
  fixture.close();
  fixture = new SessionFixture(contexts);
  contexts.kept[Symbol.dispose]();
  expect(contexts.left).toEqual([]);
});
afterAll(() => contexts.close());

function serve(answer: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void): void {
  fixture.server.removeAllListeners('stream');
  fixture.server.on('stream', answer);
}

async function sync(name: string, signal = AbortSignal.timeout(15_000)): Promise<DirectoryResult> {
  const client = await fixture.open();
  const directory = await client.directory(name, wanted, signal);
  if (directory === undefined) throw new Error('no directory');
  return directory;
}

function read(path: string, prefix = ''): SentTree {
  const tree: SentTree = {};
  for (const name of readdirSync(join(path, prefix))) {
    const [inside, full] = [prefix + name, join(path, prefix, name)];
    const stats = lstatSync(full);
    if (stats.isDirectory()) Object.assign(tree, { [inside]: undefined }, read(path, `${inside}/`));
    else tree[inside] = stats.isSymbolicLink() ? `->${readlinkSync(full)}` : readFileSync(full, 'utf8');
  }
  return tree;
}

const tree: SentTree = {
  a: 'text',
  d: undefined,
  'd/b': '',
  'd/ü': 'x',
  'd-e': 'y',
  l: '->d',
  large: 'z'.repeat(3_000_000),
};

test('all of it, and then what changed', async () => {
  const asked: string[] = [];
  const headers: IncomingHttpHeaders[] = [];
  serve((stream, given) => {
    headers.push(given);
    sendTree(stream, tree, asked);
  });
  const first = await sync('context');
  expect(read(first.path)).toEqual(tree);
  expect(asked).toEqual(['a', 'd/b', 'd/ü', 'd-e', 'large']);
  expect(statSync(join(first.path, 'a'))).toMatchObject({ mode: 0o100640, uid: 3, gid: 4 });
  expect(headers[0]).toMatchObject({ 'dir-name': 'context', 'exclude-patterns': '*.md' });
  first[Symbol.dispose]();

  const changed = { ...tree, a: 'other text', n: 'new' };
  asked.length = 0;
  serve((stream) => sendTree(stream, changed, asked));
  using second = await sync('context');
  expect(read(second.path)).toEqual(changed);
  expect(asked).toEqual(['a', 'n']);
  asked.length = 0;
  using _other = await sync('another');
  expect(asked).toHaveLength(6);
});

test('other names of files far apart', async () => {
  const paths = ['a', 'a/b', 'a-b', 'b', 'c', 'c/d', 'c/e', 'c.d'];
  const texts: SentTree = Object.fromEntries(
    paths.map((path) => [path, path === 'a' || path === 'c' ? undefined : path]),
  );
  const files = paths.filter((path) => texts[path] !== undefined);
  const links = files.map((path) => `x${path.replace('/', '+')}`);
  const linked = Object.fromEntries(files.map((path, n) => [links[n] ?? '', path]));
  const stats = statsOf({ ...texts, ...linked }).map(
    (stat): FileStat =>
      linked[stat.path] === undefined ? stat : { ...stat, linkName: linked[stat.path] ?? '', sizeBytes: 0n },
  );
  serve((stream) => sendTree(stream, texts, [], stats));
  using directory = await sync('apart');
  expect(read(directory.path)).toEqual({ ...texts, ...linked });
});

test('another name of a file is a file of its own', async () => {
  const stats = statsOf({ a: 'text', b: 'text' }).map(
    (stat): FileStat => (stat.path === 'b' ? { ...stat, linkName: 'a', sizeBytes: 0n } : stat),
  );
  serve((stream) => sendTree(stream, { a: 'text' }, [], stats));
  using directory = await sync('links');
  expect(read(directory.path)).toEqual({ a: 'text', b: 'text' });
});

test('thousands of small files', async () => {
  const many: SentTree = Object.fromEntries(
    Array.from({ length: 3000 }, (_, i) => [`f${String(i).padStart(4, '0')}`, `${i}`]),
  );
  serve((stream) => sendTree(stream, many, []));
  using directory = await sync('many');
  expect(read(directory.path)).toEqual(many);
});

test('a directory that the client has not', async () => {
  serve((stream) =>
    stream.respond({ ':status': 200, 'grpc-status': '5', 'grpc-message': 'no access' }, { endStream: true }),
  );
  const client = await fixture.open();
  expect(await client.directory('none', wanted, AbortSignal.timeout(5000))).toBeUndefined();
});

test('words that are no ASCII', () => {
  expect(metadataOf({ name: 'context', include: [], exclude: ['ü b', 'a'], followPaths: ['x'] })).toEqual({
    'dir-name': ['context'],
    'exclude-patterns': ['%C3%BC+b', 'a'],
    'exclude-patterns-encoded': ['1'],
    followpaths: ['x'],
  });
});

describe('what a client sends that it should not', () => {
  const stat = (path: string, more: Partial<FileStat> = {}): FilePacket => ({
    kind: 'stat',
    stat: { path, mode: 0o644, uid: 0, gid: 0, sizeBytes: 1n, mtimeNs: 0n, linkName: '', ...more },
  });
  const last: FilePacket = { kind: 'stat', stat: undefined };
  const data = (id: number, text: string): FilePacket => ({ kind: 'data', id, data: Buffer.from(text) });
  const directory = 2 ** 31 + 0o755;
  const wrong: [string, FilePacket[], RegExp][] = [
    ['a path that leads out', [stat('../x'), last], /a path/],
    ['an absolute path', [stat('/etc/x'), last], /a path/],
    ['a path below a link', [stat('l', { mode: 2 ** 27, linkName: '/etc' }), stat('l/x'), last], /in no directory/],
    ['one below nothing', [stat('a/b'), last], /in no directory/],
    ['another order', [stat('b'), stat('a'), last], /not in its order/],
    ['a link to nothing', [stat('a', { mode: 2 ** 27 }), last], /target/],
    ['another name of nothing', [stat('a', { linkName: '/etc/passwd' }), last], /links to what is not there/],
    ['a negative size', [stat('a', { sizeBytes: -1n }), last], /size/],
    ['a size of exabytes', [stat('a', { sizeBytes: 2n ** 62n }), last], /size/],
    ['a device', [stat('a', { mode: 2 ** 26 + 2 ** 21 }), last], /is a device/],
    ['bytes in the list', [data(0, 'x')], /data in its list/],
    ['a file that was not asked for', [stat('a'), last, data(7, 'x')], /not asked for/],
    ['fewer bytes', [stat('a', { sizeBytes: 5n }), last, data(0, 'x'), data(0, '')], /changed while it was sent/],
    ['another entry between files', [stat('a'), last, stat('b')], /between files/],
    ['an error', [stat('a'), { kind: 'error', message: 'lstat a: gone' }], /lstat a: gone/],
    ['a directory in a file', [stat('a'), stat('a/b', { mode: directory }), last], /in no directory/],
  ];
  test.each(wrong)('%s', async (_, packets, message) => {
    serve((stream) => {
      stream.on('error', () => undefined);
      stream.respond({ ':status': 200 });
      for (const packet of packets) stream.write(frameMessage(encodeFilePacket(packet)));
    });
    await expect(sync('wrong')).rejects.toThrow(message);
  });

  test('paths without end', async () => {
    const parts = Array.from({ length: 15 }, () => 'd'.repeat(250));
    const above = parts.map((_, n) => stat(parts.slice(0, n + 1).join('/'), { mode: directory }));
    serve((stream) => {
      stream.on('error', () => undefined);
      stream.respond({ ':status': 200 });
      const send = (packet: FilePacket) => stream.write(frameMessage(encodeFilePacket(packet)));
      for (const each of above) send(each);
      for (let n = 0; n < 18_000; n++) send(stat(`${parts.join('/')}/${String(n).padStart(5, '0')}`));
      send(last);
      stream.end();
    });
    await expect(sync('paths')).rejects.toThrow(/the paths of its files/);
  });

  test('more bytes than it said are left out', async () => {
    const then: SentTree = { log: 'grown', other: 'o' };
    serve((stream) => sendTree(stream, { ...then, log: 'grown since' }, [], statsOf(then)));
    using made = await sync('grown');
    expect(read(made.path)).toEqual(then);
  });

  test.each([
    ['the list', [stat('a')]],
    ['a file', [stat('a', { sizeBytes: 10n }), last, data(0, 'x')]],
  ])('an end in the middle of %s', async (_, packets) => {
    serve((stream) => {
      stream.on('error', () => undefined);
      stream.respond({ ':status': 200 });
      for (const packet of packets) stream.write(frameMessage(encodeFilePacket(packet)));
      setTimeout(() => fixture.cut(), 100);
    });
    await expect(sync('cut')).rejects.toThrow();
  });

  test('nothing any more, until the build is aborted', async () => {
    serve((stream) => {
      stream.on('error', () => undefined);
      stream.respond({ ':status': 200 });
      stream.write(frameMessage(encodeFilePacket(stat('a'))));
    });
    const cancel = new AbortController();
    setTimeout(() => cancel.abort(new Error('stopped')), 100);
    await expect(sync('stalls', cancel.signal)).rejects.toThrow(/stopped/);
  });
});
