// Where the host has its control groups: v1 hierarchies, the v2 one, or both (hybrid), read from mountinfo. Each controller is in one
// place at most; the v2 hierarchy counts only when it has a controller that limits something, or when there is nothing else.
import { basename, dirname } from 'node:path';

export interface V1Hierarchy {
  /** Mount point. */
  dir: string;
  /** Below /sys/fs/cgroup, as seen in a container: "cpu,cpuacct". */
  name: string;
  /** "memory", "cpu" …, or "name=systemd". */
  controllers: string[];
}

export interface V2Hierarchy {
  dir: string;
  /** Controllers that can be handed down: "memory", "io" … */
  controllers: ReadonlySet<string>;
}

export interface Hierarchies {
  v1: V1Hierarchy[];
  v2?: V2Hierarchy;
}

export const V1_CONTROLLERS = [
  'cpu',
  'cpuacct',
  'cpuset',
  'memory',
  'devices',
  'freezer',
  'blkio',
  'pids',
  'net_cls',
  'net_prio',
  'perf_event',
  'hugetlb',
  'rdma',
  'misc',
] as const;
export type V1Controller = (typeof V1_CONTROLLERS)[number];

/** Controllers of v2 that the engine sets limits with. */
export const V2_CONTROLLERS = ['cpu', 'cpuset', 'memory', 'io', 'pids'] as const;
export type V2Controller = (typeof V2_CONTROLLERS)[number];

interface Mount {
  root: string;
  dir: string;
  type: string;
  options: string[];
}

/** `mountinfo` is the text of /proc/self/mountinfo; `v2Controllers` reads cgroup.controllers below a directory. */
export function findHierarchies(mountinfo: string, v2Controllers: (dir: string) => string): Hierarchies {
  const mounts = mountinfo
    .split('\n')
    .map(parseLine)
    .filter((mount) => mount !== undefined);
  const v1: V1Hierarchy[] = [];
  const taken = new Set<string>();
  for (const { dir, options } of preferUsualPlace(mounts.filter(({ type }) => type === 'cgroup'))) {
    const controllers = options.filter(
      (option) => (V1_CONTROLLERS as readonly string[]).includes(option) || option === 'name=systemd',
    );
    if (controllers.length === 0 || controllers.some((controller) => taken.has(controller))) continue;
    for (const controller of controllers) taken.add(controller);
    v1.push({ dir, name: basename(dir), controllers });
  }
  const unified = preferUsualPlace(mounts.filter(({ type }) => type === 'cgroup2'))[0];
  if (unified === undefined) return { v1 };
  const controllers = new Set(
    v2Controllers(unified.dir)
      .split(/\s+/)
      .filter((word) => word !== ''),
  );
  const limits = V2_CONTROLLERS.some((controller) => controllers.has(controller));
  return v1.length > 0 && !limits ? { v1 } : { v1, v2: { dir: unified.dir, controllers } };
}

/** Mounts below /sys/fs/cgroup first: other mounts of the same hierarchy may be a container's view of it. */
function preferUsualPlace(mounts: Mount[]): Mount[] {
  const isUsual = ({ dir }: Mount) => dir === '/sys/fs/cgroup' || dirname(dir) === '/sys/fs/cgroup';
  return [...mounts.filter(isUsual), ...mounts.filter((mount) => !isUsual(mount))];
}

/** `36 25 0:31 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu` (proc_pid_mountinfo(5)). */
function parseLine(line: string): Mount | undefined {
  const [left, right] = line.split(' - ', 2);
  const [, , , root, dir] = left?.split(' ') ?? [];
  const [type, , options] = right?.split(' ') ?? [];
  if (root === undefined || dir === undefined || type === undefined || !type.startsWith('cgroup')) return undefined;
  const decodeOctal = (text: string) =>
    text.replace(/\\([0-7]{3})/g, (_, code) => String.fromCharCode(Number.parseInt(code, 8)));
  return { root: decodeOctal(root), dir: decodeOctal(dir), type, options: options?.split(',') ?? [] };
}

/** The hierarchy of a v1 controller. */
export function v1Hierarchy({ v1 }: Hierarchies, controller: V1Controller): V1Hierarchy | undefined {
  return v1.find(({ controllers }) => controllers.includes(controller));
}

/** The v2 hierarchy, when it has a controller. */
export function v2With({ v2 }: Hierarchies, controller: V2Controller): V2Hierarchy | undefined {
  return v2?.controllers.has(controller) ? v2 : undefined;
}
