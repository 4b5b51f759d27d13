// Docker's object for one sample of what a container uses.
import type { InterfaceCounters } from '../../containers/seen/net-dev.ts';
import type { StatsSample } from '../../containers/seen/stats-sample.ts';
import type { ContainerStatsResponse, CpuStats, NetworkStats } from '../../docker-types/stats.ts';
import { formatTime } from '../../protocols/units/rfc3339.ts';

const never = formatTime(0n);
const noCpu: CpuStats = {
  cpu_usage: { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 },
  throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
};

export function statsView({ id, name, reading, previous }: StatsSample): ContainerStatsResponse {
  const head = { name: `/${name}`, id };
  if (reading === undefined) return emptySample(head);
  const { timeNs, cgroup, interfaces } = reading;
  return {
    ...head,
    read: formatTime(timeNs),
    preread: formatTime(previous?.timeNs ?? 0n),
    num_procs: 0,
    storage_stats: {},
    ...cgroup,
    precpu_stats: previous?.cgroup.cpu_stats ?? noCpu,
    ...(interfaces === undefined ? {} : { networks: networksView(interfaces) }),
  };
}

function emptySample(head: { name: string; id: string }): ContainerStatsResponse {
  return {
    ...head,
    read: never,
    preread: never,
    pids_stats: {},
    blkio_stats: {
      io_service_bytes_recursive: null,
      io_serviced_recursive: null,
      io_queue_recursive: null,
      io_service_time_recursive: null,
      io_wait_time_recursive: null,
      io_merged_recursive: null,
      io_time_recursive: null,
      sectors_recursive: null,
    },
    num_procs: 0,
    storage_stats: {},
    cpu_stats: noCpu,
    precpu_stats: noCpu,
    memory_stats: {},
  };
}

function networksView(interfaces: ReadonlyMap<string, InterfaceCounters>): Record<string, NetworkStats> {
  return Object.fromEntries(
    [...interfaces].map(([name, counters]) => [
      name,
      {
        rx_bytes: counters.rxBytes,
        rx_packets: counters.rxPackets,
        rx_errors: counters.rxErrors,
        rx_dropped: counters.rxDropped,
        tx_bytes: counters.txBytes,
        tx_packets: counters.txPackets,
        tx_errors: counters.txErrors,
        tx_dropped: counters.txDropped,
      },
    ]),
  );
}
