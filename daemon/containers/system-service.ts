// What the API may ask about the host and the engine as a whole.
import type { CgroupManager } from '../cgroups/cgroup-manager.ts';
import type { CgroupFeatures } from '../cgroups/features.ts';
import type { HostForwarding } from '../networks/kernel/network-kernel.ts';
import type { RegistryFacts } from '../registry/registry-session.ts';
import type { EventLog } from '../state/event-log.ts';
import type { ListedContainer } from './seen/seen-container.ts';

export interface UsedContainer extends ListedContainer {
  /** What it takes of the disk, its logs included; undefined: it was removed meanwhile. */
  readonly usedBytes: number | undefined;
}

/** The host and the engine at one moment. */
export interface SeenSystem {
  readonly engineId: string;
  readonly version: string;
  readonly labels: readonly string[];
  readonly isDebug: boolean;
  readonly registries: RegistryFacts;
  /** How many; those that are being restarted count as running. */
  readonly containers: { readonly all: number; readonly running: number; readonly paused: number };
  /** How many. */
  readonly images: number;
  readonly networkDrivers: readonly string[];
  readonly logDrivers: readonly string[];
  /** Of containers that name none. */
  readonly logDriver: string;
  readonly cgroups: Pick<CgroupManager, 'driver' | 'version'> & { readonly features: CgroupFeatures };
  readonly forwarding: HostForwarding;
  /** The daemon's own. */
  readonly openFiles: number;
  readonly time: Date;
  readonly eventListeners: number;
  readonly dataRoot: string;
  readonly host: {
    readonly name: string;
    readonly kernelVersion: string;
    /** "Debian GNU/Linux 12 (bookworm)" and "12", as far as the host says so. */
    readonly osName: string | undefined;
    readonly osVersion: string | undefined;
    /** Node's name: "x64". */
    readonly architecture: string;
    readonly processors: number;
    readonly memoryBytes: number;
    readonly hasSeccomp: boolean;
  };
  /** What the host lacks, and what follows from it, for people. */
  readonly warnings: readonly string[];
}

export interface SystemService {
  info(): Promise<SeenSystem>;
  /** What GET /version and /_ping need beyond constants. */
  host(): { kernelVersion: string; architecture: string; version: string; gitCommit: string; buildTime: string };
  /** All containers, newest first, and what each takes of the disk. */
  containerUsage(): Promise<UsedContainer[]>;
  readonly events: EventLog;
}
