// /etc/passwd and /etc/group of a container, read on the daemon's main thread: nothing that is touched here may wait for a process. So files
// are opened without waiting for whoever has a lease on them (fcntl(2), F_SETLEASE: 45 seconds for each). The files are opened inside the root without magic links, must be regular, are read up to a limit, and lie on the root's own mount or on
// one of a local file system: with FUSE or a network behind a name, looking at it is enough to wait for ever.
import { closeSync, constants, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import path from 'node:path';
import { O, RESOLVE } from '../../native-bindings/constants.ts';
import { isErrno } from '../../native-bindings/errno.ts';
import { closeFd, openat2 } from '../../native-bindings/files.ts';
import { EngineError } from '../errors/engine-error.ts';

export interface AccountFile {
  /** Empty when there is none. */
  text: string;
  /** Why it counts as missing though there may be one. */
  passedOver?: string;
}

const MAX_FILE_BYTES = 1024 * 1024;
const MAX_MOUNT_TABLE_BYTES = 1024 * 1024;
/** Types that need nobody's help to answer. */
const LOCAL: ReadonlySet<string> = new Set(['overlay', 'ext2', 'ext3', 'ext4', 'xfs', 'btrfs', 'f2fs', 'zfs', 'tmpfs']);
const IN_ROOT = RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS;

/**
 * `file` is relative to the root: `etc/passwd`. `pid` is of the running process that `rootFd` is the root of; without, the root is the
 * engine's own and nothing is mounted in it. Throws EngineError 'invalid' for what is no regular file or too large.
 */
export function readAccountFile(rootFd: number, file: string, pid?: number): AccountFile {
  let handle: number;
  try {
    if (pid !== undefined && fileSystemOf(rootFd, pid) !== 'overlay') {
      return { text: '', passedOver: "the first process has left the container's root" };
    }
    handle = openat2(rootFd, file, { flags: O.PATH, resolve: IN_ROOT | RESOLVE.NO_XDEV });
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return { text: '' };
    if (isErrno(error, 'EXDEV') && pid !== undefined) return readMounted(rootFd, file, pid);
    const why = error instanceof Error ? error.message : String(error);
    throw new EngineError('invalid', `read /${file} of the image: ${why}`, { cause: error });
  }
  return readHandle(handle, file);
}

/** The user has put a mount over the file, as one of the host's users' table is, or over a directory on the way. */
function readMounted(rootFd: number, file: string, pid: number): AccountFile {
  const passedOver = `something is mounted over /${file} that the engine does not look into`;
  let handle: number;
  try {
    const parent = openat2(rootFd, path.dirname(file), {
      flags: O.PATH | O.DIRECTORY,
      resolve: IN_ROOT | RESOLVE.NO_XDEV,
    });
    try {
      handle = openat2(parent, path.basename(file), { flags: O.PATH, resolve: RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS });
    } finally {
      closeFd(parent);
    }
  } catch (error) {
    if (isErrno(error, 'EXDEV', 'ELOOP', 'ENOENT', 'ENOTDIR')) return { text: '', passedOver };
    throw error;
  }
  let type: string | undefined;
  try {
    type = fileSystemOf(handle, pid);
  } catch (error) {
    closeFd(handle);
    throw error;
  }
  if (type !== undefined && LOCAL.has(type)) return readHandle(handle, file);
  closeFd(handle);
  return { text: '', passedOver: type === undefined ? passedOver : `/${file} is a mount of type ${type}` };
}

/** Closes the handle. */
function readHandle(handle: number, file: string): AccountFile {
  let fd: number;
  try {
    // Looked at before it is opened: opening a device can do something to the host (a watchdog starts).
    if (!fstatSync(handle).isFile()) throw new EngineError('invalid', `/${file} of the image is not a regular file`);
    fd = openSync(`/proc/self/fd/${handle}`, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    if (isErrno(error, 'EAGAIN')) return { text: '', passedOver: `a process has a lease on /${file}` };
    throw error;
  } finally {
    closeFd(handle);
  }
  try {
    const stats = fstatSync(fd);
    if (stats.size > MAX_FILE_BYTES) {
      throw new EngineError('invalid', `/${file} of the image is larger than ${MAX_FILE_BYTES} bytes`);
    }
    const content = Buffer.allocUnsafe(stats.size);
    let length = 0;
    for (let count = -1; count !== 0 && length < content.length; length += count) {
      count = readSync(fd, content, length, content.length - length, null);
    }
    return { text: content.toString('utf8', 0, length) };
  } finally {
    closeSync(fd);
  }
}

/** The type of the mount that `fd` is on, as the process `pid` sees it. Asks the kernel's tables only: fstatfs(2) would ask FUSE's server. */
function fileSystemOf(fd: number, pid: number): string | undefined {
  const id = /^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1];
  if (id === undefined) return undefined;
  return new RegExp(`^${id} .* - (\\S+) `, 'm').exec(mountTable(pid))?.[1];
}

/** Of a container with a great many mounts the beginning: what is not found counts as unknown. */
function mountTable(pid: number): string {
  let fd: number;
  try {
    fd = openSync(`/proc/${pid}/mountinfo`, constants.O_RDONLY);
  } catch (error) {
    // It has ended: whoever uses what comes of it will be told.
    if (isErrno(error, 'ENOENT', 'ESRCH')) return '';
    throw error;
  }
  try {
    const bytes = Buffer.allocUnsafe(32 * 1024);
    let text = '';
    for (
      let count = -1;
      count !== 0 && text.length < MAX_MOUNT_TABLE_BYTES;
      text += bytes.toString('latin1', 0, count)
    ) {
      count = readSync(fd, bytes, 0, bytes.length, null);
    }
    return text;
  } finally {
    closeSync(fd);
  }
}
