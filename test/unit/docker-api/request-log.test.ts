import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import type { ServerHandlers } from '../../../daemon/docker-api/http/http-server.ts';
import { logged } from '../../../daemon/docker-api/request-log.ts';

let server: Server | undefined;
afterEach(() => void server?.close());

/** What is told of one request to a server with these handlers. */
async function toldOf(path: string, handlers: Partial<ServerHandlers>, headers: Record<string, string> = {}) {
  const nothing = () => {};
  let tell: (line: [string, object]) => void = nothing;
  const told = new Promise<[string, object]>((resolve) => {
    tell = resolve;
  });
  const log = {
    info: nothing,
    warn: nothing,
    error: nothing,
    debug: (fields: object, message: string) => tell([message, fields]),
  };
  const all = { request: nothing, wantsUpgrade: () => true, upgrade: nothing, ...handlers };
  const { request: answer, upgrade } = logged(all, log);
  server = createServer(answer).on('upgrade', upgrade);
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  request({ port, host: '127.0.0.1', path, method: 'POST', headers }, (response) => response.resume())
    .on('error', nothing)
    .end('{"secret":1}');
  return told;
}

test('tells method, path, status and time of a request, and nothing of its query or body', async () => {
  const [message, fields] = await toldOf('/v1.51/containers/create?name=secret', {
    request: (seen, response) => {
      // As the router does.
      seen.url = '/elsewhere';
      response.writeHead(409).end();
    },
  });
  expect(message).toBe('API request');
  expect(fields).toEqual({ method: 'POST', path: '/v1.51/containers/create', status: 409, ms: expect.any(Number) });
});

test('tells the end of a session whose connection was taken over', async () => {
  const [message, fields] = await toldOf(
    '/exec/x/start',
    { upgrade: (_, socket) => socket.destroy() },
    {
      Connection: 'Upgrade',
      Upgrade: 'tcp',
    },
  );
  expect(message).toBe('API session ended');
  expect(fields).toEqual({ method: 'POST', path: '/exec/x/start', ms: expect.any(Number) });
});
