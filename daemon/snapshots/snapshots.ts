// The one interface of writable layers: what containers, and whoever else needs a root to write to, ask of where files lie. How it is done is in
// overlay-snapshots.ts; every implementation passes test/unit/snapshots/snapshot-suite.ts.
import type { Readable } from 'node:stream';
import type { MountPoint } from '../jail/file-facts.ts';
import type { LayerHold } from './layer-store.ts';

/** The layer that a snapshot stands on, by its number; undefined: it stands on nothing. */
export type Parent = number | undefined;

/** One range of an id map, user_namespaces(7): `size` ids from `containerId` on are `hostId` on the host. */
export interface IdRange {
  readonly containerId: number;
  readonly hostId: number;
  readonly size: number;
}

export interface SnapshotOptions {
  /**
   * What must exist before something is mounted there; it does not count as a change. /dev /proc /sys /etc/hosts /etc/hostname
   * /etc/resolv.conf /.dockerenv are always there and need not be named.
   */
  readonly mountPoints?: readonly MountPoint[];
  /**
   * For a root whose changes become the next layer: of the places named above only /dev /proc /sys /etc/hosts /etc/resolv.conf are there, and
   * only where the parent has nothing of that name. `mountPoints` must be empty. It does not outlive the daemon: the next one can only remove it.
   */
  readonly isBare?: boolean;
  /** Bytes that its files may take. An implementation without it throws 'not-implemented'. */
  readonly sizeBytes?: number;
  /** Files have the owners that a container with this map sees. An implementation without it throws 'not-implemented'. */
  readonly idMap?: readonly IdRange[];
}

/** 'size': bytes of the files that were written. 'usage': bytes of the disk for all that is kept under the id, the container's logs too. */
export type SnapshotCount = 'size' | 'usage';

/** Where the parts of a root lie on the host, layers highest first. */
export interface SnapshotDirs {
  readonly lower: readonly string[];
  readonly upper: string;
  readonly work: string;
}

/** A root that is no container's, and becomes a layer. It does not outlive the daemon; disposing of it throws it away. */
export interface StepRoot extends Disposable {
  readonly dirs: SnapshotDirs;
  /** As Snapshots.mount. */
  mount(): number;
  /** As Snapshots.seal. */
  seal(): LayerHold;
}

/** Snapshots by the ids of their containers (64 hex digits). Throws 'invalid' for what is no id, 'not-found' for one that is not there. */
export interface Snapshots {
  /** Makes one, empty but for its parent's files. When it fails nothing is there but what `remove` takes away. */
  prepare(id: string, parent: Parent, options?: SnapshotOptions): Promise<void>;
  /**
   * Mounts it detached: visible nowhere. Returns the mount's fd, close-on-exec; the caller closes it, and the mount goes with its last user.
   * Never two at a time for one snapshot: the caller holds the container's lock.
   */
  mount(id: string): number;
  /** What was changed in it becomes a layer on top of its parent. Nobody writes meanwhile. The hold keeps the layer until an image has it. */
  commit(id: string): Promise<LayerHold>;
  /**
   * What was changed in it *is* a layer on top of its parent from now on, without being copied: see LayerStore.adopt. It is mounted nowhere any more,
   * and nobody has a file of it open; it is removed. The hold keeps the layer until something else does.
   */
  seal(id: string): LayerHold;
  /** What was changed, as a walk with sorted names finds it: an array of Change in JSON, or null. */
  diff(id: string): Promise<Readable>;
  usage(id: string, count: SnapshotCount): Promise<number>;
  /** Of many, by id. Those that are gone or cannot be read are left out. */
  usages(ids: readonly string[], count: SnapshotCount): Promise<Map<string, number>>;
  /**
   * Forgets it and takes all away that is kept under its id, with what others put there. Idempotent. `isSealed`: nobody can hold a descriptor
   * of its files any more, so that its directories may serve another container.
   */
  remove(id: string, options?: { isSealed: boolean }): void;

  /**
   * Makes the directory `path` in it where its parent has none, with its parents: root's, 0755; links are followed inside the root.
   * What is mounted over it does not count. Throws 'invalid' when a file stands there.
   */
  makeDirectory(id: string, path: string): Promise<void>;
  /** A root for operations on files, without any place for mounts: its parent's files, and nothing else. */
  openRoot(parent: Parent): StepRoot;
  /** A detached read-only mount of a layer and those below it; the caller closes it. */
  view(layer: number): number;
  /** Deletes at once what was removed: for who finds the disk full. */
  makeRoom(): Promise<void>;
  /** Ids of all that exist. */
  ids(): string[];

  /** For `explain` and inspect's GraphDriver: where its parts lie, and those of a layer with all below it, highest first. */
  dirs(id: string): SnapshotDirs;
  viewDirs(parent: Parent): string[];
  /** The system calls that mount such a root, in words. */
  mountCalls(dirs: SnapshotDirs): string[];
}
