// Against the real kernel: the host's own cgroups (v1 where it has them), and the v2 hierarchy wherever one is mounted. Needs root.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { CgroupManager } from '../../../daemon/cgroups/cgroup-manager.ts';
import { attachDeviceRules } from '../../../daemon/cgroups/device-program.ts';
import { kernelFiles } from '../../../daemon/cgroups/group-files.ts';
import { findHierarchies } from '../../../daemon/cgroups/hierarchies.ts';
import { HostCgroups } from '../../../daemon/cgroups/host-cgroups.ts';
import { openCgroups } from '../../../daemon/cgroups/open-cgroups.ts';
import { resolveResources } from '../../../daemon/cgroups/resources.ts';
import { specOf } from '../spec/spec-of.ts';

const PARENT = `/tsdocker-unit-${process.pid}`;
const PATH = `${PARENT}/one`;
const MB = 1024 * 1024;
const isRoot = process.getuid?.() === 0;
const mountinfo = readFileSync('/proc/self/mountinfo', 'utf8');
const v2Dir = mountinfo
  .split('\n')
  .find((line) => line.includes(' - cgroup2 '))
  ?.split(' ')[4];
const hasV1 = / - cgroup /.test(mountinfo);
const children: ChildProcess[] = [];

/** Starts a shell that waits for a line, joins the group, and then runs `script`. */
async function runIn(
  cgroups: CgroupManager,
  script: string,
): Promise<{ child: ChildProcess; output: Promise<string> }> {
  const child = spawn('/bin/sh', ['-c', `read go; ${script}`], { stdio: ['pipe', 'pipe', 'ignore'] });
  children.push(child);
  const { tasksFiles, v2Dir: directory } = cgroups.placement(PATH);
  for (const file of tasksFiles) writeFileSync(file, `${child.pid}`);
  if (directory !== undefined) writeFileSync(`${directory}/cgroup.procs`, `${child.pid}`);
  const output = new Promise<string>((resolve) => {
    let text = '';
    child.stdout?.on('data', (chunk) => {
      text += chunk;
    });
    child.stdout?.on('close', () => resolve(text.trim()));
  });
  child.stdin?.write('go\n');
  return { child, output };
}

