// POST /containers/{id}/update: limits and restart policy, live when it runs. Only what the request names changes.

import { type CgroupResources, resourcesFromHostConfig } from '../cgroups/resources.ts';
import type { ContainerUpdateResponse } from '../docker-types/container-actions.ts';
import type { HostConfig } from '../docker-types/host-config.ts';
import { EngineError } from '../errors/engine-error.ts';
import { validateHostConfig } from '../runtime/validate-host-config.ts';
import { cgroupPathOf } from './cgroup-path.ts';
import type { Container } from './container.ts';
import { publishContainerEvent } from './container-events.ts';
import { lifting, withGranted } from './granted-limits.ts';
import { checkRestartPolicy } from './lifecycle/restart-policy.ts';
import type { Services } from './services.ts';

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

export async function updateContainer(
  services: Services,
  ref: string,
  asked: HostConfig,
): Promise<ContainerUpdateResponse> {
  const container = services.store.get(ref);
  return container.locked(async () => {
    const present = container.record.hostConfig;
    if (container.isRemoving) {
      throw conflict(container, 'Container is marked for removal and cannot be "update".');
    }
    checkAlone(asked);
    refuseConflicts(container, present, asked);
    const merged = merge(present, asked);
    checkRestartPolicy(merged);
    const { facts } = services.host;
    validateHostConfig(merged, container.record.config, facts, services.defaults.cgroupVersion);
    const { resources, granted, warnings } = resourcesFromHostConfig(merged, services.cgroups);
    // The record first: the next start of a daemon that is killed in between gives the kernel what the record says.
    saveLimits(services, container, withGranted(merged, granted));
    try {
      if (container.isRunning) {
        const { resources: before } = resourcesFromHostConfig(present, services.cgroups);
        applyLimits(services, cgroupPathOf(services, container), before, resources);
      }
    } catch (error) {
      saveLimits(services, container, present);
      throw error;
    }
    publishContainerEvent(services, container, 'update');
    if (asked.CpuPercent) warnings.push('linux does not support CPU percent. Percent discarded.');
    return { Warnings: warnings.length === 0 ? null : warnings };
  });
}

function saveLimits({ store }: Services, container: Container, hostConfig: HostConfig): void {
  const before = container.record.hostConfig;
  container.record.hostConfig = hostConfig;
  try {
    store.saveRecord(container);
  } catch (error) {
    container.record.hostConfig = before;
    throw error;
  }
}

/** All of them or none: the kernel refuses some limits (a memory limit below what is used) when others are set already. */
function applyLimits(services: Services, group: string, before: CgroupResources, next: CgroupResources): void {
  try {
    services.cgroups.update(group, lifting(before, next));
  } catch (error) {
    try {
      services.cgroups.update(group, lifting(next, before));
    } catch (undoError) {
      services.log.warn({ err: undoError, group }, 'take back the limits of an update that failed');
    }
    throw error;
  }
}

function conflict({ id }: Container, why: string): EngineError {
  return new EngineError('conflict', `Cannot update container ${id}: ${why}`);
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
function refuseConflicts(container: Container, present: HostConfig, asked: HostConfig): void {
  const refuse = (why: string): never => {
    throw conflict(container, why);
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
