import { beforeEach, describe, expect, it } from 'vitest';
import { HostCgroups } from '../../../daemon/cgroups/host-cgroups.ts';
import type { DeviceRule } from '../../../daemon/spec/container-spec.ts';
import { FakeCgroup2 } from './fake-cgroup2.ts';

const ROOT = '/fake';
const PATH = '/tsdocker/abc';
let files: FakeCgroup2;
let filters: { directory: string; rules: readonly DeviceRule[] }[];

function open(): HostCgroups {
  return new HostCgroups({
    hierarchies: { v1: [], v2: { dir: ROOT, controllers: new Set(['cpu', 'cpuset', 'memory', 'io', 'pids', 'rdma']) } },
    files,
    processId: 1,
    attachDeviceRules: (directory, rules) => filters.push({ directory, rules }),
    hostStats: () => ({ systemCpuNs: 5_000_000_000, onlineCpus: 2, memoryBytes: 1 << 30 }),
  });
}

beforeEach(() => {
  files = new FakeCgroup2(ROOT);
  files.setFile(`${ROOT}/cpuset.cpus.effective`, '0-3\n');
  files.setFile(`${ROOT}/cpuset.mems.effective`, '0\n');
  filters = [];
});

describe('cgroup v2', () => {
  it('is told by its files what it can do, and leaves no trace of looking', () => {
    const cgroups = open();
    expect(cgroups.version).toBe(2);
    expect(cgroups.features()).toMatchObject({
      MemoryLimit: true,
      SwapLimit: true,
      PidsLimit: true,
      CpuCfsQuota: true,
    });
    expect(cgroups.features()).toMatchObject({
      OomKillDisable: false,
      MemorySwappiness: false,
      cpus: '0-3',
      cpuCount: 4,
    });
    expect(cgroups.warnings()).toEqual([]);
    expect([...files.groups.keys()]).toEqual([ROOT]);
  });

  it('removes what a daemon that was killed while it looked has left, also with its own process id', () => {
    files.makeDirectory(`${ROOT}/tsdocker-probe-1`);
    files.makeDirectory(`${ROOT}/tsdocker-probe-4000000000`);
    files.makeDirectory(`${ROOT}/tsdocker-probe-mine`);
    open();
    expect([...files.groups.keys()]).toEqual([ROOT, `${ROOT}/tsdocker-probe-mine`]);
  });

  it('hands controllers down and sets limits', () => {
    const placement = open().create(PATH, { memoryBytes: 1 << 26, memorySwapBytes: 1 << 27, pids: 20, devices: [] });
    expect(files.read(`${ROOT}/tsdocker/cgroup.subtree_control`)).toBe('cpu cpuset memory io pids');
    expect(files.read(`${ROOT}${PATH}/memory.max`)).toBe('67108864');
    expect(files.read(`${ROOT}${PATH}/memory.swap.max`)).toBe('67108864');
    expect(files.read(`${ROOT}${PATH}/pids.max`)).toBe('20');
    expect(placement).toEqual({
      tasksFiles: [],
      v2Dir: `${ROOT}${PATH}`,
      oom: { file: `${ROOT}${PATH}/memory.events`, key: 'oom_kill' },
      mounts: [{ source: `${ROOT}${PATH}`, name: '', type: 'cgroup2', hierarchy: ROOT }],
      symlinks: [],
    });
  });

  it('filters devices unless nothing is to be filtered', () => {
    const rule: DeviceRule = { type: 'c', major: 1, minor: 3, access: 'rwm' };
    const cgroups = open();
    cgroups.create(PATH, { devices: [rule] });
    cgroups.create('/tsdocker/privileged', {});
    expect(filters).toEqual([{ directory: `${ROOT}${PATH}`, rules: [rule] }]);
    expect(cgroups.plan(PATH, { devices: [rule] })).toEqual([
      { directory: `${ROOT}${PATH}` },
      { file: `${ROOT}${PATH} (eBPF)`, value: 'allow c 1:3 rwm' },
    ]);
  });

  it('removes what it made when a limit is refused', () => {
    const cgroups = open();
    files.refused.set(`${ROOT}${PATH}/pids.max`, 'EINVAL');
    expect(() => cgroups.create(PATH, { memoryBytes: 1 << 26, pids: 20 })).toThrow(/^set pids.max to 20: .*EINVAL/);
    expect(cgroups.exists(PATH)).toBe(false);
  });

  it('says which limit cannot be had when a parent does not hand a controller down', () => {
    const cgroups = open();
    files.refused.set(`${ROOT}/tsdocker/cgroup.subtree_control`, 'EBUSY');
    expect(() => cgroups.create(PATH, { pids: 20 })).toThrow(/^set pids.max to 20: open .*ENOENT/);
    expect(() => cgroups.create(PATH, {})).not.toThrow();
  });

  it('makes a left-over group anew, and never takes one that is lived in', () => {
    const cgroups = open();
    cgroups.create(PATH, { pids: 20 });
    cgroups.create(PATH, {});
    expect(files.read(`${ROOT}${PATH}/pids.max`)).toBe('');
    files.addPids(`${ROOT}${PATH}`, 7);
    files.dyingFor = 100;
    expect(() => cgroups.create(PATH, {})).toThrow(/it exists and is in use/);
    expect(cgroups.pids(PATH)).toEqual([7]);
  });

  it.each(['', '/', 'a', '/a/../b', '/..', '/a/./b', '/a//b', '/a/', '/a\0b', `/${'x'.repeat(256)}`, '/a'.repeat(40)])(
    'refuses the path %j',
    (path) => {
      expect(() => open().create(path, {})).toThrowError(expect.objectContaining({ code: 'invalid' }));
      expect([...files.groups.keys()]).toEqual([ROOT]);
    },
  );

  it('freezes and thaws', async () => {
    const cgroups = open();
    cgroups.create(PATH, {});
    await cgroups.freeze(PATH);
    expect(files.read(`${ROOT}${PATH}/cgroup.freeze`)).toBe('1');
    await cgroups.thaw(PATH);
    expect(files.read(`${ROOT}${PATH}/cgroup.freeze`)).toBe('0');
  });

  it('kills everything in the group and below it with one write', async () => {
    const cgroups = open();
    cgroups.create(PATH, {});
    cgroups.create(`${PATH}/inner`, {});
    files.addPids(`${ROOT}${PATH}/inner`, 10, 11);
    expect(cgroups.pids(PATH)).toEqual([10, 11]);
    await cgroups.kill(PATH);
    expect(cgroups.pids(PATH)).toEqual([]);
    await cgroups.kill('/tsdocker/gone');
  });

  it('places new processes where the others are when the container made groups of its own', () => {
    const cgroups = open();
    cgroups.create(PATH, {});
    cgroups.create(`${PATH}/init`, {});
    expect(cgroups.placement(PATH).v2Dir).toBe(`${ROOT}${PATH}`);
    files.addPids(`${ROOT}${PATH}/init`, 5);
    expect(cgroups.placement(PATH).v2Dir).toBe(`${ROOT}${PATH}/init`);
  });

  it('removes the group with all below it, waiting for what is dying', async () => {
    const cgroups = open();
    cgroups.create(PATH, {});
    cgroups.create(`${PATH}/a/b`, {});
    files.addPids(`${ROOT}${PATH}/a/b`, 9);
    files.dyingFor = 3;
    await cgroups.remove(PATH);
    expect([...files.groups.keys()]).toEqual([ROOT, `${ROOT}/tsdocker`]);
    await cgroups.remove(PATH);
  });

  it('changes limits while the group lives', () => {
    const cgroups = open();
    cgroups.create(PATH, { pids: 20 });
    cgroups.update(PATH, { pids: 'max', cpuShares: 2048 });
    expect(files.read(`${ROOT}${PATH}/pids.max`)).toBe('max');
    expect(files.read(`${ROOT}${PATH}/cpu.weight`)).toBe('174');
  });

  it('lists the groups that are left', () => {
    const cgroups = open();
    cgroups.create(PATH, {});
    cgroups.create('/tsdocker/def', {});
    expect(cgroups.children('/tsdocker')).toEqual(['abc', 'def']);
    expect(cgroups.children('/none')).toEqual([]);
  });

  it('counts processes killed for want of memory', () => {
    const cgroups = open();
    cgroups.create(PATH, {});
    files.setFile(`${ROOT}${PATH}/memory.events`, 'low 0\nhigh 0\nmax 5\noom 2\noom_kill 3\n');
    expect(cgroups.oomKills(PATH)).toBe(3);
    expect(cgroups.oomKills('/tsdocker/gone')).toBe(0);
  });

  it('reads stats in docker’s words', () => {
    const cgroups = open();
    cgroups.create(PATH, {});
    const set = (name: string, text: string) => files.setFile(`${ROOT}${PATH}/${name}`, text);
    set(
      'cpu.stat',
      'usage_usec 1500\nuser_usec 1000\nsystem_usec 500\nnr_periods 4\nnr_throttled 1\nthrottled_usec 7\n',
    );
    set('memory.current', '4096\n');
    set('memory.max', 'max\n');
    set('memory.stat', 'anon 100\ninactive_file 50\nhuge 99999999999999999999\n');
    set('memory.events', 'oom 2\n');
    set('pids.current', '3\n');
    set('pids.max', 'max\n');
    set('io.stat', '8:0 rbytes=100 wbytes=200 rios=1 wios=2 dbytes=0 dios=0\n8:16 \n');
    expect(cgroups.stats(PATH)).toEqual({
      cpu_stats: {
        cpu_usage: { total_usage: 1_500_000, usage_in_kernelmode: 500_000, usage_in_usermode: 1_000_000 },
        throttling_data: { periods: 4, throttled_periods: 1, throttled_time: 7000 },
        system_cpu_usage: 5_000_000_000,
        online_cpus: 2,
      },
      memory_stats: { usage: 4096, stats: { anon: 100, inactive_file: 50 }, failcnt: 2, limit: 1 << 30 },
      blkio_stats: {
        io_service_bytes_recursive: [
          { major: 8, minor: 0, op: 'read', value: 100 },
          { major: 8, minor: 0, op: 'write', value: 200 },
        ],
        io_serviced_recursive: [
          { major: 8, minor: 0, op: 'read', value: 1 },
          { major: 8, minor: 0, op: 'write', value: 2 },
        ],
        io_queue_recursive: null,
        io_service_time_recursive: null,
        io_wait_time_recursive: null,
        io_merged_recursive: null,
        io_time_recursive: null,
        sectors_recursive: null,
      },
      pids_stats: { current: 3 },
    });
    expect(cgroups.stats('/tsdocker/gone')).toBeUndefined();
  });
});
