import { readdirSync, readFileSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { create, inspect, logs, runDetached, start, wait } from '../harness/containers.ts';
import { eventually, sleep, timeFactor } from '../harness/eventually.ts';
import { readFrames, splitFrames } from '../harness/frames.ts';
import { pssBytes } from '../harness/ledger.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();

/** GET …/logs?follow=1, collecting; `end()` leaves. */
function follow(path: string) {
  const chunks: Buffer[] = [];
  let isEnded = false;
  const req = request({ socketPath: fixture.daemon.socketPath, path, headers: { Host: 'x' }, agent: false }, (res) => {
    res.on('data', (chunk: Buffer) => chunks.push(chunk));
    res.on('end', () => {
      isEnded = true;
    });
    res.on('error', () => {});
  });
  req.on('error', () => {});
  req.end();
  return {
    get bytes() {
      return Buffer.concat(chunks);
    },
    get stdout() {
      return Buffer.concat(splitFrames(Buffer.concat(chunks)).frames.map((frame) => frame.data)).toString();
    },
    get isEnded() {
      return isEnded;
    },
    end: () => req.destroy(),
  };
}

describe('logs', () => {
  test('tail, since, until, timestamps, one stream', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, 'for i in 1 2 3 4 5; do echo $i; done; echo e >&2; sleep 1.1; echo late');
    await wait(daemon, id);
    expect((await logs(daemon, id, '&tail=2')).stdout).toBe('late\n');
    expect((await logs(daemon, id, '&tail=3')).stderr).toBe('e\n');
    expect((await logs(daemon, id, '&tail=0')).stdout).toBe('');
    expect((await logs(daemon, id, '&tail=nonsense')).stdout).toBe('1\n2\n3\n4\n5\nlate\n');
    const only = await daemon.api.send('GET', `/containers/${id}/logs?stderr=1`);
    expect(readFrames(only.body)).toEqual({ stdout: '', stderr: 'e\n' });
    expect((await daemon.api.send('GET', `/containers/${id}/logs`)).status).toBe(400);
    const stamped = (await logs(daemon, id, '&timestamps=1')).stdout.trim().split('\n');
    for (const line of stamped) expect(line).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z /);
    const times = stamped.map((line) => line.slice(0, 30));
    expect([...times].sort()).toEqual(times);
    const lateAt = Date.parse(times.at(-1)?.slice(0, 23).concat('Z') ?? '') / 1000;
    expect((await logs(daemon, id, `&since=${(lateAt - 0.5).toFixed(9)}`)).stdout).toBe('late\n');
    expect((await logs(daemon, id, `&until=${(lateAt - 0.5).toFixed(9)}`)).stdout).toBe('1\n2\n3\n4\n5\n');
  });

  test('no line end at the end, long lines, binary, a terminal', async () => {
    const { daemon } = fixture;
    const id = await runDetached(
      daemon,
      'printf "no end"; printf "\\n\\000\\377\\n"; head -c 70000 /dev/zero | tr "\\0" x; echo',
    );
    await wait(daemon, id);
    const answer = await daemon.api.send('GET', `/containers/${id}/logs?stdout=1`);
    const bytes = Buffer.concat(splitFrames(answer.body).frames.map((frame) => frame.data));
    expect(bytes.length).toBe(7 + 3 + 70001);
    expect(bytes.subarray(7, 10)).toEqual(Buffer.from([0, 255, 10]));
    const tailed = await logs(daemon, id, '&tail=1');
    expect(tailed.stdout).toHaveLength(70001);
  });

  test('-f follows to the end of the container, and not beyond', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, 'for i in 1 2 3 4 5 6; do echo $i; sleep 0.1; done');
    const stream = follow(`/containers/${id}/logs?stdout=1&follow=1`);
    await eventually('it ends', () => stream.isEnded);
    expect(stream.stdout).toBe('1\n2\n3\n4\n5\n6\n');
    const ended = follow(`/containers/${id}/logs?stdout=1&follow=1`);
    await eventually('it ends at once', () => ended.isEnded, { timeoutMs: 2000 });
    expect(ended.stdout).toBe('1\n2\n3\n4\n5\n6\n');
  });

  test('-f over a rotation loses and doubles nothing while the reader keeps up', async () => {
    const { daemon } = fixture;
    const id = await create(daemon, 'i=0; while [ $i -lt 6000 ]; do echo $i; i=$((i+1)); done', {
      HostConfig: { LogConfig: { Type: 'json-file', Config: { 'max-size': '20k', 'max-file': '50' } } },
    });
    await start(daemon, id);
    const stream = follow(`/containers/${id}/logs?stdout=1&follow=1`);
    await eventually('it ends', () => stream.isEnded);
    expect(stream.stdout).toBe(Array.from({ length: 6000 }, (_, i) => `${i}\n`).join(''));
  });

  test('details: labels and variables by pattern, and the tag', async () => {
    const { daemon } = fixture;
    const Config = { tag: '{{.Name}}/{{.ID}}', 'labels-regex': '^com\\.', 'env-regex': 'A$', mode: 'non-blocking' };
    const HostConfig = { LogConfig: { Type: 'json-file', Config } };
    const body = { HostConfig, Labels: { 'com.x': 'l', other: 'o' }, Env: ['AA=1', 'AB=2'] };
    const id = await create(daemon, 'echo line', body, 'tagged');
    await start(daemon, id);
    await wait(daemon, id);
    const { stdout } = await logs(daemon, id, '&details=1');
    expect(stdout).toBe(`AA=1,com.x=l,tag=tagged%2F${id.slice(0, 12)} line\n`);
  });

  test('a tiny max-size rotates, and the newest lines are whole', async () => {
    const { daemon } = fixture;
    const HostConfig = { LogConfig: { Type: 'json-file', Config: { 'max-size': '1k', 'max-file': '2' } } };
    const id = await runDetached(daemon, 'i=0; while [ $i -lt 20000 ]; do echo "line $i of them"; i=$((i+1)); done', {
      HostConfig,
    });
    await wait(daemon, id);
    const lines = (await logs(daemon, id)).stdout.trim().split('\n');
    expect(lines.at(-1)).toBe('line 19999 of them');
    expect(lines.length).toBeLessThan(10_000);
    for (const line of lines) expect(line).toMatch(/^line \d+ of them$/);
  });

  test('compress packs what was rotated while the container runs, and `logs` reads it', async () => {
    const { daemon } = fixture;
    const Config = { 'max-size': '20k', 'max-file': '4', compress: 'true' };
    const script = 'i=0; while [ $i -lt 6000 ]; do echo "line $i of them"; i=$((i+1)); done; read x; echo end';
    const id = await create(daemon, script, {
      HostConfig: { LogConfig: { Type: 'json-file', Config } },
      OpenStdin: true,
    });
    await start(daemon, id);
    const dir = `${daemon.dataRoot}/containers/${id}`;
    const found = () => readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((name) => /log\.\d/.test(name));
    await eventually('three are packed', () => {
      const packed = found().filter((name) => name.endsWith('.gz'));
      return packed.length === 3 && found().length === 4;
    });
    const read = async (query = '') => (await logs(daemon, id, query)).stdout.trim().split('\n');
    await eventually('all is written', async () => (await read('&tail=1'))[0] === 'line 5999 of them');
    const lines = await read();
    expect(lines.length).toBeGreaterThan(1500);
    expect(lines).toEqual(Array.from({ length: lines.length }, (_, i) => `line ${6000 - lines.length + i} of them`));
    expect(await read('&tail=1500')).toEqual(lines.slice(-1500));
    const [oldest] = found().filter((name) => name.endsWith('.gz'));
    expect(gunzipSync(readFileSync(`${dir}/${oldest}`)).toString('latin1')).toContain(' of them\n');
    await daemon.api.delete(`/containers/${id}?force=1`);
  });

  test('rotation keeps max-file files of max-size, the newest', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, 'i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done', {
      HostConfig: { LogConfig: { Type: 'json-file', Config: { 'max-size': '64k', 'max-file': '2' } } },
    });
    await wait(daemon, id);
    const dir = `${daemon.dataRoot}/containers/${id}`;
    const found = readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((name) => /log\.\d+$/.test(name));
    expect(found.length).toBe(2);
    for (const name of found) expect(statSync(`${dir}/${name}`).size).toBeLessThanOrEqual((64 << 10) + (64 << 10) + 16);
    const lines = (await logs(daemon, id)).stdout.trim().split('\n');
    expect(lines.at(-1)).toBe('line 19999');
    const first = Number(lines[0]?.split(' ')[1]);
    expect(lines).toHaveLength(20000 - first);
  });

  test('a bad log option is refused', async () => {
    for (const Config of [{ 'max-size': 'x' }, { 'max-file': '0' }, { nosuch: '1' }]) {
      const answer = await fixture.daemon.api.send('POST', '/containers/create', {
        body: { Image: 'busybox', HostConfig: { LogConfig: { Type: 'json-file', Config } } },
      });
      expect(answer.status, JSON.stringify(Config)).toBe(400);
    }
  });
});

