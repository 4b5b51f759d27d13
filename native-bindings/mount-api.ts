// Mounts: the classic calls (mount, umount2) and the ones that work on file descriptors (fsopen and kin, Linux 5.2; mount_setattr,
// Linux 5.12). Every fd that is returned is close-on-exec and belongs to the caller.
import { AT, FSCONFIG, FSMOUNT, FSOPEN, MNT, MOUNT_ATTR, MOVE_MOUNT, MS, O, OPEN_TREE } from './constants.ts';
import { ERRNO, SystemError } from './errno.ts';
import { closeFd } from './files.ts';
import { decodeFlags } from './flags.ts';
import { atText, type Path, pathArg, pathText, syscall, systemError, trySyscall } from './libc.ts';

/** mount(2). `flags` are MS.*; `data` is the option string of the file system. */
export function mount(
  source: string,
  target: Path,
  type: string | null,
  flags: number,
  data: string | null = null,
): void {
  syscall('mount', [source, pathArg(target), type, flags, data], () => ({
    args: { source, target: pathText(target), type, flags: decodeFlags('MS', MS, flags), data },
    operand: `${type ?? decodeFlags('MS', MS, flags)} on ${JSON.stringify(pathText(target))}`,
  }));
}

/** umount2(2). `flags` are MNT.*. */
export function umount2(target: Path, flags = 0): void {
  syscall('umount2', [pathArg(target), flags], () => ({
    args: { target: pathText(target), flags: decodeFlags('MNT', MNT, flags) },
    operand: JSON.stringify(pathText(target)),
  }));
}

/** pivot_root(2), by paths. */
export function pivotRoot(newRoot: Path, putOld: Path): void {
  syscall('pivot_root', [pathArg(newRoot), pathArg(putOld)], () => ({
    args: { newRoot: pathText(newRoot), putOld: pathText(putOld) },
  }));
}

/** fsopen(2): a context to configure a new file system in. */
export function fsopen(type: string): number {
  return syscall('fsopen', [type, FSOPEN.CLOEXEC], () => ({ args: { type }, operand: type }));
}

function fsconfig(fd: number, command: number, key: string | null, value: string | null, aux: number): void {
  const result = trySyscall('fsconfig', fd, command, key, value, aux);
  if (result >= 0) return;
  const args = { fd, key, value };
  const operand = key === null ? `create on fd ${fd}` : `${key}${value === null ? '' : `=${value}`}`;
  const error = new SystemError('fsconfig', -result, args, operand);
  const detail = readContextMessages(fd);
  if (detail !== '') error.message += `: ${detail}`;
  throw error;
}

/** Sets `key=value`. Values are limited to 255 bytes by the kernel; options such as lowerdir can be given in parts (`lowerdir+`). */
export function fsconfigString(fd: number, key: string, value: string): void {
  fsconfig(fd, FSCONFIG.SET_STRING, key, value, 0);
}

/** Sets an option that has no value, such as `ro`. */
export function fsconfigFlag(fd: number, key: string): void {
  fsconfig(fd, FSCONFIG.SET_FLAG, key, null, 0);
}

/** Sets an option to an open file (overlay takes layers this way from Linux 6.13 on). */
export function fsconfigFd(fd: number, key: string, value: number): void {
  fsconfig(fd, FSCONFIG.SET_FD, key, null, value);
}

/** A descriptor that no process can have. */
export const NO_FILE = 0x3fffffff;

/**
 * Whether the file system has no parser of options of its own: the kernel then takes any option as text (not too long, without commas), and
 * the file system looks at it at the end. Asked with a file that cannot be, which the two kinds refuse in different ways.
 */
export function isLegacyContext(fd: number): boolean {
  return trySyscall('fsconfig', fd, FSCONFIG.SET_FD, 'fd', null, NO_FILE) === -ERRNO.ENOTSUP;
}

/** Makes the superblock. */
export function fsconfigCreate(fd: number): void {
  fsconfig(fd, FSCONFIG.CMD_CREATE, null, null, 0);
}

/** What the file system has to say about its last error, without the `e ` that marks it; at most one line. */
function readContextMessages(fd: number): string {
  const line = Buffer.alloc(1024);
  const length = trySyscall('read', fd, line, line.length);
  return length > 0
    ? line
        .toString('utf8', 0, length)
        .replace(/^[ewi] /, '')
        .trim()
    : '';
}

