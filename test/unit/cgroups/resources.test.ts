import { describe, expect, it } from 'vitest';
import type { CgroupFeatures } from '../../../daemon/cgroups/features.ts';
import { resolveResources } from '../../../daemon/cgroups/resources.ts';
import type { HostConfig } from '../../../daemon/docker-types/host-config.ts';
import { specOf } from '../spec/spec-of.ts';

const MB = 1024 * 1024;

const everything: CgroupFeatures = {
  MemoryLimit: true,
  SwapLimit: true,
  MemoryReservation: true,
  MemorySwappiness: true,
  OomKillDisable: true,
  CpuCfsPeriod: true,
  CpuCfsQuota: true,
  CPUShares: true,
  CPUSet: true,
  PidsLimit: true,
  BlkioWeight: true,
  BlkioWeightDevice: true,
  BlkioReadBpsDevice: true,
  BlkioWriteBpsDevice: true,
  BlkioReadIOpsDevice: true,
  BlkioWriteIOpsDevice: true,
  Devices: true,
  Freezer: true,
  cpus: '0-3',
  mems: '0',
  cpuCount: 4,
};
const nothing: CgroupFeatures = { ...everything };
for (const key of Object.keys(nothing) as (keyof CgroupFeatures)[]) {
  if (typeof nothing[key] === 'boolean') Object.assign(nothing, { [key]: false });
}

function resolve(request: HostConfig, features = everything) {
  const disk = () => ({ major: 8, minor: 16 });
  const { resources, warnings } = resolveResources(specOf(request), { features: () => features }, [], disk);
  const { devices, ...limits } = resources;
  return { limits, devices, warnings };
}

describe('limits from a HostConfig', () => {
  it('asks for nothing when nothing is asked for, device rules excepted', () => {
    const { limits, devices, warnings } = resolve({});
    expect(limits).toEqual({});
    expect(devices).toHaveLength(11);
    expect(warnings).toEqual([]);
  });

  it('treats zeros, nulls and empty lists as not asked for', () => {
    const zeros = { Memory: 0, MemorySwap: 0, NanoCpus: 0, CpusetCpus: '', BlkioWeightDevice: null, PidsLimit: null };
    expect(resolve(zeros).limits).toEqual({});
  });

  it('doubles memory for memory and swap together, as docker does', () => {
    expect(resolve({ Memory: 64 * MB }).limits).toEqual({ memoryBytes: 64 * MB, memorySwapBytes: 128 * MB });
    expect(resolve({ Memory: 64 * MB, MemorySwap: -1 }).limits).toMatchObject({ memorySwapBytes: 'max' });
    expect(resolve({ Memory: 64 * MB, MemorySwap: 70 * MB }).limits).toMatchObject({ memorySwapBytes: 70 * MB });
  });

  it('turns processors into a quota, and lengthens the period for a tiny share', () => {
    expect(resolve({ NanoCpus: 1.5e9 }).limits).toEqual({ cpuPeriodUs: 100_000, cpuQuotaUs: 150_000 });
    expect(resolve({ NanoCpus: 2e6 }).limits).toEqual({ cpuPeriodUs: 1_000_000, cpuQuotaUs: 2000 });
  });

  it.each([
    [20, 20],
    [0, 'max'],
    [-1, 'max'],
  ])('takes a pids limit of %s as %s', (asked, limit) => {
    expect(resolve({ PidsLimit: asked }).limits).toEqual({ pids: limit });
  });

  it('looks up block devices', () => {
    const request: HostConfig = {
      BlkioWeightDevice: [{ Path: '/dev/sdb', Weight: 200 }],
      BlkioDeviceReadBps: [{ Path: '/dev/sdb', Rate: 1000 }],
      BlkioDeviceWriteIOps: [{ Path: '/dev/sdb', Rate: 50 }],
    };
    expect(resolve(request).limits).toEqual({
      blkioWeightDevices: [{ major: 8, minor: 16, value: 200 }],
      blkioReadBps: [{ major: 8, minor: 16, value: 1000 }],
      blkioWriteIops: [{ major: 8, minor: 16, value: 50 }],
    });
  });

  it('refuses paths that are no block devices', () => {
    const host = { features: () => everything };
    const at = (Path: string) => () => resolveResources(specOf({ BlkioDeviceReadBps: [{ Path, Rate: 1 }] }), host);
    expect(at('/dev/none')).toThrow('stat /dev/none: no such file or directory');
    expect(at('/dev/null')).toThrow('/dev/null is not a block device');
  });
});

