import { describe, expect, it } from 'vitest';
import type { Hierarchies } from '../../../daemon/cgroups/hierarchies.ts';
import { type GroupWrite, planDevicesV1, planV1 } from '../../../daemon/cgroups/plan-v1.ts';
import { planV2, weightFromShares } from '../../../daemon/cgroups/plan-v2.ts';
import type { CgroupResources } from '../../../daemon/cgroups/resources.ts';

const MB = 1024 * 1024;
const full: CgroupResources = {
  memoryBytes: 64 * MB,
  memorySwapBytes: 96 * MB,
  memoryReservationBytes: 32 * MB,
  swappiness: 0,
  oomKillDisable: true,
  cpuShares: 512,
  cpuPeriodUs: 100_000,
  cpuQuotaUs: 50_000,
  cpusetCpus: '0-1',
  cpusetMems: '0',
  pids: 20,
  blkioWeight: 300,
  blkioWeightDevices: [{ major: 8, minor: 0, value: 500 }],
  blkioReadBps: [
    { major: 8, minor: 0, value: 1024 },
    { major: 8, minor: 16, value: 0 },
  ],
  blkioWriteIops: [{ major: 8, minor: 0, value: 10 }],
  devices: [{ type: 'c', major: 1, minor: 3, access: 'rwm' }],
};

const v1: Hierarchies = {
  v1: ['cpu,cpuacct', 'cpuset', 'memory', 'devices', 'freezer', 'blkio', 'pids'].map((name) => ({
    dir: `/cg/${name}`,
    name,
    controllers: name.split(','),
  })),
};
const v2: Hierarchies = { v1: [], v2: { dir: '/cg', controllers: new Set(['cpu', 'cpuset', 'memory', 'io', 'pids']) } };
const v1Files = { blkio: new Set(['blkio.bfq.weight']), hasSwapLimit: true };
const show = (writes: GroupWrite[]) => writes.map(({ file, values }) => `${file} = ${values.join(' ; ')}`);

describe('the plan for v1', () => {
  it('writes every limit to the file of its controller', () => {
    expect(show(planV1(v1, v1Files, '/a/b', full))).toEqual([
      '/cg/memory/a/b/memory.limit_in_bytes = 67108864',
      '/cg/memory/a/b/memory.memsw.limit_in_bytes = 100663296',
      '/cg/memory/a/b/memory.soft_limit_in_bytes = 33554432',
      '/cg/memory/a/b/memory.swappiness = 0',
      '/cg/memory/a/b/memory.oom_control = 1',
      '/cg/cpu,cpuacct/a/b/cpu.shares = 512',
      '/cg/cpu,cpuacct/a/b/cpu.cfs_period_us = 100000',
      '/cg/cpu,cpuacct/a/b/cpu.cfs_quota_us = 50000',
      '/cg/cpuset/a/b/cpuset.cpus = 0-1',
      '/cg/cpuset/a/b/cpuset.mems = 0',
      '/cg/pids/a/b/pids.max = 20',
      '/cg/blkio/a/b/blkio.bfq.weight = 300',
      '/cg/blkio/a/b/blkio.bfq.weight_device = 8:0 500',
      '/cg/blkio/a/b/blkio.throttle.read_bps_device = 8:0 1024 ; 8:16 0',
      '/cg/blkio/a/b/blkio.throttle.write_iops_device = 8:0 10',
    ]);
  });

  it('denies all devices before it allows some', () => {
    expect(show(planDevicesV1(v1, '/a', full))).toEqual([
      '/cg/devices/a/devices.deny = a',
      '/cg/devices/a/devices.allow = c 1:3 rwm',
    ]);
    expect(planDevicesV1(v1, '/a', {})).toEqual([]);
  });

  it('leaves out swap and weights where the kernel has no files for them', () => {
    const plan = show(planV1(v1, { blkio: new Set(), hasSwapLimit: false }, '/a', full)).join('\n');
    expect(plan).not.toMatch(/memsw|weight/);
  });

  it('takes no limit for -1', () => {
    const plan = show(planV1(v1, v1Files, '/a', { memorySwapBytes: 'max', pids: 'max', cpuQuotaUs: -1 }));
    expect(plan).toEqual([
      '/cg/memory/a/memory.memsw.limit_in_bytes = -1',
      '/cg/cpu,cpuacct/a/cpu.cfs_quota_us = -1',
      '/cg/pids/a/pids.max = max',
    ]);
  });
});

