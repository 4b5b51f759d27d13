// The daemon under its systemd unit: where it and its containers are, and that they outlive its stops, restarts and deaths.
import { readFileSync } from 'node:fs';
import { afterEach, beforeAll, expect } from 'vitest';
import { exec, inspect, logs, remove, runDetached, wait } from '../harness/containers.ts';
import { eventually } from '../harness/eventually.ts';
import { isAlive } from '../harness/ledger.ts';
import { testNeeding } from '../harness/needs.ts';
import { mustRun, runCommand } from '../harness/run-command.ts';
import {
  groupOfProcess,
  machine,
  machineAnswers,
  machineHost,
  mainPid,
  needBusybox,
  property,
  systemctl,
} from './machine-daemon.ts';

const on = testNeeding('a machine of the tests’ own', 'systemd on cgroup v2');
const docker = (...args: string[]) => mustRun('docker', args, { env: { DOCKER_HOST: machineHost } });
const scope = (id: string) => `tsdocker-${id}.scope`;

if (!on.isSkipped) {
  beforeAll(needBusybox);
  afterEach(async () => {
    await systemctl('start', 'tsdocker');
    await machineAnswers();
    for (const { Id } of await machine.api.get<{ Id: string }[]>('/containers/json?all=1')) await remove(machine, Id);
  });
}

on('info tells cgroup v2 and the systemd driver, which nobody asked for', async () => {
  expect(await docker('info', '--format', '{{.CgroupDriver}} {{.CgroupVersion}} {{.SecurityOptions}}')).toMatch(
    /^systemd 2 .*name=cgroupns/,
  );
});

on(
  'the daemon is alone in its delegated group; a container has a scope of its own, delegated, without systemd’s limits',
  async () => {
    const id = await runDetached(machine, ['sleep', '1000'], { HostConfig: { Memory: 64 << 20 } });
    const { Pid } = (await inspect(machine, id)).State;
    expect(groupOfProcess(await mainPid())).toBe('/system.slice/tsdocker.service');
    expect(groupOfProcess(Pid)).toBe(`/system.slice/${scope(id)}/container`);
    expect(await property('tsdocker.service', 'Delegate')).toBe('yes');
    for (const [name, value] of [
      ['ActiveState', 'active'],
      ['Delegate', 'yes'],
      ['Slice', 'system.slice'],
      ['TasksMax', 'infinity'],
      ['ControlGroup', `/system.slice/${scope(id)}`],
    ] as const) {
      expect(await property(scope(id), name), name).toBe(value);
    }
    // No process lives where controllers are handed down.
    const group = `/sys/fs/cgroup/system.slice/${scope(id)}`;
    expect(readFileSync(`${group}/cgroup.procs`, 'utf8')).toBe('');
    expect(readFileSync(`${group}/cgroup.subtree_control`, 'utf8').trim().split(' ')).toEqual(
      expect.arrayContaining(['cpu', 'memory', 'pids', 'io', 'cpuset']),
    );
  },
);

on('--cgroup-parent is a slice, which is made and goes again; anything else is refused in Docker’s words', async () => {
  const id = await runDetached(machine, ['sleep', '1000'], { HostConfig: { CgroupParent: 'batch-night.slice' } });
  const { Pid } = (await inspect(machine, id)).State;
  expect(groupOfProcess(Pid)).toBe(`/batch.slice/batch-night.slice/${scope(id)}/container`);
  await remove(machine, id);
  const refused = await machine.api.send('POST', '/containers/create', {
    body: { Image: 'busybox', Cmd: ['true'], HostConfig: { CgroupParent: '/batch' } },
  });
  expect(refused.status).toBe(400);
  expect(refused.text).toContain('cgroup-parent for systemd cgroup should be a valid slice named as');
});

on('scopes go with their containers, whatever ended them, and none is left failed', async () => {
  const hog = await runDetached(machine, ['probe', 'hog', '64'], {
    HostConfig: { Memory: 16 << 20, MemorySwap: 16 << 20 },
  });
  expect(await wait(machine, hog)).toBe(137);
  const killed = await runDetached(machine, ['sleep', '1000']);
  await machine.api.post(`/containers/${killed}/kill`);
  await runDetached(machine, ['/no/such/program']).catch(() => undefined);
  await eventually(
    'no scope is left',
    async () => (await systemctl('list-units', '--all', '--no-legend', 'tsdocker-*.scope')) === '',
  );
  expect(await systemctl('list-units', '--failed', '--no-legend')).toBe('');
});

