// What `docker cp` asks about one path of a container, and how it is found: the last component is not followed unless the path ends in
// "/" or "/.". Paths are text in, byte strings below.
import { type BigIntStats, closeSync, constants, fstatSync, openSync } from 'node:fs';
import { O } from '../../../native-bindings/constants.ts';
import { displayName, fromBytes } from '../../protocols/tar/tar-entry.ts';
import type { PathStat } from '../file-facts.ts';
import { type HeldDirectory, holdDirectory, resolvedPath, splitPath } from './path-walk.ts';

/** A path of a container, held. Close it with `using`. */
export interface HeldPath extends Disposable {
  /** The directory that holds it; of the root and of a path that ends in "/" it is the directory itself. */
  readonly parent: HeldDirectory;
  /** Its name there, or undefined when `parent` is meant itself. */
  readonly name: string | undefined;
  /** What archives call it: "x", "." for a path that ends in "/.", "/" for the root. */
  readonly shownName: string;
}

export function holdPath(text: string): HeldPath {
  const path = Buffer.from(text).toString('latin1');
  const split = splitPath(path);
  const isDot = /(^|\/)\.$/.test(path);
  if (split === undefined || isDot || path.endsWith('/')) {
    const parent = holdDirectory(path);
    return held(parent, undefined, isDot ? '.' : (split?.name ?? '/'));
  }
  const parent = holdDirectory(split.parent);
  return held(parent, split.name, split.name);
}

function held(parent: HeldDirectory, name: string | undefined, shownName: string): HeldPath {
  return { parent, name, shownName, [Symbol.dispose]: () => parent[Symbol.dispose]() };
}

export function statPath(text: string): PathStat {
  using path = holdPath(text);
  return statHeld(path);
}

export function statHeld(path: HeldPath): PathStat {
  path.parent.enter();
  const fd = openSync(path.name === undefined ? '.' : fromBytes(path.name), O.PATH | constants.O_NOFOLLOW);
  let stats: BigIntStats;
  try {
    stats = fstatSync(fd, { bigint: true });
  } finally {
    closeSync(fd);
  }
  const name = path.name ?? '';
  return {
    name: displayName(path.shownName),
    size: Number(stats.size),
    mode: goFileMode(stats),
    mtime: rfc3339(stats.mtimeNs),
    linkTarget: stats.isSymbolicLink() ? displayName(resolvedPath(`${path.parent.path}/${name}`)) : '',
  };
}

/** The directory that a put goes to. Throws ENOENT, or ENOTDIR when it is none. */
export function holdTarget(text: string): HeldDirectory {
  return holdDirectory(Buffer.from(text).toString('latin1'));
}

/** Go's os.FileMode: permissions below, kinds in the high bits. */
export function goFileMode(stats: BigIntStats): number {
  const mode = Number(stats.mode);
  let result = mode & 0o777;
  const add = (bit: number, holds: boolean): void => {
    if (holds) result += 2 ** bit;
  };
  add(31, stats.isDirectory());
  add(27, stats.isSymbolicLink());
  add(26, stats.isBlockDevice() || stats.isCharacterDevice());
  add(25, stats.isFIFO());
  add(24, stats.isSocket());
  add(23, (mode & 0o4000) !== 0);
  add(22, (mode & 0o2000) !== 0);
  add(21, stats.isCharacterDevice());
  add(20, (mode & 0o1000) !== 0);
  return result;
}

/** UTC, with as many digits of a second as it has (Go's RFC3339Nano). */
export function rfc3339(ns: bigint): string {
  const seconds = ns >= 0n ? ns / 1_000_000_000n : -((-ns + 999_999_999n) / 1_000_000_000n);
  const fraction = (ns - seconds * 1_000_000_000n).toString().padStart(9, '0').replace(/0+$/, '');
  const date = new Date(Number(seconds) * 1000);
  if (Number.isNaN(date.getTime())) return '1970-01-01T00:00:00Z';
  return date.toISOString().replace(/\.000Z$/, fraction === '' ? 'Z' : `.${fraction}Z`);
}
