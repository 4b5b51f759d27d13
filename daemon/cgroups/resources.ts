// From Docker's HostConfig to the limits of a control group: checked, completed with Docker's defaults, and free of what the host
// cannot do. Nothing here knows about files or versions of cgroups.
import { statSync } from 'node:fs';
import { EngineError } from '../errors/engine-error.ts';
import { checkRequest } from './check-request.ts';
import { type DeviceRule, type DeviceRuleSource, deviceRules } from './device-rules.ts';
import type { CgroupFeatures } from './features.ts';

/** A limit of one block device; a rate of 0 is no limit. */
export interface BlockDeviceLimit {
  major: number;
  minor: number;
  value: number;
}

/** Limits of a group. Absent: as the kernel has it (create), as it is (update). */
export interface CgroupResources {
  memoryBytes?: number;
  /** Memory and swap together; 'max' is no limit. */
  memorySwapBytes?: number | 'max';
  memoryReservationBytes?: number;
  /** 0 to 100; v1 only. */
  swappiness?: number;
  /** v1 only. */
  oomKillDisable?: boolean;
  cpuShares?: number;
  cpuPeriodUs?: number;
  /** -1 is no limit. */
  cpuQuotaUs?: number;
  cpusetCpus?: string;
  cpusetMems?: string;
  pids?: number | 'max';
  /** 10 to 1000. */
  blkioWeight?: number;
  blkioWeightDevices?: BlockDeviceLimit[];
  blkioReadBps?: BlockDeviceLimit[];
  blkioWriteBps?: BlockDeviceLimit[];
  blkioReadIops?: BlockDeviceLimit[];
  blkioWriteIops?: BlockDeviceLimit[];
  /** Everything that no rule names is denied. Undefined: no filter at all (privileged). */
  devices?: DeviceRule[];
}

type WeightDevice = { Path: string; Weight: number };
type ThrottleDevice = { Path: string; Rate: number };

/** The part of HostConfig that speaks of resources. */
export interface ResourceRequest extends DeviceRuleSource {
  Memory?: number | undefined;
  MemorySwap?: number | undefined;
  MemoryReservation?: number | undefined;
  MemorySwappiness?: number | null | undefined;
  OomKillDisable?: boolean | null | undefined;
  NanoCpus?: number | undefined;
  CpuShares?: number | undefined;
  CpuPeriod?: number | undefined;
  CpuQuota?: number | undefined;
  CpusetCpus?: string | undefined;
  CpusetMems?: string | undefined;
  CpuRealtimePeriod?: number | undefined;
  CpuRealtimeRuntime?: number | undefined;
  CpuCount?: number | undefined;
  CpuPercent?: number | undefined;
  IOMaximumIOps?: number | undefined;
  IOMaximumBandwidth?: number | undefined;
  PidsLimit?: number | null | undefined;
  BlkioWeight?: number | undefined;
  BlkioWeightDevice?: WeightDevice[] | null | undefined;
  BlkioDeviceReadBps?: ThrottleDevice[] | null | undefined;
  BlkioDeviceWriteBps?: ThrottleDevice[] | null | undefined;
  BlkioDeviceReadIOps?: ThrottleDevice[] | null | undefined;
  BlkioDeviceWriteIOps?: ThrottleDevice[] | null | undefined;
}

/** A device that --device passes in, with what is allowed: some of r, w and m. */
export interface AllowedDevice {
  type: string;
  major: number;
  minor: number;
  permissions: string;
}

export interface ResolvedResources {
  resources: CgroupResources;
  /** What was asked for, as it is granted: without what is left out, and within the kernel's bounds. */
  granted: ResourceRequest;
  /** In Docker's words: what was asked for and left out, because the host cannot do it. */
  warnings: string[];
}

/** What `features` of the manager says; a manager will do. */
export interface FeatureSource {
  features(): CgroupFeatures;
}

/**
 * Limits from a HostConfig. Throws EngineError('invalid') with Docker's message for values that cannot be; what the host lacks is left
 * out with a warning. `devices` are those of --device; block devices of --device-read-bps and kin are looked up here.
 */
