import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ApiServer } from '../../../daemon/docker-api/api-server.ts';
import { fakeServices } from './fake-services.ts';

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
let directory: string;
let api: ApiServer;
let port: number;

function openssl(...args: string[]): void {
  const run = spawnSync('openssl', args, { cwd: directory, encoding: 'utf8' });
  if (run.status !== 0) throw new Error(run.stderr);
}

function certificate(name: string, ca: string, usage: string): void {
  writeFileSync(join(directory, 'ext'), `extendedKeyUsage=${usage}\nsubjectAltName=IP:127.0.0.1\n`);
  openssl(
    'req',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    `${name}.key`,
    '-out',
    'csr',
    '-subj',
    `/CN=${name}`,
  );
  openssl(
    'x509',
    '-req',
    '-in',
    'csr',
    '-CA',
    `${ca}.pem`,
    '-CAkey',
    `${ca}.key`,
    '-CAcreateserial',
    '-out',
    `${name}.pem`,
    '-days',
    '1',
    '-extfile',
    'ext',
  );
}

function authority(name: string): void {
  openssl(
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    `${name}.key`,
    '-out',
    `${name}.pem`,
    '-subj',
    `/CN=${name}`,
    '-days',
    '1',
  );
}

beforeAll(async () => {
  if (!hasOpenssl) return;
  directory = mkdtempSync(join(tmpdir(), 'tsd-tls-'));
  authority('ca');
  authority('other');
  certificate('server', 'ca', 'serverAuth');
  certificate('client', 'ca', 'clientAuth');
  certificate('stranger', 'other', 'clientAuth');
  certificate('wrong-use', 'ca', 'serverAuth');
  const probe = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => probe.once('listening', resolve));
  port = (probe.address() as { port: number }).port;
  await new Promise((resolve) => probe.close(resolve));
  api = await ApiServer.build(fakeServices().services);
  const file = (name: string) => join(directory, name);
  await api.listen([`tcp://127.0.0.1:${port}`], {
    tls: { ca: file('ca.pem'), cert: file('server.pem'), key: file('server.key') },
  });
});
afterAll(async () => {
  if (!hasOpenssl) return;
  await api.close();
  rmSync(directory, { recursive: true, force: true });
});

function ping(name: string | undefined, options: object = {}): Promise<number> {
  const read = (file: string) => readFileSync(join(directory, file));
  return new Promise((resolve, reject) => {
    const keys = name === undefined ? {} : { cert: read(`${name}.pem`), key: read(`${name}.key`) };
    request(
      { host: '127.0.0.1', port, path: '/_ping', ca: read('ca.pem'), agent: false, ...keys, ...options },
      (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      },
    )
      .on('error', reject)
      .end();
  });
}

test.skipIf(!hasOpenssl)('a client with a certificate of the authority is served', async () => {
  expect(await ping('client')).toBe(200);
});

test.skipIf(!hasOpenssl).each([
  ['no certificate', undefined, {}],
  ['a certificate of another authority', 'stranger', {}],
  ['a certificate that is not for clients', 'wrong-use', {}],
  ['TLS 1.1', 'client', { maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' }],
])('a client with %s is refused', async (_what, name, options) => {
  await expect(ping(name, options)).rejects.toThrow();
});

test.skipIf(!hasOpenssl)('plain HTTP on the TLS port gets nothing', async () => {
  await expect(fetch(`http://127.0.0.1:${port}/_ping`)).rejects.toThrow();
});

test.skipIf(!hasOpenssl)('a web page gets 403 even with a certificate', async () => {
  expect(await ping('client', { headers: { Origin: 'https://evil.example' } })).toBe(403);
  expect(await ping('client', { headers: { Host: 'evil.example' }, checkServerIdentity: () => undefined })).toBe(403);
  const named = { path: 'http://evil.example/_ping', headers: { Host: 'localhost' } };
  expect(await ping('client', { ...named, checkServerIdentity: () => undefined })).toBe(403);
});
