// As container-fields.ts, for what is control groups': with either version of them. See group-fields.test.ts.
import { existsSync } from 'node:fs';
import { host, mount, type Row } from './container-fields.ts';

const isV1 = existsSync('/sys/fs/cgroup/memory/memory.limit_in_bytes');
export const CGROUP_PARENT = '/tsdt-fields';
/** A disk that the kernel has, for limits of devices. */
export const disk = ['/dev/vda', '/dev/sda', '/dev/nvme0n1'].find((path) => existsSync(path));

const throttle = (name: string): Record<string, Row> => {
  const device = (fields: object) => host({ [name]: [{ Path: disk ?? '/dev/null', Rate: 1048576, ...fields }] });
  return {
    [`HostConfig.${name}[].Path`]: { body: device({ Path: '/nosuch' }), refused: /nosuch/ },
    [`HostConfig.${name}[].Rate`]:
      disk === undefined
        ? { body: device({}), refused: /device/ }
        : { body: device({}), shows: /(blkio|io)\..*1048576/ },
  };
};

export const groupRows: Record<string, Row> = {
  'HostConfig.CgroupnsMode': {
    body: host({ CgroupnsMode: isV1 ? 'private' : 'host' }),
    shows: isV1 ? /\+ namespace cgroup of its own/ : /\+ namespace cgroup of the host/,
  },
  'HostConfig.CpuShares': { body: host({ CpuShares: 512 }), shows: isV1 ? /\+ cpu\.shares 512/ : /\+ cpu\.weight 59/ },
  'HostConfig.Memory': { body: host({ Memory: 64 << 20 }), shows: /\+ memory\.(limit_in_bytes|max) 67108864/ },
  'HostConfig.NanoCpus': { body: host({ NanoCpus: 5e8 }), shows: /\+ cpu\.(cfs_quota_us 50000|max 50000 100000)/ },
  'HostConfig.CgroupParent': { body: host({ CgroupParent: CGROUP_PARENT }), shows: /\+ group \/tsdt-fields\/ID/ },
  'HostConfig.BlkioWeight': { body: host({ BlkioWeight: 300 }), shows: /\+ (blkio|io)\..*weight/, warns: /weight/ },
  'HostConfig.BlkioWeightDevice[].Path': {
    body: host({ BlkioWeightDevice: [{ Path: '/nosuch', Weight: 300 }] }),
    refused: /nosuch/,
    warns: /weight_device/,
  },
  'HostConfig.BlkioWeightDevice[].Weight': {
    body: host({ BlkioWeightDevice: [{ Path: disk ?? '/dev/null', Weight: 1 }] }),
    refused: /weight|device/i,
    warns: /weight_device/,
  },
  ...throttle('BlkioDeviceReadBps'),
  ...throttle('BlkioDeviceWriteBps'),
  ...throttle('BlkioDeviceReadIOps'),
  ...throttle('BlkioDeviceWriteIOps'),
  'HostConfig.CpuPeriod': {
    base: host({ CpuQuota: 20000 }),
    body: host({ CpuPeriod: 50000 }),
    shows: /\+ cpu\.(cfs_period_us 50000|max 20000 50000)/,
  },
  'HostConfig.CpuQuota': { body: host({ CpuQuota: 20000 }), shows: /\+ cpu\.(cfs_quota_us 20000|max 20000 100000)/ },
  'HostConfig.CpuRealtimePeriod': { body: host({ CpuRealtimePeriod: 1000 }), refused: /cpu-rt/ },
  'HostConfig.CpuRealtimeRuntime': { body: host({ CpuRealtimeRuntime: 1000 }), refused: /cpu-rt/ },
  'HostConfig.CpusetCpus': { body: host({ CpusetCpus: '0' }), shows: /\+ cpuset\.cpus 0$/m },
  'HostConfig.CpusetMems': { body: host({ CpusetMems: '63' }), refused: /63/ },
  'HostConfig.Devices[].CgroupPermissions': {
    base: host({ Devices: [{ PathOnHost: '/dev/kmsg', PathInContainer: '/dev/kmsg', CgroupPermissions: 'rwm' }] }),
    body: host({ Devices: [{ PathOnHost: '/dev/kmsg', PathInContainer: '/dev/kmsg', CgroupPermissions: 'r' }] }),
    inside: '(: >> /dev/kmsg) 2>/dev/null && echo can write',
    shows: /- can write/,
  },
  'HostConfig.DeviceCgroupRules': {
    body: host({ DeviceCgroupRules: ['c 1:11 rwm'] }),
    inside: 'mknod /tmp/kmsg c 1 11; (: >> /tmp/kmsg) 2>/dev/null && echo can write',
    shows: /\+ can write/,
  },
  'HostConfig.MemoryReservation': {
    base: host({ Memory: 64 << 20 }),
    body: host({ MemoryReservation: 32 << 20 }),
    shows: /\+ memory\.(soft_limit_in_bytes|low) 33554432/,
  },
  'HostConfig.MemorySwap': {
    base: host({ Memory: 64 << 20 }),
    body: host({ MemorySwap: 100 << 20 }),
    shows: /\+ memory\.(memsw\.limit_in_bytes 104857600|swap\.max 37748736)/,
    warns: /swap/,
  },
  'HostConfig.MemorySwappiness': {
    body: host({ MemorySwappiness: 7 }),
    shows: /\+ memory\.swappiness 7/,
    warns: /swappiness/,
    refused: /swappiness/,
  },
  'HostConfig.OomKillDisable': {
    base: host({ Memory: 64 << 20 }),
    body: host({ OomKillDisable: true }),
    shows: /\+ memory\.oom_control oom_kill_disable 1/,
    warns: /OomKillDisable/,
  },
  'HostConfig.PidsLimit': { body: host({ PidsLimit: 77 }), shows: /\+ pids\.max 77/ },
  'HostConfig.Mounts[].BindOptions.NonRecursive': {
    base: mount({}),
    body: mount({ BindOptions: { NonRecursive: true } }),
    shows: /- mount \S+ \/m\/cgroup/,
  },
  'HostConfig.Mounts[].BindOptions.ReadOnlyNonRecursive': {
    base: mount({ ReadOnly: true }),
    body: mount({ ReadOnly: true, BindOptions: { ReadOnlyNonRecursive: true } }),
    shows: /\+ mount \S+ \/m\/cgroup\S* rw/,
  },
};
