import type { IncomingMessage } from 'node:http';
import { Duplex } from 'node:stream';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type HijackTarget, serveHijack } from '../../../daemon/docker-api/sessions/hijack.ts';
import { EngineError } from '../../../daemon/errors/engine-error.ts';
import { fakeProcess } from './fake-services.ts';
import { inspected, listed } from './seen-containers.ts';
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

const frame = (stream: number, text: string) => `${String.fromCharCode(stream, 0, 0, 0, 0, 0, 0, text.length)}${text}`;

test('an attach with an upgrade is answered 101 and carries frames, stdin and both half-closes', async () => {
  const process = fakeProcess();
  server.on('attach', async () => process.attachment);
  const c = client().write(request('POST', '/v1.43/containers/a/attach?stream=1&stdin=1&stdout=1&stderr=1', upgrade));
  const head = await c.until('\r\n\r\n');
  expect(head).toMatch(
    /^HTTP\/1.1 101 UPGRADED\r\nContent-Type: application\/vnd.docker.multiplexed-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n/,
  );
  c.write('hello');
  process.say(1, 'out');
  process.say(2, 'err');
  await c.until('err');
  expect(c.body).toBe(frame(1, 'out') + frame(2, 'err'));
  c.socket.end();
  await expect.poll(process.inputEnded).toBe(true);
  expect(process.input()).toBe('hello');
  process.say(1, 'later');
  process.exit();
  await c.until('end');
  expect(c.body.endsWith(frame(1, 'later'))).toBe(true);
  expect(server.calls[0]?.args[1]).toEqual({ stream: true, stdin: true, stdout: true, stderr: true, logs: false });
});

test('the older stream type is told to clients that do not know the newer, and for terminals', async () => {
  server.on('attach', async () => fakeProcess().attachment);
  const old = client().write(request('POST', '/v1.41/containers/a/attach?stream=1', upgrade));
  expect(await old.until('\r\n\r\n')).toContain('application/vnd.docker.raw-stream');
  server.on('attach', async () => fakeProcess({ tty: true }).attachment);
  const terminal = client().write(request('POST', '/v1.51/containers/a/attach?stream=1', upgrade));
  expect(await terminal.until('\r\n\r\n')).toContain('application/vnd.docker.raw-stream');
});

test('a terminal is not framed, and the detach keys end the session without reaching the process', async () => {
  const process = fakeProcess({ tty: true });
  server.on('attach', async () => process.attachment);
  const c = client().write(
    request('POST', '/containers/a/attach?stream=1&stdin=1&stdout=1&detachKeys=ctrl-a,x', upgrade),
  );
  await c.until('\r\n\r\n');
  process.say(1, 'prompt');
  await c.until('prompt');
  expect(c.body).toBe('prompt');
  c.write('a\x01b\x01x');
  await c.until('end');
  expect(process.input()).toBe('a\x01b');
  expect(process.inputEnded()).toBe(false);
  expect(process.isClosed()).toBe(true);
});

test('detach keys that are none are refused before anything is attached', async () => {
  const c = client().write(request('POST', '/containers/a/attach?stream=1&detachKeys=ctrl-,', upgrade));
  expect(await c.until('end')).toMatch(/^HTTP\/1.1 400 [\s\S]*invalid detach keys/);
  expect(server.calls).toEqual([]);
});

test('an error before the switch has its status and JSON', async () => {
  server.on('attach', async () => {
    throw new EngineError('not-found', 'No such container: a');
  });
  const c = client().write(request('POST', '/v1.43/containers/a/attach?stream=1', upgrade));
  const answer = await c.until('end');
  expect(answer).toMatch(/^HTTP\/1.1 404 Not Found\r\n[\s\S]*Content-Type: application\/json\r\n/);
  expect(c.body).toBe('{"message":"No such container: a"}\n');
});

