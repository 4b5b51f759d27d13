// An update request as Docker's clients send it: limits and restart policy. Only what it names changes.
import type { ContainerUpdateRequest } from '../../docker-types/container-actions.ts';
import type { ResolvedConfig } from '../../docker-types/container-config.ts';
import type { HostConfig } from '../../docker-types/host-config.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { checkHostConfig } from './check-host-config.ts';
import { specFromDocker } from './from-docker.ts';
import type { Described } from './to-docker.ts';
import { usableConfig } from './usable-config.ts';

const numbers = [
  'CpuShares',
  'Memory',
  'NanoCpus',
  'BlkioWeight',
  'CpuPeriod',
  'CpuQuota',
  'CpuRealtimePeriod',
  'CpuRealtimeRuntime',
  'MemoryReservation',
  'MemorySwap',
] as const;
const texts = ['CpusetCpus', 'CpusetMems'] as const;
const lists = [
  'BlkioWeightDevice',
  'BlkioDeviceReadBps',
  'BlkioDeviceWriteBps',
  'BlkioDeviceReadIOps',
  'BlkioDeviceWriteIOps',
] as const;

/** What a container would be with the update, its limits as they are asked for. Throws 'invalid' or 'conflict' in docker's words. */
export function updated(id: string, present: Described, asked: ContainerUpdateRequest): Described {
  checkAlone(asked);
  refuseConflicts(id, present.body.hostConfig, asked);
  const hostConfig = merge(present.body.hostConfig, asked);
  // Its names are the engine's by now: what the user said of them was judged at create.
  checkHostConfig(hostConfig, { ...present.body.config, Hostname: '', Domainname: '' });
  const body = { ...present.body, hostConfig };
  // As where the record is read: what an image says and cannot be used is passed over.
  const config = usableConfig(body.config).config as ResolvedConfig;
  return { body, spec: specFromDocker({ config, hostConfig }, present.spec.mounts) };
}

/** What is asked for and no kernel of ours knows. */
export function updateWarnings({ CpuPercent }: ContainerUpdateRequest): string[] {
  return CpuPercent ? ['linux does not support CPU percent. Percent discarded.'] : [];
}

/** What cannot be, whatever the container has; in docker's words. */
function checkAlone({ NanoCpus, CpuPeriod, CpuQuota, IOMaximumBandwidth, IOMaximumIOps }: HostConfig): void {
  const refuse = (message: string): never => {
    throw new EngineError('invalid', message);
  };
  if (NanoCpus && CpuPeriod) refuse('Conflicting options: Nano CPUs and CPU Period cannot both be set');
  if (NanoCpus && CpuQuota) refuse('Conflicting options: Nano CPUs and CPU Quota cannot both be set');
  if (IOMaximumBandwidth || IOMaximumIOps) {
    refuse('Invalid QoS settings: linux does not support Maximum IO Bandwidth or Maximum IO IOps');
  }
}

/** What cannot be beside what the container has. --cpus is a period and a quota: who has one may not ask for the other. */
function refuseConflicts(id: string, present: HostConfig, asked: HostConfig): void {
  const refuse = (why: string): never => {
    throw new EngineError('conflict', `Cannot update container ${id}: ${why}`);
  };
  const isPositive = (value: number | undefined) => value !== undefined && value > 0;
  const cpus = (what: string, has: string) =>
    `Conflicting options: ${what} cannot be updated as ${has} has already been set`;
  if (isPositive(asked.NanoCpus) && isPositive(present.CpuPeriod)) refuse(cpus('Nano CPUs', 'CPU Period'));
  if (isPositive(asked.NanoCpus) && isPositive(present.CpuQuota)) refuse(cpus('Nano CPUs', 'CPU Quota'));
  if (isPositive(asked.CpuPeriod) && isPositive(present.NanoCpus)) refuse(cpus('CPU Period', 'NanoCPUs'));
  if (isPositive(asked.CpuQuota) && isPositive(present.NanoCpus)) refuse(cpus('CPU Quota', 'NanoCPUs'));
  const swap = present.MemorySwap ?? 0;
  if (asked.Memory && !asked.MemorySwap && swap > 0 && asked.Memory > swap) {
    refuse('Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time');
  }
  const policy = asked.RestartPolicy?.Name || 'no';
  if (present.AutoRemove && policy !== 'no') {
    refuse('Restart policy cannot be updated because AutoRemove is enabled for the container');
  }
}

/** Zero and empty mean "leave it": that is how docker's clients send what was not named. */
function merge(present: HostConfig, asked: HostConfig): HostConfig {
  const next: HostConfig = { ...present };
  for (const key of numbers) if (asked[key]) next[key] = asked[key];
  for (const key of texts) if (asked[key]) next[key] = asked[key];
  for (const key of lists) {
    const list = asked[key];
    if (list !== undefined && list !== null && list.length > 0) Object.assign(next, { [key]: list });
  }
  if (typeof asked.PidsLimit === 'number') next.PidsLimit = asked.PidsLimit > 0 ? asked.PidsLimit : null;
  if (typeof asked.OomKillDisable === 'boolean') next.OomKillDisable = asked.OomKillDisable;
  if (asked.RestartPolicy?.Name) {
    next.RestartPolicy = {
      Name: asked.RestartPolicy.Name,
      MaximumRetryCount: asked.RestartPolicy.MaximumRetryCount ?? 0,
    };
  }
  if (typeof asked.RestartUnhealthy === 'boolean') next.RestartUnhealthy = asked.RestartUnhealthy;
  // What is left of period and quota beside --cpus is "no limit", and the other way round.
  if (asked.NanoCpus) Object.assign(next, { CpuPeriod: 0, CpuQuota: 0 });
  else if (asked.CpuQuota) next.NanoCpus = 0;
  if (asked.Memory && !asked.MemorySwap && (present.MemorySwap ?? 0) === 0) next.MemorySwap = asked.Memory * 2;
  return next;
}
