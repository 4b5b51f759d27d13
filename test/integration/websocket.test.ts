// Attach by WebSocket with the client that Node brings, as it is; and with bytes that no such client sends.
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { create, runDetached, start, wait } from '../harness/containers.ts';
import { eventually } from '../harness/eventually.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();

/** Node's WebSocket has no unix sockets: bytes are carried from a port of loopback. */
let carrier: Server;
let port = 0;
const carried = new Set<Socket>();
beforeAll(async () => {
  carrier = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ path: fixture.daemon.socketPath, allowHalfOpen: true });
    for (const socket of [near, far]) {
      carried.add(socket);
      socket.on('error', () => undefined).on('close', () => carried.delete(socket));
    }
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => carrier.listen(0, '127.0.0.1', resolve));
  port = (carrier.address() as { port: number }).port;
});
afterAll(() => {
  for (const socket of carried) socket.destroy();
  carrier.close();
});

class Client {
  readonly socket: WebSocket;
  readonly opened: Promise<unknown>;
  readonly closed: Promise<{ code: number; wasClean: boolean }>;
  text = '';
  messages = 0;
  kind = '';

  constructor(path: string) {
    this.socket = new WebSocket(`ws://127.0.0.1:${port}${path}`);
    this.socket.binaryType = 'arraybuffer';
    this.opened = new Promise((resolve, reject) => {
      this.socket.addEventListener('open', resolve);
      this.socket.addEventListener('error', () => reject(new Error('refused')));
    });
    this.opened.catch(() => undefined);
    this.closed = new Promise((resolve) => {
      this.socket.addEventListener('close', ({ code, wasClean }) => resolve({ code, wasClean }));
    });
    this.socket.addEventListener('message', ({ data }) => {
      this.kind = typeof data;
      this.messages++;
      this.text += typeof data === 'string' ? data : Buffer.from(data as ArrayBuffer).toString('latin1');
    });
  }

  has(text: string): Promise<unknown> {
    return eventually(`"${text}"`, () => this.text.includes(text));
  }
}

const everything = 'stream=1&stdin=1&stdout=1&stderr=1';

test('input and output, unframed; a clean end when the container ends', async () => {
  const { daemon } = fixture;
  const id = await runDetached(daemon, 'while read line; do echo "out $line"; echo "err $line" >&2; done; echo bye', {
    OpenStdin: true,
    StdinOnce: true,
  });
  const client = new Client(`/containers/${id}/attach/ws?${everything}`);
  await client.opened;
  client.socket.send('text\n');
  await client.has('err text\n');
  client.socket.send(Buffer.from('bytes\n'));
  await client.has('out bytes\n');
  expect(client.kind).toBe('object');
  await daemon.api.post(`/containers/${id}/kill`);
  expect(await client.closed).toEqual({ code: 1000, wasClean: true });
  expect(client.text.split('\n').sort()).toEqual(['', 'err bytes', 'err text', 'out bytes', 'out text']);
});

test('the client’s end is the end of input that is read once', async () => {
  const { daemon } = fixture;
  const once = await runDetached(daemon, ['cat'], { OpenStdin: true, StdinOnce: true });
  const client = new Client(`/containers/${once}/attach/ws?${everything}`);
  await client.opened;
  client.socket.send('last words');
  await client.has('last words');
  client.socket.close(1000);
  expect(await client.closed).toEqual({ code: 1000, wasClean: true });
  expect(await wait(daemon, once)).toBe(0);
});

test('what was written before, a megabyte of it, and then the end', async () => {
  const { daemon } = fixture;
  const id = await create(daemon, 'seq 1 150000');
  await start(daemon, id);
  await wait(daemon, id);
  const client = new Client(`/containers/${id}/attach/ws?logs=1&stdout=1`);
  expect(await client.closed).toEqual({ code: 1000, wasClean: true });
  expect(client.text).toBe(Array.from({ length: 150_000 }, (_, i) => `${i + 1}\n`).join(''));
  // Before 1.42 all streams were meant, whatever was asked for; before 1.28 messages were text.
  const old = new Client(`/v1.27/containers/${id}/attach/ws?logs=1`);
  await old.closed;
  expect([old.kind, old.text.length]).toEqual(['string', client.text.length]);
});

test('a terminal: detach keys leave it running', async () => {
  const { daemon } = fixture;
  const id = await runDetached(daemon, ['sh'], { Tty: true, OpenStdin: true });
  const client = new Client(`/containers/${id}/attach/ws?${everything}`);
  await client.opened;
  client.socket.send('echo $((6*7))\n');
  await client.has('42');
  client.socket.send('\u0010\u0011');
  expect((await client.closed).code).toBe(1000);
  expect((await daemon.api.get<{ State: { Running: boolean } }>(`/containers/${id}/json`)).State.Running).toBe(true);
});

test('what cannot be is answered before the switch', async () => {
  const { api } = fixture.daemon;
  const headers = {
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': Buffer.alloc(16).toString('base64'),
  };
  const id = await runDetached(fixture.daemon, ['sleep', '1000']);
  const path = `/containers/${id}/attach/ws`;
  expect((await api.send('GET', path)).status).toBe(400);
  expect((await api.send('GET', '/containers/nosuch/attach/ws', { headers })).status).toBe(404);
  expect((await api.send('GET', path, { headers: { ...headers, 'Sec-WebSocket-Version': '8' } })).status).toBe(400);
  expect((await api.send('GET', path, { headers: { ...headers, 'Sec-WebSocket-Key': 'x' } })).status).toBe(400);
});

test('bytes that are no frame end the connection, not the daemon; who pings and never reads holds up nobody', async () => {
  const { daemon } = fixture;
  const id = await runDetached(daemon, ['sleep', '1000'], { OpenStdin: true });
  const raw = async () => {
    const socket = connect(daemon.socketPath);
    socket.on('error', () => undefined);
    socket.write(
      `GET /containers/${id}/attach/ws?${everything} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${Buffer.alloc(16).toString('base64')}\r\n\r\n`,
    );
    const head = await new Promise<Buffer>((resolve) => socket.once('data', resolve));
    expect(head.toString()).toContain('Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=');
    return socket;
  };
  const broken = await raw();
  const ended = new Promise<Buffer>((resolve) => broken.once('data', resolve));
  broken.write(Buffer.from([0xff, 0x01, 0x02, 0x03]));
  expect(await ended).toEqual(Buffer.from([0x88, 2, 3, 234]));
  await new Promise((resolve) => broken.once('close', resolve));

  const flood = await raw();
  flood.pause();
  const ping = Buffer.concat([Buffer.from([0x89, 0xfd, 0, 0, 0, 0]), Buffer.alloc(125)]);
  const pings = Buffer.concat(Array.from({ length: 8000 }, () => ping));
  for (let i = 0; i < 8; i++) await new Promise((resolve) => flood.write(pings, resolve));
  expect((await daemon.api.send('GET', '/_ping')).status).toBe(200);
  flood.destroy();
  await daemon.api.delete(`/containers/${id}?force=1`);
});