test('the JSON body of an exec start is taken off before stdin, however it is cut into packets', async () => {
  const process = fakeProcess();
  server.on('inspectExec', async () => ({ DetachKeys: '' }));
  server.on('startExec', async () => process.attachment);
  const body = '{"Detach":false,"Tty":false}';
  const whole = request('POST', '/v1.43/exec/abc/start', { ...upgrade, 'Content-Type': 'application/json' }, body);
  const c = client().write(whole.slice(0, -9));
  await new Promise((resolve) => setTimeout(resolve, 30));
  c.write(`${whole.slice(-9)}first input`);
  await c.until('101');
  await expect.poll(process.input).toBe('first input');
  expect(server.calls[1]).toEqual({ method: 'startExec', args: ['abc', { detach: false, tty: false }] });
  process.exit();
  await c.until('end');
});

test('a JSON body that a client sends with attach does not become input', async () => {
  const process = fakeProcess();
  server.on('attach', async () => process.attachment);
  const c = client().write(
    `${request('POST', '/containers/a/attach?stream=1&stdin=1', { ...upgrade, 'Content-Type': 'application/json' }, '{"stream":true}')}x`,
  );
  await c.until('101');
  await expect.poll(process.input).toBe('x');
});

test('a detached exec is answered 200 without a session', async () => {
  server.on('inspectExec', async () => ({}));
  server.on('startExec', async () => undefined);
  const c = client().write(
    request('POST', '/exec/abc/start', { ...upgrade, 'Content-Type': 'application/json' }, '{"Detach":true}'),
  );
  expect(await c.until('end')).toMatch(/^HTTP\/1.1 200 OK\r\n/);
  const plain = client().write(
    request('POST', '/exec/abc/start', { 'Content-Type': 'application/json' }, '{"Detach":true}'),
  );
  expect(await plain.until('\r\n\r\n')).toMatch(/^HTTP\/1.1 200 OK\r\n/);
});

test('without an upgrade the connection is taken over all the same, stdin included', async () => {
  const process = fakeProcess();
  server.on('attach', async () => process.attachment);
  const c = client().write(request('GET', '/_ping'));
  await c.until('OK');
  c.write(request('POST', '/containers/a/attach?stream=1&stdin=1&stdout=1'));
  await c.until('stream\r\n');
  expect(c.text).toMatch(/HTTP\/1.1 200 OK\r\nContent-Type: application\/vnd.docker.raw-stream\r\n/);
  c.write('not HTTP at all\n');
  await expect.poll(process.input).toBe('not HTTP at all\n');
  process.say(1, 'out');
  await c.until(frame(1, 'out'));
  c.socket.end();
  await expect.poll(process.inputEnded).toBe(true);
  process.exit();
  await c.until('end');
});

test('input that nobody reads does not turn the end into a reset', async () => {
  const process = fakeProcess({ stdin: false });
  server.on('attach', async () => process.attachment);
  const c = client().write(request('POST', '/containers/a/attach?stream=1&stdout=1', upgrade));
  await c.until('101');
  c.write('x'.repeat(300_000));
  process.say(1, 'bye');
  process.exit();
  await c.until('end');
  expect(c.body).toBe(frame(1, 'bye'));
  expect(c.error).toBeUndefined();
});

test('a client that leaves closes the attachment', async () => {
  const process = fakeProcess();
  server.on('attach', async () => process.attachment);
  const c = client().write(request('POST', '/containers/a/attach?stream=1', upgrade));
  await c.until('101');
  c.close();
  process.say(1, 'x'.repeat(200_000));
  process.say(1, 'x'.repeat(200_000));
  await expect.poll(process.isClosed).toBe(true);
});

test('python clients get a pause between headers and output, because they lose what arrives together', async () => {
  const process = fakeProcess();
  server.on('attach', async () => process.attachment);
  process.say(1, 'early');
  const c = client().write(
    request('POST', '/containers/a/attach?stream=1&stdout=1', { ...upgrade, 'User-Agent': 'docker-sdk-python/7.1.0' }),
  );
  await c.until('\r\n\r\n');
  expect(c.body).toBe('');
  const before = performance.now();
  await c.until('early');
  expect(performance.now() - before).toBeGreaterThan(8);
});

