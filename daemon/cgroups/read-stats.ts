// Reads the stats of a group, each part from the version of cgroups that has the controller.
import type { BlkioStatEntry, BlkioStats, CpuStats, MemoryStats } from '../docker-types/stats.ts';
import type { GroupFiles } from './group-files.ts';
import { type Hierarchies, type V1Controller, v1Hierarchy, v2With } from './hierarchies.ts';
import { parseCounter, parseKeyed, parseLines } from './number-file.ts';
import { readPressure } from './pressure.ts';
import type { CgroupStats } from './stats.ts';

/** /proc/stat counts in ticks of 10 ms (USER_HZ is 100 on every architecture that Linux still has users on). */
const TICK_NS = 10_000_000;
const US = 1000;

export interface HostStats {
  systemCpuNs: number;
  onlineCpus: number;
  memoryBytes: number;
}

/** From the texts of /proc/stat and /proc/meminfo. */
export function parseHostStats(stat: string, meminfo: string): HostStats {
  const lines = stat.split('\n');
  const ticks = lines[0]?.split(/\s+/).slice(1, 8).map(Number) ?? [];
  return {
    systemCpuNs: ticks.reduce((sum, value) => sum + value, 0) * TICK_NS,
    onlineCpus: lines.filter((line) => /^cpu[0-9]/.test(line)).length,
    memoryBytes: Number(/^MemTotal:\s+([0-9]+) kB/m.exec(meminfo)?.[1] ?? 0) * 1024,
  };
}

/** Reads a group's stats. Controllers that the host lacks, and files that are gone, leave empty parts. */
export function readStats(hierarchies: Hierarchies, files: GroupFiles, path: string, host: HostStats): CgroupStats {
  const v1 = (controller: V1Controller) => {
    const hierarchy = v1Hierarchy(hierarchies, controller);
    return hierarchy && ((name: string) => files.read(`${hierarchy.dir}${path}/${name}`));
  };
  const v2 = hierarchies.v2 && ((name: string) => files.read(`${hierarchies.v2?.dir}${path}/${name}`));
  const [cpuacct, cpu, memory, blkio, pids] = [v1('cpuacct'), v1('cpu'), v1('memory'), v1('blkio'), v1('pids')];
  const v2Memory = v2With(hierarchies, 'memory') && v2;
  const v2Io = v2With(hierarchies, 'io') && v2;
  const pressure = v2 && readPressure(v2);
  return {
    cpu_stats: {
      ...(cpuacct ? cpuUsageV1(cpuacct, cpu) : cpuUsageV2(v2)),
      system_cpu_usage: host.systemCpuNs,
      online_cpus: host.onlineCpus,
    },
    memory_stats: memory ? memoryV1(memory, host) : v2Memory ? memoryV2(v2Memory, host) : {},
    blkio_stats: blkio ? blkioV1(blkio) : v2Io ? blkioV2(v2Io) : NO_BLKIO,
    pids_stats: pidsStats(pids ?? v2),
    ...(pressure === undefined ? {} : { pressure_stats: pressure }),
  };
}

type Read = (name: string) => string | undefined;
type CpuUsage = Omit<CpuStats, 'system_cpu_usage' | 'online_cpus'>;

function cpuUsageV1(cpuacct: Read, cpu: Read | undefined): CpuUsage {
  const throttling = parseKeyed(cpu?.('cpu.stat'));
  const perCpu = cpuacct('cpuacct.usage_percpu')?.trim().split(' ').map(Number);
  return {
    cpu_usage: {
      total_usage: parseCounter(cpuacct('cpuacct.usage')) ?? 0,
      ...(perCpu ? { percpu_usage: perCpu } : {}),
      usage_in_kernelmode: parseCounter(cpuacct('cpuacct.usage_sys')) ?? 0,
      usage_in_usermode: parseCounter(cpuacct('cpuacct.usage_user')) ?? 0,
    },
    throttling_data: {
      periods: throttling.get('nr_periods') ?? 0,
      throttled_periods: throttling.get('nr_throttled') ?? 0,
      throttled_time: throttling.get('throttled_time') ?? 0,
    },
  };
}

function cpuUsageV2(read: Read | undefined): CpuUsage {
  const stat = parseKeyed(read?.('cpu.stat'));
  const ns = (key: string) => (stat.get(key) ?? 0) * US;
  return {
    cpu_usage: {
      total_usage: ns('usage_usec'),
      usage_in_kernelmode: ns('system_usec'),
      usage_in_usermode: ns('user_usec'),
    },
    throttling_data: {
      periods: stat.get('nr_periods') ?? 0,
      throttled_periods: stat.get('nr_throttled') ?? 0,
      throttled_time: ns('throttled_usec'),
    },
  };
}