describe('the plan for v2', () => {
  const files = { group: new Set(['memory.swap.max', 'io.weight']) };

  it('writes every limit that v2 has', () => {
    expect(show(planV2(v2, files, '/a/b', full))).toEqual([
      '/cg/a/b/memory.max = 67108864',
      '/cg/a/b/memory.swap.max = 33554432',
      '/cg/a/b/memory.low = 33554432',
      '/cg/a/b/cpu.weight = 59',
      '/cg/a/b/cpu.max = 50000 100000',
      '/cg/a/b/cpuset.cpus = 0-1',
      '/cg/a/b/cpuset.mems = 0',
      '/cg/a/b/pids.max = 20',
      '/cg/a/b/io.weight = default 2930',
      '/cg/a/b/io.weight = 8:0 4950',
      '/cg/a/b/io.max = 8:0 rbps=1024 ; 8:16 rbps=max ; 8:0 wiops=10',
    ]);
  });

  it('gives the weights of BFQ as they are', () => {
    const plan = planV2(v2, { group: new Set(['io.bfq.weight']) }, '/a', { blkioWeight: 300 });
    expect(show(plan)).toEqual(['/cg/a/io.bfq.weight = default 300']);
  });

  it.each([
    [{ cpuQuotaUs: -1 }, 'max'],
    [{ cpuQuotaUs: 20_000 }, '20000'],
    [{ cpuPeriodUs: 20_000 }, 'max 20000'],
    [{ cpuQuotaUs: -1, cpuPeriodUs: 20_000 }, 'max 20000'],
  ])('writes %j as cpu.max', (resources, value) => {
    expect(show(planV2(v2, files, '/a', resources))).toEqual([`/cg/a/cpu.max = ${value}`]);
  });

  it('limits swap alone, since memory is not part of it there', () => {
    const swap = (resources: CgroupResources) =>
      planV2(v2, files, '/a', resources).find(({ file }) => file.endsWith('swap.max'))?.values[0];
    expect(swap({ memoryBytes: MB, memorySwapBytes: MB })).toBe('0');
    expect(swap({ memoryBytes: MB, memorySwapBytes: 'max' })).toBe('max');
    expect(swap({ memorySwapBytes: MB })).toBeUndefined();
  });

  it.each([
    [2, 1],
    [1024, 100],
    [262_144, 10_000],
    [1, 1],
    [1_000_000, 10_000],
    [512, 59],
    [2048, 174],
  ])('converts %s shares to a weight of %s', (shares, weight) => {
    expect(weightFromShares(shares)).toBe(weight);
  });
});

describe('plans for a hybrid host', () => {
  const hybrid: Hierarchies = {
    v1: v1.v1.filter(({ name }) => name !== 'memory' && name !== 'pids'),
    v2: { dir: '/cg/unified', controllers: new Set(['memory', 'pids']) },
  };

  it('use each controller where it is', () => {
    const plan = [
      ...planV1(hybrid, v1Files, '/a', full),
      ...planV2(hybrid, { group: new Set(['memory.swap.max']) }, '/a', full),
    ];
    const roots = show(plan).map((write) => write.split('/a/')[0]);
    expect(show(plan).find((write) => write.includes('memory.max'))).toBe('/cg/unified/a/memory.max = 67108864');
    expect(show(plan).find((write) => write.includes('pids.max'))).toBe('/cg/unified/a/pids.max = 20');
    expect(show(plan).find((write) => write.includes('cpu.cfs_quota'))).toBe(
      '/cg/cpu,cpuacct/a/cpu.cfs_quota_us = 50000',
    );
    expect(new Set(roots)).toEqual(new Set(['/cg/cpu,cpuacct', '/cg/cpuset', '/cg/blkio', '/cg/unified']));
  });
});
