// The control groups of this host: for each controller the version that has it. Only this class knows both.

import { join } from 'node:path';
import { isErrno } from '../../native-bindings/errno.ts';
import { EngineError } from '../errors/engine-error.ts';
import type { DeviceRule } from '../spec/container-spec.ts';
import { applyWrites } from './apply-writes.ts';
import type { CgroupManager, CgroupStep, Placement } from './cgroup-manager.ts';
import { detectFeatures, type GroupContents, probeContents } from './detect-features.ts';
import { formatDeviceRule } from './device-rules.ts';
import { type CgroupFeatures, featureWarnings } from './features.ts';
import type { GroupFiles } from './group-files.ts';
import { checkGroupPath } from './group-path.ts';
import { type Hierarchies, v1Hierarchy, v2With } from './hierarchies.ts';
import { handDownControllers, makeGroup, planGroup, removeQuietly } from './make-group.ts';
import { parseKeyed } from './number-file.ts';
import type { GroupWrite } from './plan-v1.ts';
import { planDevicesV1, planV1 } from './plan-v1.ts';
import { planV2 } from './plan-v2.ts';
import { type HostStats, parsePids, readStats } from './read-stats.ts';
import type { CgroupResources } from './resources.ts';
import type { CgroupStats } from './stats.ts';
import { freezeGroup, groupPids, groupsDeepestFirst, killGroup, membershipDirectory, thawGroup } from './stop-group.ts';
import { waitFor } from './wait-for.ts';

export interface HostCgroupsOptions {
  hierarchies: Hierarchies;
  files: GroupFiles;
  processId: number;
  attachDeviceRules(directory: string, rules: readonly DeviceRule[]): void;
  hostStats(): HostStats;
}

const REMOVE_TIMEOUT_MS = 10_000;

export class HostCgroups implements CgroupManager {
  readonly driver = 'cgroupfs';
  readonly defaultParent = '/tsdocker';
  readonly isParentShared = false;
  readonly version: 1 | 2;
  readonly #options: HostCgroupsOptions;
  readonly #hierarchies: Hierarchies;
  readonly #files: GroupFiles;
  readonly #contents: GroupContents;
  readonly #features: CgroupFeatures;

  constructor(options: HostCgroupsOptions) {
    const { hierarchies, files } = options;
    this.#options = options;
    this.#hierarchies = hierarchies;
    this.#files = files;
    this.version = hierarchies.v1.length === 0 ? 2 : 1;
    if (hierarchies.v2 !== undefined) handDownControllers(hierarchies, hierarchies.v2, files, '/probe');
    this.#contents = probeContents(hierarchies, files, options.processId);
    this.#features = Object.freeze(detectFeatures(hierarchies, this.#contents, files));
  }

  /** Where the v2 hierarchy is mounted. */
  get v2Root(): string | undefined {
    return this.#hierarchies.v2?.dir;
  }

  checkParent(parent: string): void {
    checkGroupPath(join('/', parent));
  }

  groupOf(parent: string, containerId: string): string {
    return join('/', parent, containerId);
  }

  containersIn(parent: string): string[] {
    return this.children(join('/', parent)).filter((name) => /^[0-9a-f]{64}$/.test(name));
  }