function memoryV1(read: Read, host: HostStats): MemoryStats {
  const stats: MemoryStats = {};
  setIfThere(stats, 'usage', parseCounter(read('memory.usage_in_bytes')));
  setIfThere(stats, 'max_usage', parseCounter(read('memory.max_usage_in_bytes')));
  stats.stats = Object.fromEntries(parseKeyed(read('memory.stat')));
  setIfThere(stats, 'failcnt', parseCounter(read('memory.failcnt')) || undefined);
  stats.limit = Math.min(parseCounter(read('memory.limit_in_bytes')) ?? host.memoryBytes, host.memoryBytes);
  return stats;
}

function memoryV2(read: Read, host: HostStats): MemoryStats {
  const stats: MemoryStats = {};
  setIfThere(stats, 'usage', parseCounter(read('memory.current')));
  stats.stats = Object.fromEntries(parseKeyed(read('memory.stat')));
  setIfThere(stats, 'failcnt', parseKeyed(read('memory.events')).get('oom') || undefined);
  stats.limit = Math.min(parseCounter(read('memory.max')) ?? host.memoryBytes, host.memoryBytes);
  return stats;
}

function setIfThere<K extends 'usage' | 'max_usage' | 'failcnt'>(
  stats: MemoryStats,
  key: K,
  value: number | undefined,
): void {
  if (value !== undefined) stats[key] = value;
}

function pidsStats(read: Read | undefined): CgroupStats['pids_stats'] {
  const current = parseCounter(read?.('pids.current'));
  const limit = parseCounter(read?.('pids.max'));
  return { ...(current === undefined ? {} : { current }), ...(limit === undefined ? {} : { limit }) };
}

const NO_BLKIO: BlkioStats = {
  io_service_bytes_recursive: null,
  io_serviced_recursive: null,
  io_queue_recursive: null,
  io_service_time_recursive: null,
  io_wait_time_recursive: null,
  io_merged_recursive: null,
  io_time_recursive: null,
  sectors_recursive: null,
};

function blkioV1(read: Read): BlkioStats {
  const table = (...names: string[]) => {
    for (const name of names) {
      const text = read(name);
      if (text !== undefined) return parseBlkioTable(text);
    }
    return [];
  };
  return {
    io_service_bytes_recursive: table('blkio.throttle.io_service_bytes_recursive', 'blkio.throttle.io_service_bytes'),
    io_serviced_recursive: table('blkio.throttle.io_serviced_recursive', 'blkio.throttle.io_serviced'),
    io_queue_recursive: table('blkio.bfq.io_queued_recursive'),
    io_service_time_recursive: table('blkio.bfq.io_service_time_recursive'),
    io_wait_time_recursive: table('blkio.bfq.io_wait_time_recursive'),
    io_merged_recursive: table('blkio.bfq.io_merged_recursive'),
    io_time_recursive: table('blkio.bfq.time_recursive'),
    sectors_recursive: table('blkio.bfq.sectors_recursive'),
  };
}

/** Lines `8:0 Read 4096`, and a last one `Total 4096` that belongs to no device. */
export function parseBlkioTable(text: string): BlkioStatEntry[] {
  const entries: BlkioStatEntry[] = [];
  for (const line of text.split('\n')) {
    const match = /^([0-9]+):([0-9]+)(?: ([A-Za-z]+))? ([0-9]+)$/.exec(line);
    if (match === null) continue;
    const [, major, minor, op = '', value] = match;
    entries.push({ major: Number(major), minor: Number(minor), op, value: Number(value) });
  }
  return entries;
}

function blkioV2(read: Read): BlkioStats {
  const bytes: BlkioStatEntry[] = [];
  const operations: BlkioStatEntry[] = [];
  for (const line of (read('io.stat') ?? '').split('\n')) {
    const match = /^([0-9]+):([0-9]+) (.*)$/.exec(line);
    if (match === null) continue;
    const device = { major: Number(match[1]), minor: Number(match[2]) };
    for (const pair of match[3]?.split(' ') ?? []) {
      const [key = '', value] = pair.split('=');
      const count = parseCounter(value) ?? 0;
      if (key === 'rbytes' || key === 'wbytes') bytes.push({ ...device, op: opOf(key), value: count });
      if (key === 'rios' || key === 'wios') operations.push({ ...device, op: opOf(key), value: count });
    }
  }
  return { ...NO_BLKIO, io_service_bytes_recursive: bytes, io_serviced_recursive: operations };
}

function opOf(key: string): string {
  return key.startsWith('r') ? 'read' : 'write';
}

/** The pids in cgroup.procs. A process of another pid namespace is shown as 0 and left out. */
export function parsePids(text: string | undefined): number[] {
  return parseLines(text).filter((pid) => pid > 0);
}
