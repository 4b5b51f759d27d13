// Limits of a container, as they are asked for. Absent is no limit (create) or as it is (update). What they come to in a control group,
// and whether the host can do it: daemon/cgroups.

/** A limit of one block device, by its path on the host; 0 is no limit. */
export interface DeviceLimit {
  readonly path: string;
  readonly value: number;
}

export interface Limits {
  readonly memoryBytes?: number;
  /** Memory and swap together; 'max' is no limit. */
  readonly memorySwapBytes?: number | 'max';
  readonly memoryReservationBytes?: number;
  /** 0 to 100. */
  readonly swappiness?: number;
  readonly oomKillDisable?: boolean;
  /** Processors in billionths: another way to say period and quota. */
  readonly nanoCpus?: number;
  readonly cpuShares?: number;
  readonly cpuPeriodUs?: number;
  /** -1 is no limit. */
  readonly cpuQuotaUs?: number;
  /** "0-3,7" */
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  readonly pids?: number | 'max';
  /** 10 to 1000. */
  readonly blkioWeight?: number;
  readonly blkioWeightDevices?: readonly DeviceLimit[];
  readonly blkioReadBps?: readonly DeviceLimit[];
  readonly blkioWriteBps?: readonly DeviceLimit[];
  readonly blkioReadIops?: readonly DeviceLimit[];
  readonly blkioWriteIops?: readonly DeviceLimit[];
}
