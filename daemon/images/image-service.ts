// What the rest of the engine may ask of images: plain data in, Docker's wire form out. Implemented by the files beside this one and put
// together by open-images.ts. Every method throws EngineError with Docker's message. Paths and bytes inside images are never trusted.
import type { Readable } from 'node:stream';
import type { ContainerConfig, ResolvedConfig } from '../docker-types/container-config.ts';
import type {
  HistoryResponseItem,
  ImageDeleteResponseItem,
  ImageInspect,
  ImagePruneResponse,
  ImageSummary,
} from '../docker-types/image.ts';
import type { Filters } from '../state/filters.ts';
import type { ImageConfig } from './image-config.ts';
import type { Platform } from './platform.ts';
import type { ProgressSink } from './progress.ts';
import type { Credentials } from './registry/registry-session.ts';

/** An image that is there. Immutable. */
export interface ImageRecord {
  /** `sha256:` and 64 hex digits: the digest of its config. */
  readonly id: string;
  readonly parentId: string | undefined;
  /** Bytes of the files of all layers. */
  readonly sizeBytes: number;
  readonly config: ImageConfig;
}

/** A container that stands in the way of removing an image. */
export interface ImageUser {
  readonly id: string;
  readonly isRunning: boolean;
}
/** Asks the containers' side who uses an image (its full id). */
export type UsersOfImage = (imageId: string) => readonly ImageUser[];

export interface ImportOptions {
  /** Empty: the image gets no name. */
  repo: string;
  tag: string;
  message: string;
  /** Dockerfile instructions. */
  changes: readonly string[];
  /** `os[/arch[/variant]]`; empty is the host's. */
  platform: string;
  /** Cancels: nothing is left of it. */
  signal?: AbortSignal;
}

export interface CommitImageOptions {
  containerId: string;
  /** The image that the container was made of. */
  imageId: string;
  /** The container's own config, for the history and `container_config`. */
  containerConfig: ResolvedConfig;
  /** What the image shall say; the container's config with the request's over it. `changes` are applied to it. */
  config: ContainerConfig;
  changes: readonly string[];
  author: string;
  comment: string;
  repo: string;
  tag: string;
}

export interface SaveOptions {
  /** The images have to have it. */
  platform?: Platform;
}

export interface LoadOptions {
  /** Images of other platforms are left out; when none is left, that is an error. */
  platform?: Platform;
  /** Lines for the client: what was loaded, and how far it is. */
  tell: ProgressSink;
  /** Only what was loaded. */
  quiet: boolean;
  /** Cancels: nothing is left of it. */
  signal?: AbortSignal;
}

export interface PushOptions {
  /** Empty: the one in the reference, or all tags when that has none. */
  tag: string;
  credentials: Credentials;
  /** The images have to have it. */
  platform?: Platform;
  tell: ProgressSink;
  signal?: AbortSignal;
}

export interface ListImagesOptions {
  all: boolean;
  filters: Filters;
  sharedSize: boolean;
}

export interface ImagesDiskUsage {
  /** Bytes of the disk for all layers and blobs, each counted once. */
  LayersSize: number;
  /** With SharedSize filled in; Containers is -1: the caller counts. */
  Images: ImageSummary[];
}

export interface ImageStore {
  /** By full id, unique id prefix, name, name:tag, name@digest. Throws 'invalid' when it cannot be a reference at all. */
  resolve(ref: string): ImageRecord | undefined;
  /** As resolve, but throws 'not-found' with Docker's "No such image: …". */
  get(ref: string): ImageRecord;
  /** By the full id only: for records that name their image by it. */
  byId(id: string): ImageRecord | undefined;
  list(options: ListImagesOptions): ImageSummary[];
  /** With a platform: throws 'not-found' when it is not the image's. So do `history` and `remove`. */
  inspect(ref: string, platform?: Platform): ImageInspect;
  history(ref: string, platform?: Platform): HistoryResponseItem[];
  tag(ref: string, repo: string, tag: string): void;
  remove(
    ref: string,
    options: { force: boolean; noPrune: boolean; platform?: Platform },
  ): Promise<ImageDeleteResponseItem[]>;
  prune(filters: Filters): Promise<ImagePruneResponse>;
  /** Makes an image of one tar (plain, gzip or zstd). Resolves to its id. When it fails the stream is left as it is, for the caller to end. */
  importTar(tar: Readable, options: ImportOptions): Promise<string>;
  /** The same of a tar that the daemon fetches. Tells where from when it begins to come. */
  importFrom(url: string, options: ImportOptions, tell: ProgressSink): Promise<string>;
  /** A docker-archive with an OCI layout in it. Throws before there is a stream when an image is not there. */
  save(refs: readonly string[], options: SaveOptions): Promise<Readable>;
  /** Of an archive that `save`, Docker or an OCI tool made. All of its images, or none. The stream is left as it is when it fails. */
  load(archive: Readable, options: LoadOptions): Promise<void>;
  /** The caller holds the container (paused or stopped) while this runs. Resolves to the new image's id. */
  commit(options: CommitImageOptions): Promise<string>;
  diskUsage(): Promise<ImagesDiskUsage>;
  /** How many there are, for /info. */
  count(): number;
}

/** A place that must exist in a container before something is mounted there. */
export interface MountPoint {
  /** Absolute, as the container will see it; symlinks in it are followed inside the image. */
  readonly path: string;
  readonly kind: 'directory' | 'file';
}

export type ChangeKind = 0 | 1 | 2;
/** Docker's `docker diff`: 0 modified, 1 added, 2 deleted. */
export interface Change {
  Path: string;
  Kind: ChangeKind;
}

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

export interface ViewMount {
  /** Path on the host, or a detached mount that the archive takes over. */
  readonly source: string | { readonly fd: number };
  /** Absolute path in the container. */
  readonly target: string;
  readonly readOnly: boolean;
}

/** How to see a container's files. `ref` is how the user named it, for messages. */
export type RootView =
  | { readonly kind: 'running'; readonly ref: string; readonly pid: number }
  | {
      readonly kind: 'stopped';
      readonly ref: string;
      /** Of ContainerLayers.openRoot. The archive takes it over and closes it. */
      readonly rootFd: number;
      readonly mounts: readonly ViewMount[];
      readonly readOnlyRoot: boolean;
    };

/** Of a file in a container; `mode` is Go's os.FileMode, `mtime` RFC 3339. */
export interface PathStat {
  name: string;
  size: number;
  mode: number;
  mtime: string;
  linkTarget: string;
}

export interface PutOptions {
  /** Refuse to replace a directory by something else or the other way round. */
  noOverwriteDirNonDir: boolean;
  /** Everything gets this owner; undefined keeps the archive's. */
  owner?: { uid: number; gid: number };
  signal?: AbortSignal;
}

/** Docker's archive operations on the files of one container. Streams end when their container does; destroy one to cancel it. */
export interface Archive {
  stat(view: RootView, path: string): Promise<PathStat>;
  get(view: RootView, path: string): Promise<{ stat: PathStat; tar: Readable }>;
  /** Unpacks a tar (plain, gzip or zstd) into the directory `path`. When it fails the stream is left as it is, for the caller to end. */
  put(view: RootView, path: string, tar: Readable, options: PutOptions): Promise<void>;
  /** The whole root as a tar. */
  exportTar(view: RootView): Promise<Readable>;
}
