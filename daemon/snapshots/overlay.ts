// Detached mounts of layers: an overlay that exists only as an fd, visible in no directory (fsopen(2), fsmount(2)), or one directory alone.
import { closeSync, mkdtempSync, openSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { AT, O, OPEN_TREE } from '../../native-bindings/constants.ts';
import { isErrno } from '../../native-bindings/errno.ts';
import { closeFd } from '../../native-bindings/files.ts';
import {
  fsconfigCreate,
  fsconfigFlag,
  fsconfigString,
  fsmount,
  fsopen,
  isLegacyContext,
  mount,
  NO_FILE,
  openTree,
} from '../../native-bindings/mount-api.ts';
import { fchdir, inPrivateMountNamespace } from '../../native-bindings/namespaces.ts';
import { EngineError } from '../errors/engine-error.ts';
import { holdTree } from '../jail/hold-tree.ts';

export interface OverlayDirs {
  /** Absolute paths, the highest layer first. At least one. */
  lower: readonly string[];
  /** Both or none: without them the mount cannot be written to. */
  upper?: string;
  work?: string;
  /** See mountVolatile. */
  isVolatile?: boolean;
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
  const { base, names, isLong } = lowerNames(dirs);
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
 * An overlay for what is worth nothing before somebody else has synced it: fsync(2) in it does nothing, and its end does not sync the whole file
 * system that `upper` is on, as the kernel does otherwise. A work directory of such a mount cannot be used again, so each has its own in `aside`.
 */
export function mountVolatile({
  lower,
  upper,
  aside,
}: {
  lower: readonly string[];
  upper: string;
  aside: string;
}): number {
  return mountOverlay({ lower, upper, work: mkdtempSync(join(aside, 'work-')), isVolatile: true });
}

function lowerNames({ lower }: OverlayDirs): { base: string; names: string; isLong: boolean } {
  const base = dirname(lower[0] as string);
  const names = lower.map((path) => relative(base, path).replace(/[:\\]/g, '\\$&')).join(':');
  return { base, names, isLong: Buffer.byteLength(names) > MAX_OPTION_BYTES };
}

/**
 * mount(2) takes all options as one text of a page, which is room for more layers than an image may have. It needs a place to mount on,
 * which only this thread sees and only for that moment.
 */
function mountByOneText(dirs: OverlayDirs, names: string, place: string): number {
  const options = mountText(dirs, names);
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

function mountText(dirs: OverlayDirs, names: string): string {
  const escaped = (path: string) => path.replace(/[,\\]/g, '\\$&');
  return [
    ...plainLayers.map(([key, value]) => `${key}=${value}`),
    `lowerdir=${names.replaceAll(',', '\\,')}`,
    ...writableOptions(dirs).map(([key, value]) => `${key}=${escaped(value)}`),
    ...(dirs.isVolatile ? ['volatile'] : []),
  ].join(',');
}

type Options = readonly (readonly [key: string, value: string])[];

const commonOptions: Options = [['source', 'overlay'], ...plainLayers];

function writableOptions({ upper, work }: OverlayDirs): Options {
  if (upper === undefined || work === undefined) return [];
  return [
    ['upperdir', upper],
    ['workdir', work],
  ];
}

function mountWith(dirs: OverlayDirs, addLower: (context: number) => void): number {
  const context = fsopen('overlay');
  try {
    for (const [key, value] of commonOptions) fsconfigString(context, key, value);
    addLower(context);
    for (const [key, value] of writableOptions(dirs)) {
      checkLength(value);
      fsconfigString(context, key, value);
    }
    if (dirs.isVolatile) fsconfigFlag(context, 'volatile');
    fsconfigCreate(context);
    return fsmount(context);
  } finally {
    closeFd(context);
  }
}

/** The system calls of mountOverlay, as strace(1) writes them. Asks the kernel how it takes layers; mounts nothing. */
export function overlayCalls(dirs: OverlayDirs): string[] {
  const set = ([key, value]: readonly [string, string]) =>
    `fsconfig(context, FSCONFIG_SET_STRING, ${JSON.stringify(key)}, ${JSON.stringify(value)}, 0)`;
  const begin = ['fsopen("overlay", FSOPEN_CLOEXEC) = context', ...commonOptions.map(set)];
  const end = [
    ...writableOptions(dirs).map(set),
    'fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0)',
    'fsmount(context, FSMOUNT_CLOEXEC, 0) = root',
    'close(context)',
  ];
  const question = `fsconfig(context, FSCONFIG_SET_FD, "fd", NULL, ${NO_FILE})`;
  const parts = dirs.lower.map((path) => set(['lowerdir+', path]));
  const way = wayOfLayers();
  if (way === 'in parts')
    return [...begin, `${question} = -1 EBADF  # layers can be given one by one`, ...parts, ...end];
  const { base, names, isLong } = lowerNames(dirs);
  const enter = [`fchdir(${JSON.stringify(base)})`];
  const allAtOnce = '# layers have to be given all at once';
  const refusal =
    way === 'as one text'
      ? [`${question} = -1 EOPNOTSUPP  ${allAtOnce}`]
      : [`${question} = -1 EBADF`, `${parts[0]} = -1 EINVAL  ${allAtOnce}`];
  const refused = [...begin, ...refusal, 'close(context)'];
  if (!isLong) return [...refused, ...enter, ...begin, set(['lowerdir', names]), ...end, 'fchdir("/")'];
  return [
    ...refused,
    ...enter,
    'unshare(CLONE_NEWNS)  # a mount namespace for that moment',
    'mount("", "/", NULL, MS_REC|MS_PRIVATE, NULL)',
    `mount("overlay", ${JSON.stringify(base)}, "overlay", 0, ${JSON.stringify(mountText(dirs, names))})`,
    `open_tree(AT_FDCWD, ${JSON.stringify(base)}, OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC) = root`,
    'setns("/proc/thread-self/ns/mnt", CLONE_NEWNS)  # back',
    'fchdir("/")',
  ];
}

/** How this kernel takes layers: the three of addLowerParts. Nothing is mounted. */
function wayOfLayers(): 'in parts' | 'all at once' | 'as one text' {
  const context = fsopen('overlay');
  try {
    if (isLegacyContext(context)) return 'as one text';
    fsconfigString(context, 'lowerdir+', '/');
    return 'in parts';
  } catch (error) {
    if (isErrno(error, 'EINVAL')) return 'all at once';
    throw error;
  } finally {
    closeFd(context);
  }
}

/** What layers look like together, for reading only. One layer alone is no overlay. */
export function mountLayers(lower: readonly string[]): number {
  return lower.length === 1 ? holdTree(lower[0] as string) : mountOverlay({ lower });
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
