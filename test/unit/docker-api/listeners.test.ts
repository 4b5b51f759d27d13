import { spawnSync } from 'node:child_process';
import { chmodSync, lstatSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ApiServer } from '../../../daemon/docker-api/api-server.ts';
import { refusal } from '../../../daemon/docker-api/http/tcp-guard.ts';
import { fakeServices } from './fake-services.ts';

let directory: string;
let api: ApiServer;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'tsd-listen-'));
  api = await ApiServer.build(fakeServices().services);
});
afterEach(async () => {
  await api.close();
  rmSync(directory, { recursive: true, force: true });
});

const path = (name = 'd.sock') => join(directory, name);

test('a socket has its mode from the beginning, whatever the umask, and is gone after the end', async () => {
  const before = process.umask(0);
  try {
    await api.listen([`unix://${path('a/b/d.sock')}`], {});
    expect(process.umask()).toBe(0);
  } finally {
    process.umask(before);
  }
  expect(statSync(path('a/b/d.sock')).mode & 0o7777).toBe(0o660);
  await api.close();
  expect(lstatSync(path('a/b/d.sock'), { throwIfNoEntry: false })).toBeUndefined();
});

test('the socket of a daemon that died is replaced, that of a living one is not', async () => {
  const script = `require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', script, path()]);
  expect(statSync(path()).isSocket()).toBe(true);
  await api.listen([`unix://${path()}`], {});

  const living = createServer().listen(path('other.sock'));
  await new Promise((resolve) => living.once('listening', resolve));
  await expect(api.listen([`unix://${path('other.sock')}`], {})).rejects.toMatchObject({ code: 'conflict' });
  living.close();
});

test.each(['file', 'symlink', 'directory'])('a %s in the place of the socket stays', async (what) => {
  writeFileSync(path('file'), 'precious');
  if (what === 'symlink') symlinkSync(path('file'), path('symlink'));
  if (what === 'directory') mkdirSync(path('directory'));
  await expect(api.listen([`unix://${path(what)}`], {})).rejects.toMatchObject({ code: 'conflict' });
  expect(lstatSync(path(what))).toBeDefined();
});

test('a directory where everybody may put files is refused', async () => {
  mkdirSync(path('open'));
  chmodSync(path('open'), 0o777);
  await expect(api.listen([`unix://${path('open/d.sock')}`], {})).rejects.toThrow(/everybody may replace files/);
});

test.each(['npipe://x', 'unix://relative', 'tcp://1.2.3.4', 'tcp://x:99999', 'fd://', `unix:///${'x'.repeat(120)}`])(
  'the address %.20s is refused',
  async (host) => {
    await expect(api.listen([host], {})).rejects.toMatchObject({ code: 'invalid' });
  },
);

test('tcp needs all three files of mutual TLS', async () => {
  await expect(api.listen(['tcp://127.0.0.1:0'], {})).rejects.toThrow(/client certificates/);
  await expect(api.listen(['tcp://127.0.0.1:0'], { tls: { cert: 'a', key: 'b' } })).rejects.toThrow(
    /client certificates/,
  );
  await expect(
    api.listen(['tcp://127.0.0.1:0'], { tls: { ca: '/no', cert: '/no', key: '/no' } }),
  ).rejects.toMatchObject({
    code: 'invalid',
  });
});

test('when one of several addresses cannot be had, none stays open', async () => {
  await expect(api.listen([`unix://${path()}`, 'tcp://127.0.0.1:1'], {})).rejects.toThrow();
  expect(lstatSync(path(), { throwIfNoEntry: false })).toBeUndefined();
});

test('on tcp, requests that a web page made are refused', () => {
  const allowed = new Set(['localhost', '127.0.0.1', '::1', 'box.lan']);
  const ask = (headers: Record<string, string>) => refusal({ headers }, allowed);
  expect(ask({ host: 'localhost:2376' })).toBeUndefined();
  expect(ask({ host: '[::1]:2376' })).toBeUndefined();
  expect(ask({ host: 'box.lan' })).toBeUndefined();
  expect(ask({ host: 'evil.example' })).toMatch(/not a name of this daemon/);
  expect(ask({ host: 'localhost', origin: 'http://localhost' })).toMatch(/web pages/);
  expect(ask({ host: 'localhost', 'sec-fetch-site': 'cross-site' })).toMatch(/web pages/);
  expect(refusal({ headers: { host: '10.0.0.5:2376' } }, new Set(['0.0.0.0']))).toBeUndefined();
  expect(refusal({ headers: { host: 'evil.example' } }, new Set(['0.0.0.0']))).toBeDefined();
});
