// How a use case says what it needs of the rest of the engine. daemon/engine.ts builds the parts; nobody takes all of them.
import type { CgroupManager } from '../cgroups/cgroup-manager.ts';
import type { ImageStore } from '../images/image-service.ts';
import type { Archive } from '../jail/archive-service.ts';
import type { LogDrivers } from '../logs/drivers/log-drivers.ts';
import type { Networks } from '../networks/open-networks.ts';
import type { Launcher } from '../runtime/launcher.ts';
import type { RuntimeHost } from '../runtime/runtime-host.ts';
import type { Snapshots } from '../snapshots/snapshots.ts';
import type { HostDefaults } from '../spec/host-defaults.ts';
import type { EventLog } from '../state/event-log.ts';
import type { ContainerVolumes } from '../volumes/volume-service.ts';
import type { ContainerStore } from './container-store.ts';
import type { ExecRegistry } from './exec/exec-registry.ts';
import type { Log } from './log.ts';
import type { EnginePaths } from './paths.ts';
import type { RunDirectories } from './run-directory.ts';

/** What there is to be named; see Needs. */
interface Parts {
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

/** The names of parts, of their members, and of the members of the networks' parts. */
type Name =
  | { [Part in keyof Parts]: Part | `${Part}.${keyof Parts[Part] & string}` }[keyof Parts]
  | { [Part in keyof Networks]: `networks.${Part}.${keyof Networks[Part] & string}` }[keyof Networks];

type Head<Path> = Path extends `${infer First}.${string}` ? First : Path;
type Tail<Path, First extends string> = Path extends `${First}.${infer Rest}` ? Rest : never;
type Named<Whole, Path extends string> = {
  readonly [Part in keyof Whole & Head<Path>]: [Tail<Path, Part & string>] extends [never]
    ? Whole[Part]
    : Named<Whole[Part], Tail<Path, Part & string>>;
};

/** `Needs<'host' | 'store.get' | 'networks.sandboxes.end'>`: all of the host's facts, one method of the store, one of the sandboxes, and no more. */
export type Needs<Path extends Name> = Named<Parts, Path>;
