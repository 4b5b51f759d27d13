// Files: what node:fs lacks (openat2 and the *at family, memfds, seals, locks, device nodes, renameat2, statfs, holes).
// Every fd that is returned is close-on-exec and belongs to the caller.
import { AT, F, F_SEAL, FS_FLAG, FS_IOC, FS_MAGIC, LOCK, MFD, O, RENAME, RESOLVE, SEEK } from './constants.ts';
import { ERRNO } from './errno.ts';
import { decodeFlags } from './flags.ts';
import { atText, type Path, pathArg, pathText, syscall, systemError, trySyscall } from './libc.ts';

export interface OpenHow {
  /** O.*; close-on-exec is always added. */
  flags: number;
  /** Only with O.CREAT. */
  mode?: number;
  /** RESOLVE.*. */
  resolve?: number;
}

/** The kernel gives EAGAIN while a rename elsewhere may have let a ".." out of the root: a storm of renames must not make it fail. */
const OPENAT2_RETRIES = 128;
const PATH_MAX = 4096;

/** openat2(2). Beneath an attacker's tree use RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS. */
export function openat2(dirfd: number, path: Path, { flags, mode = 0, resolve = 0 }: OpenHow): number {
  const how = Buffer.alloc(24);
  how.writeBigUInt64LE(BigInt(flags | O.CLOEXEC), 0);
  how.writeBigUInt64LE(BigInt(mode), 8);
  how.writeBigUInt64LE(BigInt(resolve), 16);
  const name = pathArg(path);
  let result = 0;
  for (let attempt = 0; attempt <= OPENAT2_RETRIES; attempt++) {
    result = trySyscall('openat2', dirfd, name, how, how.length);
    if (result !== -ERRNO.EAGAIN && result !== -ERRNO.EINTR) break;
  }
  if (result >= 0) return result;
  throw systemError('openat2', -result, {
    args: {
      dirfd,
      path: pathText(path),
      flags: decodeFlags('O', O, flags),
      mode,
      resolve: decodeFlags('RESOLVE', RESOLVE, resolve),
    },
    operand: atText(dirfd, path),
  });
}

/** openat(2). */
export function openat(dirfd: number, path: Path, flags: number, mode = 0): number {
  return syscall('openat', [dirfd, pathArg(path), flags | O.CLOEXEC, mode], () => ({
    args: { dirfd, path: pathText(path), flags: decodeFlags('O', O, flags), mode },
    operand: atText(dirfd, path),
  }));
}

/** readlinkat(2) of a link that is held open (O_PATH|O_NOFOLLOW): what its name stands for by now does not matter. */
export function readlinkFd(fd: number): Buffer {
  const target = Buffer.alloc(PATH_MAX);
  const length = syscall('readlinkat', [fd, '', target, target.length], () => ({
    args: { fd },
    operand: `of fd ${fd}`,
  }));
  return target.subarray(0, length);
}

/** close(2). An fd that is not open is a mistake of the caller and throws. */
export function closeFd(fd: number): void {
  syscall('close', [fd], () => ({ args: { fd }, operand: `fd ${fd}` }));
}

export function mkdirat(dirfd: number, path: Path, mode: number): void {
  syscall('mkdirat', [dirfd, pathArg(path), mode], () => at(dirfd, path, { mode }));
}

/** mknodat(2): `mode` with its type bits; `device` from `makeDevice`, 0 for what is no device. */
export function mknodat(dirfd: number, path: Path, mode: number, device: number): void {
  syscall('mknodat', [dirfd, pathArg(path), mode, device], () => at(dirfd, path, { mode, device }));
}

export function symlinkat(target: Path, dirfd: number, path: Path): void {
  syscall('symlinkat', [pathArg(target), dirfd, pathArg(path)], () => at(dirfd, path, { target: pathText(target) }));
}

/** linkat(2): `flags` 0, AT.SYMLINK_FOLLOW or AT.EMPTY_PATH. */
export function linkat(fromFd: number, fromPath: Path, toFd: number, toPath: Path, flags = 0): void {
  syscall('linkat', [fromFd, pathArg(fromPath), toFd, pathArg(toPath), flags], () =>
    at(toFd, toPath, { fromFd, fromPath: pathText(fromPath) }),
  );
}

