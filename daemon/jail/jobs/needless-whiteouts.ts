// What overlayfs leaves in an upper directory that hides nothing of the layers below: a directory that was made anew is opaque though there was
// none, a file of an init layer was deleted. It is taken away, so that a layer says only what it changes, whatever it was made on.
import { closeSync, fstatSync, openSync } from 'node:fs';
import { O } from '../../../native-bindings/constants.ts';
import { ENTRY_TYPE, nextEntries, openEntry, unlinkEntry } from '../../../native-bindings/directories.ts';
import { closeFd, utimensat } from '../../../native-bindings/files.ts';
import { fchdir } from '../../../native-bindings/namespaces.ts';
import { fgetxattr, fremovexattr } from '../../../native-bindings/xattrs.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { fromBytes } from '../../protocols/tar/tar-entry.ts';
import { throwIfCancelled } from '../cancellation.ts';
import { lstatOrSkip } from './open-or-skip.ts';
import { OPEN_DIRECTORY } from './path-walk.ts';
import { OPAQUE_XATTR } from './whiteouts.ts';

const MAX_DEPTH = 2000;
const BATCH_BYTES = 32 * 1024;
const LOWER_DIRECTORY = O.RDONLY | O.DIRECTORY | O.NOFOLLOW | O.CLOEXEC;
const LOWER_ENTRY = O.PATH | O.NOFOLLOW | O.CLOEXEC;

interface Level {
  readonly fd: number;
  /** undefined: nothing below is seen here. */
  readonly lowerFd: number | undefined;
  entries: { name: string; type: number }[];
}

/** `lowerFd`: what is below the layer, as its parent shows it; undefined: nothing. Both stay open. Nobody writes to the layer meanwhile. */
export function removeNeedlessWhiteouts(rootFd: number, lowerFd: number | undefined): void {
  const buffer = Buffer.allocUnsafeSlow(BATCH_BYTES);
  const levels: Level[] = [{ fd: rootFd, lowerFd, entries: [] }];
  try {
    for (let top = levels.at(-1); top !== undefined; top = levels.at(-1)) {
      throwIfCancelled();
      const entry = top.entries.pop();
      if (entry === undefined) {
        const entries = nextEntries(top.fd, buffer);
        if (entries !== undefined) top.entries = entries;
        else {
          levels.pop();
          if (levels.length > 0) close(top);
        }
        continue;
      }
      const type = entry.type === ENTRY_TYPE.UNKNOWN ? typeOf(top.fd, entry.name) : entry.type;
      if (type === ENTRY_TYPE.CHR) removeWhiteout(top, entry.name);
      else if (type === ENTRY_TYPE.DIR) {
        if (levels.length > MAX_DEPTH)
          throw new EngineError('system', 'look through a layer: directories are too deep');
        levels.push(enter(top, entry.name));
      }
    }
  } finally {
    for (const level of levels.slice(1)) close(level);
  }
}

function enter(above: Level, name: string): Level {
  fchdir(above.fd);
  const fd = openSync(fromBytes(name), OPEN_DIRECTORY);
  try {
    const lowerFd = above.lowerFd === undefined ? -1 : openEntry(above.lowerFd, name, LOWER_DIRECTORY);
    const isOpaque = fgetxattr(fd, OPAQUE_XATTR)?.toString() === 'y';
    if (isOpaque && lowerFd < 0) fremovexattr(fd, OPAQUE_XATTR);
    if (isOpaque && lowerFd >= 0) closeFd(lowerFd);
    return { fd, lowerFd: lowerFd < 0 || isOpaque ? undefined : lowerFd, entries: [] };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function removeWhiteout({ fd, lowerFd }: Level, name: string): void {
  fchdir(fd);
  const stats = lstatOrSkip(name);
  if (stats === undefined || !stats.isCharacterDevice() || stats.rdev !== 0) return;
  const hidden = lowerFd === undefined ? -1 : openEntry(lowerFd, name, LOWER_ENTRY);
  if (hidden >= 0) {
    closeFd(hidden);
    return;
  }
  const { atimeNs, mtimeNs } = fstatSync(fd, { bigint: true });
  unlinkEntry(fd, name, 0);
  utimensat(fd, '.', atimeNs, mtimeNs);
}

function typeOf(fd: number, name: string): number {
  fchdir(fd);
  const stats = lstatOrSkip(name);
  if (stats?.isDirectory()) return ENTRY_TYPE.DIR;
  return stats?.isCharacterDevice() ? ENTRY_TYPE.CHR : ENTRY_TYPE.REG;
}

function close({ fd, lowerFd }: Level): void {
  closeSync(fd);
  if (lowerFd !== undefined) closeFd(lowerFd);
}
