// What the daemon's options say for containers that say nothing of their own.

export interface HostDefaults {
  cgroupVersion: 1 | 2;
  /** Bytes of /dev/shm. */
  shmSizeBytes: number;
  /** Processes of a container that sets no limit; undefined: any number. */
  pidsLimit?: number;
  logDriver: string;
  /** For containers that say nothing of their own. */
  dns: { servers: readonly string[]; search: readonly string[]; options: readonly string[] };
  /** What host-gateway stands for; empty: the bridge's own addresses. */
  hostGateways: readonly string[];
  logOptions: Readonly<Record<string, string>>;
  maskedPaths: readonly string[];
  readonlyPaths: readonly string[];
}