/** unlinkat(2): `flags` 0 or AT.REMOVEDIR. */
export function unlinkat(dirfd: number, path: Path, flags = 0): void {
  syscall('unlinkat', [dirfd, pathArg(path), flags], () => at(dirfd, path, {}));
}

/** renameat2(2): `flags` are RENAME.*. */
export function renameat2(fromFd: number, fromPath: Path, toFd: number, toPath: Path, flags = 0): void {
  syscall('renameat2', [fromFd, pathArg(fromPath), toFd, pathArg(toPath), flags], () => ({
    args: { fromFd, from: pathText(fromPath), toFd, to: pathText(toPath), flags: decodeFlags('RENAME', RENAME, flags) },
    operand: `${atText(fromFd, fromPath)} to ${atText(toFd, toPath)}`,
  }));
}

/** fchownat(2), of a symbolic link itself unless `flags` says otherwise. */
export function fchownat(
  dirfd: number,
  path: Path,
  uid: number,
  gid: number,
  flags: number = AT.SYMLINK_NOFOLLOW,
): void {
  syscall('fchownat', [dirfd, pathArg(path), uid, gid, flags], () => at(dirfd, path, { uid, gid }));
}

/** fchmodat(2): follows symbolic links, as the kernel's call does. */
export function fchmodat(dirfd: number, path: Path, mode: number): void {
  syscall('fchmodat', [dirfd, pathArg(path), mode], () => at(dirfd, path, { mode }));
}

/** utimensat(2) with both times in nanoseconds since 1970, of a symbolic link itself. */
export function utimensat(dirfd: number, path: Path, atimeNs: bigint, mtimeNs: bigint): void {
  const times = Buffer.alloc(32);
  for (const [offset, ns] of [[0, atimeNs] as const, [16, mtimeNs] as const]) {
    const fraction = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
    times.writeBigInt64LE((ns - fraction) / 1_000_000_000n, offset);
    times.writeBigInt64LE(fraction, offset + 8);
  }
  syscall('utimensat', [dirfd, pathArg(path), times, AT.SYMLINK_NOFOLLOW], () => at(dirfd, path, {}));
}

function at(dirfd: number, path: Path, more: Record<string, string | number>) {
  return { args: { dirfd, path: pathText(path), ...more }, operand: atText(dirfd, path) };
}

/** A device number as the kernel's calls take it (dev_t in 32 bits: 12 of major, 20 of minor). */
export function makeDevice(major: number, minor: number): number {
  return ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & ~0xff) << 12)) >>> 0;
}

/** memfd_create(2). `flags` are MFD.*; close-on-exec is always added. */
export function memfdCreate(name: string, flags = 0): number {
  return syscall('memfd_create', [name, flags | MFD.CLOEXEC], () => ({
    args: { name, flags: decodeFlags('MFD', MFD, flags) },
  }));
}

/** Forbids changes of a memfd for good. `seals` are F_SEAL.*. */
export function fcntlAddSeals(fd: number, seals: number): void {
  syscall('fcntl', [fd, F.ADD_SEALS, seals], () => ({
    args: { fd, seals: decodeFlags('F_SEAL', F_SEAL, seals) },
    operand: `F_ADD_SEALS on fd ${fd}`,
  }));
}

/** A copy of an fd with a number of at least `min`. */
export function fcntlDupfdCloexec(fd: number, min = 0): number {
  return syscall('fcntl', [fd, F.DUPFD_CLOEXEC, min], () => ({
    args: { fd, min },
    operand: `F_DUPFD_CLOEXEC of fd ${fd}`,
  }));
}

const CLOSE_RANGE_CLOEXEC = 4;
const LAST_FD = 0xffffffff;

/** Makes every open fd from `first` on close-on-exec: what this process inherited must not go on to its children. */
export function setCloseOnExecFrom(first: number): void {
  syscall('close_range', [first, LAST_FD, CLOSE_RANGE_CLOEXEC], () => ({
    args: { first },
    operand: `from fd ${first}`,
  }));
}

