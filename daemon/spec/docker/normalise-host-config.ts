// A complete HostConfig out of what the client sent: every key there, docker's defaults filled in, "no value" in docker's spelling.
// Inspect gives it back as it is, and tools make new containers out of that. What a value means is checked elsewhere.

import type { HostConfig } from '../../docker-types/host-config.ts';
import type { HostDefaults } from '../host-defaults.ts';

/** As they were given: null when they were not, and an empty list stays one. */
const lists = [
  'Dns',
  'DnsOptions',
  'DnsSearch',
  'BlkioWeightDevice',
  'BlkioDeviceReadBps',
  'BlkioDeviceWriteBps',
  'BlkioDeviceReadIOps',
  'BlkioDeviceWriteIOps',
  'Devices',
  'Ulimits',
  'Binds',
  'VolumesFrom',
  'CapAdd',
  'CapDrop',
  'ExtraHosts',
  'GroupAdd',
  'Links',
  'SecurityOpt',
  'DeviceCgroupRules',
  'DeviceRequests',
] as const;
const zeroNumbers = [
  'OomScoreAdj',
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
  'CpuCount',
  'CpuPercent',
  'IOMaximumIOps',
  'IOMaximumBandwidth',
] as const;
const emptyTexts = [
  'ContainerIDFile',
  'VolumeDriver',
  'Cgroup',
  'PidMode',
  'UTSMode',
  'UsernsMode',
  'Isolation',
  'CgroupParent',
  'CpusetCpus',
  'CpusetMems',
] as const;
const falses = ['AutoRemove', 'Privileged', 'PublishAllPorts', 'ReadonlyRootfs'] as const;

export const defaultRuntime = 'runc';

export function normaliseHostConfig(asked: HostConfig, defaults: HostDefaults): HostConfig {
  const full: Record<string, unknown> = {};
  for (const key of lists) full[key] = asked[key] ?? null;
  for (const key of zeroNumbers) full[key] = asked[key] ?? 0;
  for (const key of emptyTexts) full[key] = asked[key] ?? '';
  for (const key of falses) full[key] = asked[key] ?? false;

  const memory = asked.Memory ?? 0;
  const swap = asked.MemorySwap ?? 0;
  const logType = asked.LogConfig?.Type || defaults.logDriver;
  const logOptions = asked.LogConfig?.Type
    ? asked.LogConfig.Config
    : { ...defaults.logOptions, ...asked.LogConfig?.Config };
  return {
    ...(full as HostConfig),
    LogConfig: { Type: logType, Config: logOptions ?? {} },
    NetworkMode:
      asked.NetworkMode === undefined || ['', 'default'].includes(asked.NetworkMode) ? 'bridge' : asked.NetworkMode,
    PortBindings: bindingsOf(asked.PortBindings),
    RestartPolicy: {
      Name: asked.RestartPolicy?.Name || 'no',
      MaximumRetryCount: asked.RestartPolicy?.MaximumRetryCount ?? 0,
    },
    ConsoleSize: asked.ConsoleSize ?? [0, 0],
    CgroupnsMode: asked.CgroupnsMode || (defaults.cgroupVersion === 2 && !asked.Privileged ? 'private' : 'host'),
    IpcMode: asked.IpcMode || 'private',
    ShmSize: asked.ShmSize || defaults.shmSizeBytes,
    Runtime: asked.Runtime || defaultRuntime,
    MemorySwap: memory > 0 && swap === 0 ? memory * 2 : swap,
    MemorySwappiness:
      asked.MemorySwappiness === undefined || asked.MemorySwappiness === -1 ? null : asked.MemorySwappiness,
    OomKillDisable: asked.OomKillDisable ?? false,
    // 0 is what docker's clients send for nothing said; -1 is the wish for none.
    PidsLimit:
      (asked.PidsLimit || (defaults.pidsLimit ?? 0)) > 0 ? asked.PidsLimit || (defaults.pidsLimit ?? null) : null,
    MaskedPaths: pathsOf(asked, asked.MaskedPaths, defaults.maskedPaths),
    ReadonlyPaths: pathsOf(asked, asked.ReadonlyPaths, defaults.readonlyPaths),
    ...(asked.Mounts && asked.Mounts.length > 0 ? { Mounts: asked.Mounts } : {}),
    ...(asked.Tmpfs && Object.keys(asked.Tmpfs).length > 0 ? { Tmpfs: asked.Tmpfs } : {}),
    ...(asked.Sysctls && Object.keys(asked.Sysctls).length > 0 ? { Sysctls: asked.Sysctls } : {}),
    ...(asked.StorageOpt && Object.keys(asked.StorageOpt).length > 0 ? { StorageOpt: asked.StorageOpt } : {}),
    ...(asked.Annotations && Object.keys(asked.Annotations).length > 0 ? { Annotations: asked.Annotations } : {}),
    ...(typeof asked.Init === 'boolean' ? { Init: asked.Init } : {}),
    ...(asked.RestartUnhealthy ? { RestartUnhealthy: true } : {}),
  };
}

/** Every binding with both of its keys: clients read them without asking. */
function bindingsOf(asked: HostConfig['PortBindings']): NonNullable<HostConfig['PortBindings']> | null {
  if (!asked) return null;
  const complete = Object.entries(asked).map(
    ([port, list]) =>
      [port, list ? list.map(({ HostIp = '', HostPort = '' }) => ({ HostIp, HostPort })) : list] as const,
  );
  return Object.fromEntries(complete);
}

/** null stands for the defaults, [] for none; privileged and systempaths=unconfined have none. */
function pathsOf(asked: HostConfig, paths: string[] | null | undefined, defaults: readonly string[]): string[] | null {
  const unconfined = (asked.SecurityOpt ?? []).some((option) => /^systempaths[=:]unconfined$/.test(option));
  if (asked.Privileged || unconfined) return paths ?? null;
  return paths === null || paths === undefined ? [...defaults] : paths;
}
