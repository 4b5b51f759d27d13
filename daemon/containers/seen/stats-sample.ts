// What a container uses, as it is handed out.
import type { CgroupStats } from '../../cgroups/stats.ts';
import type { InterfaceCounters } from './net-dev.ts';

/** Counters at one moment. */
export interface Reading {
  readonly timeNs: bigint;
  readonly cgroup: CgroupStats;
  /** By interface; undefined with the host's network or without one. */
  readonly interfaces: ReadonlyMap<string, InterfaceCounters> | undefined;
}

export interface StatsSample {
  readonly id: string;
  readonly name: string;
  /** undefined: it does not run. */
  readonly reading: Reading | undefined;
  /** A second earlier, to compare with; undefined in the first sample, and when it did not run then. */
  readonly previous: Reading | undefined;
}
