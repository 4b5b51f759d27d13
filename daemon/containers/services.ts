// What the use cases need of the rest of the engine. Built by daemon/engine.ts, passed to every use case.
import type { CgroupManager } from '../cgroups/cgroup-manager.ts';
import type { ImageStore } from '../images/image-service.ts';
import type { Archive } from '../jail/archive-service.ts';
import type { LogDrivers } from '../logs/drivers/log-drivers.ts';
import type { Networks } from '../networks/open-networks.ts';
import type { Launcher } from '../runtime/launcher.ts';
import type { RuntimeHost } from '../runtime/runtime-host.ts';
import type { Snapshots } from '../snapshots/snapshots.ts';
import type { HostDefaults } from '../spec/docker/normalise-host-config.ts';
import type { EventLog } from '../state/event-log.ts';
import type { ContainerVolumes } from '../volumes/volume-service.ts';
import type { ContainerStore } from './container-store.ts';
import type { ExecRegistry } from './exec-registry.ts';
import type { Log } from './log.ts';
import type { EnginePaths } from './paths.ts';
import type { RunDirectories } from './run-directory.ts';

export interface Services {
  readonly store: ContainerStore;
  readonly events: EventLog;
  readonly images: ImageStore;
  readonly layers: Snapshots;
  readonly archive: Archive;
  readonly cgroups: CgroupManager;
  readonly launcher: Launcher;
  readonly execs: ExecRegistry;
  readonly volumes: ContainerVolumes;
  readonly networks: Networks;
  readonly logs: LogDrivers;
  readonly host: RuntimeHost;
  readonly paths: EnginePaths;
  readonly runs: RunDirectories;
  readonly defaults: HostDefaults;
  /** Below which containers have their cgroups, unless they name another parent: a path or a slice, as the driver has it. */
  readonly cgroupParent: string;
  readonly log: Log;
}
