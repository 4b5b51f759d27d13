// What a monitor still holds goes on, whatever the next daemon finds damaged or missing beside it; and where a change was cut short, record
// and kernel say the same after the start.
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { parentOf } from '../../daemon/runtime/container-process.ts';
import { exec, inspect, runDetached } from '../harness/containers.ts';
import { eventually, sleep, timeFactor } from '../harness/eventually.ts';
import { cgroupHierarchies, isAlive } from '../harness/ledger.ts';
import { testNeeding } from '../harness/needs.ts';
import type { TestDaemon } from '../harness/test-daemon.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();

const addresses = async (id: string) => {
  const networks = (await inspect(fixture.daemon, id)).NetworkSettings.Networks as Record<
    string,
    { IPAddress: string }
  >;
  return Object.fromEntries(Object.entries(networks).map(([name, { IPAddress }]) => [name, IPAddress]));
};
const interfaces = async (id: string, daemon = fixture.daemon) =>
  (await exec(daemon, id, 'ls /sys/class/net | grep eth | sort')).stdout.trim().split('\n').filter(Boolean);

const damages: [what: string, file: string, text: string][] = [
  ['a note of the network with no endpoint in it', 'network', '{"endpoints":[null]}'],
  ['a note of the network that is cut off', 'network', '{"sandboxId":"ab'],
  ['a note of the network of another engine', 'network', '{"version":999,"endpoints":[],"ports":[]}'],
  ['a damaged start record', 'started', '{"pid":"x"}'],
  ['a damaged health note', 'health.json', '{"status":"healthy","failingStreak":0,"log":[null,7]}'],
];
for (const [what, file, text] of damages) {
  test(`${what} ends no container: it is told, and the network is there`, async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, ['sleep', '1000'], {
      Healthcheck: { Test: ['CMD', 'true'], Interval: 3600e9 },
      HostConfig: { PortBindings: { '80/tcp': [{ HostPort: '8085' }] } },
    });
    const { Pid } = (await inspect(daemon, id)).State;
    await daemon.crash();
    writeFileSync(`${daemon.execRoot}/containers/${id}/${file}`, text);
    const from = daemon.log().length;
    await daemon.start();
    expect((await inspect(daemon, id)).State).toMatchObject({ Running: true, Pid });
    expect(isAlive(Pid)).toBe(true);
    expect(await interfaces(id)).toEqual(['eth0']);
    expect(Object.values(await addresses(id))).toEqual([expect.stringMatching(/^172\./)]);
    expect((await exec(daemon, id, 'ip route | grep -c default')).stdout).toBe('1\n');
    expect((await inspect(daemon, id)).NetworkSettings.Ports).toMatchObject({ '80/tcp': [{ HostPort: '8085' }, {}] });
    if (file !== 'health.json') expect(daemon.log().slice(from)).toMatch(/damaged/);
    expect((await daemon.api.send('GET', '/containers/json')).status).toBe(200);
  });
}

test('a damaged note about an exec does not end it', async () => {
  const { daemon } = fixture;
  const id = await runDetached(daemon, ['sleep', '1000']);
  const { Id } = await daemon.api.post<{ Id: string }>(`/containers/${id}/exec`, {
    Cmd: ['sh', '-c', 'sleep 4; exit 9'],
  });
  await daemon.api.post(`/exec/${Id}/start`, { Detach: true });
  const { Pid } = await daemon.api.get<{ Pid: number }>(`/exec/${Id}/json`);
  await daemon.crash();
  writeFileSync(`${daemon.execRoot}/containers/${id}/exec/${Id}/exec.json`, '{"id":7}');
  await daemon.start();
  expect(isAlive(Pid)).toBe(true);
  await eventually('it has ended as it did', async () => {
    const state = await daemon.api.get<{ Running: boolean; ExitCode: number }>(`/exec/${Id}/json`);
    return !state.Running && state.ExitCode === 9;
  });
});