/** fcntl(2) with an integer: F.GETFD, F.SETFD, F.GETFL, F.SETFL, F.SETPIPE_SZ … */
export function fcntl(fd: number, command: number, value = 0): number {
  return syscall('fcntl', [fd, command, value], () => ({
    args: { fd, command, value },
    operand: `${Object.entries(F).find(([, number]) => number === command)?.[0] ?? command} on fd ${fd}`,
  }));
}

/** flock(2), without waiting: false when somebody else holds the lock. */
export function tryFlock(fd: number, operation: typeof LOCK.EX | typeof LOCK.SH): boolean {
  const result = trySyscall('flock', fd, operation | LOCK.NB);
  if (result === -ERRNO.EAGAIN) return false;
  if (result < 0) throw systemError('flock', -result, { args: { fd, operation }, operand: `fd ${fd}` });
  return true;
}

/** umask(2) of the calling thread (all threads of Node share it); returns the one before. */
export function umask(mask: number): number {
  return trySyscall('umask', mask);
}

/** Writes all data of the file system that holds `fd` to disk. */
export function syncfs(fd: number): void {
  syscall('syncfs', [fd], () => ({ args: { fd }, operand: `of fd ${fd}` }));
}

/** The same of the file system that a directory is on. */
export function syncFileSystem(path: Path): void {
  const fd = openat(AT.FDCWD, path, O.RDONLY | O.DIRECTORY);
  try {
    syncfs(fd);
  } finally {
    closeFd(fd);
  }
}

/** Makes the entries of a directory durable: what was renamed into it or created in it survives a power cut. */
export function fsyncDirectory(path: Path): void {
  const fd = openat(AT.FDCWD, path, O.RDONLY | O.DIRECTORY);
  try {
    syscall('fsync', [fd], () => ({ args: { path: pathText(path) } }));
  } finally {
    closeFd(fd);
  }
}

/**
 * Asks the file system to put the directories that are made in this one far from each other (FS_TOPDIR_FL; ext2 to ext4 know it). A hint: false
 * where there is nothing to ask.
 */
export function spreadDirectories(path: Path): boolean {
  const fd = openat(AT.FDCWD, path, O.RDONLY | O.DIRECTORY);
  try {
    const flags = Buffer.alloc(8);
    if (trySyscall('ioctl', fd, FS_IOC.GETFLAGS, flags) < 0) return false;
    flags.writeUInt32LE(flags.readUInt32LE(0) | FS_FLAG.TOPDIR);
    return trySyscall('ioctl', fd, FS_IOC.SETFLAGS, flags) >= 0;
  } finally {
    closeFd(fd);
  }
}

/** The type of the file system that holds an open file: compare with FS_MAGIC.*. node:fs reads the rest (statfsSync). */
export function fileSystemType(fd: number): number {
  const struct = Buffer.alloc(120);
  syscall('fstatfs', [fd, struct], () => ({ args: { fd }, operand: `fd ${fd}` }));
  return struct.readUInt32LE(0);
}

/** The name of a file system type of FS_MAGIC in lower case, or its number in hexadecimal. */
export function fileSystemName(type: number): string {
  const found = Object.entries(FS_MAGIC).find(([, magic]) => magic === type);
  return found ? found[0].toLowerCase() : `0x${type.toString(16)}`;
}

/** lseek(2): with SEEK.DATA and SEEK.HOLE it finds the parts of a sparse file. -1 when there is no more data (ENXIO). */
export function lseek(fd: number, offset: number, whence: number): number {
  const result = trySyscall('lseek', fd, offset, whence);
  if (result === -ERRNO.ENXIO) return -1;
  if (result >= 0) return result;
  throw systemError('lseek', -result, { args: { fd, offset, whence: decodeWhence(whence) }, operand: `fd ${fd}` });
}

function decodeWhence(whence: number): string {
  return Object.entries(SEEK).find(([, number]) => number === whence)?.[0] ?? `${whence}`;
}