  create(path: string, resources: CgroupResources): Placement {
    checkGroupPath(path);
    makeGroup(this.#hierarchies, this.#files, path);
    try {
      applyWrites(this.#files, [...this.#plan(path, resources), ...planDevicesV1(this.#hierarchies, path, resources)]);
      const filtered = this.#devicesOnV2(path);
      if (filtered !== undefined && resources.devices !== undefined) {
        this.#options.attachDeviceRules(filtered, resources.devices);
      }
    } catch (error) {
      for (const directory of this.#directories(path).reverse()) removeQuietly(this.#files, directory);
      throw error;
    }
    return this.placement(path);
  }

  plan(path: string, resources: CgroupResources): CgroupStep[] {
    checkGroupPath(path);
    const made = planGroup(this.#hierarchies, this.#files, path);
    const writes = [...this.#plan(path, resources), ...planDevicesV1(this.#hierarchies, path, resources)];
    const plan = [...made, ...writes.flatMap(({ file, values }) => values.map((value) => ({ file, value })))];
    const filtered = this.#devicesOnV2(path);
    if (filtered === undefined) return plan;
    return [
      ...plan,
      ...(resources.devices ?? []).map((rule) => ({
        file: `${filtered} (eBPF)`,
        value: `allow ${formatDeviceRule(rule)}`,
      })),
    ];
  }

  placement(path: string): Placement {
    checkGroupPath(path);
    const { v1, v2 } = this.#hierarchies;
    const memory = v1Hierarchy(this.#hierarchies, 'memory');
    const oom = memory
      ? { file: `${memory.dir}${path}/memory.oom_control`, key: 'oom_kill' }
      : v2With(this.#hierarchies, 'memory') && { file: `${v2?.dir}${path}/memory.events`, key: 'oom_kill' };
    return {
      tasksFiles: v1.map(({ dir }) => `${dir}${path}/tasks`),
      ...(v2 ? { v2Dir: this.#v2Home(`${v2.dir}${path}`) } : {}),
      ...(oom ? { oom } : {}),
      mounts: [
        ...v1.map(({ dir, name }) => ({ source: `${dir}${path}`, name, type: 'cgroup' as const, hierarchy: dir })),
        ...(v2
          ? [
              {
                source: `${v2.dir}${path}`,
                name: v1.length === 0 ? '' : 'unified',
                type: 'cgroup2' as const,
                hierarchy: v2.dir,
              },
            ]
          : []),
      ],
      symlinks: v1.flatMap(({ name, controllers }) =>
        controllers.length < 2
          ? []
          : controllers
              .filter((controller) => controller !== name)
              .map((controller) => ({ name: controller, target: name })),
      ),
    };
  }

  update(path: string, resources: CgroupResources): void {
    checkGroupPath(path);
    applyWrites(this.#files, this.#plan(path, resources));
  }

  async freeze(path: string): Promise<void> {
    checkGroupPath(path);
    await freezeGroup(this.#hierarchies, this.#files, path);
  }

  async thaw(path: string): Promise<void> {
    checkGroupPath(path);
    thawGroup(this.#hierarchies, this.#files, path);
  }

  async kill(path: string): Promise<void> {
    checkGroupPath(path);
    await killGroup(this.#hierarchies, this.#files, path);
  }

  pids(path: string): number[] {
    checkGroupPath(path);
    return groupPids(this.#hierarchies, this.#files, path);
  }

  oomKills(path: string): number {
    const { oom } = this.placement(path);
    return oom === undefined ? 0 : (parseKeyed(this.#files.read(oom.file)).get(oom.key) ?? 0);
  }

  stats(path: string): CgroupStats | undefined {
    if (!this.exists(path)) return undefined;
    return readStats(this.#hierarchies, this.#files, path, this.#options.hostStats());
  }

  async remove(path: string): Promise<void> {
    checkGroupPath(path);
    let left = this.#directories(path);
    let last: unknown;
    const tryAll = () => {
      left = left.filter((directory) => {
        try {
          this.#removeTree(directory);
          return false;
        } catch (error) {
          // EBUSY: a process is still dying; ENOTEMPTY: a group was made below meanwhile.
          if (!isErrno(error, 'EBUSY', 'ENOTEMPTY')) throw error;
          last = error;
          return true;
        }
      });
      return left.length === 0;
    };
    if (await waitFor(REMOVE_TIMEOUT_MS, tryAll)) return;
    const message = last instanceof Error ? last.message : String(last);
    throw new EngineError('system', `remove cgroup ${path}: ${message}`, { cause: last });
  }

  exists(path: string): boolean {
    checkGroupPath(path);
    const directory = membershipDirectory(this.#hierarchies, path);
    return directory !== undefined && this.#files.exists(directory);
  }

  children(path: string): string[] {
    checkGroupPath(path);
    const { v1, v2 } = this.#hierarchies;
    const roots = [...v1.map(({ dir }) => dir), ...(v2 ? [v2.dir] : [])];
    return [...new Set(roots.flatMap((root) => this.#files.childGroups(`${root}${path}`)))];
  }

  warnings(): string[] {
    return featureWarnings(this.#features, this.version);
  }

  features(): CgroupFeatures {
    return this.#features;
  }

  #plan(path: string, resources: CgroupResources): GroupWrite[] {
    const { blkio, v2 } = this.#contents;
    const v1Files = { blkio, hasSwapLimit: this.#contents.memory.has('memory.memsw.limit_in_bytes') };
    return [
      ...planV1(this.#hierarchies, v1Files, path, resources),
      ...planV2(this.#hierarchies, { group: v2 }, path, resources),
    ];
  }

  /**
   * Where a process can join on v2. A group that hands controllers down takes none itself: a container that made groups of its own
   * (an engine, an init system) has its processes in one of those.
   */
  #v2Home(directory: string): string {
    if ((this.#files.read(`${directory}/cgroup.subtree_control`) ?? '').trim() === '') return directory;
    const groups = groupsDeepestFirst(this.#files, directory).reverse();
    return groups.find((group) => parsePids(this.#files.read(`${group}/cgroup.procs`)).length > 0) ?? directory;
  }

  #directories(path: string): string[] {
    const { v1, v2 } = this.#hierarchies;
    return [...v1.map(({ dir }) => `${dir}${path}`), ...(v2 ? [`${v2.dir}${path}`] : [])];
  }

  /** The v2 group that needs a device program: v1's device controller is used where it is mounted. */
  #devicesOnV2(path: string): string | undefined {
    const { v2 } = this.#hierarchies;
    return v2 !== undefined && v1Hierarchy(this.#hierarchies, 'devices') === undefined ? `${v2.dir}${path}` : undefined;
  }

  #removeTree(directory: string): void {
    try {
      this.#files.removeDirectory(directory);
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return;
      const groups = groupsDeepestFirst(this.#files, directory);
      if (groups.length === 1) throw error;
      for (const group of groups) {
        try {
          this.#files.removeDirectory(group);
        } catch (nested) {
          if (!isErrno(nested, 'ENOENT')) throw nested;
        }
      }
    }
  }
}