test('of a route that hands nothing over an upgrade is answered as if it had not been asked for', async () => {
  const c = client().write(
    request('GET', '/_ping', { Connection: 'Upgrade, HTTP2-Settings', Upgrade: 'h2c', 'HTTP2-Settings': 'x' }),
  );
  expect(await c.until('OK')).toMatch(/^HTTP\/1.1 200 OK/);
});

test('a version that is not spoken is refused on an upgrade too', async () => {
  const c = client().write(request('POST', '/v9.99/containers/a/attach?stream=1', upgrade));
  expect(await c.until('end')).toMatch(/^HTTP\/1.1 400 [\s\S]*client version 9.99 is too new/);
});

const anyStreams = 'stream=1&stdin=1&stdout=1&stderr=1';

test.each([
  ['with an upgrade', upgrade, 101],
  ['with Upgrade, and no Connection that says so', { Upgrade: 'tcp' }, 101],
  ['without a word', {}, 200],
  // dockerd 28.5 says `Upgrade: tcp` to whatever is named.
  ['with an upgrade to something else', { Connection: 'Upgrade', Upgrade: 'h2c' }, 101],
] as const)('input and the end of it that come in the same packet as the request: %s', async (_, headers, status) => {
  const process = fakeProcess();
  // As a service that does not answer at once: the end is there before the session.
  server.on('attach', async () => {
    await new Promise((resolve) => setTimeout(resolve, 30));
    return process.attachment;
  });
  const c = client();
  c.socket.end(
    `${request('POST', `/containers/a/attach?${anyStreams}`, headers)}GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n`,
  );
  await expect.poll(process.inputEnded).toBe(true);
  expect(process.input()).toBe('GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n');
  process.say(1, 'late');
  process.exit();
  expect(await c.until('end')).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  expect(c.body).toBe(frame(1, 'late'));
  expect(server.calls.map(({ method }) => method)).toEqual(['attach']);
});

