// What the main thread and the jail workers say to each other. Everything here can be cloned to another thread.
import type { MessagePort } from 'node:worker_threads';
import type { CancelFlag } from './cancellation.ts';
import type { Place } from './enclosure.ts';
import type { PathStat } from './file-facts.ts';
import type { SourceChoice } from './jobs/files/choose-sources.ts';
import type { KnownDigests } from './jobs/files/known-digests.ts';
import type { Owner } from './jobs/files/two-trees.ts';
import type { LinkTree } from './jobs/link-tree.ts';
import type { UnpackOptions } from './jobs/unpack.ts';
import type { TurnCounter } from './turns.ts';

export interface MountPointSpec {
  path: string;
  kind: 'directory' | 'file' | 'symlink';
  /** Of a symlink. */
  target?: string;
}

/** One thing to do in a jail. Paths are text (UTF-8) as users give them. */
export type Job =
  | {
      do: 'unpack-layer';
      place: Place;
      /** The layer becomes what its files make when they are packed, not what came. */
      repack: boolean;
      /** Tell the digest of what came. */
      digest?: boolean;
      maxContentBytes?: number;
      /** Where the archive lies, instead of an input port. */
      from?: FileRange;
      /** The caller syncs several at once, with 'sync'. */
      unsynced?: boolean;
    }
  /**
   * Changes files, in order: `upperFd` becomes a layer, `lowerFd` shows what is below it. They and the sources of copies stay open until the job ends.
   */
  | { do: 'change-files'; place: Place; upperFd: number; lowerFd?: number; changes: readonly FileChange[] }
  /** What a copy would take of the place: see Steps.checksum. `known`: nobody ever writes to its files. */
  | { do: 'checksum'; place: Place; choice: SourceChoice; known?: KnownDigests }
  /** The files that a copy's sources name in the place, as far as they may be archives: see NamedSource. */
  | { do: 'name-sources'; place: Place; choice: SourceChoice }
  /** Brings the place's file system to the disk. */
  | { do: 'sync'; place: Place }
  | { do: 'pack-layer'; place: Place; times?: PackTimes }
  /**
   * What 'pack-layer' would tell, without the archive, of a directory that overlayfs has written: what is in it that hides nothing is taken away
   * first. `lowerFd`: what the layer's parent shows; it stays open until the job ends.
   */
  | { do: 'digest-layer'; place: Place; lowerFd?: number }
  | {
      do: 'put';
      place: Place;
      path: string;
      options: Pick<UnpackOptions, 'noOverwriteDirNonDir' | 'owner'>;
      /** It is all on the disk when the job is done. */
      isSynced?: boolean;
    }
  | { do: 'get'; place: Place; path: string }
  /** See link-tree.ts. */
  | ({ do: 'link-tree'; place: Place } & LinkTree)
  /** See update-tree.ts: `changes` are its lines, the input port has the archive. */
  | { do: 'update-tree'; place: Place; path: string; changesFd: number }
  | { do: 'stat'; place: Place; path: string }
  | { do: 'export'; place: Place; times?: PackTimes }
  /** An array of Change as JSON, to the output port. `lowerFd` stays open until it ends. */
  | { do: 'changes'; place: Place; lowerFd: number }
  | { do: 'size'; place: Place }
  /** Bytes on the disk. */
  | { do: 'usage'; place: Place }
  /** One of the two for each of many directories (paths from the place on, which only the engine writes). */
  | { do: 'sizes'; place: Place; count: 'size' | 'usage'; directories: readonly string[] }
  | { do: 'make-mount-points'; place: Place; points: MountPointSpec[] }
  /** Mounts a file system that is another host's: whoever waits for that host is not the daemon. */
  | { do: 'mount'; place: Place; type: string; device: string; options: readonly string[]; attributes: number }
  /** Copies a mount (from `path` on) that can be seen from the place. `device`: only when it is on this file system (st_dev). */
  | { do: 'clone-mount'; place: Place; path: string; device?: number }
  /** Deletes what is below the place, apart from some of the names that are directly in it (byte strings). */
  | { do: 'empty'; place: Place; passOver?: readonly string[] };

