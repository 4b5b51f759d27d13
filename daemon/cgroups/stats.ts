// The parts of Docker's stats JSON that come from control groups, read for both versions of cgroups.
// Times in nanoseconds, sizes in bytes. Counters that mean "no limit" are left out: they do not fit a JavaScript number.

export interface CpuStats {
  cpu_usage: {
    total_usage: number;
    /** v1 only. */
    percpu_usage?: number[];
    usage_in_kernelmode: number;
    usage_in_usermode: number;
  };
  /** Processor time of the whole host. */
  system_cpu_usage: number;
  online_cpus: number;
  throttling_data: { periods: number; throttled_periods: number; throttled_time: number };
}

export interface MemoryStats {
  usage?: number;
  /** v1 only. */
  max_usage?: number;
  stats?: Record<string, number>;
  failcnt?: number;
  /** The host's memory when the group has no limit. */
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

export interface CgroupStats {
  cpu_stats: CpuStats;
  memory_stats: MemoryStats;
  blkio_stats: BlkioStats;
  pids_stats: { current?: number; limit?: number };
  /** cgroup v2 with a kernel that counts it. */
  pressure_stats?: PressureStats;
}
