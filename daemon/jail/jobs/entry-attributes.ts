// What an archive may say about a file's owner, mode, device, times and extended attributes: the checks, and how the attributes are set.
import { fsetxattr } from '../../../native-bindings/xattrs.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { displayName, type TarEntry } from '../../protocols/tar/tar-entry.ts';
import { isCode } from './path-walk.ts';

const MAX_ID = 2 ** 32 - 2;
/** What a Date holds. File systems hold less, and the kernel cuts to that by itself (utimensat(2)). */
const MAX_TIME_SECONDS = 8_640_000_000_000;
const MAX_MAJOR = 2 ** 12 - 1;
const MAX_MINOR = 2 ** 20 - 1;
const MAX_XATTR_BYTES = 64 * 1024;

/** Throws EngineError 'invalid' when an entry says what no file can be. */
export function checkEntry(entry: TarEntry): void {
  for (const id of [entry.uid, entry.gid]) {
    if (!Number.isInteger(id) || id < 0 || id > MAX_ID) throw refused(entry, `owner ${id} is out of range`);
  }
  if (entry.path.includes('\0') || entry.linkPath.includes('\0')) throw refused(entry, 'its name holds a NUL');
  if (entry.type === 'char' || entry.type === 'block') {
    const { devMajor: major, devMinor: minor } = entry;
    const fits = Number.isInteger(major) && Number.isInteger(minor) && major >= 0 && minor >= 0;
    if (!fits || major > MAX_MAJOR || minor > MAX_MINOR)
      throw refused(entry, `device ${major}:${minor} is out of range`);
  }
  if (entry.type === 'symlink' && entry.linkPath === '') throw refused(entry, 'a symbolic link without a target');
}

/**
 * The attributes of an entry that are set. Left out is what belongs to the host's security modules, and what overlayfs keeps its own books
 * in: of another tree, it would mean something else here. Layers that were made of an overlay's directory have it.
 */
function checkXattrs(entry: TarEntry): Map<string, Buffer> {
  const kept = new Map<string, Buffer>();
  for (const [name, value] of entry.xattrs) {
    if (name.length > 255 || value.length > MAX_XATTR_BYTES) throw refused(entry, 'an extended attribute is too long');
    if (isKeptXattr(name)) kept.set(name, value);
  }
  return kept;
}

function isOverlayXattr(name: string): boolean {
  return name.startsWith('trusted.overlay.') || name.startsWith('user.overlay.');
}

/** What is carried in archives, in both directions. */
export function isKeptXattr(name: string): boolean {
  if (isOverlayXattr(name)) return false;
  return name === 'security.capability' || name.startsWith('user.') || name.startsWith('trusted.');
}

/** A file system that has no such attributes, or not on such files, is no error. */
export function writeXattrs(fd: number, entry: TarEntry): void {
  for (const [name, value] of checkXattrs(entry)) {
    try {
      fsetxattr(fd, name, value);
    } catch (error) {
      if (isCode(error, 'EINVAL'))
        throw refused(entry, `the extended attribute ${displayName(name)} has no such value`);
      if (!isCode(error, 'ENOTSUP') && !isCode(error, 'EPERM')) throw error;
    }
  }
}

/** Of node:fs, which takes a negative number for "now". */
export function mtimeOf(entry: TarEntry): number | Date {
  const seconds = Number.isFinite(entry.mtimeSeconds) ? entry.mtimeSeconds : 0;
  if (seconds >= 0) return Math.min(seconds, MAX_TIME_SECONDS);
  return new Date(Math.floor(Math.max(seconds, -MAX_TIME_SECONDS) * 1000));
}

export function refused(entry: TarEntry, why: string): EngineError {
  return new EngineError('invalid', `invalid archive entry ${displayName(entry.path.slice(0, 200))}: ${why}`);
}
