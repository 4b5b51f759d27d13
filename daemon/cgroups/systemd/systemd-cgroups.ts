// The systemd driver: each container has a scope, which systemd makes and hands over (Delegate=yes). Below it are two groups: the container's,
// which has the limits, and the monitor's, which keeps the scope alive until the end of the run has been recorded. Everything but making
// them is done in the files, as the other driver does.
import { EngineError } from '../../errors/engine-error.ts';
import type { CgroupManager, CgroupStep, Placement } from '../cgroup-manager.ts';
import type { CgroupFeatures } from '../features.ts';
import type { GroupFiles } from '../group-files.ts';
import type { CgroupResources } from '../resources.ts';
import type { CgroupStats } from '../stats.ts';
import { move, type ScopeHolders } from './scope-holders.ts';
import { SystemdError, type SystemdManager, type UnitProperty } from './systemd-manager.ts';
import {
  type ContainerGroup,
  checkSlice,
  containerGroupPath,
  containerOfScope,
  MONITOR,
  parseContainerGroup,
  slicePath,
} from './unit-names.ts';

export interface SystemdCgroupsOptions {
  /** Does the work in the files; of cgroup v2. */
  groups: CgroupManager;
  manager: SystemdManager;
  holders: ScopeHolders;
  files: GroupFiles;
  /** Where the v2 hierarchy is mounted. */
  root: string;
  /** The daemon's own unit: at a shutdown it ends before the containers do, so that it does not restart them. */
  ownUnit: string | undefined;
}

/** How long a shutdown waits between SIGTERM and SIGKILL, as `stop` does. */
const STOP_LIMIT_US = 10_000_000n;

export class SystemdCgroups implements CgroupManager {
  readonly driver = 'systemd';
  readonly defaultParent = 'system.slice';
  readonly isParentShared = true;
  readonly #options: SystemdCgroupsOptions;
  readonly #groups: CgroupManager;

  constructor(options: SystemdCgroupsOptions) {
    this.#options = options;
    this.#groups = options.groups;
  }

  get version(): 1 | 2 {
    return this.#groups.version;
  }

  checkParent(parent: string): void {
    checkSlice(parent);
  }

  groupOf(parent: string, containerId: string): string {
    checkSlice(parent);
    return containerGroupPath(parent, containerId);
  }

  containersIn(parent: string): string[] {
    const { files, root } = this.#options;
    const names = files.childGroups(`${root}${slicePath(parent)}`);
    return names.map(containerOfScope).filter((id) => id !== undefined);
  }

  async create(path: string, resources: CgroupResources): Promise<Placement> {
    const group = groupIn(path);
    const { files, holders, root } = this.#options;
    const holder = holders.take();
    const release = () => void holders.giveBack(holder);
    try {
      if (holder.pid === undefined) throw new EngineError('system', `start ${group.scope}: no process can be started`);
      await this.#startScope(group, holder.pid);
      const monitor = `${root}${group.scopePath}/${MONITOR}`;
      files.makeDirectory(monitor);
      const monitorProcs = `${monitor}/cgroup.procs`;
      await move(holder, monitorProcs);
      return { ...(await this.#groups.create(path, resources)), monitorProcs, release };
    } catch (error) {
      release();
      throw error;
    }
  }

  async #startScope(group: ContainerGroup, pid: number): Promise<void> {
    const { manager } = this.#options;
    const properties = this.#properties(group, pid);
    try {
      await manager.startTransientUnit(group.scope, properties);
    } catch (error) {
      if (!(error instanceof SystemdError && error.systemdName.endsWith('.UnitExists'))) throw error;
      // That of the last run: systemd takes a moment to see that it is empty.
      await manager.stopUnit(group.scope);
      await manager.resetFailed(group.scope);
      await manager.startTransientUnit(group.scope, properties);
    }
  }

  #properties({ scope, slice }: ContainerGroup, pid: number): UnitProperty[] {
    const { ownUnit } = this.#options;
    const yes = (name: string): UnitProperty => ({ name, signature: 'b', value: true });
    return [
      { name: 'Description', signature: 's', value: `tsdocker container ${containerOfScope(scope)}` },
      { name: 'Slice', signature: 's', value: slice },
      { name: 'PIDs', signature: 'au', value: [pid] },
      yes('Delegate'),
      // The container's own limit is the one that counts.
      { name: 'TasksMax', signature: 't', value: 0xffff_ffff_ffff_ffffn },
      { name: 'TimeoutStopUSec', signature: 't', value: STOP_LIMIT_US },
      { name: 'CollectMode', signature: 's', value: 'inactive-or-failed' },
      ...(ownUnit === undefined ? [] : [{ name: 'Before', signature: 'as', value: [ownUnit] }]),
    ];
  }

  plan(path: string, resources: CgroupResources): CgroupStep[] {
    const group = groupIn(path);
    const shown = this.#properties(group, 0).filter(({ name }) => name !== 'PIDs');
    return [
      ...shown.map(({ name, value }) => ({ file: `${group.scope} (systemd)`, value: `${name}=${value}` })),
      { directory: `${this.#options.root}${group.scopePath}/${MONITOR}` },
      ...this.#groups.plan(path, resources),
    ];
  }

  /** An exec's monitor stays with the daemon: it goes when its process does. */
  placement(path: string): Placement {
    return this.#groups.placement(path);
  }

  update(path: string, resources: CgroupResources): void {
    this.#groups.update(path, resources);
  }

  freeze(path: string): Promise<void> {
    return this.#groups.freeze(path);
  }

  thaw(path: string): Promise<void> {
    return this.#groups.thaw(path);
  }

  kill(path: string): Promise<void> {
    return this.#groups.kill(path);
  }

  pids(path: string): number[] {
    return this.#groups.pids(path);
  }

  oomKills(path: string): number {
    return this.#groups.oomKills(path);
  }

  stats(path: string): CgroupStats | undefined {
    return this.#groups.stats(path);
  }

  /** The scope itself goes when its last process has left. */
  remove(path: string): Promise<void> {
    return this.#groups.remove(path);
  }

  exists(path: string): boolean {
    return this.#groups.exists(path);
  }

  children(path: string): string[] {
    return this.#groups.children(path);
  }

  warnings(): string[] {
    return this.#groups.warnings();
  }

  features(): CgroupFeatures {
    return this.#groups.features();
  }

  [Symbol.dispose](): void {
    this.#options.holders[Symbol.dispose]();
    this.#options.manager[Symbol.dispose]();
  }
}

function groupIn(path: string): ContainerGroup {
  const group = parseContainerGroup(path);
  if (group === undefined) throw new EngineError('system', `make cgroup ${path}: it is not that of a scope`);
  return group;
}
