// Docker's checks of the resource part of a HostConfig, with its messages: wrong values are errors; what the host's control groups
// lack is dropped from the request with a warning.
import { EngineError } from '../errors/engine-error.ts';
import type { CgroupFeatures } from './features.ts';
import { parseNumberList } from './number-list.ts';
import type { ResourceRequest } from './resources.ts';

/** The kernel's own, for cpu.shares. */
const MIN_CPU_SHARES = 2;
const MAX_CPU_SHARES = 262_144;
const MIN_MEMORY_BYTES = 6 * 1024 * 1024;

export interface CheckedRequest {
  request: ResourceRequest;
  warnings: string[];
}

/** Checks a request; the result is a copy without what cannot be had. */
export function checkRequest(asked: ResourceRequest, features: CgroupFeatures): CheckedRequest {
  const check: Check = { request: { ...asked }, warnings: [], features };
  checkMemory(check);
  checkCpu(check);
  checkCpuset(check);
  checkBlkio(check);
  return { request: check.request, warnings: check.warnings };
}

interface Check extends CheckedRequest {
  features: CgroupFeatures;
}

function refuse(message: string): never {
  throw new EngineError('invalid', message);
}

function isSet(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : Boolean(value);
}

/** Drops `key` with a warning when it is set and the host cannot do it. */
function drop(check: Check, key: keyof ResourceRequest, isSupported: boolean, warning: string): void {
  if (isSupported || !isSet(check.request[key])) return;
  check.warnings.push(warning);
  delete check.request[key];
}

function unsupported(what: string, discarded: string): string {
  return `Your kernel does not support ${what} or the cgroup is not mounted. ${discarded} discarded.`;
}

function checkMemory(check: Check): void {
  const { request, features, warnings } = check;
  if (request.MemorySwappiness === -1) delete request.MemorySwappiness;
  const memory = request.Memory ?? 0;
  if (memory !== 0 && memory < MIN_MEMORY_BYTES) refuse('Minimum memory limit allowed is 6MB');
  if (memory > 0 && !features.MemoryLimit) {
    drop(check, 'Memory', false, unsupported('memory limit capabilities', 'Limitation'));
    delete request.MemorySwap;
  }
  const swap = request.MemorySwap ?? 0;
  if (swap < -1) refuse(`Invalid value: ${swap}, memory swap must be -1, 0 or a number of bytes`);
  if (request.Memory && swap !== -1 && !features.SwapLimit) {
    warnings.push(
      'Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.',
    );
    request.MemorySwap = -1;
  }
  if (memory > 0 && swap > 0 && swap < memory) {
    refuse('Minimum memoryswap limit should be larger than memory limit, see usage');
  }
  if (memory === 0 && swap > 0) {
    refuse('You should always set the Memory limit when using Memoryswap limit, see usage');
  }
  const swappiness = request.MemorySwappiness;
  if (swappiness != null && (swappiness < 0 || swappiness > 100)) {
    refuse(`Invalid value: ${swappiness}, valid memory swappiness range is 0-100`);
  }
  if (swappiness != null && !features.MemorySwappiness) {
    warnings.push(unsupported('memory swappiness capabilities', 'Memory swappiness'));
    delete request.MemorySwappiness;
  }
  const reservation = request.MemoryReservation ?? 0;
  if (reservation !== 0 && reservation < MIN_MEMORY_BYTES) refuse('Minimum memory reservation allowed is 6MB');
  if (memory > 0 && memory < reservation) {
    refuse('Minimum memory limit can not be less than memory reservation limit, see usage');
  }
  drop(
    check,
    'MemoryReservation',
    features.MemoryReservation,
    unsupported('memory soft limit capabilities', 'Limitation'),
  );
  drop(
    check,
    'OomKillDisable',
    features.OomKillDisable,
    'Your kernel does not support OomKillDisable. OomKillDisable discarded.',
  );
  if (request.OomKillDisable && !request.Memory) {
    warnings.push(
      'OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.',
    );
  }
  if (request.PidsLimit != null && !features.PidsLimit) {
    if (request.PidsLimit > 0) warnings.push(unsupported('PIDs limit capabilities', 'PIDs limit'));
    delete request.PidsLimit;
  }
}

