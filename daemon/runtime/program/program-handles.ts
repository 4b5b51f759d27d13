// What a program refers to that a spec cannot say: the numbers that inherited descriptors have in the launcher, what masked paths are,
// the compiled filter. Made by open-program.ts; plain data, so that compiling stays pure.
import type { CgroupPlacement } from '../container-input.ts';
import type { CompiledSeccomp } from '../seccomp/seccomp-compile.ts';
import type { PathKind } from './masked-paths.ts';

/** Shared by run and exec. */
export interface ProcessHandles {
  /** Directory of the log files, of the run files. */
  logFd: number;
  runFd: number;
  log: { nextSeq: number; maxBytes: number; maxFiles: number };
  openStdin: boolean;
  cgroup: CgroupPlacement;
  /** v2: the open directory for CLONE_INTO_CGROUP, else -1. */
  cgroupFd: number;
  seccomp?: CompiledSeccomp | undefined;
  /** Capabilities of the engine itself, which set the rest up. */
  ownCapabilities: bigint;
  /** Written when it differs from the engine's own. */
  oomScoreAdj?: number | undefined;
  /** Name of the session keyring. */
  keyring: string;
  init: boolean;
  firstFreeFd: number;
}

/** What a joined namespace is entered through. */
export interface JoinedNamespaces {
  pid?: number | undefined;
  network?: number | undefined;
  ipc?: number | undefined;
  uts?: number | undefined;
  /** With a joined ipc namespace: the mount namespace that holds its /dev/shm, and the engine's own to come back to. */
  shmMount?: { theirs: number; own: number } | undefined;
}

export interface ContainerHandles extends ProcessHandles {
  /** The detached overlay mount. */
  rootFd: number;
  stagingDir: string;
  /** Detached trees of the user's bind mounts, by destination; the other bind sources are opened by the launcher. */
  binds: ReadonlyMap<string, { fd: number; isDirectory: boolean }>;
  joined: JoinedNamespaces;
  /** For every masked and read-only path of the spec. */
  pathKinds: ReadonlyMap<string, PathKind>;
}