async function eventually(isDone: () => boolean): Promise<void> {
  for (let i = 0; i < 200 && !isDone(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(isDone()).toBe(true);
}

function traces(): string[] {
  const roots = readdirSync('/sys/fs/cgroup').map((name) => `/sys/fs/cgroup/${name}`);
  return ['/sys/fs/cgroup', ...roots].map((root) => `${root}${PARENT}`).filter((directory) => existsSync(directory));
}

function behavesAsAManager(open: () => CgroupManager): void {
  let cgroups: CgroupManager;
  beforeAll(() => {
    cgroups = open();
  });
  afterEach(async () => {
    await cgroups.kill(PATH);
    await cgroups.remove(PATH);
  });
  afterAll(async () => {
    await cgroups.remove(PARENT);
    for (const child of children) child.kill('SIGKILL');
    expect(traces()).toEqual([]);
  });

  it('makes a group, knows its members, kills them and leaves nothing', async () => {
    await cgroups.create(PATH, {});
    const { child } = await runIn(cgroups, 'sleep 100 & sleep 100');
    await eventually(() => cgroups.pids(PATH).length === 3);
    expect(cgroups.pids(PATH)).toContain(child.pid);
    expect(cgroups.children(PARENT)).toEqual(['one']);
    await cgroups.kill(PATH);
    expect(cgroups.pids(PATH)).toEqual([]);
    await cgroups.remove(PATH);
    expect(cgroups.exists(PATH)).toBe(false);
  });

  it('kills what forks as fast as it can', async () => {
    await cgroups.create(PATH, { pids: 500 });
    await runIn(cgroups, 'while :; do sleep 100 & done 2> /dev/null');
    await eventually(() => cgroups.pids(PATH).length > 20);
    await cgroups.kill(PATH);
    expect(cgroups.pids(PATH)).toEqual([]);
  });

  it('freezes: a frozen process makes no progress and goes on when thawed', async () => {
    await cgroups.create(PATH, {});
    const { child } = await runIn(cgroups, 'i=0; while :; do i=$((i+1)); done');
    const cpuTime = () => Number(readFileSync(`/proc/${child.pid}/stat`, 'latin1').split(' ')[13]);
    await eventually(() => cpuTime() > 2);
    await cgroups.freeze(PATH);
    const before = cpuTime();
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(cpuTime()).toBe(before);
    await cgroups.thaw(PATH);
    await eventually(() => cpuTime() > before);
  });

  it('kills a frozen group', async () => {
    await cgroups.create(PATH, {});
    await runIn(cgroups, 'sleep 100');
    await cgroups.freeze(PATH);
    await cgroups.kill(PATH);
    expect(cgroups.pids(PATH)).toEqual([]);
  });

  it('allows the default devices and no others, for all kinds of access', async () => {
    const { resources } = resolveResources(specOf(), cgroups);
    await cgroups.create(PATH, resources);
    const node = `/tmp/tsdocker-unit-node-${process.pid}`;
    const script = [
      'echo > /dev/null && echo null',
      'head -c1 /dev/urandom > /dev/null && echo urandom',
      `mknod ${node} c 1 11 && echo made`,
      `(: < ${node}) 2> /dev/null || echo denied`,
      `(: > ${node}) 2> /dev/null || echo denied`,
      `rm -f ${node}`,
    ].join('; ');
    const { output } = await runIn(cgroups, script);
    expect(await output).toBe('null\nurandom\nmade\ndenied\ndenied');
  });

  it('adds devices and rules to the default ones', async () => {
    const device = { type: 'c', major: 1, minor: 11, permissions: 'r' };
    await cgroups.create(
      PATH,
      resolveResources(specOf({ DeviceCgroupRules: ['c 10:237 rm'] }), cgroups, [device]).resources,
    );
    const nodes = [11, 237].map((minor) => `/tmp/tsdocker-unit-${process.pid}-${minor}`) as [string, string];
    const script = [
      `mknod ${nodes[0]} c 1 11; mknod ${nodes[1]} c 10 237`,
      `(: < ${nodes[0]}) && echo read`,
      `(: > ${nodes[0]}) 2> /dev/null || echo denied`,
      `(: > ${nodes[1]}) 2> /dev/null || echo denied`,
      `rm -f ${nodes.join(' ')}`,
    ].join('; ');
    expect(await (await runIn(cgroups, script)).output).toBe('read\ndenied\ndenied');
  });

  it('leaves all devices to a privileged group', async () => {
    await cgroups.create(PATH, resolveResources(specOf({ Privileged: true }), cgroups).resources);
    const node = `/tmp/tsdocker-unit-all-${process.pid}`;
    const script = `mknod ${node} c 1 11; (: < ${node}) && echo read; rm -f ${node}`;
    expect(await (await runIn(cgroups, script)).output).toBe('read');
  });

  it('removes groups that the container made below its own', async () => {
    await cgroups.create(PATH, {});
    const { tasksFiles, v2Dir: directory } = cgroups.placement(PATH);
    for (const root of [...tasksFiles.map((file) => file.replace(/\/tasks$/, '')), ...(directory ? [directory] : [])]) {
      kernelFiles.makeDirectory(`${root}/inner`);
      kernelFiles.makeDirectory(`${root}/inner/most`);
    }
    await cgroups.remove(PATH);
    expect(cgroups.exists(PATH)).toBe(false);
  });
}

describe.skipIf(!isRoot || !hasV1)('cgroup v1 of this host', () => {
  behavesAsAManager(openCgroups);

  describe('limits', () => {
    let cgroups: CgroupManager;
    const read = (controller: string, name: string) =>
      readFileSync(`/sys/fs/cgroup/${controller}${PATH}/${name}`, 'utf8').trim();

    beforeAll(() => {
      cgroups = openCgroups();
    });
    afterEach(async () => {
      await cgroups.kill(PATH);
      await cgroups.remove(PATH);
    });
    afterAll(async () => {
      await cgroups.remove(PARENT);
    });

    it('are what was asked for', async () => {
      const { resources, warnings } = resolveResources(
        specOf({
          Memory: 64 * MB,
          NanoCpus: 5e8,
          CpuShares: 300,
          PidsLimit: 20,
          CpusetCpus: '0',
          MemoryReservation: 32 * MB,
          MemorySwappiness: 10,
          BlkioWeight: 200,
          OomKillDisable: true,
        }),
        cgroups,
      );
      expect(warnings).toEqual([]);
      await cgroups.create(PATH, resources);
      expect(read('memory', 'memory.limit_in_bytes')).toBe(`${64 * MB}`);
      expect(read('memory', 'memory.memsw.limit_in_bytes')).toBe(`${128 * MB}`);
      expect(read('memory', 'memory.soft_limit_in_bytes')).toBe(`${32 * MB}`);
      expect(read('memory', 'memory.swappiness')).toBe('10');
      expect(read('memory', 'memory.oom_control')).toContain('oom_kill_disable 1');
      expect(read('cpu', 'cpu.cfs_quota_us')).toBe('50000');
      expect(read('cpu', 'cpu.shares')).toBe('300');
      expect(read('pids', 'pids.max')).toBe('20');
      expect(read('cpuset', 'cpuset.cpus')).toBe('0');
      expect(read('cpuset', 'cpuset.mems')).not.toBe('');
      expect(read('blkio', 'blkio.bfq.weight')).toBe('200');
    });

    it('can be raised and lowered, memory before swap or after it', async () => {
      const set = (request: { Memory: number; MemorySwap?: number }) =>
        cgroups.update(PATH, resolveResources(specOf(request), cgroups).resources);
      await cgroups.create(PATH, resolveResources(specOf({ Memory: 64 * MB }), cgroups).resources);
      set({ Memory: 512 * MB });
      expect(read('memory', 'memory.memsw.limit_in_bytes')).toBe(`${1024 * MB}`);
      set({ Memory: 16 * MB, MemorySwap: 16 * MB });
      expect(read('memory', 'memory.limit_in_bytes')).toBe(`${16 * MB}`);
      set({ Memory: 32 * MB, MemorySwap: -1 });
      expect(Number(read('memory', 'memory.memsw.limit_in_bytes'))).toBeGreaterThan(2 ** 62);
    });

    it('stop processes at the pids limit', async () => {
      await cgroups.create(PATH, { pids: 5 });
      const { output } = await runIn(cgroups, 'for i in 1 2 3 4 5 6 7 8; do sleep 100 2>/dev/null & done 2>&1; wait');
      await eventually(() => read('pids', 'pids.events') !== 'max 0');
      await cgroups.kill(PATH);
      expect(await output).toMatch(/fork/i);
    });

    it('have the kernel kill what takes too much memory, and count it', async () => {
      await cgroups.create(PATH, resolveResources(specOf({ Memory: 8 * MB, MemorySwap: 8 * MB }), cgroups).resources);
      expect(cgroups.oomKills(PATH)).toBe(0);
      const { child } = await runIn(cgroups, 'exec tail /dev/zero');
      await new Promise((resolve) => child.once('exit', resolve));
      expect(child.signalCode).toBe('SIGKILL');
      expect(cgroups.oomKills(PATH)).toBe(1);
    });

    it('can be had below parents that did not exist', async () => {
      const deep = `${PARENT}/a/b/c`;
      await cgroups.create(deep, { cpusetCpus: '0' });
      expect(readFileSync(`/sys/fs/cgroup/cpuset${PARENT}/a/b/cpuset.cpus`, 'utf8').trim()).toBe(
        cgroups.features().cpus,
      );
      expect(readFileSync(`/sys/fs/cgroup/cpuset${deep}/cpuset.cpus`, 'utf8').trim()).toBe('0');
      expect(readFileSync(`/sys/fs/cgroup/cpuset${deep}/cpuset.mems`, 'utf8').trim()).toBe(cgroups.features().mems);
    });

    it('do not save a group that the container froze by itself from being killed', async () => {
      await cgroups.create(PATH, {});
      const { child } = await runIn(cgroups, 'sleep 100');
      const inner = `/sys/fs/cgroup/freezer${PATH}/inner`;
      kernelFiles.makeDirectory(inner);
      writeFileSync(`${inner}/cgroup.procs`, `${child.pid}`);
      writeFileSync(`${inner}/freezer.state`, 'FROZEN');
      await cgroups.kill(PATH);
      expect(cgroups.pids(PATH)).toEqual([]);
    });

    it('name the file that refuses a value', () => {
      expect(() => cgroups.create(PATH, { cpusetCpus: '4000' })).toThrow(
        /^set cpuset.cpus to 4000: write "4000" to ".*"/,
      );
      expect(cgroups.exists(PATH)).toBe(false);
    });

    it('are counted in the stats', async () => {
      await cgroups.create(PATH, resolveResources(specOf({ Memory: 64 * MB, PidsLimit: 20 }), cgroups).resources);
      await runIn(cgroups, 'x=$(head -c 1000000 /dev/zero | tr "\\0" a); while :; do :; done');
      // Only the shell is left once it has its megabyte; those that gave it count until they are reaped.
      let stats = cgroups.stats(PATH);
      await eventually(() => {
        stats = cgroups.stats(PATH);
        return stats?.pids_stats.current === 1 && stats.cpu_stats.cpu_usage.total_usage > 100_000_000;
      });
      expect(stats?.pids_stats).toEqual({ current: 1, limit: 20 });
      expect(stats?.memory_stats.limit).toBe(64 * MB);
      expect(stats?.memory_stats.usage).toBeGreaterThan(0);
      expect(stats?.memory_stats.stats?.total_inactive_file).toBeDefined();
      expect(stats?.cpu_stats.cpu_usage.percpu_usage).toHaveLength(stats?.cpu_stats.online_cpus ?? 0);
      expect(stats?.cpu_stats.system_cpu_usage).toBeGreaterThan(stats?.cpu_stats.cpu_usage.total_usage ?? Infinity);
    });
  });
});

/** A manager with the host's v2 hierarchy, and with its v1 hierarchies too when asked for. */
function openWithV2(withV1: boolean): CgroupManager {
  const controllers = new Set(readFileSync(`${v2Dir}/cgroup.controllers`, 'utf8').trim().split(' '));
  const { v1 } = findHierarchies(mountinfo, () => '');
  return new HostCgroups({
    hierarchies: { v1: withV1 ? v1 : [], v2: { dir: v2Dir as string, controllers } },
    files: kernelFiles,
    processId: process.pid,
    attachDeviceRules,
    hostStats: () => ({ systemCpuNs: 1, onlineCpus: 1, memoryBytes: 1 }),
  });
}

describe.skipIf(!isRoot || v2Dir === undefined)('cgroup v2 of this host', () => {
  behavesAsAManager(() => openWithV2(false));
});

describe.skipIf(!isRoot || v2Dir === undefined || !hasV1)('both versions of this host together', () => {
  behavesAsAManager(() => openWithV2(true));
});