describe('values that cannot be', () => {
  const wrong: [HostConfig, string][] = [
    [{ Memory: 5 * MB }, 'Minimum memory limit allowed is 6MB'],
    [{ Memory: -1 }, 'Minimum memory limit allowed is 6MB'],
    [
      { Memory: 64 * MB, MemorySwap: 32 * MB },
      'Minimum memoryswap limit should be larger than memory limit, see usage',
    ],
    [{ MemorySwap: 32 * MB }, 'You should always set the Memory limit when using Memoryswap limit, see usage'],
    [{ Memory: 64 * MB, MemorySwap: -2 }, 'Invalid value: -2, memory swap must be -1, 0 or a number of bytes'],
    [{ MemorySwappiness: 101 }, 'Invalid value: 101, valid memory swappiness range is 0-100'],
    [{ MemoryReservation: 1 }, 'Minimum memory reservation allowed is 6MB'],
    [
      { Memory: 10 * MB, MemoryReservation: 20 * MB },
      'Minimum memory limit can not be less than memory reservation limit, see usage',
    ],
    [{ NanoCpus: 1e9, CpuPeriod: 10000 }, 'Conflicting options: Nano CPUs and CPU Period cannot both be set'],
    [{ NanoCpus: 1e9, CpuQuota: 10000 }, 'Conflicting options: Nano CPUs and CPU Quota cannot both be set'],
    [{ NanoCpus: 4.1e9 }, 'range of CPUs is from 0.01 to 4.00, as there are only 4 CPUs available'],
    [{ NanoCpus: -1 }, 'range of CPUs is from 0.01 to 4.00, as there are only 4 CPUs available'],
    [{ CpuShares: -1 }, 'invalid CPU shares (-1): value must be a positive integer'],
    [{ CpuPeriod: 10 }, 'CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)'],
    [{ CpuQuota: 10 }, 'CPU cfs quota can not be less than 1ms (i.e. 1000)'],
    [{ CpusetCpus: '1-z' }, 'Invalid value 1-z for cpuset cpus: invalid format: 1-z'],
    [{ CpusetCpus: '0-4' }, 'Requested CPUs are not available - requested 0-4, available: 0-3'],
    [{ CpusetMems: '1' }, 'Requested memory nodes are not available - requested 1, available: 0'],
    [{ BlkioWeight: 9 }, 'Range of blkio weight is from 10 to 1000'],
    [{ BlkioWeight: 1001 }, 'Range of blkio weight is from 10 to 1000'],
    [{ BlkioWeightDevice: [{ Path: '/dev/a', Weight: 5 }] }, 'Range of blkio weight is from 10 to 1000: /dev/a has 5'],
    [{ DeviceCgroupRules: ['c 1:3'] }, "invalid device cgroup rule format: 'c 1:3'"],
    [{ Privileged: true, DeviceCgroupRules: ['x'] }, "invalid device cgroup rule format: 'x'"],
  ];
  it.each(wrong)('%j', (request, message) => {
    expect(() => resolve(request)).toThrowError(expect.objectContaining({ code: 'invalid', message }));
  });
});

describe('what the host lacks', () => {
  it('is left out with a warning each', () => {
    const request: HostConfig = {
      Memory: 64 * MB,
      MemorySwappiness: 10,
      MemoryReservation: 32 * MB,
      OomKillDisable: true,
      PidsLimit: 10,
      CpuShares: 512,
      CpuQuota: 50000,
      CpusetCpus: '0',
      BlkioWeight: 100,
      BlkioDeviceReadBps: [{ Path: '/dev/sdb', Rate: 1 }],
      BlkioDeviceReadIOps: [{ Path: '/dev/sdb', Rate: 1 }],
    };
    const { limits, warnings } = resolve(request, nothing);
    expect(limits).toEqual({});
    expect(warnings).toEqual([
      'Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation discarded.',
      'Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.',
      'Your kernel does not support memory soft limit capabilities or the cgroup is not mounted. Limitation discarded.',
      'Your kernel does not support OomKillDisable. OomKillDisable discarded.',
      'Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded.',
      'Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded.',
      'Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.',
      'Your kernel does not support cpuset or the cgroup is not mounted. Cpuset discarded.',
      'Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.',
      'Your kernel does not support BPS Block I/O read limit or the cgroup is not mounted. Block I/O BPS read limit discarded.',
      'Your kernel does not support IOPS Block read limit or the cgroup is not mounted. Block I/O IOPS read limit discarded.',
    ]);
  });

  it('limits memory without swap when swap cannot be counted', () => {
    const { limits, warnings } = resolve({ Memory: 64 * MB }, { ...everything, SwapLimit: false });
    expect(limits).toEqual({ memoryBytes: 64 * MB, memorySwapBytes: 'max' });
    expect(warnings[0]).toContain('Memory limited without swap.');
  });

  it('cannot do without for processors, which docker refuses', () => {
    expect(() => resolve({ NanoCpus: 1e9 }, nothing)).toThrow(/^NanoCPUs can not be set/);
  });
});
