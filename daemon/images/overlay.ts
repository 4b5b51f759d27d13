// Detached mounts of layers: an overlay that exists only as an fd, visible in no directory (fsopen(2), fsmount(2)), or one directory alone.
import { closeSync, openSync } from 'node:fs';
import { dirname, relative } from 'node:path';
import { AT, O, OPEN_TREE } from '../../native-bindings/constants.ts';
import { isErrno } from '../../native-bindings/errno.ts';
import { closeFd } from '../../native-bindings/files.ts';
import {
  fsconfigCreate,
  fsconfigString,
  fsmount,
  fsopen,
  isLegacyContext,
  mount,
  openTree,
} from '../../native-bindings/mount-api.ts';
import { fchdir, inPrivateMountNamespace } from '../../native-bindings/namespaces.ts';
import { EngineError } from '../errors/engine-error.ts';

export interface OverlayDirs {
  /** Absolute paths, the highest layer first. At least one. */
  lower: readonly string[];
  /** Both or none: without them the mount cannot be written to. */
  upper?: string;
  work?: string;
}

/** The kernel's limit of one option's value (fsconfig(2)), and of all together for mount(2). */
const MAX_OPTION_BYTES = 255;
const PAGE_BYTES = 4096;

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
  try {
    return mountWith(dirs, (context) => addLowerParts(context, dirs.lower));
  } catch (error) {
    if (!(error instanceof NoLowerParts)) throw error;
    return mountOverlayByNames(dirs);
  }
}

/**
 * For kernels before 6.7, which take all lower layers as one value: short names, relative to the directory that most layers are in. It is
 * the working directory for the moment of the mount; nothing else can run on this thread meanwhile, and all other paths of the engine are
 * absolute.
 */
export function mountOverlayByNames(dirs: OverlayDirs): number {
  const base = dirname(dirs.lower[0] as string);
  const names = dirs.lower.map((path) => relative(base, path).replace(/[:\\]/g, '\\$&')).join(':');
  const isLong = Buffer.byteLength(names) > MAX_OPTION_BYTES;
  const home = openSync('.', O.PATH | O.DIRECTORY);
  const there = openSync(base, O.PATH | O.DIRECTORY);
  try {
    fchdir(there);
    if (isLong) return mountByOneText(dirs, names, base);
    return mountWith(dirs, (context) => fsconfigString(context, 'lowerdir', names));
  } finally {
    fchdir(home);
    closeSync(there);
    closeSync(home);
  }
}

/**
 * mount(2) takes all options as one text of a page, which is room for more layers than an image may have. It needs a place to mount on,
 * which only this thread sees and only for that moment.
 */
function mountByOneText(dirs: OverlayDirs, names: string, place: string): number {
  const escaped = (path: string) => path.replace(/[,\\]/g, '\\$&');
  const options = [
    ...plainLayers.map(([key, value]) => `${key}=${value}`),
    `lowerdir=${names.replaceAll(',', '\\,')}`,
    ...(dirs.upper !== undefined && dirs.work !== undefined
      ? [`upperdir=${escaped(dirs.upper)}`, `workdir=${escaped(dirs.work)}`]
      : []),
  ].join(',');
  if (Buffer.byteLength(options) >= PAGE_BYTES) {
    throw new EngineError(
      'system',
      `mount ${dirs.lower.length} layers: too many for this kernel: use Linux 6.7 or later`,
    );
  }
  return inPrivateMountNamespace(() => {
    mount('overlay', place, 'overlay', 0, options);
    return openTree(AT.FDCWD, place, OPEN_TREE.CLONE);
  });
}

function mountWith(dirs: OverlayDirs, addLower: (context: number) => void): number {
  const context = fsopen('overlay');
  try {
    fsconfigString(context, 'source', 'overlay');
    for (const [key, value] of plainLayers) fsconfigString(context, key, value);
    addLower(context);
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

/** The kernel does not know `lowerdir+`. */
class NoLowerParts extends Error {}

/** Before Linux 6.7 it is refused at once; before 6.5 only at the end, and with a complaint in the kernel's log. */
function addLowerParts(context: number, lower: readonly string[]): void {
  if (isLegacyContext(context)) throw new NoLowerParts();
  for (const [i, path] of lower.entries()) {
    checkLength(path);
    try {
      fsconfigString(context, 'lowerdir+', path);
    } catch (error) {
      if (i === 0 && isErrno(error, 'EINVAL')) throw new NoLowerParts();
      throw error;
    }
  }
}

function checkLength(path: string): void {
  if (Buffer.byteLength(path) > MAX_OPTION_BYTES) {
    throw new EngineError(
      'system',
      `mount ${path}: the path has more than ${MAX_OPTION_BYTES} bytes: choose a shorter data root`,
    );
  }
}
