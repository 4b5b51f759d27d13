// A client that means harm, on the socket itself.
import { connect, type Socket } from 'node:net';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { answerClock } from '../harness/answer-clock.ts';
import { create, inspect, runDetached } from '../harness/containers.ts';
import { eventually, sleep } from '../harness/eventually.ts';
import { openFileCount, pssBytes } from '../harness/ledger.ts';
import { usualMs } from '../harness/pace.ts';
import { hijack } from '../harness/raw-stream.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();
let pid = 0;
beforeAll(() => {
  pid = fixture.daemon.pid;
});
afterEach(async () => {
  expect(fixture.daemon.pid).toBe(pid);
  expect((await fixture.daemon.api.send('GET', '/_ping')).status).toBe(200);
});

/** Sends these bytes and gives what comes until the daemon closes, or `waitMs`. */
function raw(bytes: string | Buffer, waitMs = 500): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(fixture.daemon.socketPath);
    let text = '';
    const end = () => {
      socket.destroy();
      resolve(text);
    };
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
    });
    socket.on('error', end);
    socket.on('close', end);
    socket.write(bytes);
    setTimeout(end, waitMs);
  });
}

const statuses = (text: string) => [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map((m) => Number(m[1]));

describe('requests that two parsers read differently', () => {
  const post = (headers: string, body: string) =>
    `POST /containers/create?name=smuggled HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${headers}\r\n${body}`;
  const body = '{"Image":"busybox"}';

  test.each([
    [
      'length and chunks',
      post(`Content-Length: ${body.length}\r\nTransfer-Encoding: chunked\r\n`, `13\r\n${body}\r\n0\r\n\r\n`),
    ],
    ['two lengths', post(`Content-Length: 5\r\nContent-Length: ${body.length}\r\n`, body)],
    ['a folded header', post(`Content-Length:\r\n ${body.length}\r\n`, body)],
    ['a space before the colon', post(`Content-Length : ${body.length}\r\n`, body)],
    [
      'bare line feeds',
      `POST /containers/create?name=smuggled HTTP/1.1\nHost: x\nContent-Type: application/json\nContent-Length: ${body.length}\n\n${body}`,
    ],
    ['a negative length', post('Content-Length: -1\r\n', body)],
    ['an unknown coding', post('Transfer-Encoding: gzip\r\n', body)],
    ['NUL in a header', post(`X: a\0b\r\nContent-Length: ${body.length}\r\n`, body)],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['no HTTP at all', 'hello\r\n\r\n'],
  ])('%s: refused or read one way', async (_name, bytes) => {
    const text = await raw(bytes);
    const made = statuses(text).filter((status) => status === 201).length;
    expect(made).toBe(0);
    expect(await fixture.daemon.api.get<unknown[]>('/containers/json?all=1')).toEqual([]);
  });

  test('what follows a hijacked request is stdin, never a second request', async () => {
    const { daemon } = fixture;
    const id = await create(daemon, 'cat', { OpenStdin: true, StdinOnce: true });
    await daemon.api.post(`/containers/${id}/start`);
    const second = 'POST /containers/create?name=smuggled HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}';
    const { stream } = await hijack(daemon.socketPath, `/containers/${id}/attach?stream=1&stdin=1&stdout=1`, {
      after: second,
    });
    stream.halfClose();
    await stream.ended();
    expect(stream.of(1)).toBe(second);
    expect((await daemon.api.send('GET', '/containers/smuggled/json')).status).toBe(404);
  });

  test('a request line that names another server leads to no other server', async () => {
    for (const target of ['http://evil.example/containers/json', '//evil.example/containers/json', '/\\evil.example']) {
      const text = await raw(`GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      expect(text).not.toMatch(/^Location:/im);
    }
  });
});

describe('limits', () => {
  test('too many headers, too long a header, too long an address', async () => {
    expect(statuses(await raw(`GET /_ping HTTP/1.1\r\nHost: x\r\n${'X-A: b\r\n'.repeat(5000)}\r\n`))[0]).not.toBe(500);
    expect([431, 400]).toContain(
      statuses(await raw(`GET /_ping HTTP/1.1\r\nHost: x\r\nX-A: ${'b'.repeat(400_000)}\r\n\r\n`))[0] ?? 431,
    );
    expect([404, 414, 431, 400]).toContain(
      statuses(await raw(`GET /${'a'.repeat(300_000)} HTTP/1.1\r\nHost: x\r\n\r\n`))[0] ?? 431,
    );
  });

  test('three hundred clients that never finish their request do not slow the others', async () => {
    const sockets: Socket[] = [];
    for (let n = 0; n < 300; n++) {
      const socket = connect(fixture.daemon.socketPath, () => socket.write('GET /info HTTP/1.1\r\nHost: x\r\nX-a: '));
      socket.on('error', () => {});
      sockets.push(socket);
    }
    await sleep(300);
    const times: number[] = [];
    const clock = answerClock(fixture.daemon.pid);
    for (let n = 0; n < 50; n++) {
      const answered = clock.begin();
      expect((await fixture.daemon.api.send('GET', '/_ping')).status).toBe(200);
      times.push(answered());
    }
    times.sort((a, b) => a - b);
    expect(times[47] ?? 0).toBeLessThan(100 * usualMs());
    for (const socket of sockets) socket.destroy();
  });

  test('clients that open streams and go: no file, no memory stays', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, 'while :; do echo tick; sleep 0.01; done');
    const open = async () => {
      const paths = [`/containers/${id}/logs?follow=1&stdout=1`, '/events', `/containers/${id}/stats?stream=1`];
      const sockets = paths.map((path) => {
        const socket = connect(daemon.socketPath, () => socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`));
        socket.on('error', () => {});
        return socket;
      });
      const attached = await hijack(daemon.socketPath, `/containers/${id}/attach?stream=1&stdout=1`);
      await sleep(20);
      for (const socket of sockets) socket.destroy();
      attached.stream.close();
    };
    for (let n = 0; n < 5; n++) await open();
    await sleep(300);
    const files = openFileCount(daemon.pid);
    const memory = pssBytes(daemon.pid);
    for (let n = 0; n < 60; n++) await open();
    await eventually('the files are closed', () => openFileCount(daemon.pid) - files < 8);
    expect(pssBytes(daemon.pid) - memory).toBeLessThan(30 << 20);
  }, 60_000);

  test('execs that fail, run away or never end leave nothing', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, ['sleep', '1000']);
    const one = async (Cmd: string[], Tty: boolean) => {
      const { Id } = await daemon.api.post<{ Id: string }>(`/containers/${id}/exec`, { AttachStdout: true, Tty, Cmd });
      const { stream } = await hijack(daemon.socketPath, `/exec/${Id}/start`, { body: { Detach: false, Tty } });
      await sleep(10);
      stream.close();
    };
    for (let n = 0; n < 3; n++) await one(['/nosuch'], true);
    const files = openFileCount(daemon.pid);
    for (let n = 0; n < 20; n++) {
      await one(['/nosuch'], true);
      await one(['sh', '-c', 'sleep 999 &'], false);
      await one(['yes'], false);
    }
    const exec = await daemon.api.send('GET', `/containers/${id}/json`);
    expect(exec.status).toBe(200);
    await daemon.api.delete(`/containers/${id}?force=1`);
    await eventually('the files are closed', () => openFileCount(daemon.pid) - files < 8);
    expect(await daemon.leftovers()).toEqual([]);
  }, 60_000);
});

