// Docker's checks of limits, with its messages: wrong values are errors; what the host's control groups lack is left out with a warning.
import { EngineError } from '../errors/engine-error.ts';
import type { Limits } from '../spec/limits.ts';
import type { CgroupFeatures } from './features.ts';
import { parseNumberList } from './number-list.ts';

/** The kernel's own, for cpu.shares. */
const MIN_CPU_SHARES = 2;
const MAX_CPU_SHARES = 262_144;
const MIN_MEMORY_BYTES = 6 * 1024 * 1024;

type Granted = { -readonly [K in keyof Limits]: Limits[K] };

export interface CheckedLimits {
  granted: Limits;
  warnings: string[];
}

/** What is granted is a copy without what cannot be had, and within the kernel's bounds. */
export function checkLimits(asked: Limits, features: CgroupFeatures): CheckedLimits {
  const check: Check = { limits: { ...asked }, warnings: [], features };
  checkMemory(check);
  checkCpu(check);
  checkCpuset(check);
  checkBlkio(check);
  return { granted: check.limits, warnings: check.warnings };
}

interface Check {
  limits: Granted;
  warnings: string[];
  features: CgroupFeatures;
}

function refuse(message: string): never {
  throw new EngineError('invalid', message);
}

/** Drops `key` with a warning when it is set and the host cannot do it. */
function drop(check: Check, key: keyof Limits, isSupported: boolean, warning: string): void {
  if (isSupported || check.limits[key] === undefined) return;
  check.warnings.push(warning);
  delete check.limits[key];
}

function unsupported(what: string, discarded: string): string {
  return `Your kernel does not support ${what} or the cgroup is not mounted. ${discarded} discarded.`;
}

function checkMemory(check: Check): void {
  const { limits, features, warnings } = check;
  const memory = limits.memoryBytes ?? 0;
  if (memory !== 0 && memory < MIN_MEMORY_BYTES) refuse('Minimum memory limit allowed is 6MB');
  if (memory > 0 && !features.MemoryLimit) {
    drop(check, 'memoryBytes', false, unsupported('memory limit capabilities', 'Limitation'));
    delete limits.memorySwapBytes;
  }
  checkSwap(check, memory);
  const { swappiness } = limits;
  if (swappiness !== undefined && (swappiness < 0 || swappiness > 100)) {
    refuse(`Invalid value: ${swappiness}, valid memory swappiness range is 0-100`);
  }
  drop(
    check,
    'swappiness',
    features.MemorySwappiness,
    unsupported('memory swappiness capabilities', 'Memory swappiness'),
  );
  const reservation = limits.memoryReservationBytes ?? 0;
  if (reservation !== 0 && reservation < MIN_MEMORY_BYTES) refuse('Minimum memory reservation allowed is 6MB');
  if (memory > 0 && memory < reservation) {
    refuse('Minimum memory limit can not be less than memory reservation limit, see usage');
  }
  drop(
    check,
    'memoryReservationBytes',
    features.MemoryReservation,
    unsupported('memory soft limit capabilities', 'Limitation'),
  );
  drop(
    check,
    'oomKillDisable',
    features.OomKillDisable,
    'Your kernel does not support OomKillDisable. OomKillDisable discarded.',
  );
  if (limits.oomKillDisable && limits.memoryBytes === undefined) {
    warnings.push(
      'OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.',
    );
  }
  if (limits.pids !== undefined && !features.PidsLimit) {
    if (limits.pids !== 'max') warnings.push(unsupported('PIDs limit capabilities', 'PIDs limit'));
    delete limits.pids;
  }
}

/** `memory` is what was asked for, granted or not. */
function checkSwap({ limits, features, warnings }: Check, memory: number): void {
  const swap = limits.memorySwapBytes ?? 0;
  if (swap !== 'max' && swap < 0) refuse(`Invalid value: ${swap}, memory swap must be -1, 0 or a number of bytes`);
  if (limits.memoryBytes !== undefined && swap !== 'max' && !features.SwapLimit) {
    warnings.push(
      'Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.',
    );
    limits.memorySwapBytes = 'max';
  }
  if (swap === 'max' || swap === 0) return;
  if (memory > 0 && swap < memory) refuse('Minimum memoryswap limit should be larger than memory limit, see usage');
  if (memory === 0) refuse('You should always set the Memory limit when using Memoryswap limit, see usage');
}