/** One action of an operation on files: see daemon/build/graph/operation.ts. Owners are numbers here, and times seconds. */
export type FileChange =
  | (SourceChoice & {
      change: 'copy';
      /** The root of where it comes from. */
      fromFd: number;
      /** It is on the mount of `upperFd`, and nobody ever writes to its files: large ones may be linked. */
      isLinkable?: boolean;
      destination: string;
      owner?: Owner;
      mode?: string;
      replacesLinks: boolean;
      timestamp?: number;
    })
  | { change: 'make-file'; path: string; data: Uint8Array; mode: number; owner?: Owner; timestamp?: number }
  | {
      change: 'make-directory';
      path: string;
      mode: number;
      makesParents: boolean;
      /** One that was there gets the timestamp too: something was made in it. */
      touches?: boolean;
      owner?: Owner;
      timestamp?: number;
    }
  | { change: 'remove'; path: string; allowsMissing: boolean; hasWildcards: boolean }
  | { change: 'symlink'; path: string; target: string; owner?: Owner; timestamp?: number };

/** Something that a source names. Names that are no text are as near as text comes to them. */
export interface NamedSource {
  readonly path: string;
  /** A plain file, or a link to one. */
  readonly isFile: boolean;
}

/** Times of entries in place of those of files: of all, or only of those that are later. */
export interface PackTimes {
  seconds: number;
  isLimit: boolean;
}

/** Part of a file. `fd` stays the caller's, who keeps it open until the job is done. */
export interface FileRange {
  fd: number;
  offset: number;
  bytes: number;
}

export interface UnpackResult {
  sizeBytes: number;
  /** Bytes of the plain archive: what came, or with `repack` what it became. */
  tarBytes: number;
  entries: number;
  /** Digest of the layer's own archive (what pack-layer makes of it) with `repack`, of what came with `digest`. */
  diffId?: string;
}

/** What 'empty' could not delete: a name directly in the place (a byte string), and what stood in the way, there or below. */
export interface Undeleted {
  name: string;
  reason: string;
}

export interface PackResult {
  diffId: string;
  sizeBytes: number;
  tarBytes: number;
}

/** What a job results in. 'get' first tells its head, a PathStat. */
export interface JobResults {
  'unpack-layer': UnpackResult;
  'pack-layer': PackResult;
  'digest-layer': PackResult;
  'change-files': undefined;
  checksum: string;
  'name-sources': NamedSource[];
  sync: undefined;
  put: undefined;
  'link-tree': { leftOut: number };
  'update-tree': undefined;
  get: undefined;
  stat: PathStat;
  export: undefined;
  changes: undefined;
  size: number;
  usage: number;
  /** null: it is not there, or cannot be read. */
  sizes: (number | null)[];
  'make-mount-points': undefined;
  /** The mount's fd: fds are the process's, and this one is the caller's. */
  mount: number;
  'clone-mount': number;
  empty: Undeleted[];
}

/** From the main thread. The ports carry the archive's bytes: see chunk-port.ts. */
export type ToWorker =
  | { kind: 'job'; job: Job; input?: MessagePort; output?: MessagePort }
  /** Wakes a job that waits for its ports; the flag, which was set before, ends one that works. */
  | { kind: 'cancel' }
  /** The thread is to end. */
  | { kind: 'end' };

/** What a worker is given at its start. */
export interface WorkerStart {
  cancelFlag: CancelFlag;
  /** Files without names, for what jobs cannot keep in memory; none where the disk has no room for them. */
  scratchFds: readonly (number | undefined)[];
  turnCounter: TurnCounter;
}

export type FromWorker =
  | { kind: 'ready' }
  /** The job stands in its place: the main thread may close the mounts' fds. */
  | { kind: 'entered' }
  | { kind: 'head'; value: PathStat }
  /** The output has begun. */
  | { kind: 'begun' }
  | { kind: 'done'; value: unknown }
  | { kind: 'failed'; error: PlainError };

/** An error on its way between threads. */
export interface PlainError {
  message: string;
  /** Of an EngineError, or what an archive that is none is for the user. */
  engineCode?: string;
  /** Of a system call: ENOENT … */
  code?: string;
  syscall?: string;
  path?: string;
}
