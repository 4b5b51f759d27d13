// A container that has a volume swaps a directory in it and a link to the host as fast as it can, while other containers are made that mount a
// path of that volume, or mount something on a path in it (CVE-2021-30465 and the races of subpaths).
import { existsSync, lstatSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { create, run, runDetached } from '../harness/containers.ts';
import { tarOf } from '../harness/tars.ts';
import { Tripwire } from '../harness/tripwire.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();
let wire: Tripwire;
beforeAll(() => {
  wire = new Tripwire();
});
afterEach(() => wire.check());
afterAll(() => wire.remove());

/** Fills the volume `v` with a directory `d` and a link `l` to the host, and swaps the two until the limit. */
async function racing(attack: (n: number) => Promise<void>, options: { rounds: number; limitMs: number }) {
  const { daemon } = fixture;
  await daemon.api.post('/volumes/create', { Name: 'vol' });
  const data = `${daemon.dataRoot}/volumes/vol/_data`;
  mkdirSync(`${data}/d`);
  symlinkSync(wire.dir, `${data}/l`);
  await runDetached(daemon, ['racer', '/r/d', '/r/l', String(options.limitMs + 5000)], {
    HostConfig: { Binds: ['vol:/r'] },
  });
  const end = Date.now() + options.limitMs;
  let naive = 0;
  let rounds = 0;
  for (; rounds < options.rounds && Date.now() < end; rounds++) {
    await attack(rounds);
    for (let n = 0; n < 300; n++) if (naiveWins(`${data}/d`)) naive++;
  }
  wire.check();
  expect(naive, `the naive reader never won in ${rounds} rounds: the race was not live`).toBeGreaterThan(0);
}

function naiveWins(path: string): boolean {
  try {
    return lstatSync(path).isDirectory() && readFileSync(`${path}/SENTINEL`, 'utf8') === wire.secret;
  } catch {
    return false;
  }
}

test('a path of a volume that is swapped for a link never shows the host', async () => {
  const { daemon } = fixture;
  const mount = { Type: 'volume', Source: 'vol', Target: '/v', VolumeOptions: { Subpath: 'd' } };
  await racing(
    async () => {
      const id = await create(daemon, 'cat /v/SENTINEL /v/dir/file', { HostConfig: { Mounts: [mount] } });
      const started = await daemon.api.send('POST', `/containers/${id}/start`);
      // The link leads to nothing in the volume.
      expect([204, 400, 500], started.text).toContain(started.status);
      await daemon.api.post(`/containers/${id}/wait`);
      const logs = await daemon.api.send('GET', `/containers/${id}/logs?stdout=1`);
      expect(logs.text).not.toContain(wire.secret);
      await daemon.api.delete(`/containers/${id}`);
    },
    { rounds: 150, limitMs: 9000 },
  );
}, 60_000);

test('what is mounted on a swapped path of a volume stays in the container', async () => {
  const { daemon } = fixture;
  await racing(
    async (n) => {
      const id = await create(daemon, 'cat /mnt/d/x/SENTINEL /mnt/d/SENTINEL; grep -c . /proc/self/mountinfo', {
        HostConfig: { Binds: ['vol:/mnt', `other:/mnt/d/x${n % 20}`], Tmpfs: { [`/mnt/d/new${n % 20}/y`]: '' } },
      });
      const started = await daemon.api.send('POST', `/containers/${id}/start`);
      // A directory may turn into a link between two steps of making it.
      expect([204, 400, 500], started.text).toContain(started.status);
      await daemon.api.post(`/containers/${id}/wait`);
      const logs = await daemon.api.send('GET', `/containers/${id}/logs?stdout=1`);
      expect(logs.text).not.toContain(wire.secret);
      await daemon.api.delete(`/containers/${id}`);
    },
    { rounds: 150, limitMs: 9000 },
  );
  const mounts = readFileSync(`/proc/${daemon.pid}/mountinfo`, 'utf8');
  expect(mounts).not.toContain(wire.dir);
  expect(mounts).not.toContain(`${daemon.dataRoot}/volumes`);
}, 60_000);

test('an image’s VOLUME on a link to the host gets nothing of the host', async () => {
  const { daemon } = fixture;
  const image = tarOf([
    { name: 'abs', type: 'symlink', linkname: wire.dir },
    { name: 'up', type: 'symlink', linkname: `../../../../../..${wire.dir}` },
    { name: 'dir/', mode: 0o755 },
    { name: 'dir/proc', type: 'symlink', linkname: '/proc/self/fd' },
  ]);
  const base = await create(daemon, ['true']);
  await daemon.api.send('PUT', `/containers/${base}/archive?path=/`, { raw: image });
  await daemon.api.post(`/commit?container=${base}&repo=links`);
  for (const path of ['/abs', '/up', '/abs/dir', '/../../..', `/../..${wire.dir}`, '/dir/proc', '/abs/../../etc']) {
    const made = await daemon.api.send('POST', '/containers/create', {
      body: { Image: 'links', Cmd: ['true'], Volumes: { [path]: {} } },
    });
    if (made.status === 400) continue;
    const { Id } = made.json as { Id: string };
    const { Mounts } = await daemon.api.get<{ Mounts: { Source: string }[] }>(`/containers/${Id}/json`);
    for (const { Source } of Mounts) {
      expect(existsSync(`${Source}/SENTINEL`), path).toBe(false);
      expect(existsSync(`${Source}/shadow`), path).toBe(false);
    }
    await daemon.api.delete(`/containers/${Id}?v=1`);
  }
});

test('what a container puts into an empty volume while it is filled is neither lost nor followed', async () => {
  const { daemon } = fixture;
  const image = tarOf([
    { name: 'data/', mode: 0o755 },
    ...Array.from({ length: 40 }, (_, n) => ({ name: `data/f${n}`, data: `image ${n}` })),
  ]);
  const base = await create(daemon, ['true']);
  await daemon.api.send('PUT', `/containers/${base}/archive?path=/`, { raw: image });
  await daemon.api.post(`/commit?container=${base}&repo=filling`);
  for (let n = 0; n < 8; n++) {
    // Makes links of the names that are about to come as soon as it sees the first.
    const script = `until [ -e /v/f0 ]; do :; done; for i in $(seq 39 -1 0); do ln -s ${wire.dir}/SENTINEL /v/f$i 2>/dev/null; done`;
    const racer = await runDetached(daemon, script, { HostConfig: { Binds: ['fill:/v'] } });
    await create(daemon, ['true'], { Image: 'filling', HostConfig: { Binds: ['fill:/data'] } });
    await daemon.api.post(`/containers/${racer}/wait`);
    const seen = await run(daemon, 'cd /v; ls | wc -l; for f in *; do [ -L $f ] || cat $f; done', {
      HostConfig: { Binds: ['fill:/v'] },
    });
    expect(seen.stdout).toMatch(/^40\n/);
    wire.check();
    await daemon.removeAllContainers();
    await daemon.api.delete('/volumes/fill');
  }
});