test('a container whose row is lost with its copy goes on, is told, and keeps its files', async () => {
  const { daemon } = fixture;
  const id = await runDetached(daemon, 'echo kept > /file; sleep 1000');
  const { Pid } = (await inspect(daemon, id)).State;
  await eventually('it has written', () => readFileSync(`/proc/${Pid}/root/file`, 'utf8') === 'kept\n');
  await daemon.crash();
  const db = new DatabaseSync(`${daemon.dataRoot}/state.db`);
  const [row] = db.prepare('SELECT * FROM containers WHERE id = ?').all(id);
  db.prepare('DELETE FROM containers WHERE id = ?').run(id);
  db.close();
  rmSync(`${daemon.dataRoot}/rows.log`);
  await daemon.start();
  expect(isAlive(Pid)).toBe(true);
  expect(readFileSync(`/proc/${Pid}/root/file`, 'utf8')).toBe('kept\n');
  expect(daemon.log()).toContain('a container runs that the database does not have');
  expect(readFileSync(`/proc/${Pid}/net/route`, 'utf8')).toMatch(/^eth0\t00000000/m);
  // With the row put back it is the container that it was.
  await daemon.crash();
  const again = new DatabaseSync(`${daemon.dataRoot}/state.db`);
  const names = Object.keys(row ?? {});
  again
    .prepare(`INSERT INTO containers (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`)
    .run(...(Object.values(row ?? {}) as string[]));
  again.close();
  await daemon.start();
  expect((await inspect(daemon, id)).State).toMatchObject({ Running: true, Pid });
  expect((await exec(daemon, id, 'cat /file')).stdout).toBe('kept\n');
});

test('a run directory that is deleted while no daemon runs: told, ended, and its port is free again', async () => {
  const { daemon } = fixture;
  const body = { HostConfig: { PortBindings: { '80/tcp': [{ HostPort: '8086' }] } } };
  const id = await runDetached(daemon, ['sleep', '1000'], body);
  const { Pid } = (await inspect(daemon, id)).State;
  await daemon.crash();
  rmSync(daemon.execRoot, { recursive: true });
  await daemon.start();
  expect((await inspect(daemon, id)).State.Running).toBe(false);
  await eventually('its process has ended', () => !isAlive(Pid));
  expect(daemon.log()).toContain('the directory of a run is gone');
  const next = await runDetached(daemon, ['sleep', '1000'], body);
  expect((await inspect(daemon, next)).State.Running).toBe(true);
});

/** The daemon is killed at its n-th call of these, for every n, while it changes a running container. */
const changes: Record<string, { calls: string; change: (daemon: TestDaemon) => Promise<unknown> }> = {
  update: {
    calls: 'pwrite64,fsync,fdatasync',
    change: (daemon) =>
      daemon.api.post('/containers/c/update', { Memory: 96 << 20, MemorySwap: 96 << 20, CpuShares: 77 }),
  },
  'network connect': {
    calls: 'sendmsg,pwrite64,rename',
    change: (daemon) => daemon.api.post('/networks/n/connect', { Container: 'c' }),
  },
  'network disconnect': {
    calls: 'sendmsg,pwrite64,rename',
    change: (daemon) => daemon.api.post('/networks/m/disconnect', { Container: 'c' }),
  },
  pause: { calls: 'pwrite64,fsync,fdatasync', change: (daemon) => daemon.api.post('/containers/c/pause') },
};

/** What the kernel has, beside what inspect says. */
async function agreement(daemon: TestDaemon): Promise<void> {
  const { HostConfig, State, NetworkSettings, Id } = await inspect(daemon, 'c');
  const groupFile = (name: string) =>
    cgroupHierarchies()
      .map((hierarchy) => `${hierarchy}${daemon.groupOf(Id)}/${name}`)
      .map((path) => {
        try {
          return readFileSync(path, 'utf8').trim();
        } catch {
          return undefined;
        }
      })
      .find((text) => text !== undefined);
  const memory = groupFile('memory.limit_in_bytes') ?? groupFile('memory.max');
  expect(memory).toBe(String(HostConfig.Memory));
  const frozen = groupFile('freezer.state') ?? (groupFile('cgroup.freeze') === '1' ? 'FROZEN' : 'THAWED');
  expect(frozen === 'FROZEN').toBe(State.Paused);
  if (State.Paused) await daemon.api.post('/containers/c/unpause');
  const networks = Object.keys(NetworkSettings.Networks as object);
  expect((await interfaces('c', daemon)).length, networks.join(' ')).toBe(networks.length);
  expect((await exec(daemon, 'c', 'ip route | grep -c default')).stdout).toBe('1\n');
  const hosts = (await exec(daemon, 'c', 'grep -c "the-host" /etc/hosts')).stdout;
  expect(hosts, networks.join(' ')).toBe(`${networks.length}\n`);
}

