// What the engine asks a client in its session: the command line's own side answers, then one that answers what it should not.

import { mkdtempSync, rmSync } from 'node:fs';
import type { ServerHttp2Stream } from 'node:http2';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, test } from 'vitest';
import { serveOffers } from '../../../../cli/build/session-server.ts';
import { frameMessage } from '../../../../daemon/protocols/grpc/grpc-messages.ts';
import {
  credentialsMessage,
  idMessage,
  sessionMethods,
  tokenAnswerMessage,
} from '../../../../daemon/protocols/grpc/session-messages.ts';
import { SessionFixture } from './session-fixture.ts';

const kept = { offer: fail, take: fail };
let fixture = new SessionFixture({ kept: kept as never }, 200);
afterEach(() => {
  fixture.close();
  fixture = new SessionFixture({ kept: kept as never }, 200);
});

function fail(): never {
  throw new Error('not asked for');
}

const readBytes = (data: Uint8Array) => async (): Promise<Uint8Array> => data;

/** Answers calls as a test says. */
function serve(answer: (stream: ServerHttp2Stream, path: string) => void): void {
  fixture.server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined);
    answer(stream, String(headers[':path']));
  });
}

function reply(stream: ServerHttp2Stream, message: Buffer): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(frameMessage(message));
}

describe('the command line’s side', () => {
  test('secrets, and none for others', async () => {
    const large = Buffer.alloc(400 * 1024, 7);
    serveOffers(fixture.server, {
      secrets: new Map([
        ['a', readBytes(Buffer.from('secret'))],
        ['empty', readBytes(Buffer.alloc(0))],
        ['large', readBytes(large)],
        ['too-large', readBytes(Buffer.alloc(600 * 1024))],
        ['broken', async () => Promise.reject(new Error('open ä: no such file'))],
      ]),
      agents: new Map(),
    });
    const client = await fixture.open();
    expect(Buffer.from((await client.secret('a')) ?? []).toString()).toBe('secret');
    expect(await client.secret('empty')).toHaveLength(0);
    expect(Buffer.compare((await client.secret('large')) ?? Buffer.alloc(0), large)).toBe(0);
    expect(await client.secret('none')).toBeUndefined();
    await expect(client.secret('too-large')).rejects.toThrow(/more than 512000 bytes/);
    await expect(client.secret('broken')).rejects.toThrow(/open ä: no such file/);
    expect(await client.credentials('docker.io')).toMatchObject({ username: '', password: '' });
    expect(await client.fetchToken({ clientId: '', host: '', realm: '', service: '', scopes: [] })).toBeUndefined();
  });

  test('an agent, by its name', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'tsdocker-agent-'));
    const path = join(directory, 'agent');
    const agent = net.createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => undefined);
      void text(socket).then((asked) => socket.end(`answer to ${asked.length}`));
    });
    await new Promise<void>((resolve) => agent.listen(path, resolve));
    try {
      serveOffers(fixture.server, {
        secrets: new Map(),
        agents: new Map([
          ['default', path],
          ['gone', join(directory, 'none')],
        ]),
      });
      const client = await fixture.open();
      for (const id of ['default', '']) {
        const connection = await client.sshAgent(id);
        connection?.end('q'.repeat(100_000));
        expect(await text(connection ?? fail())).toBe('answer to 100000');
      }
      // As who only asks whether there is one: nobody may be told of it by an uncaught error.
      (await client.sshAgent('default'))?.destroy();
      expect(await client.sshAgent('other')).toBeUndefined();
      const gone = await client.sshAgent('gone');
      await expect(text(gone ?? fail())).rejects.toThrow();
    } finally {
      agent.close();
      rmSync(directory, { recursive: true, force: true });
    }
  });

  test('what it does not offer is not asked for', async () => {
    serve(() => fail());
    const client = await fixture.open([]);
    expect(await client.secret('a')).toBeUndefined();
    expect(await client.sshAgent('a')).toBeUndefined();
    expect(
      await client.directory('a', { include: [], exclude: [], followPaths: [] }, AbortSignal.timeout(1000)),
    ).toBeUndefined();
  });
});