/** fsmount(2): a detached mount of the configured file system. `attributes` are MOUNT_ATTR.*. */
export function fsmount(fd: number, attributes = 0): number {
  return syscall('fsmount', [fd, FSMOUNT.CLOEXEC, attributes], () => ({
    args: { fd, attributes: decodeFlags('MOUNT_ATTR', MOUNT_ATTR, attributes) },
    operand: `of fd ${fd}`,
  }));
}

/** An option of a file system: with a value, or without (a flag). */
export type MountOption = readonly [key: string, value?: string];

/** fsopen, fsconfig and fsmount in one: a detached mount. The context is closed whatever happens. */
export function mountDetached(type: string, options: readonly MountOption[], attributes = 0): number {
  const context = fsopen(type);
  try {
    for (const [key, value] of options) {
      if (value === undefined) fsconfigFlag(context, key);
      else fsconfigString(context, key, value);
    }
    fsconfigCreate(context);
    return fsmount(context, attributes);
  } finally {
    closeFd(context);
  }
}

/** move_mount(2). `flags` are MOVE_MOUNT.*; empty paths with F_EMPTY_PATH and T_EMPTY_PATH mean the fds themselves. */
export function moveMount(fromFd: number, fromPath: Path, toFd: number, toPath: Path, flags: number): void {
  syscall('move_mount', [fromFd, pathArg(fromPath), toFd, pathArg(toPath), flags], () => ({
    args: {
      fromFd,
      fromPath: pathText(fromPath),
      toFd,
      toPath: pathText(toPath),
      flags: decodeFlags('MOVE_MOUNT', MOVE_MOUNT, flags),
    },
    operand: `to ${atText(toFd, toPath)}`,
  }));
}

/** open_tree(2). With OPEN_TREE.CLONE a detached copy of the mount; add AT.RECURSIVE for what is mounted below it. */
export function openTree(dirfd: number, path: Path, flags: number): number {
  return syscall('open_tree', [dirfd, pathArg(path), flags | OPEN_TREE.CLOEXEC], () => ({
    args: { dirfd, path: pathText(path), flags: decodeFlags('', { OPEN_TREE_CLONE: 1, ...AT_NAMES }, flags) },
    operand: atText(dirfd, path),
  }));
}

const AT_NAMES = {
  AT_SYMLINK_NOFOLLOW: AT.SYMLINK_NOFOLLOW,
  AT_NO_AUTOMOUNT: AT.NO_AUTOMOUNT,
  AT_EMPTY_PATH: AT.EMPTY_PATH,
  AT_RECURSIVE: AT.RECURSIVE,
  O_CLOEXEC: O.CLOEXEC,
};

export interface MountAttributes {
  set?: number;
  clear?: number;
  /** MS.PRIVATE, MS.SLAVE, MS.SHARED or MS.UNBINDABLE. */
  propagation?: number;
  /** The namespace whose mapping an id-mapped mount uses (with MOUNT_ATTR.IDMAP in `set`). */
  usernsFd?: number;
}

/** mount_setattr(2). `flags` are AT.* (EMPTY_PATH for the mount that `dirfd` is, RECURSIVE). */
export function mountSetattr(dirfd: number, path: Path, flags: number, attributes: MountAttributes): void {
  const { set = 0, clear = 0, propagation = 0, usernsFd = 0 } = attributes;
  const struct = Buffer.alloc(32);
  struct.writeBigUInt64LE(BigInt(set), 0);
  struct.writeBigUInt64LE(BigInt(clear), 8);
  struct.writeBigUInt64LE(BigInt(propagation), 16);
  struct.writeBigUInt64LE(BigInt(usernsFd), 24);
  const result = trySyscall('mount_setattr', dirfd, pathArg(path), flags, struct, struct.length);
  if (result >= 0) return;
  throw systemError('mount_setattr', -result, {
    args: {
      dirfd,
      path: pathText(path),
      flags: decodeFlags('', AT_NAMES, flags),
      set: decodeFlags('MOUNT_ATTR', MOUNT_ATTR, set),
      clear: decodeFlags('MOUNT_ATTR', MOUNT_ATTR, clear),
      propagation: decodeFlags('MS', MS, propagation),
    },
    operand: atText(dirfd, path),
  });
}
