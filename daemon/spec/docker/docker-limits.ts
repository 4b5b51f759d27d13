// Limits between Docker's body and ours: HostConfig's resource part. What values can be, and what the host can do: cgroups/check-limits.ts.
import type { HostConfig } from '../../docker-types/host-config.ts';
import type { DeviceLimit, Limits } from '../limits.ts';

/** Zero, empty and null are Docker's "nothing asked for". */
export function limitsFromDocker(body: HostConfig): Limits {
  const limits: { -readonly [K in keyof Limits]: Limits[K] } = {};
  if (body.Memory) limits.memoryBytes = body.Memory;
  if (body.MemorySwap) limits.memorySwapBytes = body.MemorySwap === -1 ? 'max' : body.MemorySwap;
  if (body.MemoryReservation) limits.memoryReservationBytes = body.MemoryReservation;
  // What older clients send for "the host's".
  if (typeof body.MemorySwappiness === 'number' && body.MemorySwappiness !== -1) {
    limits.swappiness = body.MemorySwappiness;
  }
  if (body.OomKillDisable) limits.oomKillDisable = true;
  if (body.NanoCpus) limits.nanoCpus = body.NanoCpus;
  if (body.CpuShares) limits.cpuShares = body.CpuShares;
  if (body.CpuPeriod) limits.cpuPeriodUs = body.CpuPeriod;
  if (body.CpuQuota) limits.cpuQuotaUs = body.CpuQuota;
  if (body.CpusetCpus) limits.cpusetCpus = body.CpusetCpus;
  if (body.CpusetMems) limits.cpusetMems = body.CpusetMems;
  if (typeof body.PidsLimit === 'number') limits.pids = body.PidsLimit > 0 ? body.PidsLimit : 'max';
  if (body.BlkioWeight) limits.blkioWeight = body.BlkioWeight;
  const lists = {
    blkioWeightDevices: body.BlkioWeightDevice?.map(({ Path, Weight }) => ({ path: Path, value: Weight })),
    blkioReadBps: rates(body.BlkioDeviceReadBps),
    blkioWriteBps: rates(body.BlkioDeviceWriteBps),
    blkioReadIops: rates(body.BlkioDeviceReadIOps),
    blkioWriteIops: rates(body.BlkioDeviceWriteIOps),
  };
  for (const [key, list] of Object.entries(lists)) if (list?.length) Object.assign(limits, { [key]: list });
  return limits;
}

function rates(list: HostConfig['BlkioDeviceReadBps']): DeviceLimit[] | undefined {
  return list?.map(({ Path, Rate }) => ({ path: Path, value: Rate }));
}

/** The body with the limits as they are granted: what was asked for and is not among them is shown as not asked for. */
export function limitsToDocker(body: HostConfig, granted: Limits): HostConfig {
  const next: HostConfig = { ...body };
  const set = <K extends keyof HostConfig>(key: K, value: HostConfig[K]) => {
    const asked = body[key];
    if (Array.isArray(asked) ? asked.length > 0 : asked) next[key] = value;
  };
  const swap = granted.memorySwapBytes;
  set('Memory', granted.memoryBytes ?? 0);
  set('MemorySwap', swap === 'max' ? -1 : (swap ?? 0));
  set('MemoryReservation', granted.memoryReservationBytes ?? 0);
  set('NanoCpus', granted.nanoCpus ?? 0);
  set('CpuShares', granted.cpuShares ?? 0);
  set('CpuPeriod', granted.cpuPeriodUs ?? 0);
  set('CpuQuota', granted.cpuQuotaUs ?? 0);
  set('BlkioWeight', granted.blkioWeight ?? 0);
  set('CpusetCpus', granted.cpusetCpus ?? '');
  set('CpusetMems', granted.cpusetMems ?? '');
  set('MemorySwappiness', granted.swappiness ?? null);
  set('PidsLimit', granted.pids === 'max' ? (body.PidsLimit ?? null) : (granted.pids ?? null));
  set('OomKillDisable', granted.oomKillDisable ?? false);
  set(
    'BlkioWeightDevice',
    granted.blkioWeightDevices?.map(({ path, value }) => ({ Path: path, Weight: value })) ?? null,
  );
  set('BlkioDeviceReadBps', dockerRates(granted.blkioReadBps));
  set('BlkioDeviceWriteBps', dockerRates(granted.blkioWriteBps));
  set('BlkioDeviceReadIOps', dockerRates(granted.blkioReadIops));
  set('BlkioDeviceWriteIOps', dockerRates(granted.blkioWriteIops));
  return next;
}

function dockerRates(list: readonly DeviceLimit[] | undefined): HostConfig['BlkioDeviceReadBps'] {
  return list?.map(({ path, value }) => ({ Path: path, Rate: value })) ?? null;
}
