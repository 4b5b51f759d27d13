// What the rest of the engine may ask of images, in plain data; what docker's clients see of it is made in docker-api/views. Implemented by
// the files beside this one and put together by open-images.ts. Every method throws EngineError with Docker's message. Paths and bytes inside
// images are never trusted.
import type { Readable } from 'node:stream';
import type { ContainerConfig, ResolvedConfig } from '../docker-types/container-config.ts';
import type { Credentials } from '../registry/registry-session.ts';
import type { Filters } from '../state/filters.ts';
import type { ImageConfig } from './documents/image-config.ts';
import type { Platform } from './documents/platform.ts';
import type { ImageName } from './image-tables.ts';
import type { ProgressSink } from './progress.ts';

/** An image that is there. Immutable. */
export interface ImageRecord {
  /** `sha256:` and 64 hex digits: the digest of its config. */
  readonly id: string;
  readonly parentId: string | undefined;
  /** Bytes of the files of all layers. */
  readonly sizeBytes: number;
  readonly config: ImageConfig;
}

/** An image with its names, as it is now. */
export interface SeenImage {
  readonly image: ImageRecord;
  /** Tags first, each sorted. */
  readonly names: readonly ImageName[];
  /** When it was given a name here, RFC 3339; empty: never. */
  readonly taggedAt: string;
  /** Of the files of its layers, from the top down. */
  readonly layerDirs: readonly string[];
}

/** One step of an image's history. All but its size is what the image says. */
export interface HistoryStep {
  /** The image that ended with it, when that is here. */
  readonly image: { readonly id: string; readonly names: readonly ImageName[] } | undefined;
  /** Since 1970; 0: not known. */
  readonly createdSeconds: number;
  readonly createdBy: string;
  readonly comment: string;
  /** Bytes of its layer's files; 0 when it has no layer. */
  readonly sizeBytes: number;
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
  /** With `sharedBytes` of each. */
  sharedSize: boolean;
}

/** Not its config: of all images together these would be large. */
export interface ListedImage {
  readonly id: string;
  readonly parentId: string | undefined;
  /** Those that a filter matched. Tags first, each sorted. */
  readonly names: readonly ImageName[];
  /** Since 1970; 0: not known. */
  readonly createdSeconds: number;
  /** Bytes of the files of all layers. */
  readonly sizeBytes: number;
  /** Of these what is in layers that other images have as well; undefined: it was not asked for. */
  readonly sharedBytes: number | undefined;
  /** null: it has none, or its config cannot be read. */
  readonly labels: Readonly<Record<string, string>> | null;
  /** How many are made of it. */
  readonly containers: number;
}

/** What went: a name, or an image (its id) or a layer (its chain id). */
export type RemovedPart = { readonly untagged: ImageName } | { readonly deleted: string };

export interface PrunedImages {
  /** In the order in which they went. */
  readonly removed: readonly RemovedPart[];
  /** Of the files of layers, and of blobs and partial downloads. */
  readonly reclaimedBytes: number;
}

export interface ImagesDiskUsage {
  /** Bytes of the disk for all layers and blobs, each counted once. */
  readonly layersBytes: number;
  /** With `sharedBytes`. */
  readonly images: readonly ListedImage[];
}

export interface ImageStore {
  /** By full id, unique id prefix, name, name:tag, name@digest. Throws 'invalid' when it cannot be a reference at all. */
  resolve(ref: string): ImageRecord | undefined;
  /** As resolve, but throws 'not-found' with Docker's "No such image: …". */
  get(ref: string): ImageRecord;
  /** By the full id only: for records that name their image by it. */
  byId(id: string): ImageRecord | undefined;
  /** By the full id: the layer that its files end with, for snapshots to stand on; undefined: it has none. Throws 'not-found'. */
  topLayer(id: string): number | undefined;
  /** By the full id: a detached read-only mount of its files, which the caller closes. Throws 'not-found', and 'invalid' when it has none. */
  openFiles(id: string): number;
  /** Newest first. Without `all` only images that have a name or no children. */
  list(options: ListImagesOptions): ListedImage[];
  /** With a platform: throws 'not-found' when it is not the image's. So do `history` and `remove`. */
  inspect(ref: string, platform?: Platform): SeenImage;
  /** Newest first. */
  history(ref: string, platform?: Platform): HistoryStep[];
  tag(ref: string, repo: string, tag: string): void;
  remove(ref: string, options: { force: boolean; noPrune: boolean; platform?: Platform }): Promise<RemovedPart[]>;
  prune(filters: Filters): Promise<PrunedImages>;
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
