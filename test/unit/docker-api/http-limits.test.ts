import { afterEach, beforeEach, expect, test } from 'vitest';
import { answerClock } from '../../harness/answer-clock.ts';
import { usualMs } from '../../harness/pace.ts';
import { request, startWireServer, upgrade, WireClient, type WireServer } from './wire-client.ts';

let server: WireServer;
const clients: WireClient[] = [];

function client(): WireClient {
  const one = new WireClient(server.path);
  clients.push(one);
  return one;
}

beforeEach(async () => {
  server = await startWireServer();
});
afterEach(async () => {
  for (const one of clients.splice(0)) one.close();
  await server[Symbol.asyncDispose]();
});

test.each([
  ['no HTTP at all', '\x16\x03\x01\x02\x00\x01\x00\r\n\r\n', 400],
  [
    'two lengths',
    'POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}',
    400,
  ],
  [
    'a length and chunks',
    'POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    400,
  ],
  ['a blank before the colon', 'GET /_ping HTTP/1.1\r\nHost : x\r\n\r\n', 400],
  ['a folded header', 'GET /_ping HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n', 400],
  ['no host', 'GET /_ping HTTP/1.1\r\n\r\n', 400],
  ['an HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
  ['headers without end', `GET /_ping HTTP/1.1\r\nHost: x\r\n${`A: ${'y'.repeat(4000)}\r\n`.repeat(40)}\r\n`, 431],
])('%s is refused and the connection closed', async (_what, bytes, status) => {
  const c = client().write(bytes);
  const text = await c.until('end');
  expect(text).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  expect(await client().write(request('GET', '/_ping')).until('OK')).toMatch(/^HTTP\/1.1 200/);
});

test.each(['//evil.example/x', '/../_ping', '*', 'ftp://docker/_ping'])(
  'the target %s leads nowhere',
  async (target) => {
    const text = await client().write(request('GET', target)).until('}\n');
    expect(text).toMatch(/^HTTP\/1.1 40[04] /);
    expect(text).not.toMatch(/location/i);
  },
);

test('OPTIONS is answered, without any permission for other origins', async () => {
  const text = await client().write(request('OPTIONS', '/containers/json')).until('\r\n\r\n');
  expect(text).toMatch(/^HTTP\/1.1 200/);
  expect(text).not.toMatch(/access-control/i);
});

test('HTTP/1.0 and requests behind one another on a connection are served', async () => {
  expect(await client().write('GET /_ping HTTP/1.0\r\n\r\n').until('OK')).toMatch(/ 200 OK/);
  const c = client().write(request('GET', '/_ping') + request('GET', '/v1.43/_ping'));
  await c.until(/OK[\s\S]*OK$/);
});

test('a client that waits for leave to send its body gets it', async () => {
  server.on('create', async () => ({ Id: 'i', Warnings: [] }));
  const c = client().write(
    request('POST', '/containers/create', {
      'Content-Type': 'application/json',
      'Content-Length': '13',
      Expect: '100-continue',
    }),
  );
  await c.until('100 Continue');
  c.write('{"Image":"x"}');
  expect(await c.until('}\n')).toContain('201 Created');
});

test('clients that never finish their request do not keep others waiting', async () => {
  for (let i = 0; i < 200; i++) client().write('GET /info HTTP/1.1\r\nHost: x\r\nX-a: ');
  for (let i = 0; i < 50; i++)
    client().write(request('POST', '/containers/a/attach?stream=1', { ...upgrade, 'Content-Length': '10' }));
  const times: number[] = [];
  const clock = answerClock(process.pid);
  for (let i = 0; i < 20; i++) {
    const answered = clock.begin();
    const c = client().write(request('GET', '/_ping'));
    await c.until('OK');
    times.push(answered());
  }
  expect(Math.max(...times)).toBeLessThan(200 * usualMs());
});

test('an error answer leaves the daemon ready for a client that was still sending', async () => {
  const c = client().write(
    request('POST', '/containers/create', { 'Content-Type': 'application/json', 'Content-Length': '50000000' }),
  );
  c.write('x'.repeat(5_000_000));
  expect(await c.until('}\n')).toMatch(/^HTTP\/1.1 413 /);
  expect(await client().write(request('GET', '/_ping')).until('OK')).toMatch(/^HTTP\/1.1 200/);
});

test('a request that drips is timed out; a connection never used is closed without a word', async () => {
  const path = `${server.path}2`;
  const impatient = server.api.createServer({ headersTimeout: 150, connectionsCheckingInterval: 50 }).listen(path);
  await new Promise((resolve) => impatient.once('listening', resolve));
  const unused = new WireClient(path);
  const dripping = new WireClient(path).write('GET /info HTTP/1.1\r\nHost: x\r\nX-a: ');
  const used = new WireClient(path).write(request('GET', '/_ping'));
  clients.push(unused, dripping, used);
  await unused.until('end');
  expect(unused.text).toBe('');
  expect(await dripping.until('end')).toMatch(/^HTTP\/1.1 408 /);
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(used.text).toMatch(/^HTTP\/1.1 200 /);
  used.write(request('GET', '/v1.43/_ping'));
  await used.until(/OK[\s\S]*OK$/);
  impatient.closeAllConnections();
  impatient.close();
});
