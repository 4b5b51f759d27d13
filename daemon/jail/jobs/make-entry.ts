// Making one file of each kind in the working directory, after what stood there before has made room. Never follows a link.
import { lchownSync, lstatSync, lutimesSync, mkdirSync, openSync, symlinkSync } from 'node:fs';
import { S_IF } from '../../../native-bindings/constants.ts';
import { linkat, makeDevice, mknodat } from '../../../native-bindings/files.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { displayName, fromBytes, type TarEntry } from '../../protocols/tar/tar-entry.ts';
import { mtimeOf } from './entry-attributes.ts';
import { type HeldDirectory, isCode, OPEN_DIRECTORY } from './path-walk.ts';
import { removeEntry } from './remove-tree.ts';

/**
 * Makes room for an entry: 'free' when nothing is there, 'directory' when a directory is there and shall stay, 'removed' when something
 * had to go (what was held open may be gone with it). The working directory is the parent.
 */
export function prepareName(
  entry: TarEntry,
  parent: HeldDirectory,
  name: string,
  noOverwriteDirNonDir: boolean,
): 'free' | 'directory' | 'removed' {
  parent.enter();
  let isDirectory: boolean;
  try {
    isDirectory = lstatSync(fromBytes(name)).isDirectory();
  } catch (error) {
    if (isCode(error, 'ENOENT')) return 'free';
    throw error;
  }
  const path = JSON.stringify(displayName(`${parent.path}/${name}`.replace(/^\/+/, '/')));
  if (isDirectory && entry.type === 'directory') return 'directory';
  if (noOverwriteDirNonDir && isDirectory) {
    throw new EngineError('invalid', `cannot overwrite directory ${path} with non-directory ${path}`);
  }
  if (noOverwriteDirNonDir && entry.type === 'directory') {
    throw new EngineError('invalid', `cannot overwrite non-directory ${path} with directory ${path}`);
  }
  removeEntry(parent.fd, name);
  return 'removed';
}

/** Makes (unless it is there) and opens a directory of the working directory. The caller closes the fd. */
export function makeDirectory(name: Buffer, exists: boolean): number {
  if (!exists) mkdirSync(name, 0o700);
  return openSync(name, OPEN_DIRECTORY);
}

export function makeSymlink(name: Buffer, entry: TarEntry, owner: { uid: number; gid: number }): void {
  symlinkSync(fromBytes(entry.linkPath), name);
  lchownSync(name, owner.uid, owner.gid);
  lutimesSync(name, mtimeOf(entry), mtimeOf(entry));
}

/** A hard link to what stands at `target`, even when that is a symbolic link itself. */
export function makeLink(
  targetParent: HeldDirectory,
  target: string,
  parent: HeldDirectory,
  name: string,
  entry: TarEntry,
): void {
  try {
    linkat(targetParent.fd, fromBytes(target), parent.fd, fromBytes(name));
  } catch (error) {
    if (!isCode(error, 'ENOENT') && !isCode(error, 'EPERM') && !isCode(error, 'EXDEV')) throw error;
    throw noLinkTarget(entry, error);
  }
}

/** A layer can link only to what it holds itself: files of the layers below are no part of its tree. */
export function noLinkTarget(entry: TarEntry, cause: unknown): EngineError {
  const [from, to] = [displayName(entry.path), displayName(entry.linkPath)];
  return new EngineError('invalid', `invalid archive: hard link ${from} -> ${to}: there is no such file`, { cause });
}

/** Device nodes and FIFOs. The umask of a jail is 0, so the mode is what the archive says. */
export function makeNode(parentFd: number, name: Buffer, entry: TarEntry, owner: { uid: number; gid: number }): void {
  const kind = entry.type === 'fifo' ? S_IF.IFO : entry.type === 'char' ? S_IF.CHR : S_IF.BLK;
  const device = entry.type === 'fifo' ? 0 : makeDevice(entry.devMajor, entry.devMinor);
  mknodat(parentFd, name, kind | (entry.mode & 0o7777), device);
  lchownSync(name, owner.uid, owner.gid);
  lutimesSync(name, mtimeOf(entry), mtimeOf(entry));
}
