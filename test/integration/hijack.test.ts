// Connections that become a process's stdio: their end, whichever side it comes from and with whichever packet, is the end of what it feeds.
import { connect } from 'node:net';
import { beforeAll, expect, test } from 'vitest';
import { create, exec, inspect, runDetached, start, wait } from '../harness/containers.ts';
import { eventually } from '../harness/eventually.ts';
import { hijack } from '../harness/raw-stream.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();
let socketPath = '';
beforeAll(() => {
  ({ socketPath } = fixture.daemon);
});
const upgrade = { Connection: 'Upgrade', Upgrade: 'tcp' };
const everything = 'stream=1&stdin=1&stdout=1&stderr=1';

/** Sends all of it with the end of the client's side in one go; resolves with the answer when the daemon has ended its side too. */
function sendAndEnd(method: string, path: string, headers: object, body = ''): Promise<string> {
  const lines = Object.entries({ Host: 'x', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  return new Promise((resolve, reject) => {
    const socket = connect({ path: socketPath, allowHalfOpen: true });
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
    });
    socket.on('end', () => resolve(text)).on('error', reject);
    socket.setTimeout(10_000, () => socket.destroy(new Error(`no end after ${JSON.stringify(text)}`)));
    socket.end(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`, 'latin1');
  });
}

test.each([
  ['an upgrade', upgrade, 101],
  ['Upgrade alone', { Upgrade: 'tcp' }, 101],
  ['no upgrade', {}, 200],
])('attach with %s: input that comes with the request and its end reach the process', async (_, headers, status) => {
  const { daemon } = fixture;
  const id = await runDetached(daemon, ['cat'], { OpenStdin: true, StdinOnce: true });
  const answer = await sendAndEnd('POST', `/containers/${id}/attach?${everything}`, headers, 'GET / HTTP/1.1\r\n\r\n');
  expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  expect(answer).toContain('\x01\x00\x00\x00\x00\x00\x00\x12GET / HTTP/1.1\r\n\r\n');
  expect(await wait(daemon, id)).toBe(0);
});

test.each([
  ['an upgrade', upgrade, 101],
  ['Upgrade alone', { Upgrade: 'tcp' }, 101],
  ['no upgrade', {}, 200],
])('exec with %s: ten clients that send their end with the request leave no process', async (_, headers, status) => {
  const { daemon } = fixture;
  const id = await runDetached(daemon, 'exec sleep 1000');
  const body = '{"Detach":false}';
  const more = { 'Content-Type': 'application/json', 'Content-Length': String(body.length) };
  await Promise.all(
    Array.from({ length: 10 }, async (__, number) => {
      const made = { AttachStdin: true, AttachStdout: true, Cmd: ['cat'] };
      const { Id } = await daemon.api.post<{ Id: string }>(`/containers/${id}/exec`, made);
      const answer = await sendAndEnd('POST', `/exec/${Id}/start`, { ...headers, ...more }, `${body}in${number}`);
      expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      expect(answer.endsWith(`in${number}`)).toBe(true);
    }),
  );
  const { stdout } = await exec(daemon, id, 'ps | grep -c "[c]at$"');
  expect(stdout.trim()).toBe('0');
});

test('an exec is started once: a second start is refused at once, whether it runs or has run', async () => {
  const { daemon } = fixture;
  const id = await runDetached(daemon, 'exec sleep 1000');
  const made = { AttachStdout: true, Cmd: ['sh', '-c', 'read x < /fifo'] };
  await exec(daemon, id, 'mkfifo /fifo');
  const { Id } = await daemon.api.post<{ Id: string }>(`/containers/${id}/exec`, made);
  const first = await hijack(socketPath, `/exec/${Id}/start`, { body: {} });
  const again = async (headers: object, words: string) => {
    const answer = await sendAndEnd('POST', `/exec/${Id}/start`, headers);
    expect(answer).toMatch(/^HTTP\/1.1 409 /);
    expect(answer).toContain(`exec command ${Id} ${words}`);
  };
  await again({}, 'is already running');
  await again(upgrade, 'is already running');
  await exec(daemon, id, 'echo > /fifo');
  await first.stream.ended();
  await again({}, 'has already run');
  await again(upgrade, 'has already run');
});

test('an attach to no stream ends at once; one with keys that are none is refused', async () => {
  const id = await runDetached(fixture.daemon, 'sleep 1000');
  for (const headers of [upgrade, {}]) {
    expect(await sendAndEnd('POST', `/containers/${id}/attach?stream=1`, headers)).toMatch(/\r\n\r\n$/);
    const refused = await sendAndEnd('POST', `/containers/${id}/attach?${everything}&detachKeys=ctrl-,`, headers);
    expect(refused).toMatch(/^HTTP\/1.1 400 /);
  }
});

test('attach over a WebSocket: what was written before, and both ways from then on', async () => {
  const { daemon } = fixture;
  const id = await create(daemon, ['sh', '-c', 'echo before; read line; echo "got $line"'], { OpenStdin: true });
  await start(daemon, id);
  await eventually('the first line', async () =>
    (await daemon.api.send('GET', `/containers/${id}/logs?stdout=1`)).text.includes('before'),
  );
  const headers = {
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': Buffer.alloc(16).toString('base64'),
  };
  const message = Buffer.from([0x82, 0x86, 0, 0, 0, 0, ...Buffer.from('input\n')]).toString('latin1');
  const path = `/containers/${id}/attach/ws?logs=1&${everything}`;
  const answer = await sendAndEnd('GET', path, headers, message);
  expect(answer).toMatch(/^HTTP\/1.1 101 /);
  expect(answer).toMatch(/before\n[\s\S]*got input\n/);
  expect((await inspect(daemon, id)).State.Status).toBe('exited');
});

test('logs that are followed until a time end then, also when nothing is written', async () => {
  const { daemon } = fixture;
  const id = await runDetached(daemon, 'echo first; sleep 0.4; echo second; exec sleep 1000');
  const from = performance.now();
  const until = (Date.now() / 1000 + 1.2).toFixed(3);
  const { text } = await daemon.api.send('GET', `/containers/${id}/logs?follow=1&stdout=1&until=${until}`);
  expect(text).toMatch(/first[\s\S]*second/);
  const tookMs = performance.now() - from;
  expect(tookMs).toBeGreaterThan(1000);
});

test('an answer of a known length reaches a client that has ended its side', async () => {
  const id = await runDetached(fixture.daemon, 'echo out; exec sleep 1000');
  for (const path of [
    '/version',
    '/containers/json',
    `/containers/${id}/json`,
    '/info',
    `/containers/${id}/stats?stream=0`,
  ]) {
    expect(await sendAndEnd('GET', path, {})).toMatch(/^HTTP\/1.1 200 [\s\S]*\}|\]\n/);
  }
  expect(await sendAndEnd('GET', `/containers/${id}/logs?stdout=1`, {})).toContain('out\n');
});
