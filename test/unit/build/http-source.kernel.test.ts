// Files by HTTP, from a server on the loopback.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { HttpSource } from '../../../daemon/build/graph/operation.ts';
import { HttpFiles, nameOf } from '../../../daemon/build/sources/http-source.ts';
import type { DirectoryResult } from '../../../daemon/build/steps/step.ts';
import { ContextFixture } from './context-fixture.ts';
import { StepFixture } from './step-fixture.ts';

const fixture = new ContextFixture();
const modified = 'Tue, 14 Nov 2023 22:13:20 GMT';
let server: http.Server;
let base = '';
let content = 'content';
let onEtag: () => Promise<unknown> = async () => undefined;
const answers: number[] = [];
let step = new StepFixture();
let files = new HttpFiles(fixture.store);

beforeAll(async () => {
  server = http.createServer((request, response) => {
    const path = request.url ?? '';
    const etag = `"${content}"`;
    response.once('finish', () => answers.push(response.statusCode));
    if (path === '/missing') response.writeHead(404).end();
    else if (path === '/cut')
      response.writeHead(200, { 'Content-Length': '100' }).write('short', () => response.destroy());
    else if (path === '/stalls') response.writeHead(200, { 'Content-Length': '100' }).write('short');
    else if (path === '/moved') response.writeHead(302, { Location: '/named' }).end();
    else if (path === '/named')
      response.writeHead(200, { 'Content-Disposition': 'attachment; filename="../../x"' }).end(content);
    else if (path === '/etag' && request.headers['if-none-match'] === etag)
      void onEtag().then(() => response.writeHead(304).end());
    else if (path === '/etag') response.writeHead(200, { ETag: etag, 'Last-Modified': modified }).end(content);
    else response.writeHead(200).end(content);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(() => {
  files[Symbol.dispose]();
  files = new HttpFiles(fixture.store);
  step = new StepFixture();
  answers.length = 0;
  content = 'content';
  onEtag = async () => undefined;
  expect(fixture.left).toEqual([]);
});

afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await fixture.close();
});

function fetch(path: string, more: Partial<HttpSource> = {}): Promise<DirectoryResult> {
  const source: HttpSource = { type: 'http', url: base + path, checksum: '', filename: '', uid: 0, gid: 0, ...more };
  return files.fetch(source, step.run(source));
}

const digestOf = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`;

test('a file of its own, with the time that the server says, for its owner only', async () => {
  using directory = await fetch('/etag', { uid: 3, gid: 4 });
  expect(readdirSync(directory.path)).toEqual(['etag']);
  const file = join(directory.path, 'etag');
  expect(readFileSync(file, 'utf8')).toBe('content');
  expect(statSync(file)).toMatchObject({ mode: 0o100600, uid: 3, gid: 4, mtimeMs: Date.parse(modified) });
  expect(directory.identity).toContain(digestOf('content'));
  expect(step.statuses.at(-1)).toEqual([`downloading ${base}/etag`, 7, 7, true]);
  using plain = await fetch('/dir/plain?x=1', { mode: 0o4755, filename: 'other' });
  expect(statSync(join(plain.path, 'other'))).toMatchObject({ mode: 0o104755, mtimeMs: 0 });
});

test('what has not changed is not transferred again', async () => {
  using first = await fetch('/etag');
  using second = await fetch('/etag');
  expect(second.identity).toBe(first.identity);
  content = 'changed';
  using third = await fetch('/etag');
  expect(third.identity).not.toBe(first.identity);
  expect(readFileSync(join(third.path, 'etag'), 'utf8')).toBe('changed');
  expect(readFileSync(join(first.path, 'etag'), 'utf8')).toBe('content');
  expect(answers).toEqual([200, 304, 200]);
});

test('what is kept is listed, and can be taken away', async () => {
  using directory = await fetch('/etag');
  using _again = await fetch('/etag');
  const [entry] = await files.list();
  expect(entry).toMatchObject({ description: `http url ${base}/etag`, sizeBytes: 7, useCount: 2 });
  await files.remove('none');
  await files.remove(entry?.id ?? '');
  expect(await files.list()).toEqual([]);
  expect(readFileSync(join(directory.path, 'etag'), 'utf8')).toBe('content');
  using _fresh = await fetch('/etag');
  expect(answers).toEqual([200, 304, 200]);
});

test('what is let go of while the server is asked serves who asked, and is fetched again', async () => {
  using _first = await fetch('/etag');
  onEtag = async () => {
    for (const { id } of await files.list()) await files.remove(id);
  };
  using second = await fetch('/etag');
  expect(readFileSync(join(second.path, 'etag'), 'utf8')).toBe('content');
  expect(await files.list()).toEqual([]);
  using third = await fetch('/etag');
  expect(readFileSync(join(third.path, 'etag'), 'utf8')).toBe('content');
  expect(answers).toEqual([200, 304, 200]);
});

test('a checksum is held against what came, and saves the question', async () => {
  await expect(fetch('/plain', { checksum: digestOf('other') })).rejects.toThrow(/digest mismatch/);
  await expect(fetch('/plain', { checksum: 'md5:0' })).rejects.toThrow(/no sha256 digest/);
  answers.length = 0;
  using _first = await fetch('/plain', { checksum: digestOf('content') });
  using _second = await fetch('/plain', { checksum: digestOf('content') });
  expect(answers).toEqual([200]);
  content = 'changed';
  using third = await fetch('/plain');
  expect(readFileSync(join(third.path, 'plain'), 'utf8')).toBe('changed');
  await expect(fetch('/etag', { checksum: digestOf('content') })).rejects.toThrow(/digest mismatch/);
});

test('a name with a slash is passed over, redirects are followed', async () => {
  using directory = await fetch('/moved');
  expect(readdirSync(directory.path)).toEqual(['moved']);
});

test('what fails leaves nothing', async () => {
  await expect(fetch('/missing')).rejects.toMatchObject({ code: 'not-found' });
  await expect(fetch('/cut')).rejects.toThrow();
  await expect(fetch('/plain', { filename: '../x' })).rejects.toThrow(/invalid file name/);
  await expect(fetch('', { url: 'file:///etc/passwd' })).rejects.toThrow(/no http or https URL/);
  const stalled = fetch('/stalls');
  setTimeout(() => step.cancel.abort(new Error('stopped')), 100);
  await expect(stalled).rejects.toThrow();
  expect(fixture.left).toEqual([]);
});

test('names', () => {
  const name = (url: string, disposition?: string): string =>
    nameOf(new URL(url), disposition === undefined ? {} : { 'content-disposition': disposition });
  expect(name('http://x/a/b.tar.gz?q')).toBe('b.tar.gz');
  expect(name('http://x/a/')).toBe('download');
  expect(name('http://x/%2e%2e%2fpasswd')).toBe('download');
  expect(name('http://x/a', 'attachment; filename=b')).toBe('b');
  expect(name('http://x/a', 'attachment; filename="b c"')).toBe('b c');
  expect(name('http://x/a', 'attachment; filename=".."')).toBe('a');
  expect(name('http://x/a', `attachment; filename=${'n'.repeat(300)}`)).toBe('a');
});