function checkCpu(check: Check): void {
  const { request, features } = check;
  const { NanoCpus: nano = 0, CpuPeriod: period = 0, CpuQuota: quota = 0, CpuShares: shares = 0 } = request;
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
    'CpuShares',
    features.CPUShares,
    'Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded.',
  );
  if (request.CpuShares) {
    const granted = Math.min(Math.max(shares, MIN_CPU_SHARES), MAX_CPU_SHARES);
    if (granted !== shares) {
      check.warnings.push(
        `CPU shares are from ${MIN_CPU_SHARES} to ${MAX_CPU_SHARES}: ${granted} instead of ${shares}.`,
      );
    }
    request.CpuShares = granted;
  }
  if ((period !== 0 || quota !== 0) && !features.CpuCfsQuota) {
    check.warnings.push('Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.');
    delete request.CpuPeriod;
    delete request.CpuQuota;
  }
  if (period !== 0 && (period < 1000 || period > 1_000_000)) {
    refuse('CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)');
  }
  if (quota > 0 && quota < 1000) refuse('CPU cfs quota can not be less than 1ms (i.e. 1000)');
  if (quota < -1) refuse(`invalid CPU cfs quota (${quota}): value must be -1 or a number of microseconds`);
  drop(check, 'CpuPercent', false, 'linux does not support CPU percent. Percent discarded.');
  drop(check, 'CpuRealtimePeriod', false, unsupported('CPU real-time period', 'CPU real-time period'));
  drop(check, 'CpuRealtimeRuntime', false, unsupported('CPU real-time runtime', 'CPU real-time runtime'));
}

function checkCpuset(check: Check): void {
  const { request, features } = check;
  if ((request.CpusetCpus || request.CpusetMems) && !features.CPUSet) {
    check.warnings.push('Your kernel does not support cpuset or the cgroup is not mounted. Cpuset discarded.');
    delete request.CpusetCpus;
    delete request.CpusetMems;
  }
  checkList(request.CpusetCpus, features.cpus, 'cpuset cpus', 'CPUs');
  checkList(request.CpusetMems, features.mems, 'cpuset mems', 'memory nodes');
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
  const { request, features } = check;
  const weightRange = 'Range of blkio weight is from 10 to 1000';
  const inRange = (weight: number) => weight === 0 || (weight >= 10 && weight <= 1000);
  if (!inRange(request.BlkioWeight ?? 0)) refuse(weightRange);
  for (const { Weight, Path } of request.BlkioWeightDevice ?? []) {
    if (!inRange(Weight)) refuse(`${weightRange}: ${Path} has ${Weight}`);
  }
  if (request.IOMaximumBandwidth || request.IOMaximumIOps) {
    refuse('Invalid QoS settings: linux does not support Maximum IO Bandwidth or Maximum IO IOps');
  }
  drop(check, 'BlkioWeight', features.BlkioWeight, unsupported('Block I/O weight', 'Weight'));
  drop(check, 'BlkioWeightDevice', features.BlkioWeightDevice, unsupported('Block I/O weight_device', 'Weight-device'));
  const limit = (unit: 'BPS' | 'IOPS', direction: 'read' | 'write') =>
    unsupported(
      `${unit} Block ${unit === 'BPS' ? 'I/O ' : ''}${direction} limit`,
      `Block I/O ${unit} ${direction} limit`,
    );
  drop(check, 'BlkioDeviceReadBps', features.BlkioReadBpsDevice, limit('BPS', 'read'));
  drop(check, 'BlkioDeviceWriteBps', features.BlkioWriteBpsDevice, limit('BPS', 'write'));
  drop(check, 'BlkioDeviceReadIOps', features.BlkioReadIOpsDevice, limit('IOPS', 'read'));
  drop(check, 'BlkioDeviceWriteIOps', features.BlkioWriteIOpsDevice, limit('IOPS', 'write'));
}
