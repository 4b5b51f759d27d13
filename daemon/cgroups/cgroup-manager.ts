// The interface to control groups, whatever version the host has and whoever makes them. A group's path is the same in every hierarchy and
// relative to its mount, such as "/tsdocker/<id>". Everything here is per group; limits of a container come from resources.ts.
import type { CgroupFeatures } from './features.ts';
import type { CgroupResources } from './resources.ts';
import type { CgroupStats } from './stats.ts';

/** What is visible at /sys/fs/cgroup in the container: one entry per v1 hierarchy, or a single one with an empty name for v2. */
export interface CgroupMount {
  /** The container's own group, as a path of the host. */
  source: string;
  /** Below /sys/fs/cgroup; "cpu,cpuacct" for hierarchies that are mounted together. */
  name: string;
  /** "cgroup2" when the mount is better made anew inside the container's cgroup namespace. */
  type: 'cgroup' | 'cgroup2';
  /** Where the host has the whole hierarchy mounted. */
  hierarchy: string;
}

/** Where a container's processes go, and where to look for what became of them. */
export interface Placement {
  /** v1: the process writes "0" to each of these, by itself and first of all. */
  tasksFiles: string[];
  /** v2: to be opened for CLONE_INTO_CGROUP. */
  v2Dir?: string;
  /** A file with lines `key value`: how often the kernel killed a process of the group for want of memory. */
  oom?: { file: string; key: string };
  mounts: CgroupMount[];
  /** Names at /sys/fs/cgroup that are symbolic links on the host (cpu -> cpu,cpuacct). */
  symlinks: { name: string; target: string }[];
  /** cgroup.procs of the group that the monitor joins before the container's process exists. Undefined: it stays with the daemon. */
  monitorProcs?: string;
  /** To be called when the launch is over, whether it succeeded or not. */
  release?(): void;
}

/** One step of setting a group up, for `tsdocker explain`: a directory that is made, or a file that is written. */
export type CgroupStep = { directory: string } | { file: string; value: string };

/** Docker's native.cgroupdriver: who makes the groups of containers. */
export type CgroupDriver = 'cgroupfs' | 'systemd';

export interface CgroupManager {
  readonly driver: CgroupDriver;
  /** Below which parent containers are, unless one is asked for: a path, or the name of a slice. */
  readonly defaultParent: string;
  /** Whether others than this engine have groups in the parent. */
  readonly isParentShared: boolean;
  /** What `docker info` shows: 2 only when nothing is left to v1. */
  readonly version: 1 | 2;
  /** Throws 'invalid', in Docker's words, for what cannot be a parent with this driver. */
  checkParent(parent: string): void;
  /** The path of a container's group. Throws as checkParent does. */
  groupOf(parent: string, containerId: string): string;
  /** Ids of containers that have a group below a parent. */
  containersIn(parent: string): string[];
  /**
   * Makes the group in all hierarchies, with missing parents, and sets its limits. A group that is there already is made anew when no
   * process is in it. Nothing is left behind when it throws.
   */
  create(path: string, resources: CgroupResources): Placement | Promise<Placement>;
  /** What create would make and write, in order; touches nothing. Device rules on v2 are listed as rules. */
  plan(path: string, resources: CgroupResources): CgroupStep[];
  /** Where processes of an existing group go (exec). */
  placement(path: string): Placement;
  /** Changes the limits that `resources` names, device rules excepted. */
  update(path: string, resources: CgroupResources): void;
  /** Resolves when every process of the group stands still; undoes itself and throws when that takes too long. */
  freeze(path: string): Promise<void>;
  thaw(path: string): Promise<void>;
  /** SIGKILL for all processes of the group and of groups below it; resolves when none is left. A group that is gone is fine. */
  kill(path: string): Promise<void>;
  /** Host pids of the group and of groups below it; none when it does not exist. */
  pids(path: string): number[];
  /** Processes of the group that the kernel has killed for want of memory. */
  oomKills(path: string): number;
  /** Docker's parts of the stats JSON; undefined when the group does not exist. */
  stats(path: string): CgroupStats | undefined;
  /** Removes the group and groups below it in all hierarchies; waits for dying processes. A group that is gone is fine. */
  remove(path: string): Promise<void>;
  exists(path: string): boolean;
  /** Names of the groups directly below a group. */
  children(path: string): string[];
  /** What `docker info` warns about, in Docker's words. */
  warnings(): string[];
  features(): CgroupFeatures;
}