describe('a flood', () => {
  test('neither blocks the API nor grows the daemon nor fills the disk', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, 'yes "a line of a flood that never ends"');
    const before = pssBytes(daemon.pid);
    const slow = follow(`/containers/${id}/logs?stdout=1&follow=1`);
    const times: number[] = [];
    const end = Date.now() + 4000;
    while (Date.now() < end) {
      const at = performance.now();
      expect((await daemon.api.send('GET', `/containers/${id}/json`)).status).toBe(200);
      times.push(performance.now() - at);
      await sleep(20);
    }
    slow.end();
    times.sort((a, b) => a - b);
    expect(times[Math.floor(times.length * 0.95)] ?? 0).toBeLessThan(250 * timeFactor);
    expect(pssBytes(daemon.pid) - before).toBeLessThan(80 << 20);
    const dir = `${daemon.dataRoot}/containers/${id}`;
    const sizes = readdirSync(dir, { recursive: true, encoding: 'utf8' })
      .filter((name) => /log\.\d+$/.test(name))
      // Rotation may have deleted it meanwhile.
      .map((name) => statSync(`${dir}/${name}`, { throwIfNoEntry: false })?.size ?? 0);
    expect(sizes.length).toBeLessThanOrEqual(4);
    expect(sizes.reduce((a, b) => a + b, 0)).toBeLessThan(45 << 20);
    const at = Date.now();
    await daemon.api.delete(`/containers/${id}?force=1`);
    expect(Date.now() - at).toBeLessThan(3000 * timeFactor);
    expect((await daemon.api.send('GET', `/containers/${id}/json`)).status).toBe(404);
  });

  test('a reader that stands still costs no memory', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, 'yes flood');
    const stuck = request({
      socketPath: daemon.socketPath,
      path: `/containers/${id}/logs?stdout=1&follow=1`,
      headers: { Host: 'x' },
      agent: false,
    });
    stuck.on('error', () => {});
    stuck.on('response', (res) => res.pause());
    stuck.end();
    await sleep(500);
    const before = pssBytes(daemon.pid);
    await sleep(2500);
    expect(pssBytes(daemon.pid) - before).toBeLessThan(40 << 20);
    expect((await inspect(daemon, id)).State.Running).toBe(true);
    stuck.destroy();
  });
});
