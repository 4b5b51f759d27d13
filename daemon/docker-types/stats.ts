// What GET /containers/{id}/stats answers, for both versions of cgroups, under the names of Docker's API description.
// Times in nanoseconds, sizes in bytes. Parts that a version does not have are absent.

export interface ThrottlingData {
  periods: number;
  throttled_periods: number;
  throttled_time: number;
}

export interface CpuStats {
  cpu_usage: {
    total_usage: number;
    percpu_usage?: number[];
    usage_in_kernelmode: number;
    usage_in_usermode: number;
  };
  system_cpu_usage?: number;
  online_cpus?: number;
  throttling_data: ThrottlingData;
}

export interface MemoryStats {
  usage?: number;
  max_usage?: number;
  stats?: Record<string, number>;
  failcnt?: number;
  limit?: number;
}

export interface BlkioStatEntry {
  major: number;
  minor: number;
  op: string;
  value: number;
}

export interface BlkioStats {
  io_service_bytes_recursive: BlkioStatEntry[] | null;
  io_serviced_recursive: BlkioStatEntry[] | null;
  io_queue_recursive: BlkioStatEntry[] | null;
  io_service_time_recursive: BlkioStatEntry[] | null;
  io_wait_time_recursive: BlkioStatEntry[] | null;
  io_merged_recursive: BlkioStatEntry[] | null;
  io_time_recursive: BlkioStatEntry[] | null;
  sectors_recursive: BlkioStatEntry[] | null;
}

export interface NetworkStats {
  rx_bytes: number;
  rx_packets: number;
  rx_errors: number;
  rx_dropped: number;
  tx_bytes: number;
  tx_packets: number;
  tx_errors: number;
  tx_dropped: number;
}

/** Shares of the last 10, 60 and 300 seconds in percent, and all the time so far in microseconds. */
export interface PressureShares {
  avg10: number;
  avg60: number;
  avg300: number;
  total_us: number;
}

export interface Pressure {
  /** At least one process waited. */
  some: PressureShares;
  /** All that could have run waited. */
  full?: PressureShares;
}

export interface PressureStats {
  cpu?: Pressure;
  memory?: Pressure;
  io?: Pressure;
}

export interface ContainerStatsResponse {
  name: string;
  id: string;
  /** RFC 3339; 0001-01-01T00:00:00Z for a container that does not run. */
  read: string;
  preread: string;
  pids_stats: { current?: number; limit?: number };
  blkio_stats: BlkioStats;
  num_procs: number;
  storage_stats: Record<string, never>;
  cpu_stats: CpuStats;
  precpu_stats: CpuStats;
  memory_stats: MemoryStats;
  networks?: Record<string, NetworkStats>;
  /** Not in Docker's API: pressure stall information, on cgroup v2. */
  pressure_stats?: PressureStats;
}
