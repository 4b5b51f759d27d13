// Containers of earlier versions of the engine, running when this one starts on the same directories: they go on, with all that they have.
import { readFileSync } from 'node:fs';
import { afterAll, expect } from 'vitest';
import { create, exec, inspect, logs, runDetached, wait } from '../harness/containers.ts';
import { eventually } from '../harness/eventually.ts';
import { isAlive } from '../harness/ledger.ts';
import { testNeeding } from '../harness/needs.ts';
import { NetNamespace } from '../harness/net-namespace.ts';
import { olderEngine } from '../harness/older-engine.ts';
import { type DaemonOptions, TestDaemon } from '../harness/test-daemon.ts';

const networks: NetNamespace[] = [];
afterAll(() => {
  for (const network of networks) network.close();
});

/** An old daemon, which is killed, and what this version makes of the same place. */
async function successors(
  commit: string,
  prepare: (old: TestDaemon) => Promise<void>,
  options: DaemonOptions = {},
): Promise<TestDaemon> {
  const network = NetNamespace.make();
  networks.push(network);
  const old = await TestDaemon.start({ network, root: olderEngine(commit), ...options });
  const daemon = new TestDaemon({ network, dir: old.dir });
  try {
    await prepare(old);
  } finally {
    await old.crash();
  }
  await daemon.start();
  return daemon;
}

testNeeding('the history of the repository')(
  'of this version’s predecessor: 400 published ports, networks, execs, terminals and health checks',
  async () => {
    const pids = new Map<string, number>();
    let execId = '';
    const daemon = await successors('f4cae9a', async (old) => {
      await old.api.post('/networks/create', { Name: 'n', IPAM: { Config: [{ Subnet: '10.78.0.0/24' }] } });
      // More than 130 at once, each in two families, was more than that version could publish.
      for (const [name, first] of [
        ['ports', 24000],
        ['more', 25000],
      ] as const) {
        const ports = Array.from({ length: 100 }, (_, n) => [`${2000 + n}/tcp`, [{ HostPort: String(first + n) }]]);
        await runDetached(
          old,
          'mkdir /w; hostname > /w/index.html; exec httpd -f -p 2099 -h /w',
          { Hostname: name, HostConfig: { PortBindings: Object.fromEntries(ports) } },
          name,
        );
      }
      await runDetached(
        old,
        'i=0; while :; do echo $i; i=$((i+1)); sleep 0.05; done',
        { HostConfig: { NetworkMode: 'n' }, NetworkingConfig: { EndpointsConfig: { n: { Aliases: ['web'] } } } },
        'talks',
      );
      await runDetached(old, ['sh'], { Tty: true, OpenStdin: true }, 'terminal');
      await runDetached(old, ['sleep', '1000'], { Healthcheck: { Test: ['CMD', 'true'], Interval: 200e6 } }, 'checked');
      await runDetached(old, ['sleep', '1000'], { HostConfig: { Memory: 64 << 20 } }, 'paused');
      await old.api.post('/containers/paused/pause');
      const made = await old.api.post<{ Id: string }>('/containers/talks/exec', {
        Cmd: ['sh', '-c', 'sleep 3; exit 7'],
      });
      execId = made.Id;
      await old.api.post(`/exec/${execId}/start`, { Detach: true });
      for (const name of ['ports', 'more', 'talks', 'terminal', 'checked', 'paused']) {
        pids.set(name, (await inspect(old, name)).State.Pid);
      }
      await eventually('it is healthy', async () => (await healthOf(old, 'checked')) === 'healthy');
    });
    try {
      for (const [name, Pid] of pids)
        expect((await inspect(daemon, name)).State, name).toMatchObject({ Running: true, Pid });
      expect((await inspect(daemon, 'paused')).State.Paused).toBe(true);
      await daemon.api.post('/containers/paused/unpause');
      const answers = (port: number, text: string) =>
        eventually(`${port} answers`, async () => (await daemon.network.fetch(`http://127.0.0.1:${port}/`)) === text);
      await answers(24099, 'ports');
      await answers(25099, 'more');
      expect((await exec(daemon, 'ports', 'nslookup web 127.0.0.11 || true; echo fine')).stdout).toContain('fine');
      await eventually('the exec has ended', async () => {
        const state = await daemon.api.get<{ Running: boolean; ExitCode: number }>(`/exec/${execId}/json`);
        return !state.Running && state.ExitCode === 7;
      });
      const numbers = (await logs(daemon, 'talks')).stdout.trim().split('\n');
      expect(numbers.findIndex((line, n) => line !== String(n))).toBe(-1);
      await eventually('it is checked again', async () => (await healthOf(daemon, 'checked')) === 'healthy');
      await daemon.api.post('/containers/ports/stop?t=1');
      await daemon.api.post('/containers/ports/start');
      await answers(24099, 'ports');
      await daemon.restart();
      expect((await inspect(daemon, 'ports')).State.Running).toBe(true);
      await daemon.removeAllContainers();
      const listening = (await daemon.network.must('cat', ['/proc/net/tcp']))
        .split('\n')
        .filter((line) => / 0A /.test(line));
      expect(listening).toEqual([]);
      await daemon.api.post('/networks/prune');
    } finally {
      await daemon.dispose();
    }
  },
  120_000,
);

for (const commit of ['dd459a2', 'ff1020f', '8da8e1f']) {
  testNeeding('the history of the repository')(
    `of ${commit}, before there were networks: they are taken over, and lists show them`,
    async () => {
      let pid = 0;
      const daemon = await successors(
        commit,
        async (old) => {
          await runDetached(old, 'echo first; sleep 1000', {}, 'runs');
          await create(old, 'exit 4', {}, 'waits');
          pid = (await inspect(old, 'runs')).State.Pid;
        },
        { cgroupDriver: 'no option' },
      );
      try {
        expect(isAlive(pid)).toBe(true);
        expect((await inspect(daemon, 'runs')).State).toMatchObject({ Running: true, Pid: pid });
        expect((await exec(daemon, 'runs', 'echo entered')).stdout).toBe('entered\n');
        expect((await logs(daemon, 'runs')).stdout).toBe('first\n');
        const all = await daemon.api.get<{ Names: string[] }[]>('/containers/json?all=1');
        expect(all.flatMap(({ Names }) => Names).sort()).toEqual(['/runs', '/waits']);
        expect((await daemon.api.send('GET', '/system/df')).status).toBe(200);
        expect(readFileSync(`/proc/${pid}/cmdline`, 'latin1')).not.toBe('');
        await daemon.api.post('/containers/waits/start');
        expect(await wait(daemon, 'waits')).toBe(4);
        await daemon.api.post('/containers/runs/stop?t=1');
        await daemon.api.post('/containers/runs/start');
        expect((await inspect(daemon, 'runs')).State.Running).toBe(true);
      } finally {
        await daemon.dispose();
      }
    },
    120_000,
  );
}

async function healthOf(daemon: TestDaemon, name: string): Promise<string | undefined> {
  return ((await inspect(daemon, name)).State as unknown as { Health?: { Status: string } }).Health?.Status;
}
