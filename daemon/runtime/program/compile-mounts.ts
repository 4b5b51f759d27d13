// Mounts of a spec other than /proc and /dev: their sources are opened while the host is still visible, their targets are looked up
// inside the new root. The launcher attaches by descriptor, so that a link swapped in meanwhile moves nothing (CVE-2021-30465).
import { AT, MOUNT_ATTR, OPEN_TREE } from '../../../native-bindings/constants.ts';
import type { CgroupPlacement } from '../container-input.ts';
import { type MountWords, mountWords } from '../explain/mount-words.ts';
import type { OciMount, OciSpec } from '../oci-spec.ts';
import type { ProgramBuilder } from './program-builder.ts';
import type { ContainerHandles } from './program-handles.ts';

/** Flags of the launcher's move_mount. */
export const MOVE = { DIRECTORY: 1, FILE: 2, NO_SYMLINKS: 4 } as const;

/** Descriptors by what they are, as the program goes on. */
export interface MountSources {
  /** Bind mounts by destination. */
  binds: Map<string, { fd: number; isDirectory: boolean }>;
  /** Copies of the container's own control groups, one per hierarchy. */
  cgroups: { name: string; fd: number }[];
  procFd?: number | undefined;
  devFd?: number | undefined;
  ptsFd?: number | undefined;
  /** Of tmpfs mounts that are to be read-only, but have mount points to be made in them. */
  readonly filling: number[];
}

/** While the host is visible, in a mount namespace that is private already: copies of everything that is bound into the container. */
export function prepareMounts(
  builder: ProgramBuilder,
  spec: OciSpec,
  handles: ContainerHandles,
  shmFd: number | undefined,
): MountSources {
  const sources: MountSources = { binds: new Map(handles.binds), cgroups: [], filling: [] };
  for (const mount of spec.mounts) {
    const words = mountWords(mount.options);
    if (mount.type === 'cgroup' && mount.source === 'cgroup') {
      sources.cgroups = prepareCgroups(builder, handles.cgroup, words.attributes);
    }
    if (mount.type !== 'bind') continue;
    const given = sources.binds.get(mount.destination);
    if (given !== undefined) {
      compileAttributes(builder, given.fd, words);
      continue;
    }
    const isDirectory = mount.destination === '/dev/shm';
    const fd = isDirectory && shmFd !== undefined ? shmFd : builder.newFd();
    if (fd !== shmFd) builder.add('open_tree', [fd, AT.FDCWD, mount.source, OPEN_TREE.CLONE], mount.destination);
    compileAttributes(builder, fd, fd === shmFd ? words : { ...words, propagation: 0 });
    sources.binds.set(mount.destination, { fd, isDirectory });
  }
  return sources;
}

function compileAttributes(builder: ProgramBuilder, fd: number, words: MountWords): void {
  const { attributes, propagation } = words;
  const recursive = words.recursive ? AT.RECURSIVE : 0;
  // One call when both reach equally far; a read-only top over writable submounts (ro-non-recursive) takes two.
  const propagationDepth = words.propagationRecursive ? recursive : 0;
  const attributeDepth = words.readonlyRecursive || (attributes & MOUNT_ATTR.RDONLY) === 0 ? recursive : 0;
  if (attributes !== 0 && propagation !== 0 && attributeDepth === propagationDepth) {
    builder.add('mount_setattr', [fd, attributeDepth, attributes, 0, propagation]);
    return;
  }
  if (propagation !== 0) builder.add('mount_setattr', [fd, propagationDepth, 0, 0, propagation]);
  if (attributes !== 0) builder.add('mount_setattr', [fd, attributeDepth, attributes, 0, 0]);
}

function prepareCgroups(builder: ProgramBuilder, cgroup: CgroupPlacement, attributes: number): MountSources['cgroups'] {
  return cgroup.mounts.map(({ source, name }) => {
    const fd = builder.newFd();
    builder.add('open_tree', [fd, AT.FDCWD, source, OPEN_TREE.CLONE], `/sys/fs/cgroup/${name}`);
    builder.add('mount_setattr', [fd, 0, attributes, 0, 0]);
    return { name, fd };
  });
}