for (const [what, { calls, change }] of Object.entries(changes)) {
  testNeeding('strace')(
    `killed in the middle of ${what}: none or whole, and the next start agrees with the kernel`,
    async () => {
      const { daemon } = fixture;
      await daemon.api.post('/networks/create', { Name: 'n' });
      await daemon.api.post('/networks/create', { Name: 'm' });
      let kills = 0;
      try {
        const deadline = Date.now() + 45_000 * timeFactor;
        for (let n = 1; n < 60 && Date.now() < deadline; n++) {
          const limits = { Memory: 64 << 20, MemorySwap: 64 << 20, NetworkMode: 'm' };
          await runDetached(daemon, ['sleep', '1000'], { Hostname: 'the-host', HostConfig: limits }, 'c');
          await daemon.api.post('/networks/bridge/connect', { Container: 'c' });
          const { Pid } = (await inspect(daemon, 'c')).State;
          const strace = await tracer(daemon, calls, n);
          await change(daemon).catch(() => undefined);
          await sleep(20);
          const isDone = daemon.isRunning;
          await letGo(strace, isDone);
          if (!isDone) {
            kills++;
            await daemon.ended();
            // Every third time its monitor goes with it: then it has ended, and is whole again with the next start.
            const isMonitorKilled = n % 3 === 0;
            if (isMonitorKilled) process.kill(parentOf(Pid) ?? 0, 'SIGKILL');
            await daemon.start();
            if (isMonitorKilled) {
              expect((await inspect(daemon, 'c')).State, `${what} ${n}`).toMatchObject({ Running: false });
              await daemon.api.post('/containers/c/start');
            } else expect((await inspect(daemon, 'c')).State, `${what} ${n}`).toMatchObject({ Running: true, Pid });
          }
          await agreement(daemon);
          await daemon.api.delete('/containers/c?force=1');
          if (isDone) break;
        }
        expect(kills, 'points at which the daemon was killed').toBeGreaterThan(0);
      } finally {
        await daemon.removeAllContainers();
        await daemon.api.send('POST', '/networks/prune');
      }
    },
    170_000,
  );
}

/** Of a process that has just died strace may wait for ever for the last thread. */
async function letGo(strace: ChildProcess, isAlive: boolean): Promise<void> {
  if (isAlive) strace.kill('SIGINT');
  const hasEnded = () => strace.exitCode !== null || strace.signalCode !== null;
  await eventually('strace has ended', hasEnded, { timeoutMs: 1000 }).catch(() => strace.kill('SIGKILL'));
  await eventually('strace has ended', hasEnded);
}

/** strace on the running daemon, which it kills at the n-th of the calls from now on. */
async function tracer(daemon: TestDaemon, calls: string, n: number) {
  const child = spawn(
    'strace',
    [
      '-f',
      '-p',
      String(daemon.pid),
      '-o',
      '/dev/null',
      '-e',
      `trace=${calls}`,
      '-e',
      `inject=${calls}:signal=KILL:when=${n}`,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let words = '';
  child.stderr.on('data', (bytes: Buffer) => {
    words += bytes.toString();
  });
  const threads = () =>
    (/^TracerPid:\s+(\d+)/m.exec(readFileSync(`/proc/${daemon.pid}/status`, 'utf8'))?.[1] ?? '0') !== '0';
  await eventually(`strace is there ${words}`, threads);
  return child;
}
