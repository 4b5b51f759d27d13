// What a build's processes are made with: parts of the engine, and where their files lie.
import type { CgroupManager } from '../../../cgroups/cgroup-manager.ts';
import type { Jail } from '../../../jail/jail.ts';
import type { Networks } from '../../../networks/open-networks.ts';
import type { Launcher } from '../../../runtime/launcher.ts';
import type { RuntimeHost } from '../../../runtime/runtime-host.ts';
import type { LayerStore } from '../../../snapshots/layer-store.ts';
import type { Snapshots } from '../../../snapshots/snapshots.ts';
import type { HostDefaults } from '../../../spec/host-defaults.ts';
import type { CacheMounts } from '../../cache-mounts/cache-mounts.ts';

/** pino's signature, as far as it is used. */
export interface ExecLog {
  warn(fields: object, message: string): void;
}

export interface ExecPaths {
  /** One directory for each process that runs and each network that is kept for them; gone after a reboot. */
  readonly runs: string;
  /** An empty directory on which each launcher attaches the root inside its own mount namespace. */
  readonly staging: string;
  /** Where the directories of snapshots lie, by their ids: what is put beside a snapshot goes with it. */
  readonly snapshots: string;
}

export interface ExecParts {
  readonly launcher: Launcher;
  readonly cgroups: CgroupManager;
  /** Where the groups are when a build names no parent. */
  readonly cgroupParent: string;
  readonly networks: Pick<Networks, 'registry' | 'sandboxes'>;
  readonly snapshots: Snapshots;
  readonly layers: LayerStore;
  readonly jail: Jail;
  readonly host: RuntimeHost;
  readonly defaults: HostDefaults;
  readonly cacheMounts: CacheMounts;
  readonly paths: ExecPaths;
  readonly log: ExecLog;
}