describe('text that means something to others', () => {
  test('control characters in labels and names go through JSON, never through headers', async () => {
    const { daemon } = fixture;
    const value = 'a\r\nSet-Cookie: x\u202e\u001b[31m';
    const id = await create(daemon, 'true', { Labels: { [value]: value } });
    expect((await inspect(daemon, id)).Config.Labels[value]).toBe(value);
    const answer = await daemon.api.send('GET', `/containers/${id}/archive?path=${encodeURIComponent('/a\r\nX: y')}`);
    expect([400, 404]).toContain(answer.status);
    expect(answer.headers['set-cookie']).toBeUndefined();
  });

  test('X-Registry-Auth that is no JSON is ignored or refused, and never logged', async () => {
    for (const value of [
      'garbage-secret',
      Buffer.from('{"password":"hunter2-secret"}').toString('base64'),
      'A'.repeat(60_000),
    ]) {
      const answer = await fixture.daemon.api.send('POST', '/images/create?fromImage=nosuch&tag=1', {
        headers: { 'X-Registry-Auth': value },
      });
      expect([200, 400, 404, 431, 500, 501]).toContain(answer.status);
    }
    expect(fixture.daemon.log()).not.toMatch(/hunter2-secret|garbage-secret/);
  });

  test('a browser’s request from another site is refused on TCP only; on the socket no CORS header is ever sent', async () => {
    const answer = await fixture.daemon.api.send('GET', '/_ping', { headers: { Origin: 'http://evil.example' } });
    expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
  });
});
