// The archive endpoints that cp is made of: running and stopped containers, links, binds, refusals.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { create, exec, inspect, run, runDetached, start, wait } from '../harness/containers.ts';
import { eventually, sleep } from '../harness/eventually.ts';
import { residentBytes } from '../harness/ledger.ts';
import { readTar, tarOf } from '../harness/tars.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();
let dir = '';
beforeAll(() => {
  dir = mkdtempSync('/tmp/tsdt-host-');
  writeFileSync(`${dir}/f`, 'bound\n');
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const path = (id: string, inside: string, query = '') =>
  `/containers/${id}/archive?path=${encodeURIComponent(inside)}${query}`;

interface Stat {
  name: string;
  size: number;
  mode: number;
  mtime: string;
  linkTarget: string;
}

async function stat(id: string, inside: string): Promise<Stat> {
  const answer = await fixture.daemon.api.send('HEAD', path(id, inside));
  expect(answer.status).toBe(200);
  return JSON.parse(Buffer.from(String(answer.headers['x-docker-container-path-stat']), 'base64').toString()) as Stat;
}

const put = (id: string, inside: string, tar: Uint8Array, query = '') =>
  fixture.daemon.api.send('PUT', path(id, inside, query), {
    raw: tar,
    headers: { 'Content-Type': 'application/x-tar' },
  });

const setUp =
  'mkdir -p /d/sub; echo one > /d/one; echo two > /d/sub/two; ln -s /d/one /abs; ln -s ../d/one /tmp/rel; ln -s /d /dirlink; chmod 4755 /d/one';

describe.each([
  [
    'a stopped container',
    async () => {
      const id = await runDetached(fixture.daemon, setUp);
      await wait(fixture.daemon, id);
      return id;
    },
  ],
  [
    'a running container',
    async () => {
      const id = await runDetached(fixture.daemon, `${setUp}; touch /ready; sleep 1000`);
      for (;;) if ((await fixture.daemon.api.send('HEAD', path(id, '/ready'))).status === 200) return id;
    },
  ],
])('%s', (_name, make) => {
  test('stat', async () => {
    const id = await make();
    expect(await stat(id, '/d/one')).toMatchObject({ name: 'one', size: 4, linkTarget: '', mode: 0o755 + 2 ** 23 });
    expect((await stat(id, '/d')).mode).toBe(0o755 + 2 ** 31);
    const link = await stat(id, '/abs');
    expect(link.linkTarget).toBe('/d/one');
    expect(link.mode % 2 ** 31 >= 2 ** 27).toBe(true);
    expect((await stat(id, '/tmp/rel')).linkTarget).toBe('/d/one');
    expect(Date.parse((await stat(id, '/d/one')).mtime)).toBeGreaterThan(Date.now() - 60_000);
    const missing = await fixture.daemon.api.send('HEAD', path(id, '/nosuch'));
    expect(missing.status).toBe(404);
  });

  test('get', async () => {
    const id = await make();
    const get = async (inside: string) => readTar((await fixture.daemon.api.send('GET', path(id, inside))).body);
    const names = async (inside: string) => (await get(inside)).map((entry) => entry.name.replace(/\/$/, '')).sort();
    expect(await names('/d')).toEqual(['d', 'd/one', 'd/sub', 'd/sub/two']);
    expect((await get('/d/.')).map((entry) => entry.name)).toEqual(['./', './one', './sub/', './sub/two']);
    // The root's own entry ends in its slash; what is below it is named from there.
    expect((await get('/d/sub/')).map((entry) => entry.name)).toEqual(['sub/', 'sub/two']);
    expect((await get('/d/one'))[0]).toMatchObject({ name: 'one', mode: 0o4755, uid: 0, size: 4 });
    expect((await get('/abs'))[0]).toMatchObject({ name: 'abs', flag: '2', linkname: '/d/one' });
    const missing = await fixture.daemon.api.send('GET', path(id, '/nosuch'));
    expect(missing.status).toBe(404);
    expect((missing.json as { message: string }).message).toContain('Could not find the file /nosuch in container');
  });

  test('put, through links, packed or not; owners as in the archive', async () => {
    const id = await make();
    const tar = tarOf([
      { name: 'new', data: 'new\n', uid: 5, gid: 6, mode: 0o640 },
      { name: 'deep/er/' },
      { name: 'deep/er/f', data: 'f' },
    ]);
    expect((await put(id, '/d', tar)).status).toBe(200);
    expect((await put(id, '/dirlink/sub', gzipSync(tar))).status).toBe(200);
    const entries = readTar((await fixture.daemon.api.send('GET', path(id, '/d'))).body);
    const found = new Map(entries.map((entry) => [entry.name.replace(/\/$/, ''), entry]));
    expect(found.get('d/new')).toMatchObject({ uid: 5, gid: 6, mode: 0o640 });
    expect(found.get('d/new')?.data.toString()).toBe('new\n');
    expect(found.has('d/deep/er/f')).toBe(true);
    expect(found.has('d/sub/new')).toBe(true);
  });

  test('put refuses a file as target, a missing one, and a clash of types', async () => {
    const id = await make();
    const tar = tarOf([{ name: 'one/' }]);
    expect((await put(id, '/d/one', tar)).status).toBe(400);
    expect((await put(id, '/nosuch', tar)).status).toBe(404);
    expect((await put(id, '/d', tar, '&noOverwriteDirNonDir=true')).status).toBe(400);
    expect((await stat(id, '/d/one')).size).toBe(4);
  });
});

test('a refusal reaches a client that is still sending', async () => {
  const { daemon } = fixture;
  const id = await create(daemon, 'true');
  const big = tarOf([{ name: 'f', data: Buffer.alloc(48 << 20, 7) }]);
  for (let n = 0; n < 5; n++) {
    for (const [inside, status] of [
      ['/nosuch', 404],
      ['/etc/passwd', 400],
    ] as const) {
      const answer = await put(id, inside, big);
      expect(answer.status).toBe(status);
    }
    expect((await put('nosuch', '/', big)).status).toBe(404);
    expect((await put(id, '/', Buffer.alloc(48 << 20, 1))).status).toBe(400);
  }
});

test('binds are part of what is seen, read-only ones cannot be written', async () => {
  const { daemon } = fixture;
  for (const isRunning of [false, true]) {
    const id = await create(daemon, ['sleep', '1000'], { HostConfig: { Binds: [`${dir}:/b`, `${dir}:/ro:ro`] } });
    if (isRunning) await start(daemon, id);
    expect(readTar((await daemon.api.send('GET', path(id, '/b/f'))).body)[0]?.data.toString()).toBe('bound\n');
    expect((await put(id, '/b', tarOf([{ name: `new${isRunning}`, data: 'x' }]))).status).toBe(200);
    expect(readFileSync(`${dir}/new${isRunning}`, 'utf8')).toBe('x');
    expect((await put(id, '/ro', tarOf([{ name: 'y', data: 'x' }]))).status).toBe(400);
  }
});

test('copyUIDGID gives what comes in to the container’s user', async () => {
  const id = await create(fixture.daemon, 'true', { User: 'mail:daemon' });
  await put(id, '/tmp', tarOf([{ name: 'owned', data: 'x', uid: 5, gid: 6 }]), '&copyUIDGID=1');
  const [entry] = readTar((await fixture.daemon.api.send('GET', path(id, '/tmp/owned'))).body);
  expect(entry).toMatchObject({ uid: 8, gid: 1 });
});

test('a read-only root file system refuses', async () => {
  const id = await create(fixture.daemon, 'true', { HostConfig: { ReadonlyRootfs: true } });
  const answer = await put(id, '/', tarOf([{ name: 'y', data: 'x' }]));
  expect(answer.status).toBe(400);
  expect(answer.text).toMatch(/read-only/);
});

test('what cp puts into a created container is there when it starts, and a commit has it', async () => {
  const { daemon } = fixture;
  const id = await create(daemon, 'cat /placed');
  await put(id, '/', tarOf([{ name: 'placed', data: 'by cp\n' }]));
  await start(daemon, id);
  await wait(daemon, id);
  expect((await daemon.api.send('GET', `/containers/${id}/logs?stdout=1`)).text).toContain('by cp');
  await daemon.api.post(`/commit?container=${id}&repo=placed`);
  expect((await run(daemon, 'cat /placed', { Image: 'placed' })).stdout).toBe('by cp\n');
});

/** A client of cp that reads nothing of its answer. Resolves when the answer begins. */
function stalled(id: string, inside: string): Promise<IncomingMessage> {
  const { socketPath } = fixture.daemon;
  return new Promise((resolve, reject) => {
    get({ socketPath, path: path(id, inside), agent: false }, (answer) => resolve(answer.pause())).on('error', reject);
  });
}

test('who reads the files of a container that was started meanwhile, and stands still, keeps nobody from ending it', async () => {
  const { daemon } = fixture;
  const id = await create(daemon, 'sleep 1000');
  await put(id, '/', tarOf([{ name: 'big', data: 'x'.repeat(8 << 20) }]));
  const first = await stalled(id, '/big');
  const started = start(daemon, id);
  const second = stalled(id, '/big');
  await sleep(300);
  expect((await inspect(daemon, id)).State.Status).toBe('created');
  first.destroy();
  await started;
  const answer = await second;
  expect((await daemon.api.send('POST', `/containers/${id}/kill`, { timeoutMs: 5000 })).status).toBe(204);
  await eventually('its end', async () => !(await inspect(daemon, id)).State.Running);
  answer.destroy();
});

test('a hundred megabytes pass without growing the daemon', async () => {
  const { daemon } = fixture;
  const id = await runDetached(daemon, 'dd if=/dev/zero of=/big bs=1M count=100 2>/dev/null; touch /ready; sleep 1000');
  while ((await daemon.api.send('HEAD', path(id, '/ready'))).status !== 200) {
    // The file is being written.
  }
  const before = residentBytes(daemon.pid);
  const answer = await daemon.api.send('GET', path(id, '/big'));
  expect(answer.body.length).toBeGreaterThan(100 << 20);
  await exec(daemon, id, 'rm /big');
  expect((await put(id, '/', answer.body)).status).toBe(200);
  expect((await exec(daemon, id, 'wc -c < /big')).stdout.trim()).toBe(String(100 << 20));
  expect(residentBytes(daemon.pid) - before).toBeLessThan(120 << 20);
});