export function resourcesFromHostConfig(
  request: ResourceRequest,
  host: FeatureSource,
  devices: readonly AllowedDevice[] = [],
  findBlockDevice: (path: string) => { major: number; minor: number } = blockDeviceOf,
): ResolvedResources {
  const { request: asked, warnings } = checkRequest(request, host.features());
  const resources: CgroupResources = {};
  addMemory(resources, asked);
  addCpu(resources, asked);
  if (asked.PidsLimit != null) resources.pids = asked.PidsLimit > 0 ? asked.PidsLimit : 'max';
  if (asked.BlkioWeight) resources.blkioWeight = asked.BlkioWeight;

  const lookUp = (path: string, value: number): BlockDeviceLimit => ({ ...findBlockDevice(path), value });
  const rates = (list: ThrottleDevice[] | null | undefined) => list?.map(({ Path, Rate }) => lookUp(Path, Rate)) ?? [];
  const lists: [keyof CgroupResources & `blkio${string}`, BlockDeviceLimit[]][] = [
    ['blkioWeightDevices', asked.BlkioWeightDevice?.map(({ Path, Weight }) => lookUp(Path, Weight)) ?? []],
    ['blkioReadBps', rates(asked.BlkioDeviceReadBps)],
    ['blkioWriteBps', rates(asked.BlkioDeviceWriteBps)],
    ['blkioReadIops', rates(asked.BlkioDeviceReadIOps)],
    ['blkioWriteIops', rates(asked.BlkioDeviceWriteIOps)],
  ];
  for (const [key, limits] of lists) if (limits.length > 0) Object.assign(resources, { [key]: limits });

  const rules = deviceRules(request, devices);
  if (rules !== undefined) resources.devices = rules;
  return { resources, granted: asked, warnings };
}

function addMemory(resources: CgroupResources, asked: ResourceRequest): void {
  if (asked.Memory) resources.memoryBytes = asked.Memory;
  if (asked.MemorySwap === -1) resources.memorySwapBytes = 'max';
  else if (asked.MemorySwap) resources.memorySwapBytes = asked.MemorySwap;
  else if (asked.Memory) resources.memorySwapBytes = asked.Memory * 2;
  if (asked.MemoryReservation) resources.memoryReservationBytes = asked.MemoryReservation;
  if (asked.MemorySwappiness != null) resources.swappiness = asked.MemorySwappiness;
  if (asked.OomKillDisable) resources.oomKillDisable = true;
}

const DEFAULT_PERIOD_US = 100_000;
const MAX_PERIOD_US = 1_000_000;
const MIN_QUOTA_US = 1000;

function addCpu(resources: CgroupResources, asked: ResourceRequest): void {
  if (asked.CpuShares) resources.cpuShares = asked.CpuShares;
  if (asked.NanoCpus) {
    const cpus = asked.NanoCpus / 1e9;
    // The kernel takes no quota below 1 ms: less than a hundredth of a processor needs a longer period.
    const period = cpus * DEFAULT_PERIOD_US < MIN_QUOTA_US ? MAX_PERIOD_US : DEFAULT_PERIOD_US;
    resources.cpuPeriodUs = period;
    resources.cpuQuotaUs = Math.max(MIN_QUOTA_US, Math.round(cpus * period));
  }
  if (asked.CpuPeriod) resources.cpuPeriodUs = asked.CpuPeriod;
  if (asked.CpuQuota) resources.cpuQuotaUs = asked.CpuQuota;
  if (asked.CpusetCpus) resources.cpusetCpus = asked.CpusetCpus;
  if (asked.CpusetMems) resources.cpusetMems = asked.CpusetMems;
}

function blockDeviceOf(path: string): { major: number; minor: number } {
  let stats: ReturnType<typeof statSync>;
  try {
    stats = statSync(path);
  } catch (cause) {
    throw new EngineError('invalid', `stat ${path}: no such file or directory`, { cause });
  }
  if (!stats.isBlockDevice()) throw new EngineError('invalid', `${path} is not a block device`);
  const device = BigInt(stats.rdev);
  return {
    major: Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n)),
    minor: Number((device & 0xffn) | ((device >> 12n) & 0xffffff00n)),
  };
}
