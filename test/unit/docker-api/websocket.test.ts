// Attach over a WebSocket, as bytes: the handshake's example and the framing are RFC 6455's.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { fakeProcess } from './fake-services.ts';
import { request, startWireServer, WireClient, type WireServer } from './wire-client.ts';

let server: WireServer;
let client: WireClient;
beforeEach(async () => {
  server = await startWireServer();
  client = new WireClient(server.path);
});
afterEach(async () => {
  client.close();
  await server[Symbol.asyncDispose]();
});

const handshake = {
  Connection: 'keep-alive, Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version': '13',
};

function message(opcode: number, payload: string, options: { fin?: boolean; mask?: boolean } = {}): string {
  const bytes = Buffer.from(payload, 'latin1');
  const { fin = true, mask = true } = options;
  const length =
    bytes.length < 126 ? [bytes.length] : bytes.length < 65536 ? [126, bytes.length >> 8, bytes.length & 0xff] : [];
  const key = mask ? [1, 2, 3, 4] : [];
  const [first = 0, ...rest] = length;
  const masked = bytes.map((byte, at) => (mask ? byte ^ (key[at % 4] as number) : byte));
  return Buffer.from([(fin ? 0x80 : 0) | opcode, first | (mask ? 0x80 : 0), ...rest, ...key, ...masked]).toString(
    'latin1',
  );
}

async function attach(process = fakeProcess(), path = '/containers/a/attach/ws?stream=1&stdin=1&stdout=1') {
  server.on('attach', async () => process.attachment);
  client.write(request('GET', path, handshake));
  const head = await client.until('\r\n\r\n');
  return { process, head };
}

test('both ways: input in messages of any cut, output of both streams in binary messages', async () => {
  const { process, head } = await attach();
  expect(head).toMatch(/^HTTP\/1.1 101 Switching Protocols\r\n/);
  expect(head).toContain('Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n');
  const input =
    message(1, 'one ', { fin: false }) + message(9, 'ping') + message(0, 'two ') + message(2, 'x'.repeat(300));
  client.write(input.slice(0, 1)).write(input.slice(1, 9));
  await new Promise((resolve) => setTimeout(resolve, 20));
  client.write(input.slice(9));
  await expect.poll(process.input).toBe(`one two ${'x'.repeat(300)}`);
  process.say(1, 'out');
  await client.until('out');
  process.say(2, 'e'.repeat(200));
  await client.until('e'.repeat(200));
  expect(client.body).toContain(message(10, 'ping', { mask: false }));
  expect(client.body).toContain(message(2, 'e'.repeat(200), { mask: false }).slice(0, 4));
  expect(client.body).toContain(message(2, 'out', { mask: false }));
  process.exit();
  await client.until('end');
  expect(client.body.endsWith(message(8, '\x03\xe8', { mask: false }))).toBe(true);
});

test("the client's close is the end of the input", async () => {
  const { process } = await attach();
  client.write(message(2, 'last') + message(8, '\x03\xe8'));
  await expect.poll(process.inputEnded).toBe(true);
  expect(process.input()).toBe('last');
});

test('a client that goes without a word closes the attachment', async () => {
  const { process } = await attach();
  client.close();
  process.say(1, 'x'.repeat(200_000));
  await expect.poll(process.isClosed).toBe(true);
});

test.each([
  ['unmasked', message(2, 'x', { mask: false })],
  ['an extension nobody agreed on', `\xc2\x81\x01\x02\x03\x04y`],
  ['a ping in pieces', message(9, 'x', { fin: false })],
  ['a control frame without a meaning', message(11, 'x')],
])('what breaks the protocol ends it with 1002: %s', async (_, bytes) => {
  await attach();
  client.write(bytes);
  await client.until('end');
  expect(client.body).toContain(message(8, '\x03\xea', { mask: false }));
});

test.each([
  { ...handshake, Upgrade: 'tcp' },
  { ...handshake, 'Sec-WebSocket-Version': '8' },
  { ...handshake, 'Sec-WebSocket-Key': 'short' },
  {},
])('a request that is no handshake is refused before anything is attached', async (headers) => {
  client.write(request('GET', '/containers/a/attach/ws?stream=1', headers));
  expect(await client.until('end')).toMatch(/^HTTP\/1.1 400 /);
  expect(server.calls).toEqual([]);
});

test('clients before 1.42 attach to all streams; before 1.28 messages are text', async () => {
  const { process } = await attach(fakeProcess(), '/v1.27/containers/a/attach/ws?stream=1');
  expect(server.calls[0]?.args[1]).toMatchObject({ stream: true, stdin: true, stdout: true, stderr: true });
  process.say(1, 'out');
  await client.until('out');
  expect(client.body).toBe(message(1, 'out', { mask: false }));
});