on('systemctl restart and stop leave containers running, and what ends meanwhile has its code', async () => {
  const ticks = 'i=0; while :; do echo $i; i=$((i+1)); usleep 20000; done';
  const id = await runDetached(machine, ticks, { HostConfig: { Memory: 64 << 20 } });
  const short = await runDetached(machine, 'until [ -e /end ]; do usleep 20000; done; exit 7');
  const { Pid } = (await inspect(machine, id)).State;
  const shortPid = (await inspect(machine, short)).State.Pid;
  const before = await mainPid();
  await systemctl('restart', 'tsdocker');
  await machineAnswers();
  expect(await mainPid()).not.toBe(before);
  expect((await inspect(machine, id)).State).toMatchObject({ Running: true, Pid });

  await systemctl('stop', 'tsdocker');
  expect(await property('tsdocker.service', 'ActiveState')).toBe('inactive');
  expect(isAlive(Pid)).toBe(true);
  await mustRun('touch', [`/proc/${shortPid}/root/end`]);
  await eventually('the other container ends', () => !isAlive(shortPid));
  await systemctl('start', 'tsdocker');
  await machineAnswers();
  expect((await inspect(machine, id)).State).toMatchObject({ Running: true, Pid });
  expect((await inspect(machine, short)).State).toMatchObject({ Running: false, ExitCode: 7 });
  expect((await exec(machine, id, ['cat', '/sys/fs/cgroup/memory.max'])).stdout).toBe(`${64 << 20}\n`);
  await machine.api.post(`/containers/${id}/kill`);
  const { stdout } = await logs(machine, id);
  expect(stdout.trim().split('\n')).toEqual(
    stdout
      .trim()
      .split('\n')
      .map((_, index) => `${index}`),
  );
});

on('a daemon that is killed is started again by systemd, and its containers are there', async () => {
  const id = await runDetached(machine, ['sleep', '1000']);
  const { Pid } = (await inspect(machine, id)).State;
  const before = await mainPid();
  process.kill(before, 'SIGKILL');
  await eventually('systemd starts another', async () => ![0, before].includes(await mainPid()), { timeoutMs: 20_000 });
  await machineAnswers();
  expect((await inspect(machine, id)).State).toMatchObject({ Running: true, Pid });
});

on('systemd’s own reload and re-execution change no limit, and starts go on', async () => {
  const id = await runDetached(machine, ['sleep', '1000'], { HostConfig: { Memory: 64 << 20, PidsLimit: 40 } });
  await systemctl('daemon-reload');
  await systemctl('daemon-reexec');
  expect((await exec(machine, id, ['cat', '/sys/fs/cgroup/memory.max'])).stdout).toBe(`${64 << 20}\n`);
  const next = await runDetached(machine, ['cat', '/sys/fs/cgroup/pids.max'], { HostConfig: { PidsLimit: 41 } });
  expect(await wait(machine, next)).toBe(0);
  expect((await logs(machine, next)).stdout).toBe('41\n');
});

on('systemctl stop of a scope ends its container, as an operator may ask', async () => {
  const id = await runDetached(machine, 'trap "exit 5" TERM; while :; do usleep 50000; done');
  await systemctl('stop', scope(id));
  await wait(machine, id);
  expect((await inspect(machine, id)).State).toMatchObject({ Running: false, ExitCode: 5 });
});

on('a second daemon with a driver that cannot be had says so', async () => {
  const refused = await runCommand('bin/tsdockerd', [
    '--exec-opt',
    'native.cgroupdriver=systemd',
    '--cgroup-parent',
    '/x',
    '-H',
    'unix:///tmp/x.sock',
    '--data-root',
    '/tmp/x',
    '--exec-root',
    '/tmp/x-run',
    '--pidfile',
    '/tmp/x.pid',
  ]);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain('should be a valid slice named as "xxx.slice"');
});
