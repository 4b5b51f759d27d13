// One container's row of `stats`: arithmetic on two samples as docker does it, and the fields that templates can name.
import type { ContainerStatsResponse } from '../../daemon/docker-types/stats.ts';
import { binarySize, humanSize } from '../../daemon/protocols/units/human-units.ts';
import { Struct } from '../template/values.ts';
import { shortId } from './container-view.ts';

export const statsTable =
  'table {{.ID}}\\t{{.Name}}\\t{{.CPUPerc}}\\t{{.MemUsage}}\\t{{.MemPerc}}\\t{{.NetIO}}\\t{{.BlockIO}}\\t{{.PIDs}}';

export const statsHeaders: Record<string, string> = {
  Container: 'CONTAINER',
  Name: 'NAME',
  ID: 'CONTAINER ID',
  CPUPerc: 'CPU %',
  MemUsage: 'MEM USAGE / LIMIT',
  MemPerc: 'MEM %',
  NetIO: 'NET I/O',
  BlockIO: 'BLOCK I/O',
  PIDs: 'PIDS',
};

export interface StatsEntry {
  id: string;
  name: string;
  cpuPercent: number;
  memoryBytes: number;
  memoryLimitBytes: number;
  networkRxBytes: number;
  networkTxBytes: number;
  blockReadBytes: number;
  blockWriteBytes: number;
  pids: number;
}

export function statsEntry(sample: ContainerStatsResponse): StatsEntry {
  const networks = Object.values(sample.networks ?? {});
  const blocks = sample.blkio_stats?.io_service_bytes_recursive ?? [];
  const blockSum = (letter: string) =>
    blocks.filter(({ op }) => op.toLowerCase().startsWith(letter)).reduce((sum, { value }) => sum + value, 0);
  return {
    id: sample.id,
    name: sample.name,
    cpuPercent: cpuPercent(sample),
    memoryBytes: memoryWithoutCache(sample.memory_stats ?? {}),
    memoryLimitBytes: sample.memory_stats?.limit ?? 0,
    networkRxBytes: networks.reduce((sum, network) => sum + network.rx_bytes, 0),
    networkTxBytes: networks.reduce((sum, network) => sum + network.tx_bytes, 0),
    blockReadBytes: blockSum('r'),
    blockWriteBytes: blockSum('w'),
    pids: sample.pids_stats?.current ?? 0,
  };
}

function cpuPercent({ cpu_stats: now, precpu_stats: before }: ContainerStatsResponse): number {
  const used = (now?.cpu_usage?.total_usage ?? 0) - (before?.cpu_usage?.total_usage ?? 0);
  const passed = (now?.system_cpu_usage ?? 0) - (before?.system_cpu_usage ?? 0);
  const cpus = now?.online_cpus || (now?.cpu_usage?.percpu_usage?.length ?? 0);
  return used > 0 && passed > 0 ? (used / passed) * cpus * 100 : 0;
}

/** File pages that nobody uses can be given back at once: docker does not count them. */
function memoryWithoutCache({ usage = 0, stats = {} }: { usage?: number; stats?: Record<string, number> }): number {
  const inactive = stats.total_inactive_file ?? stats.inactive_file ?? 0;
  return inactive < usage ? usage - inactive : usage;
}

/** `entry` is undefined while nothing is known of the container; `isStale` when its samples stopped. */
export function statsView(
  container: string,
  entry: StatsEntry | undefined,
  options: { isStale: boolean; truncate: boolean },
): Struct {
  const shown = options.isStale ? undefined : entry;
  const percent = (value: number) => `${value.toFixed(2)}%`;
  const pair = (a: number, b: number) => `${humanSize(a, 3)} / ${humanSize(b, 3)}`;
  return new Struct('*container.statsContext', {
    Container: () => container,
    Name: () => (entry && entry.name.length > 1 ? entry.name.slice(1) : '--'),
    ID: () => (options.truncate ? shortId(entry?.id ?? '') : (entry?.id ?? '')),
    CPUPerc: () => (shown ? percent(shown.cpuPercent) : '--'),
    MemUsage: () => (shown ? `${binarySize(shown.memoryBytes)} / ${binarySize(shown.memoryLimitBytes)}` : '-- / --'),
    MemPerc: () =>
      shown ? percent(shown.memoryLimitBytes === 0 ? 0 : (shown.memoryBytes / shown.memoryLimitBytes) * 100) : '--',
    NetIO: () => (shown ? pair(shown.networkRxBytes, shown.networkTxBytes) : '--'),
    BlockIO: () => (shown ? pair(shown.blockReadBytes, shown.blockWriteBytes) : '--'),
    PIDs: () => (shown ? String(shown.pids) : '--'),
  });
}
