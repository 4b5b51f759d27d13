import { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { EngineError } from '../../../daemon/errors/engine-error.ts';
import { fakeWaiter } from './fake-services.ts';
import { request, startWireServer, WireClient, type WireServer } from './wire-client.ts';

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

const stat = { name: 'x', size: 3, mode: 420, mtime: '2026-01-01T00:00:00Z', linkTarget: '' };

test('wait sends its headers before there is anything to say', async () => {
  const waiter = fakeWaiter();
  server.on('wait', async () => waiter);
  const c = client().write(request('POST', '/v1.43/containers/a/wait?condition=next-exit'));
  const head = await c.until('\r\n\r\n');
  expect(head).toMatch(/^HTTP\/1.1 200 OK\r\n/);
  expect(head).toContain('Content-Type: application/json\r\n');
  expect(head).toContain('Transfer-Encoding: chunked\r\n');
  expect(c.body).toBe('');
  waiter.finish(3);
  await c.until('0\r\n\r\n');
  expect(c.body).toBe('11\r\n{"StatusCode":3}\n\r\n0\r\n\r\n');
  expect(server.calls[0]?.args).toEqual(['a', 'next-exit']);
});

test('wait for a container that is not there, or for what cannot be, has a real status', async () => {
  server.on('wait', async () => {
    throw new EngineError('not-found', 'No such container: a');
  });
  expect(await client().write(request('POST', '/containers/a/wait')).until('}\n')).toMatch(/^HTTP\/1.1 404/);
  expect(await client().write(request('POST', '/containers/a/wait?condition=never')).until('}\n')).toMatch(
    /^HTTP\/1.1 400/,
  );
});

test('a client that leaves takes its wait with it', async () => {
  const waiter = fakeWaiter();
  server.on('wait', async () => waiter);
  const c = client().write(request('POST', '/containers/a/wait'));
  await c.until('\r\n\r\n');
  c.close();
  await expect.poll(waiter.isCancelled).toBe(true);
});

test('logs are framed line by line and may come in lists', async () => {
  let isClosed = false;
  server.on('logs', async () => ({
    tty: false,
    output: (async function* () {
      yield { stream: 1, data: Buffer.from('a\n') };
      yield [
        { stream: 2, data: Buffer.from('b\n') },
        { stream: 1, data: Buffer.from('c\n') },
      ];
    })(),
    close: () => {
      isClosed = true;
    },
  }));
  const c = client().write(
    request('GET', '/v1.43/containers/a/logs?stdout=1&stderr=1&tail=5&since=1.5&until=0&timestamps=1', {
      Connection: 'close',
    }),
  );
  const text = await c.until('end');
  expect(text).toContain('Content-Type: application/vnd.docker.multiplexed-stream\r\n');
  const frame = (stream: number, line: string) =>
    `${String.fromCharCode(stream)}\0\0\0\0\0\0${String.fromCharCode(line.length)}${line}`;
  expect(c.body).toContain(frame(1, 'a\n') + frame(2, 'b\n') + frame(1, 'c\n'));
  expect(server.calls[0]?.args[1]).toEqual({
    stdout: true,
    stderr: true,
    follow: false,
    timestamps: true,
    details: false,
    tail: 5,
    sinceNs: 1_500_000_000n,
  });
  expect(isClosed).toBe(true);
});

test('a client that stops reading logs holds the source back, and ends it when it leaves', async () => {
  let produced = 0;
  let isClosed = false;
  server.on('logs', async () => ({
    tty: false,
    output: (async function* () {
      while (!isClosed) {
        produced++;
        yield { stream: 1, data: Buffer.alloc(4096, 'x') };
        if (produced % 64 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    })(),
    close: () => {
      isClosed = true;
    },
  }));
  const c = client();
  c.socket.pause();
  c.write(request('GET', '/containers/a/logs?stdout=1&follow=1'));
  await new Promise((resolve) => setTimeout(resolve, 150));
  const after = produced;
  expect(after).toBeLessThan(1000);
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(produced).toBe(after);
  c.close();
  await expect.poll(() => isClosed).toBe(true);
});

test('events stream as JSON lines, replay what the ring has, and end with until', async () => {
  server.events.publish('container', 'create', 'c1', { name: 'n', image: 'i' });
  server.events.publish('image', 'tag', 'sha256:x', { name: 'i:1' });
  const now = Math.floor(Date.now() / 1000);
  const filters = encodeURIComponent('{"type":{"container":true}}');
  const past = client().write(request('GET', `/events?since=${now - 10}&until=${now + 1}&filters=${filters}`));
  const text = await past.until('0\r\n\r\n');
  expect(text).toContain('"Action":"create"');
  expect(text).not.toContain('"Action":"tag"');
  expect(text).toMatch(/"timeNano":\d{19}\}\n/);

  const live = client().write(request('GET', '/v1.43/events'));
  await live.until('\r\n\r\n');
  server.events.publish('network', 'connect', 'n1', {});
  expect(await live.until('connect')).toMatch(/Transfer-Encoding: chunked/);
  live.close();
  await expect.poll(() => server.events.listeners).toBe(0);
});

test('events refuse filters that there are not', async () => {
  const c = client().write(request('GET', `/events?filters=${encodeURIComponent('{"nothing":["x"]}')}`));
  expect(await c.until('}\n')).toMatch(/^HTTP\/1.1 400 [\s\S]*invalid filter 'nothing'/);
});

test('stats stream until the client leaves; one sample ends by itself', async () => {
  let hasReturned = false;
  server.on('stats', async (_ref: string, options: { stream: boolean }) => ({
    async *[Symbol.asyncIterator]() {
      try {
        do {
          yield { id: 'a', name: 'now', reading: undefined, previous: undefined };
          await new Promise((resolve) => setTimeout(resolve, 5));
        } while (options.stream);
      } finally {
        hasReturned = true;
      }
    },
  }));
  const one = client().write(request('GET', '/containers/a/stats?stream=0', { Connection: 'close' }));
  await one.until('end');
  expect(one.body.match(/"name":"\/now"/g)).toHaveLength(1);
  hasReturned = false;
  const many = client().write(request('GET', '/containers/a/stats'));
  await many.until(/now[\s\S]*now/);
  many.close();
  await expect.poll(() => hasReturned).toBe(true);
});

test('cp out: the stat is in a header, an error in the middle cuts the connection', async () => {
  server.on('getArchive', async () => ({ stat, tar: Readable.from([Buffer.from('tar')]) }));
  server.on('statPath', async () => stat);
  const whole = client().write(request('GET', '/containers/a/archive?path=%2Fx', { Connection: 'close' }));
  const text = await whole.until('end');
  const header = /X-Docker-Container-Path-Stat: (\S+)/i.exec(text)?.[1] ?? '';
  expect(JSON.parse(Buffer.from(header, 'base64').toString())).toEqual(stat);
  expect(text).toContain('Content-Type: application/x-tar');
  expect(whole.body).toBe('3\r\ntar\r\n0\r\n\r\n');
  const head = client().write(request('HEAD', '/containers/a/archive?path=%2Fx', { Connection: 'close' }));
  expect(await head.until('end')).toMatch(/^HTTP\/1.1 200[\s\S]*x-docker-container-path-stat: /i);

  server.on('getArchive', async () => ({
    stat,
    tar: Readable.from(
      (async function* () {
        yield Buffer.from('tar');
        await new Promise((resolve) => setTimeout(resolve, 20));
        throw new Error('disk');
      })(),
    ),
  }));
  const cut = client().write(request('GET', '/containers/a/archive?path=%2Fx'));
  await cut.until('end').catch(() => undefined);
  expect(cut.body).toContain('tar');
  expect(cut.body).not.toContain('0\r\n\r\n');
});

test('cp in: any content type, chunked, answered when it is unpacked', async () => {
  let got = '';
  server.on('putArchive', async (_ref: string, _path: string, tar: Readable) => {
    for await (const chunk of tar) got += chunk;
  });
  for (const type of ['text/plain', 'application/x-tar', undefined]) {
    const c = client().write(
      request('PUT', '/v1.43/containers/a/archive?path=%2Ftmp&noOverwriteDirNonDir=true', {
        'Transfer-Encoding': 'chunked',
        ...(type === undefined ? {} : { 'Content-Type': type }),
      }),
    );
    c.write('3\r\none\r\n');
    c.write('0\r\n\r\n');
    expect(await c.until('\r\n\r\n')).toMatch(/^HTTP\/1.1 200 OK/);
  }
  expect(got).toBe('oneoneone');
  expect(server.calls[0]?.args[3]).toEqual({ noOverwriteDirNonDir: true, copyUidGid: false });
  expect(await client().write(request('PUT', '/containers/a/archive')).until('}\n')).toMatch(/^HTTP\/1.1 400/);
});

test('import answers with the id in a chunked line, as clients expect of progress', async () => {
  let options: unknown;
  server.onImages('importTar', async (tar: Readable, given: unknown) => {
    options = given;
    for await (const _ of tar);
    return 'sha256:abc';
  });
  const c = client().write(
    request('POST', '/v1.43/images/create?fromSrc=-&repo=r&tag=1&message=m&changes=CMD+x', {}, 'tarbytes'),
  );
  const text = await c.until('0\r\n\r\n');
  expect(text).toContain('Transfer-Encoding: chunked');
  expect(text).toContain('{"status":"sha256:abc"}\r\n');
  expect(options).toMatchObject({ repo: 'r', tag: '1', message: 'm', changes: ['CMD x'], platform: '' });
});
