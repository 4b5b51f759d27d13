import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { bodyStream, drained } from '../../../daemon/docker-api/http/body-stream.ts';

let server: Server;
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

const MEGABYTES = Buffer.alloc(8 << 20, 'abcdefg');

/** Sends a body and resolves to what the server has of it, and to the answer's text. */
async function sent(bytes: Buffer, onRequest?: (body: Readable, incoming: IncomingMessage) => Promise<string>) {
  const { promise, resolve } = Promise.withResolvers<{ body: Readable; incoming: IncomingMessage }>();
  server = createServer((incoming, answer) => {
    const body = bodyStream(incoming);
    resolve({ body, incoming });
    void onRequest?.(body, incoming).then((text) => answer.end(text));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const client = request({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', method: 'POST' });
  const answered = new Promise<string>((done, fail) => {
    client.once('error', fail).once('response', async (answer) => {
      let text = '';
      for await (const chunk of answer) text += chunk;
      done(text);
    });
  });
  answered.catch(() => undefined);
  client.end(bytes);
  return { ...(await promise), client, answered };
}

async function allOf(body: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

test('a body that nobody reads stays with its client, but for a piece', async () => {
  const { body, incoming } = await sent(MEGABYTES);
  await sleep(50);
  const heldBytes = () => body.readableLength + incoming.readableLength;
  expect(heldBytes(), 'nobody has asked for anything').toBeLessThanOrEqual(192 << 10);
  body.read(0);
  await sleep(50);
  expect(heldBytes()).toBeLessThanOrEqual(256 << 10);
  expect((await allOf(body)).equals(MEGABYTES)).toBe(true);
});

test('all of it comes to who reads it, also after what was read was put back', async () => {
  const { answered } = await sent(MEGABYTES, async (body) => {
    const first = await new Promise<Buffer>((resolve) => body.once('data', resolve));
    body.pause();
    body.unshift(first);
    return String((await allOf(body)).equals(MEGABYTES));
  });
  expect(await answered).toBe('true');
});

test('it fails when the client goes', async () => {
  const { body, client } = await sent(MEGABYTES);
  client.destroy();
  await expect(allOf(body)).rejects.toThrow('request body was cut off');
});

test.each([
  ['destroyed', (body: Readable) => void body.destroy()],
  ['left alone', (body: Readable) => void body.pause()],
])('a client whose body is %s in the middle is heard to the end, and reads the answer', async (_, leave) => {
  const { answered } = await sent(MEGABYTES, async (body, incoming) => {
    await new Promise((resolve) => body.once('data', resolve));
    leave(body);
    await drained(incoming);
    return `${incoming.complete}`;
  });
  expect(await answered).toBe('true');
});
