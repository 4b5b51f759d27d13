// What is known about a container when its spec is made: the input of buildSpec, openContainerProgram and openExecProgram.
// Everything is plain data or an open descriptor that belongs to the caller.
import type { ContainerSpec } from '../spec/container-spec.ts';
import type { HostFacts } from './host-facts.ts';
import type { RuntimeHost } from './runtime-host.ts';

/** A user of the image, looked up: `ids` are what the process runs with. */
export interface ResolvedUser {
  uid: number;
  gid: number;
  /** Supplementary groups, the primary one included (as Docker 23 and later do). */
  additionalGids: number[];
  /** Home directory of the user in /etc/passwd, "/" when there is none. */
  home: string;
}

/** Host paths of the files that the engine writes for a container. */
export interface ManagedFiles {
  hosts?: string;
  hostname?: string;
  resolvConf?: string;
}

/**
 * 'private' makes a new namespace, 'host' keeps the engine's, a pid joins that process's, an fd is an open namespace
 * file (which stays the caller's).
 */
export type NamespaceChoice = 'private' | 'host' | { pid: number } | { fd: number };

export interface NamespacePlan {
  pid: Exclude<NamespaceChoice, { fd: number }>;
  /** A pid also shares that container's /dev/shm. */
  ipc: Exclude<NamespaceChoice, { fd: number }>;
  uts: Exclude<NamespaceChoice, { fd: number }>;
  network: NamespaceChoice;
  cgroup: 'private' | 'host';
}

/** One mount below /sys/fs/cgroup of the container. */
export interface CgroupMount {
  /** Host path of the container's own group (or of the hierarchy's root with a host cgroup namespace). */
  source: string;
  /** Name below /sys/fs/cgroup, empty for /sys/fs/cgroup itself (v2). */
  name: string;
}

/** The container's place in the cgroup hierarchies: structurally the Placement of daemon/cgroups. */
export interface CgroupPlacement {
  /** v1: files that the process writes "0" to. */
  tasksFiles: readonly string[];
  /** v2: directory for CLONE_INTO_CGROUP. */
  v2Dir?: string | undefined;
  /** Counter of OOM kills, for the exit record. */
  oom?: { file: string; key: string } | undefined;
  mounts: readonly CgroupMount[];
  /** Names in /sys/fs/cgroup that are symbolic links (cpu -> cpu,cpuacct). */
  symlinks: readonly { name: string; target: string }[];
  /** The cgroup.procs that the monitor writes itself to. */
  monitorProcs?: string | undefined;
}

export interface SpecInput {
  /** 64 hexadecimal digits. */
  id: string;
  container: ContainerSpec;
  /** Beside those of the container: what comes with links. */
  linkEnv?: readonly string[];
  user: ResolvedUser;
  managedFiles: ManagedFiles;
  namespaces: NamespacePlan;
  /** Path in the cgroup hierarchies, as in the spec's cgroupsPath. */
  cgroupPath: string;
  /** Of the cgroup manager: what /sys/fs/cgroup looks like. */
  cgroupVersion: 1 | 2;
  facts: HostFacts;
}

export interface ContainerProgramInput extends SpecInput {
  host: RuntimeHost;
  /** Detached overlay mount; stays the caller's. */
  rootFd: number;
  cgroup: CgroupPlacement;
  logDir: string;
  logOptions: { maxBytes: number; maxFiles: number };
  nextLogSeq: number;
  runDir: string;
  /** Any existing directory of the host: the root is attached there inside the new mount namespace, and nowhere else. */
  stagingDir: string;
  /** Detached mounts for the mounts of type volume and image, by target; they stay the caller's. */
  sources: ReadonlyMap<string, number>;
}

/** Docker's exec body, defaults applied. */
export interface ExecOptions {
  args: readonly string[];
  env: readonly string[];
  tty: boolean;
  openStdin: boolean;
  privileged: boolean;
  /** Looked up in the running container's root; see resolveUser. */
  user: ResolvedUser;
  /** Empty: the container's. */
  workingDir: string;
}

export interface ExecProgramInput {
  /** Of the container. */
  id: string;
  container: ContainerSpec;
  /** Beside those of the container: what comes with links. */
  linkEnv?: readonly string[];
  exec: ExecOptions;
  /** The container's first process, seen from the host. */
  pid: number;
  /** Its parent: tells whether `pid` is still the container's. */
  monitorPid: number;
  cgroup: CgroupPlacement;
  host: RuntimeHost;
  logDir: string;
  logOptions: { maxBytes: number; maxFiles: number };
  nextLogSeq: number;
  runDir: string;
}
