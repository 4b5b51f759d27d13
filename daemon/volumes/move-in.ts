// Brings a complete copy of an image's files into a volume: every entry by a rename, then the directory's own looks. May be repeated after a
// crash at any point. The volume may be in use: by fds and single names only, and what is there already stays.
import { closeSync, fchmodSync, fchownSync, fstatSync, fsyncSync, futimesSync, openSync, readdirSync } from 'node:fs';
import { O, RENAME } from '../../native-bindings/constants.ts';
import { isErrno } from '../../native-bindings/errno.ts';
import { renameat2 } from '../../native-bindings/files.ts';
import { fgetxattr, flistxattr, fsetxattr } from '../../native-bindings/xattrs.ts';

const DIRECTORY = O.RDONLY | O.DIRECTORY | O.NOFOLLOW;

/** `discard` takes the emptied directory (and what found no place) away. */
export function moveIn(from: string, to: string, discard: (path: string) => void): void {
  const source = openSync(from, DIRECTORY);
  try {
    const target = openSync(to, DIRECTORY);
    try {
      for (const name of readdirSync(from, { encoding: 'buffer' })) moveEntry(source, target, name);
      takeLooks(source, target);
      fsyncSync(target);
    } finally {
      closeSync(target);
    }
  } finally {
    closeSync(source);
  }
  discard(from);
}

function moveEntry(source: number, target: number, name: Buffer): void {
  try {
    renameat2(source, name, target, name, RENAME.NOREPLACE);
  } catch (error) {
    // A container that shares the volume was faster with a file of that name: it is the user's.
    if (!isErrno(error, 'EEXIST')) throw error;
  }
}

function takeLooks(source: number, target: number): void {
  const { uid, gid, mode, atime, mtime } = fstatSync(source);
  fchownSync(target, uid, gid);
  fchmodSync(target, mode & 0o7777);
  for (const name of flistxattr(source)) {
    if (!name.startsWith('user.') && !name.startsWith('trusted.')) continue;
    const value = fgetxattr(source, name);
    if (value !== undefined) fsetxattr(target, name, value);
  }
  futimesSync(target, atime, mtime);
}
