// POST /containers/{id}/update: limits and restart policy, live when it runs. Only what the request names changes.
import type { ContainerUpdateResponse } from '../api/types/container-actions.ts';
import type { HostConfig } from '../api/types/host-config.ts';
import { resourcesFromHostConfig } from '../cgroups/resources.ts';
import { EngineError } from '../errors/engine-error.ts';
import { validateHostConfig } from '../runtime/validate-host-config.ts';
import { cgroupPathOf } from './cgroup-path.ts';
import type { Container } from './container.ts';
import { publishContainerEvent } from './container-events.ts';
import { checkRestartPolicy } from './restart-policy.ts';
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
  return container.lock.run(async () => {
    if (container.isRemoving) {
      throw new EngineError(
        'conflict',
        `cannot update container ${container.id}: it is marked for removal and cannot be updated`,
      );
    }
    const before = container.record.hostConfig;
    const next = merge(before, asked);
    checkRestartPolicy(next);
    validateHostConfig(next, container.record.config, services.host.facts, services.defaults.cgroupVersion);
    const { resources, warnings } = resourcesFromHostConfig(next, services.cgroups);
    // The record first: the next start of a daemon that is killed in between gives the kernel what the record says.
    saveLimits(services, container, next);
    try {
      if (container.isRunning) services.cgroups.update(cgroupPathOf(services, container), resources);
    } catch (error) {
      saveLimits(services, container, before);
      throw error;
    }
    publishContainerEvent(services, container, 'update');
    return { Warnings: warnings.length === 0 ? null : [...warnings] };
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
  // --cpus replaces period and quota, and the other way round.
  if (asked.NanoCpus) Object.assign(next, { CpuPeriod: 0, CpuQuota: 0 });
  else if (asked.CpuPeriod || asked.CpuQuota) next.NanoCpus = 0;
  checkMemory(present, next, asked);
  return next;
}

function checkMemory(present: HostConfig, next: HostConfig, asked: HostConfig): void {
  const swap = present.MemorySwap ?? 0;
  if (asked.Memory && !asked.MemorySwap && swap > 0 && asked.Memory > swap) {
    throw new EngineError(
      'invalid',
      'Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time',
    );
  }
  if (asked.Memory && !asked.MemorySwap && swap === 0) next.MemorySwap = asked.Memory * 2;
}
