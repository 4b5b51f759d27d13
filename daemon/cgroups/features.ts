// What the host's control groups can do. The names are those of Docker's `info`, as far as it has them.

export interface CgroupFeatures {
  MemoryLimit: boolean;
  SwapLimit: boolean;
  MemoryReservation: boolean;
  MemorySwappiness: boolean;
  OomKillDisable: boolean;
  CpuCfsPeriod: boolean;
  CpuCfsQuota: boolean;
  CPUShares: boolean;
  CPUSet: boolean;
  PidsLimit: boolean;
  BlkioWeight: boolean;
  BlkioWeightDevice: boolean;
  BlkioReadBpsDevice: boolean;
  BlkioWriteBpsDevice: boolean;
  BlkioReadIOpsDevice: boolean;
  BlkioWriteIOpsDevice: boolean;
  Devices: boolean;
  Freezer: boolean;
  /** Available processors and memory nodes as lists such as "0-3,7". */
  cpus: string;
  mems: string;
  /** How many processors NanoCpus can ask for. */
  cpuCount: number;
}

/** What `docker info` says about what is missing. */
export function featureWarnings(features: CgroupFeatures, version: 1 | 2): string[] {
  const missing: [boolean, string][] = [
    [features.MemoryLimit, 'No memory limit support'],
    [features.SwapLimit, 'No swap limit support'],
    [features.OomKillDisable || version === 2, 'No oom kill disable support'],
    [features.CpuCfsQuota, 'No cpu cfs quota support'],
    [features.CpuCfsPeriod, 'No cpu cfs period support'],
    [features.CPUShares, 'No cpu shares support'],
    [features.CPUSet, 'No cpuset support'],
    [features.PidsLimit, 'No pids limit support'],
    [features.BlkioWeight || version === 1, 'No io.weight support'],
    [
      features.BlkioReadBpsDevice,
      version === 1 ? 'No blkio throttle.read_bps_device support' : 'No io.max (rbps) support',
    ],
    [
      features.BlkioWriteBpsDevice,
      version === 1 ? 'No blkio throttle.write_bps_device support' : 'No io.max (wbps) support',
    ],
    [
      features.BlkioReadIOpsDevice,
      version === 1 ? 'No blkio throttle.read_iops_device support' : 'No io.max (riops) support',
    ],
    [
      features.BlkioWriteIOpsDevice,
      version === 1 ? 'No blkio throttle.write_iops_device support' : 'No io.max (wiops) support',
    ],
    [features.Devices, 'No device filter support'],
    [features.Freezer, 'No freezer support'],
  ];
  return missing.filter(([isThere]) => !isThere).map(([, what]) => `WARNING: ${what}`);
}
