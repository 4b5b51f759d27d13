// Limits as writes to the files of cgroup v1 (Documentation/admin-guide/cgroup-v1). Pure.
import { formatDeviceRule } from './device-rules.ts';
import { type Hierarchies, type V1Controller, v1Hierarchy } from './hierarchies.ts';
import type { BlockDeviceLimit, CgroupResources } from './resources.ts';

/** What is to be written to a file of a group, in order. */
export interface GroupWrite {
  file: string;
  values: string[];
  /** Two limits that bound each other: when the kernel refuses this one as it is (EINVAL), it is tried again after the others. */
  mayWait?: true;
}

/** Which of the files that differ between kernels a group has. */
export interface V1Files {
  /** Files of a group of the blkio hierarchy. */
  blkio: ReadonlySet<string>;
  hasSwapLimit: boolean;
}

/** The writes for all controllers that are on v1. Groups are at `path` below each hierarchy. */
export function planV1(
  hierarchies: Hierarchies,
  files: V1Files,
  path: string,
  resources: CgroupResources,
): GroupWrite[] {
  const group = (controller: V1Controller) => {
    const hierarchy = v1Hierarchy(hierarchies, controller);
    return hierarchy && `${hierarchy.dir}${path}`;
  };
  const writes: GroupWrite[] = [];
  const add = (controller: V1Controller, name: string, value: string | number | undefined, mayWait = false) => {
    const dir = group(controller);
    if (dir === undefined || value === undefined) return;
    writes.push({ file: `${dir}/${name}`, values: [`${value}`], ...(mayWait ? { mayWait: true } : {}) });
  };
  const unlimited = (value: number | 'max' | undefined) => (value === 'max' ? -1 : value);

  add('memory', 'memory.limit_in_bytes', resources.memoryBytes, true);
  if (files.hasSwapLimit) {
    add('memory', 'memory.memsw.limit_in_bytes', unlimited(resources.memorySwapBytes), true);
  }
  add('memory', 'memory.soft_limit_in_bytes', resources.memoryReservationBytes);
  add('memory', 'memory.swappiness', resources.swappiness);
  if (resources.oomKillDisable !== undefined) {
    add('memory', 'memory.oom_control', resources.oomKillDisable ? 1 : 0);
  }
  add('cpu', 'cpu.shares', resources.cpuShares);
  add('cpu', 'cpu.cfs_period_us', resources.cpuPeriodUs, true);
  add('cpu', 'cpu.cfs_quota_us', resources.cpuQuotaUs, true);
  add('cpuset', 'cpuset.cpus', resources.cpusetCpus);
  add('cpuset', 'cpuset.mems', resources.cpusetMems);
  add('pids', 'pids.max', resources.pids);

  const blkio = group('blkio');
  if (blkio !== undefined) writes.push(...planBlkio(blkio, files.blkio, resources));
  return writes;
}

function planBlkio(dir: string, files: ReadonlySet<string>, resources: CgroupResources): GroupWrite[] {
  const writes: GroupWrite[] = [];
  // The scheduler that knows weights is BFQ; CFQ's files are those of kernels before 5.0.
  const weightFile = ['blkio.bfq.weight', 'blkio.weight'].find((name) => files.has(name));
  if (resources.blkioWeight !== undefined && weightFile !== undefined) {
    writes.push({ file: `${dir}/${weightFile}`, values: [`${resources.blkioWeight}`] });
  }
  const perDevice = (name: string, limits: readonly BlockDeviceLimit[] | undefined) => {
    if (limits === undefined || limits.length === 0) return;
    writes.push({
      file: `${dir}/${name}`,
      values: limits.map(({ major, minor, value }) => `${major}:${minor} ${value}`),
    });
  };
  if (weightFile !== undefined) perDevice(`${weightFile}_device`, resources.blkioWeightDevices);
  perDevice('blkio.throttle.read_bps_device', resources.blkioReadBps);
  perDevice('blkio.throttle.write_bps_device', resources.blkioWriteBps);
  perDevice('blkio.throttle.read_iops_device', resources.blkioReadIops);
  perDevice('blkio.throttle.write_iops_device', resources.blkioWriteIops);
  return writes;
}

/** The writes that make the device filter of a new group; none when nothing is filtered. */
export function planDevicesV1(hierarchies: Hierarchies, path: string, { devices }: CgroupResources): GroupWrite[] {
  const hierarchy = v1Hierarchy(hierarchies, 'devices');
  if (hierarchy === undefined || devices === undefined) return [];
  return [
    { file: `${hierarchy.dir}${path}/devices.deny`, values: ['a'] },
    { file: `${hierarchy.dir}${path}/devices.allow`, values: devices.map(formatDeviceRule) },
  ];
}