function checkCpu(check: Check): void {
  const { limits, features } = check;
  const { nanoCpus: nano = 0, cpuPeriodUs: period = 0, cpuQuotaUs: quota = 0, cpuShares: shares = 0 } = limits;
  if (nano > 0 && period > 0) refuse('Conflicting options: Nano CPUs and CPU Period cannot both be set');
  if (nano > 0 && quota > 0) refuse('Conflicting options: Nano CPUs and CPU Quota cannot both be set');
  if (nano > 0 && !features.CpuCfsQuota) {
    refuse('NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler or the cgroup is not mounted');
  }
  if (nano < 0 || nano > features.cpuCount * 1e9) {
    refuse(
      `range of CPUs is from 0.01 to ${features.cpuCount}.00, as there are only ${features.cpuCount} CPUs available`,
    );
  }
  if (shares < 0) refuse(`invalid CPU shares (${shares}): value must be a positive integer`);
  drop(
    check,
    'cpuShares',
    features.CPUShares,
    'Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded.',
  );
  if (limits.cpuShares !== undefined) {
    const granted = Math.min(Math.max(shares, MIN_CPU_SHARES), MAX_CPU_SHARES);
    if (granted !== shares) {
      check.warnings.push(
        `CPU shares are from ${MIN_CPU_SHARES} to ${MAX_CPU_SHARES}: ${granted} instead of ${shares}.`,
      );
    }
    limits.cpuShares = granted;
  }
  if ((period !== 0 || quota !== 0) && !features.CpuCfsQuota) {
    check.warnings.push('Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.');
    delete limits.cpuPeriodUs;
    delete limits.cpuQuotaUs;
  }
  if (period !== 0 && (period < 1000 || period > 1_000_000)) {
    refuse('CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)');
  }
  if (quota > 0 && quota < 1000) refuse('CPU cfs quota can not be less than 1ms (i.e. 1000)');
  if (quota < -1) refuse(`invalid CPU cfs quota (${quota}): value must be -1 or a number of microseconds`);
}

function checkCpuset(check: Check): void {
  const { limits, features } = check;
  if ((limits.cpusetCpus !== undefined || limits.cpusetMems !== undefined) && !features.CPUSet) {
    check.warnings.push('Your kernel does not support cpuset or the cgroup is not mounted. Cpuset discarded.');
    delete limits.cpusetCpus;
    delete limits.cpusetMems;
  }
  checkList(limits.cpusetCpus, features.cpus, 'cpuset cpus', 'CPUs');
  checkList(limits.cpusetMems, features.mems, 'cpuset mems', 'memory nodes');
}

function checkList(asked: string | undefined, available: string, option: string, what: string): void {
  if (!asked) return;
  const numbers = parseNumberList(asked);
  if (numbers === undefined) refuse(`Invalid value ${asked} for ${option}: invalid format: ${asked}`);
  const there = parseNumberList(available) ?? new Set();
  for (const number of numbers) {
    if (!there.has(number)) {
      refuse(`Requested ${what} are not available - requested ${asked}, available: ${available}`);
    }
  }
}

function checkBlkio(check: Check): void {
  const { limits, features } = check;
  const weightRange = 'Range of blkio weight is from 10 to 1000';
  const inRange = (weight: number) => weight === 0 || (weight >= 10 && weight <= 1000);
  if (!inRange(limits.blkioWeight ?? 0)) refuse(weightRange);
  for (const { value, path } of limits.blkioWeightDevices ?? []) {
    if (!inRange(value)) refuse(`${weightRange}: ${path} has ${value}`);
  }
  drop(check, 'blkioWeight', features.BlkioWeight, unsupported('Block I/O weight', 'Weight'));
  drop(
    check,
    'blkioWeightDevices',
    features.BlkioWeightDevice,
    unsupported('Block I/O weight_device', 'Weight-device'),
  );
  const limit = (unit: 'BPS' | 'IOPS', direction: 'read' | 'write') =>
    unsupported(
      `${unit} Block ${unit === 'BPS' ? 'I/O ' : ''}${direction} limit`,
      `Block I/O ${unit} ${direction} limit`,
    );
  drop(check, 'blkioReadBps', features.BlkioReadBpsDevice, limit('BPS', 'read'));
  drop(check, 'blkioWriteBps', features.BlkioWriteBpsDevice, limit('BPS', 'write'));
  drop(check, 'blkioReadIops', features.BlkioReadIOpsDevice, limit('IOPS', 'read'));
  drop(check, 'blkioWriteIops', features.BlkioWriteIOpsDevice, limit('IOPS', 'write'));
}
