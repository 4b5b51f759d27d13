// Connections up to the limit, and what happens to the next one.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, get, type Server, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createHttpServer } from '../../../daemon/docker-api/http/http-server.ts';

const limit = 8;
let directory: string;
let path: string;
let server: Server;
const clients: Socket[] = [];
const held: ServerResponse[] = [];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'tsd-idle-'));
  path = join(directory, 's');
  server = createHttpServer(
    {
      request: ({ url }, response) => {
        if (url === '/hold') held.push(response);
        else response.end('fine');
      },
      wantsUpgrade: () => false,
      upgrade: () => undefined,
    },
    undefined,
    undefined,
    { limit },
  );
  server.listen(path);
  await once(server, 'listening');
});
afterEach(() => {
  for (const client of clients.splice(0)) client.destroy();
  for (const response of held.splice(0)) response.destroy();
  server.close();
  rmSync(directory, { recursive: true });
});

async function open(request?: string): Promise<Socket> {
  const client = connect(path).on('error', () => undefined);
  clients.push(client);
  await once(client, 'connect');
  if (request === undefined) return client;
  client.write(`GET ${request} HTTP/1.1\r\nHost: x\r\n\r\n`);
  if (request === '/hold') await expect.poll(() => held.length).toBeGreaterThan(0);
  else await once(client, 'data');
  return client;
}

async function ask(agent: Agent): Promise<string> {
  const [response] = await once(get({ socketPath: path, path: '/', agent }), 'response');
  let text = '';
  for await (const chunk of response) text += chunk;
  return text;
}

test.each([undefined, '/'])(
  'idle ones, used before (%s) or never, give way to any number of new ones',
  async (used) => {
    const idle: Socket[] = [];
    for (let n = 0; n < limit; n++) idle.push(await open(used));
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let n = 0; n < 3; n++) expect(await ask(agent)).toBe('fine');
    for (let n = 0; n < 3 * limit; n++) await open(used);
    expect(await ask(new Agent())).toBe('fine');
    await expect.poll(() => idle.filter((client) => !client.destroyed).length).toBe(0);
    agent.destroy();
  },
);

test('those that have a request do not; when all have, a new one is turned away', async () => {
  for (let n = 0; n < limit; n++) {
    const before = held.length;
    await open('/hold');
    await expect.poll(() => held.length).toBe(before + 1);
  }
  const late = await open();
  await once(late, 'close');
  expect(clients.slice(0, limit).every((client) => !client.destroyed)).toBe(true);
  held.pop()?.end('fine');
  await expect.poll(async () => ask(new Agent()).catch(() => 'refused')).toBe('fine');
});
