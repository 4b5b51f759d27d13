// A container that swaps a directory and a symlink to the host as fast as it can, while the engine works on the same path. Beside each a naive
// reader runs on the same path: when it never wins, the race was not live and the test is void.
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { inspect, runDetached } from '../harness/containers.ts';
import { readTar, tarOf } from '../harness/tars.ts';
import { Tripwire } from '../harness/tripwire.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();
let wire: Tripwire;
let shared = '';
beforeAll(() => {
  wire = new Tripwire();
  shared = mkdtempSync('/tmp/tsdt-shared-');
});
afterEach(() => wire.check());
afterAll(() => {
  wire.remove();
  rmSync(shared, { recursive: true, force: true });
});

function prepare(): void {
  rmSync(shared, { recursive: true, force: true });
  mkdirSync(`${shared}/d`, { recursive: true });
  symlinkSync(wire.dir, `${shared}/l`);
}

/** Checks that `d` is a directory and then opens a file in it by name: what an engine must not do. */
function naiveWins(path: string): boolean {
  try {
    if (!lstatSync(path).isDirectory()) return false;
    return readFileSync(`${path}/SENTINEL`, 'utf8') === wire.secret;
  } catch {
    return false;
  }
}

async function racing(
  attack: (id: string, n: number) => Promise<void>,
  options: { rounds: number; limitMs: number },
): Promise<void> {
  prepare();
  const { daemon } = fixture;
  const id = await runDetached(daemon, ['racer', '/r/d', '/r/l', String(options.limitMs + 5000)], {
    HostConfig: { Binds: [`${shared}:/r`] },
  });
  const end = Date.now() + options.limitMs;
  let attempts = 0;
  let naive = 0;
  for (; attempts < options.rounds && Date.now() < end; attempts++) {
    await attack(id, attempts);
    for (let n = 0; n < 200; n++) if (naiveWins(`${shared}/d`)) naive++;
  }
  wire.check();
  expect(naive, `the naive reader never won in ${attempts} rounds: the race was not live`).toBeGreaterThan(0);
}

const path = (id: string, inside: string) => `/containers/${id}/archive?path=${encodeURIComponent(inside)}`;

test('cp out of a swapped path never reads the host', async () => {
  const { api } = fixture.daemon;
  await racing(
    async (id) => {
      const got = await api.send('GET', path(id, '/r/d/SENTINEL'));
      expect([200, 400, 404], got.text).toContain(got.status);
      if (got.status === 200)
        for (const entry of readTar(got.body)) expect(entry.data.toString()).not.toBe(wire.secret);
      const stat = await api.send('HEAD', path(id, '/r/d/SENTINEL'));
      // /tw does not exist inside: a found file would be the host's. What is raced with is never the engine's failure.
      expect([400, 404]).toContain(stat.status);
    },
    { rounds: 400, limitMs: 12_000 },
  );
}, 60_000);

test('cp into a swapped path never writes to the host', async () => {
  const { api } = fixture.daemon;
  const tar = tarOf([
    { name: 'SENTINEL', data: 'overwritten' },
    { name: 'planted', data: 'x' },
  ]);
  await racing(
    async (id) => {
      const put = await api.send('PUT', path(id, '/r/d'), { raw: tar });
      expect([200, 400, 404], put.text).toContain(put.status);
    },
    { rounds: 400, limitMs: 12_000 },
  );
  expect(existsSync(`${wire.dir}/planted`)).toBe(false);
}, 60_000);

test('mounting onto a swapped target never mounts over the host', async () => {
  const { daemon } = fixture;
  const { api } = daemon;
  await racing(
    async (_id, n) => {
      const made = await api.post<{ Id: string }>('/containers/create', {
        Image: 'busybox',
        Cmd: ['true'],
        HostConfig: {
          Binds: [`${shared}:/mnt`],
          Tmpfs: { [`/mnt/d/t${n % 3}`]: '' },
          Mounts: [{ Type: 'bind', Source: '/usr', Target: '/mnt/d/b/c', ReadOnly: true }],
        },
      });
      await api.send('POST', `/containers/${made.Id}/start`);
      await api.send('DELETE', `/containers/${made.Id}?force=1`);
    },
    { rounds: 150, limitMs: 15_000 },
  );
  expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(wire.dir);
}, 60_000);

test('a container’s own root, swapped from inside, is no way out either', async () => {
  const { daemon } = fixture;
  const id = await runDetached(daemon, `mkdir /d; ln -s ${wire.dir} /l; racer /d /l 8000`);
  const { Pid } = (await inspect(daemon, id)).State;
  const tar = tarOf([{ name: 'SENTINEL', data: 'overwritten' }]);
  let naive = 0;
  const end = Date.now() + 6000;
  for (let n = 0; n < 200 && Date.now() < end; n++) {
    await daemon.api.send('PUT', path(id, '/d'), { raw: tar });
    const got = await daemon.api.send('GET', path(id, '/d/SENTINEL'));
    expect(got.body.includes(wire.secret)).toBe(false);
    for (let k = 0; k < 200; k++) if (naiveWins(`/proc/${Pid}/root/d`)) naive++;
  }
  await daemon.api.send('GET', `/containers/${id}/export`);
  expect(naive).toBeGreaterThan(0);
}, 60_000);
