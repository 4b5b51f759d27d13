// What the rest of the engine may ask of volumes. The first part is the API's, the second is for containers. Every method throws EngineError
// with docker's message.
import type { Filters } from '../state/filters.ts';
import type { CopySource } from './copy-up.ts';
import type { HeldMount } from './held-mount.ts';
import type { VolumeRecord, VolumeRequest } from './volume-record.ts';

/** A volume that is there. */
export interface SeenVolume {
  readonly record: VolumeRecord;
  /** Path on the host. */
  readonly mountpoint: string;
}

export interface MeasuredVolume extends SeenVolume {
  /** On the engine's disk; undefined: could not be counted. */
  readonly sizeBytes: number | undefined;
  /** How many containers have it. */
  readonly users: number;
}

export interface PrunedVolumes {
  readonly removed: readonly string[];
  readonly reclaimedBytes: number;
}

export interface VolumeService {
  /** By name. */
  list(filters: Filters): SeenVolume[];
  /** Gives back the one that is there when the name is taken: its labels and options stay. */
  create(request: VolumeRequest): SeenVolume;
  inspect(name: string): SeenVolume;
  /** 'conflict' while a container has it, running or not, whatever `force`; with it a volume that is not there is fine. */
  remove(name: string, options: { force: boolean }): void;
  /** Only what got its name from the engine, unless `all`. */
  prune(filters: Filters, all: boolean): Promise<PrunedVolumes>;
  /** All of them. */
  usage(): Promise<MeasuredVolume[]>;
}

/** A container that has a volume. */
export interface VolumeUser {
  readonly containerId: string;
  /** Of its first process while it runs, and where it has the whole volume: from there another container can be given the same one. */
  readonly running?: { readonly pid: number; readonly target: string };
}

/** The volumes that a container which is being made will have: nobody can remove them. */
export interface VolumeClaim {
  /** Makes or finds one; resolves its name. */
  take(request: VolumeRequest): string;
  /** Runs `work`, which stores the container, and makes new volumes lasting with it: both or none. */
  settle<T>(work: () => T): T;
  /** Lets go. What was made and not settled is removed, unless somebody else has it by now. */
  [Symbol.dispose](): void;
}

export interface ContainerVolumes {
  claim(containerId: string): VolumeClaim;
  /** Path on the host, for inspect. */
  mountpoint(name: string): string;
  /** The volume (or `subpath` of it) as a detached mount. To be disposed of when the container runs, or has failed to. */
  open(name: string, subpath: string): Promise<HeldMount>;
  /** A path below another mount, whose files nobody trusts. Takes `mount` over. */
  narrow(mount: HeldMount, subpath: string): Promise<HeldMount>;
  /** Copies the image's directory into the volume, when that is empty. `openImage` gives a detached mount. Tells what the image has at `path`. */
  copyUp(name: string, path: string, openImage: () => number): Promise<CopySource>;
  /** Runs `work`, which forgets a container, and removes the volumes that then have no user: both or none. */
  removeWith<T>(names: readonly string[], work: () => T): T;
}
