// Paths that a container must not see (masked) or write (read-only). What covers a file is an inode of the container's own: with the host's
// null device `chmod`, `flock` and `inotify` on a masked path would be on the host's. It is never looked up in a /dev that the user may have
// replaced (CVE-2025-31133).
import { AT, MOUNT_ATTR, OPEN_TREE, S_IF } from '../../../native-bindings/constants.ts';
import { deviceNumber } from '../devices.ts';
import type { OciMount, OciSpec } from '../oci-spec.ts';
import { MOVE } from './compile-mounts.ts';
import { isKernelPath, type PathKind } from './masked-paths.ts';
import type { ProgramBuilder } from './program-builder.ts';
import type { ContainerHandles } from './program-handles.ts';

export interface MaskSources {
  kinds: ReadonlyMap<string, PathKind>;
  /** A null device of the container's own, read-only and detached; only where a file is masked. */
  nullFd?: number | undefined;
  /** It is still to be taken from the engine's /dev. */
  isFromDev: boolean;
}

const NULL_DEVICE = { major: 1, minor: 3 };

/** While the directory is there that the root is attached to. */
export function prepareMasks(builder: ProgramBuilder, spec: OciSpec, handles: ContainerHandles): MaskSources {
  const { pathKinds: kinds } = handles;
  if (!spec.linux.maskedPaths.some((path) => kinds.get(path) === 'file')) return { kinds, isFromDev: false };
  if (hasOwnNull(spec)) return { kinds, isFromDev: true };
  const fd = builder.newFd();
  const attributes = MOUNT_ATTR.NOSUID | MOUNT_ATTR.NOEXEC;
  builder.add('fsmount', [fd, 'tmpfs', attributes, ['source=tmpfs', 'nr_inodes=3', 'size=4k']], 'a null device apart');
  builder.add('mknodat', [fd, 'null', S_IF.CHR | 0o666, deviceNumber(NULL_DEVICE.major, NULL_DEVICE.minor)]);
  // Only of what is attached a copy can be made. It goes with the host's root.
  builder.add('move_mount', [fd, handles.stagingDir, 0]);
  return { kinds, nullFd: readonlyNull(builder, fd), isFromDev: false };
}

/** The engine's /dev has just been attached, and nothing of the user's is mounted in it yet. */
export function takeNullOf(builder: ProgramBuilder, masks: MaskSources, devFd: number): void {
  if (masks.isFromDev) masks.nullFd = readonlyNull(builder, devFd);
}

/** The /dev that the engine makes, with the usual null in it. */
function hasOwnNull({ mounts, linux }: OciSpec): boolean {
  const isDevOwn = mounts.some(({ destination, type }) => destination === '/dev' && type === 'tmpfs');
  const { major, minor } = NULL_DEVICE;
  return (
    isDevOwn &&
    linux.devices.some(
      (device) =>
        device.path === '/dev/null' && device.type === 'c' && device.major === major && device.minor === minor,
    )
  );
}

function readonlyNull(builder: ProgramBuilder, directoryFd: number): number {
  const fd = builder.newFd();
  builder.add('open_tree', [fd, directoryFd, 'null', OPEN_TREE.CLONE], 'covers files');
  builder.add('mount_setattr', [fd, 0, MOUNT_ATTR.RDONLY, 0, 0], 'nobody changes its mode');
  return fd;
}

/** In the new root, after all other mounts. */
export function compileMasks(
  builder: ProgramBuilder,
  spec: OciSpec,
  { kinds, nullFd }: MaskSources,
  procFd: number | undefined,
): void {
  for (const path of spec.linux.readonlyPaths) {
    if (kinds.get(path) !== 'missing') compileReadonly(builder, path, procFd);
  }
  let emptyFd: number | undefined;
  let isNullUsed = false;
  for (const path of spec.linux.maskedPaths) {
    const kind = kinds.get(path);
    // What is not there needs no mask; whether it is, is only certain below the engine's own /proc and /sys.
    const mayLack = isCovered(path, spec.mounts);
    if (kind === 'directory') {
      if (emptyFd === undefined || mayLack) {
        const fd = emptyDirectory(builder);
        if (!mayLack) emptyFd = fd;
        attach(builder, fd, path, mayLack);
      } else attach(builder, copy(builder, emptyFd), path, mayLack);
    } else if (kind === 'file') {
      if (nullFd === undefined) throw new TypeError(`no null device to mask ${path} with`);
      attach(builder, isNullUsed ? copy(builder, nullFd) : nullFd, path, mayLack);
      isNullUsed = true;
    }
  }
}

function isCovered(path: string, mounts: readonly OciMount[]): boolean {
  const root = /^\/(proc|sys)(?=\/)/.exec(path)?.[0];
  return (
    root !== undefined && !mounts.some(({ destination, type }) => destination === root && /^(proc|sysfs)$/.test(type))
  );
}

function emptyDirectory(builder: ProgramBuilder): number {
  const fd = builder.newFd();
  const attributes = MOUNT_ATTR.RDONLY | MOUNT_ATTR.NOSUID | MOUNT_ATTR.NODEV | MOUNT_ATTR.NOEXEC;
  builder.add(
    'fsmount',
    [fd, 'tmpfs', attributes, ['source=tmpfs', 'ro', 'nr_inodes=2', 'size=4k']],
    'covers directories',
  );
  return fd;
}

/** A detached tree can be attached once; copies are made of the attached one. */
function copy(builder: ProgramBuilder, fd: number): number {
  const copied = builder.newFd();
  builder.add('open_tree', [copied, fd, '', OPEN_TREE.CLONE | AT.EMPTY_PATH]);
  return copied;
}

function attach(builder: ProgramBuilder, fd: number, path: string, mayLack: boolean): void {
  const args = [fd, path, isKernelPath(path) ? MOVE.NO_SYMLINKS : 0];
  if (mayLack) builder.addOptional('move_mount', args, 'masked');
  else builder.add('move_mount', args, 'masked');
}

/** A read-only copy of a path over itself. Paths of /proc are taken from the engine's own procfs, whatever lies at /proc. */
function compileReadonly(builder: ProgramBuilder, path: string, procFd: number | undefined): void {
  const fd = builder.newFd();
  const fromProc = procFd !== undefined && path.startsWith('/proc/');
  const [directory, name] = fromProc ? [procFd, path.slice('/proc/'.length)] : [AT.FDCWD, path];
  builder.add('open_tree', [fd, directory, name, OPEN_TREE.CLONE | AT.RECURSIVE]);
  builder.add('mount_setattr', [fd, AT.RECURSIVE, MOUNT_ATTR.RDONLY, 0, 0]);
  builder.add('move_mount', [fd, path, isKernelPath(path) ? MOVE.NO_SYMLINKS : 0], 'read-only');
}
