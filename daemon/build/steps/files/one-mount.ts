// Directories of the host as parts of one mount: files can only be linked from one to the other when both are reached through the same. It is detached,
// nothing in it can be executed or opened as a device, and no way leads out of it but to what lies beside the directories.
import { fstatSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { AT, MOUNT_ATTR, O, RESOLVE } from '../../../../native-bindings/constants.ts';
import { isErrno } from '../../../../native-bindings/errno.ts';
import { closeFd, openat2 } from '../../../../native-bindings/files.ts';
import { mountSetattr } from '../../../../native-bindings/mount-api.ts';
import { holdTree } from '../../../jail/hold-tree.ts';

export const inertMount = MOUNT_ATTR.NODEV | MOUNT_ATTR.NOSUID | MOUNT_ATTR.NOEXEC;

/** A descriptor for each of the absolute paths; undefined: they cannot be had through one mount. The caller closes them. */
export function openTogether(paths: readonly string[]): number[] | undefined {
  const top = commonDirectory(paths);
  const mount = holdTree(top);
  const fds: number[] = [];
  try {
    mountSetattr(mount, '', AT.EMPTY_PATH, { set: inertMount });
    for (const path of paths) fds.push(openIn(mount, relative(top, path) || '.'));
    // Something else may be mounted on the way to one of them.
    if (paths.every((path, index) => isSame(path, fds[index] as number))) return fds.splice(0);
    return undefined;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'EXDEV')) return undefined;
    throw error;
  } finally {
    for (const fd of fds) closeFd(fd);
    closeFd(mount);
  }
}

function openIn(mount: number, path: string): number {
  return openat2(mount, path, { flags: O.RDONLY | O.DIRECTORY, resolve: RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS });
}

function isSame(path: string, fd: number): boolean {
  const [there, here] = [statSync(path, { bigint: true }), fstatSync(fd, { bigint: true })];
  return there.ino === here.ino && there.dev === here.dev;
}

function commonDirectory([first = '/', ...others]: readonly string[]): string {
  const parts = first.split('/');
  const lists = others.map((path) => path.split('/'));
  const end = parts.findIndex((part, index) => lists.some((list) => list[index] !== part));
  return join('/', ...parts.slice(0, end < 0 ? parts.length : end));
}
