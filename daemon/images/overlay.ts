// Detached mounts of layers: an overlay that exists only as an fd, visible in no directory (fsopen(2), fsmount(2)), or one directory alone.
import { openSync } from 'node:fs';
import { AT, O, OPEN_TREE } from '../../native-bindings/constants.ts';
import { isErrno } from '../../native-bindings/errno.ts';
import { closeFd } from '../../native-bindings/files.ts';
import { fsconfigCreate, fsconfigString, fsmount, fsopen, openTree } from '../../native-bindings/mount-api.ts';
import { EngineError } from '../errors/engine-error.ts';

export interface OverlayDirs {
  /** Absolute paths, the highest layer first. At least one. */
  lower: readonly string[];
  /** Both or none: without them the mount cannot be written to. */
  upper?: string;
  work?: string;
}

/** The kernel's limit of one option's value (fsconfig(2)). */
const MAX_OPTION_BYTES = 255;

/**
 * index, redirect_dir and metacopy are off, so that an upper directory holds whole files under their own names (commit and diff read only
 * it), and an upper directory of a killed container can be mounted again.
 */
const plainLayers = [
  ['index', 'off'],
  ['redirect_dir', 'nofollow'],
  ['metacopy', 'off'],
] as const;

/** Mounts an overlay. Returns the detached mount's fd; the caller closes it, and the mount ends with its last user. */
export function mountOverlay(dirs: OverlayDirs): number {
  const context = fsopen('overlay');
  try {
    fsconfigString(context, 'source', 'overlay');
    for (const [key, value] of plainLayers) fsconfigString(context, key, value);
    addLower(context, dirs.lower);
    if (dirs.upper !== undefined && dirs.work !== undefined) {
      checkLength(dirs.upper);
      checkLength(dirs.work);
      fsconfigString(context, 'upperdir', dirs.upper);
      fsconfigString(context, 'workdir', dirs.work);
    }
    fsconfigCreate(context);
    return fsmount(context);
  } finally {
    closeFd(context);
  }
}

/** What layers look like together, for reading only. One layer alone is no overlay. */
export function mountLayers(lower: readonly string[]): number {
  return lower.length === 1 ? holdTree(lower[0] as string) : mountOverlay({ lower });
}

/** A detached copy of the mount that a directory is on, with the directory as its root. */
export function holdTree(path: string, recursive = false): number {
  return openTree(AT.FDCWD, path, OPEN_TREE.CLONE | (recursive ? AT.RECURSIVE : 0));
}

export function openDirectory(path: string): number {
  return openSync(path, O.RDONLY | O.DIRECTORY);
}

/** One layer at a time (Linux 6.7 and later), else all in one value, which is short. */
function addLower(context: number, lower: readonly string[]): void {
  const [first, ...rest] = lower as readonly [string, ...string[]];
  checkLength(first);
  try {
    fsconfigString(context, 'lowerdir+', first);
  } catch (error) {
    if (!isErrno(error, 'EINVAL')) throw error;
    const all = lower.map(escapeColons).join(':');
    if (all.length > MAX_OPTION_BYTES) {
      throw new EngineError(
        'system',
        `mount ${lower.length} layers: this kernel takes ${MAX_OPTION_BYTES} bytes of paths: use Linux 6.7`,
      );
    }
    fsconfigString(context, 'lowerdir', all);
    return;
  }
  for (const path of rest) {
    checkLength(path);
    fsconfigString(context, 'lowerdir+', path);
  }
}

function escapeColons(path: string): string {
  return path.replace(/[:\\]/g, '\\$&');
}

function checkLength(path: string): void {
  if (Buffer.byteLength(path) > MAX_OPTION_BYTES) {
    throw new EngineError(
      'system',
      `mount ${path}: the path has more than ${MAX_OPTION_BYTES} bytes: choose a shorter data root`,
    );
  }
}