test.each([upgrade, {}])('a body in chunks is read to its end, and what follows is input', async (headers) => {
  const process = fakeProcess();
  server.on('inspectExec', async () => ({ DetachKeys: '' }));
  server.on('startExec', async () => process.attachment);
  const whole = request('POST', '/exec/abc/start', {
    ...headers,
    'Content-Type': 'application/json',
    'Transfer-Encoding': 'chunked',
  });
  const body = '1;x=y\r\n{\r\n10\r\n"Detach": false}\r\n0\r\nTrailer: x\r\n\r\n';
  for (const part of [`${whole}${body.slice(0, 12)}`, body.slice(12, 40), `${body.slice(40)}0\r\n\r\n`]) {
    if (clients.length === 0) client();
    clients[0]?.write(part);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await expect.poll(process.input).toBe('0\r\n\r\n');
  expect(server.calls[1]).toEqual({ method: 'startExec', args: ['abc', { detach: false }] });
});

test.each([
  ['no hex digits', 'xy\r\n'],
  ['no line end behind a chunk', '2\r\n{}xx'],
  ['a line without an end', 'a'.repeat(2000)],
])('a body in chunks that are none is refused: %s', async (_, body) => {
  const headers = { 'Content-Type': 'application/json', 'Transfer-Encoding': 'chunked' };
  const c = client().write(`${request('POST', '/exec/abc/start', headers)}${body}`);
  expect(await c.until('end')).toMatch(/^HTTP\/1.1 400 [\s\S]*malformed chunked encoding/);
});

test('a body that ends before its length is refused, also when the end comes with the headers', async () => {
  const headers = { 'Content-Type': 'application/json', 'Content-Length': '20' };
  const c = client();
  c.socket.end(`${request('POST', '/exec/abc/start', headers)}{`);
  expect(await c.until('end')).toMatch(/^HTTP\/1.1 400 [\s\S]*cut off/);
});

test('the frames of an exec go by what its start says', async () => {
  server.on('inspectExec', async () => ({ DetachKeys: '' }));
  for (const [tty, start, expected] of [
    [true, '{}', frame(1, 'x')],
    [true, '{"Tty":true}', 'x'],
    [false, '{"Tty":true}', 'x'],
  ] as const) {
    const process = fakeProcess({ tty });
    server.on('startExec', async () => process.attachment);
    const c = client().write(request('POST', '/exec/abc/start', { 'Content-Type': 'application/json' }, start));
    process.say(1, 'x');
    process.exit();
    await c.until('end');
    expect(c.body).toBe(expected);
  }
});

test('a client that has ended its side gets a plain answer, and a stream ends with it', async () => {
  server.on('inspect', async () => {
    await new Promise((resolve) => setTimeout(resolve, 30));
    return inspected(listed({ name: 'late' }));
  });
  const plain = client();
  plain.socket.end(request('GET', '/containers/a/json'));
  expect(await plain.until('end')).toMatch(/^HTTP\/1.1 200 [\s\S]*"Name":"\/late"/);
  const events = client();
  events.socket.end(request('GET', '/events'));
  expect(await events.until('end')).toMatch(/^HTTP\/1.1 200 /);
  expect(server.events.listeners).toBe(0);
  const cancel = vi.fn();
  server.on('wait', async () => ({ result: new Promise(() => undefined), cancel }));
  const wait = client();
  wait.socket.end(request('POST', '/containers/a/wait'));
  await wait.until('end');
  expect(cancel).toHaveBeenCalled();
});

test('a request line that names the server is the same request', async () => {
  const plain = client().write(request('GET', 'http://docker/v1.51/_ping'));
  expect(await plain.until('OK')).toMatch(/^HTTP\/1.1 200 /);
  const root = client().write(request('GET', 'http://docker'));
  expect(await root.until('page not found')).toMatch(/^HTTP\/1.1 404 /);
  server.on('attach', async () => fakeProcess().attachment);
  const attached = client().write(request('POST', 'http://docker/containers/a/attach?stream=1', upgrade));
  expect(await attached.until('\r\n\r\n')).toMatch(/^HTTP\/1.1 101 /);
});

test.each([
  ['h2c', /^HTTP\/1.1 101 [\s\S]*spoken with abc: more$/],
  ['H2C', /^HTTP\/1.1 101 [\s\S]*spoken with abc: more$/],
  ['constructor', /^HTTP\/1.1 400 [\s\S]*constructor is not spoken/],
  [undefined, /^HTTP\/1.1 400 [\s\S]*no protocol/],
])('a target speaks the protocols of its table: %s', async (protocol, answer) => {
  const refuse = (why: string) => Promise.reject(new EngineError('invalid', why));
  const target: HijackTarget = {
    method: 'POST',
    path: /^\/sessions\/(?<id>[a-z]+)$/,
    upgrades: {
      protocols: {
        h2c: async ({ socket, id, leftover }) => {
          socket.end(`HTTP/1.1 101 Switching Protocols\r\n\r\nspoken with ${id}: ${leftover}`);
        },
      },
      none: () => refuse('no protocol'),
      other: ({ request }) => refuse(`${request.headers.upgrade} is not spoken`),
    },
  };
  let said = '';
  const socket = new Duplex({
    read: () => undefined,
    write: (chunk, _, done) => {
      said += chunk;
      done();
    },
  });
  const headers = protocol === undefined ? {} : { upgrade: protocol };
  const asked = { method: 'POST', url: '/v1.51/sessions/abc', headers } as unknown as IncomingMessage;
  const sessions = { open: new Set<Duplex>(), unreadByPeer: undefined };
  const log = { error: () => undefined } as never;
  await serveHijack(asked, socket, Buffer.from('more'), { targets: [target], sessions, log });
  expect(said).toMatch(answer);
});
