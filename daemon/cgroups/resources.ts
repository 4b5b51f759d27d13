// From a container's spec to the limits of a control group: checked, completed with Docker's defaults, and free of what the host
// cannot do. Nothing here knows about files or versions of cgroups.
import { statSync } from 'node:fs';
import { EngineError } from '../errors/engine-error.ts';
import type { ContainerSpec, DeviceRule } from '../spec/container-spec.ts';
import type { DeviceLimit, Limits } from '../spec/limits.ts';
import { checkLimits } from './check-limits.ts';
import { type AllowedDevice, deviceRules } from './device-rules.ts';
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

export interface ResolvedResources {
  resources: CgroupResources;
  /** What was asked for, as it is granted: without what is left out, and within the kernel's bounds. */
  granted: Limits;
  /** In Docker's words: what was asked for and left out, because the host cannot do it. */
  warnings: string[];
}

/** What `features` of the manager says; a manager will do. */
export interface FeatureSource {
  features(): CgroupFeatures;
}

/** What of a container decides what its control group may use. */
export interface ResourceSource {
  readonly limits: ContainerSpec['limits'];
  readonly devices: Pick<ContainerSpec['devices'], 'rules'>;
  readonly security: Pick<ContainerSpec['security'], 'isPrivileged'>;
}

/**
 * Throws EngineError('invalid') with Docker's message for values that cannot be; what the host lacks is left out with a warning. `devices` are
 * those that the container gets; block devices that are limited are looked up here.
 */
export function resolveResources(
  { limits: asked, devices: { rules }, security }: ResourceSource,
  host: FeatureSource,
  devices: readonly AllowedDevice[] = [],
  findBlockDevice: (path: string) => { major: number; minor: number } = blockDeviceOf,
): ResolvedResources {
  const { granted, warnings } = checkLimits(asked, host.features());
  const resources: CgroupResources = {};
  addMemory(resources, granted);
  addCpu(resources, granted);
  if (granted.pids !== undefined) resources.pids = granted.pids;
  if (granted.blkioWeight !== undefined) resources.blkioWeight = granted.blkioWeight;

  const lookUp = ({ path, value }: DeviceLimit): BlockDeviceLimit => ({ ...findBlockDevice(path), value });
  for (const key of blockLimits) {
    const list = granted[key];
    if (list !== undefined) resources[key] = list.map(lookUp);
  }
  const allowed = deviceRules(security.isPrivileged, rules, devices);
  if (allowed !== undefined) resources.devices = allowed;
  return { resources, granted, warnings };
}

const blockLimits = [
  'blkioWeightDevices',
  'blkioReadBps',
  'blkioWriteBps',
  'blkioReadIops',
  'blkioWriteIops',
] as const satisfies (keyof CgroupResources & keyof Limits)[];

function addMemory(resources: CgroupResources, asked: Limits): void {
  const { memoryBytes, memorySwapBytes, memoryReservationBytes, swappiness, oomKillDisable } = asked;
  if (memoryBytes !== undefined) resources.memoryBytes = memoryBytes;
  if (memorySwapBytes !== undefined) resources.memorySwapBytes = memorySwapBytes;
  else if (memoryBytes !== undefined) resources.memorySwapBytes = memoryBytes * 2;
  if (memoryReservationBytes !== undefined) resources.memoryReservationBytes = memoryReservationBytes;
  if (swappiness !== undefined) resources.swappiness = swappiness;
  if (oomKillDisable) resources.oomKillDisable = true;
}

const DEFAULT_PERIOD_US = 100_000;
const MAX_PERIOD_US = 1_000_000;
const MIN_QUOTA_US = 1000;

function addCpu(resources: CgroupResources, asked: Limits): void {
  const { cpuShares, nanoCpus, cpuPeriodUs, cpuQuotaUs, cpusetCpus, cpusetMems } = asked;
  if (cpuShares !== undefined) resources.cpuShares = cpuShares;
  if (nanoCpus !== undefined) {
    const cpus = nanoCpus / 1e9;
    // The kernel takes no quota below 1 ms: less than a hundredth of a processor needs a longer period.
    const period = cpus * DEFAULT_PERIOD_US < MIN_QUOTA_US ? MAX_PERIOD_US : DEFAULT_PERIOD_US;
    resources.cpuPeriodUs = period;
    resources.cpuQuotaUs = Math.max(MIN_QUOTA_US, Math.round(cpus * period));
  }
  if (cpuPeriodUs !== undefined) resources.cpuPeriodUs = cpuPeriodUs;
  if (cpuQuotaUs !== undefined) resources.cpuQuotaUs = cpuQuotaUs;
  if (cpusetCpus !== undefined) resources.cpusetCpus = cpusetCpus;
  if (cpusetMems !== undefined) resources.cpusetMems = cpusetMems;
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