/** In the new root: attaches one mount of the spec. */
export function compileMount(
  builder: ProgramBuilder,
  mount: OciMount,
  spec: OciSpec,
  sources: MountSources,
  handles: ContainerHandles,
): void {
  const { destination, type } = mount;
  const flags = MOVE.DIRECTORY | (isSystemPath(destination) ? MOVE.NO_SYMLINKS : 0);
  if (type === 'bind') {
    const source = sources.binds.get(destination);
    if (source === undefined) return;
    const make = source.isDirectory ? MOVE.DIRECTORY : MOVE.FILE;
    builder.addBind([source.fd, destination, make | (flags & MOVE.NO_SYMLINKS)], mount.source);
    return;
  }
  const { attributes, propagation, data } = mountWords(mount.options);
  if (type === 'cgroup' && mount.source === 'cgroup') {
    compileCgroupTree(builder, destination, attributes, sources, handles.cgroup);
    return;
  }
  const fd = builder.newFd();
  const fileSystem = type === 'cgroup' ? 'cgroup2' : type;
  const isReadonly = (attributes & MOUNT_ATTR.RDONLY) !== 0;
  const fillsLater = isReadonly && type === 'tmpfs' && spec.mounts.some((other) => isBelow(other, destination));
  if (fillsLater) sources.filling.push(fd);
  const first = fillsLater ? attributes & ~MOUNT_ATTR.RDONLY : attributes;
  builder.add('fsmount', [fd, fileSystem, first, [`source=${mount.source}`, ...data]], destination);
  builder.add('move_mount', [fd, destination, flags]);
  // `--tmpfs /x:shared`: among the container's own mounts, for its namespace has no peer outside.
  if (type === 'tmpfs' && propagation !== 0) builder.add('mount_setattr', [fd, 0, 0, 0, propagation]);
  if (type === 'devpts' && destination === '/dev/pts') sources.ptsFd = fd;
}

function isBelow({ destination }: OciMount, parent: string): boolean {
  return destination.startsWith(`${parent}/`);
}

/** When everything is attached. */
export function compileFilled(builder: ProgramBuilder, { filling }: MountSources): void {
  for (const fd of filling) builder.add('mount_setattr', [fd, 0, MOUNT_ATTR.RDONLY, 0, 0], 'has its mount points now');
}

/** v1 and hybrid: a small tmpfs with a directory for each hierarchy, filled while it is detached. */
function compileCgroupTree(
  builder: ProgramBuilder,
  destination: string,
  attributes: number,
  sources: MountSources,
  cgroup: CgroupPlacement,
): void {
  const fd = builder.newFd();
  builder.add(
    'fsmount',
    [fd, 'tmpfs', attributes & ~MOUNT_ATTR.RDONLY, ['source=tmpfs', 'mode=755', 'size=64k']],
    destination,
  );
  for (const { name } of sources.cgroups) builder.add('mkdirat', [fd, name, 0o755]);
  for (const { name, target } of cgroup.symlinks) builder.add('symlinkat', [target, fd, name]);
  builder.add('move_mount', [fd, destination, MOVE.DIRECTORY | MOVE.NO_SYMLINKS]);
  for (const { name, fd: source } of sources.cgroups) {
    builder.add('move_mount', [source, `${destination}/${name}`, MOVE.NO_SYMLINKS]);
  }
  if ((attributes & MOUNT_ATTR.RDONLY) !== 0) builder.add('mount_setattr', [fd, 0, MOUNT_ATTR.RDONLY, 0, 0]);
}

/** What the engine itself mounts lies on no link: /proc, /sys and /dev, and all below. */
function isSystemPath(path: string): boolean {
  return /^\/(proc|sys|dev)(\/|$)/.test(path);
}
