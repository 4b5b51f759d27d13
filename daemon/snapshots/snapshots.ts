// The writable layers of containers, as the rest of the engine has them.
import type { Readable } from 'node:stream';
import type { MountPoint } from '../jail/file-facts.ts';

/** The writable layers of containers: below containers/<id>/ of the data root. */
export interface ContainerLayers {
  /**
   * Makes upper and work of a container, and the init layer that holds its mount points (cached per image and list).
   * /dev /proc /sys /etc/hosts /etc/hostname /etc/resolv.conf /.dockerenv are always there and need not be named.
   */
  create(id: string, imageId: string, mountPoints: readonly MountPoint[]): Promise<void>;
  /**
   * Makes the directory `path` in the container where its image has none, with its parents: root's, 0755; links are followed inside the root.
   * What is mounted over it does not count. Throws 'invalid' when a file stands there.
   */
  makeDirectory(id: string, imageId: string, path: string): Promise<void>;
  /**
   * Mounts the container's root (overlay) detached: visible nowhere. Returns the mount's fd, close-on-exec; the caller closes it, and the
   * mount goes with its last user. Never two at a time for one container: the caller holds the container's lock.
   */
  openRoot(id: string): number;
  /** The directory that holds what the container changed, in overlayfs's form. */
  upperDir(id: string): string;
  /** What the container changed, as a walk with sorted names finds it: an array of Change in JSON, or null. As long as there were changes. */
  changes(id: string): Promise<Readable>;
  /** Bytes of the disk for all that is kept for the container: its layer, its logs. */
  usageBytes(id: string): Promise<number>;
  /** Bytes of the files that the container wrote. */
  sizeBytes(id: string): Promise<number>;
  /** The one ('usage') or the other ('size') of many, by id. Those that are gone or cannot be read are left out. */
  sizesOf(ids: readonly string[], count: 'size' | 'usage'): Promise<Map<string, number>>;
  /**
   * Forgets the layer and takes the container's whole directory away, with all that others put there. Idempotent. `isSealed`: nobody can
   * hold a descriptor of its files any more, so that its directories may serve another container.
   */
  remove(id: string, options?: { isSealed: boolean }): void;
  /** Deletes at once what was removed: for who finds the disk full. */
  makeRoom(): Promise<void>;
  /** The layers below the container, highest first: for `explain` and inspect's GraphDriver. */
  layerDirs(id: string): { lower: string[]; upper: string; work: string };
  /** The layers of an image, highest first, and a detached read-only mount of them (the caller closes it): for explain. */
  imageLayerDirs(imageId: string): string[];
  openImage(imageId: string): number;
  /** The system calls that mount a container's root, in words: for explain. */
  rootCalls(dirs: { lower: readonly string[]; upper: string; work: string }): string[];
  /** Ids of all container layers that exist, for the clean-up at start. */
  ids(): string[];
}
