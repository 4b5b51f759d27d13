// The parts of Docker's stats that come from control groups, for both versions of them. Counters that mean "no limit" are left out: they do
// not fit a JavaScript number.
import type { ContainerStatsResponse, CpuStats } from '../docker-types/stats.ts';

export interface CgroupStats
  extends Pick<ContainerStatsResponse, 'memory_stats' | 'blkio_stats' | 'pids_stats' | 'pressure_stats'> {
  /** With the processor time of the whole host. */
  cpu_stats: CpuStats & { system_cpu_usage: number; online_cpus: number };
}