describe('another client', () => {
  test('credentials and tokens', async () => {
    const asked: string[] = [];
    serve((stream, path) => {
      stream.on('data', (bytes: Buffer) => {
        if (path === sessionMethods.credentials) asked.push(idMessage.decode(bytes.subarray(5)));
        const answer =
          path === sessionMethods.credentials
            ? credentialsMessage.encode({ username: asked.length === 1 ? 'u' : '', secret: 's' })
            : tokenAnswerMessage.encode({ token: 't', expiresInSeconds: 1, issuedAtSeconds: 2 });
        reply(stream, answer);
      });
    });
    const client = await fixture.open();
    expect(await client.credentials('docker.io')).toMatchObject({ username: 'u', password: 's', identityToken: '' });
    expect(await client.credentials('host:5000')).toMatchObject({ username: '', password: '', identityToken: 's' });
    expect(asked).toEqual(['https://index.docker.io/v1/', 'host:5000']);
    const question = { clientId: '', host: 'h', realm: 'r', service: 's', scopes: ['x'] };
    expect(await client.fetchToken(question)).toEqual({ token: 't', expiresInSeconds: 1, issuedAtSeconds: 2 });
  });

  const wrong: [string, (stream: ServerHttp2Stream) => void, RegExp][] = [
    ['an HTTP status', (stream) => stream.respond({ ':status': 404 }, { endStream: true }), /HTTP status 404/],
    ['no status', (stream) => stream.respond({ ':status': 200 }, { endStream: true }), /without a status/],
    [
      'no message',
      (stream) => stream.respond({ ':status': 200, 'grpc-status': '0' }, { endStream: true }),
      /no answer/,
    ],
    [
      'two messages',
      (stream) => reply(stream, Buffer.concat([frameMessage(Buffer.alloc(0)), Buffer.alloc(0)])),
      /no protocol buffer|more than one/,
    ],
    [
      'a message of a gigabyte',
      (stream) => stream.respond() ?? stream.write(Buffer.from([0, 64, 0, 0, 0])),
      /more than/,
    ],
    ['a packed message', (stream) => stream.respond() ?? stream.write(Buffer.from([1, 0, 0, 0, 1, 0])), /packed/],
    ['nonsense', (stream) => reply(stream, Buffer.from([0xff, 0xff])), /no protocol buffer/],
    ['a reset', (stream) => stream.close(2), /ended/],
  ];
  test.each(wrong)('%s', async (_, answer, message) => {
    serve((stream) => answer(stream));
    const client = await fixture.open();
    await expect(client.secret('a')).rejects.toThrow(message);
  });

  test('one that goes away', async () => {
    serve(() => setTimeout(() => fixture.cut(), 20));
    const client = await fixture.open();
    await expect(client.secret('a')).rejects.toMatchObject({ code: 'unavailable' });
    await expect(client.secret('a')).rejects.toMatchObject({ code: 'unavailable' });
  });
});

describe('sessions', () => {
  test('are waited for, for a while', async () => {
    serveOffers(fixture.server, { secrets: new Map([['a', readBytes(Buffer.from('x'))]]), agents: new Map() });
    const early = fixture.sessions.client('later').secret('a');
    await fixture.open(undefined, 'later');
    expect(Buffer.from((await early) ?? []).toString()).toBe('x');
    await expect(fixture.sessions.client('never').secret('a')).rejects.toMatchObject({ code: 'not-found' });
  });

  test('have one client each, until it goes', async () => {
    const facts = { id: 'one', sharedKey: '', methods: new Set<string>() };
    await fixture.open([], 'one');
    expect(() => fixture.sessions.check(facts)).toThrow(expect.objectContaining({ code: 'conflict' }));
    for (const id of ['', 'a b', 'x'.repeat(300)])
      expect(() => fixture.sessions.check({ ...facts, id })).toThrow(expect.objectContaining({ code: 'invalid' }));
    fixture.cut();
    await expect(
      fixture.sessions.find('one').then(() => new Promise((resolve) => setTimeout(resolve, 50))),
    ).resolves.toBeUndefined();
    expect(() => fixture.sessions.check(facts)).not.toThrow();
  });
});
