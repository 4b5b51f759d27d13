// `docker diff`: what an overlay's upper directory says about the tree below it. Both trees are walked side by side by held directories, so
// that a link in one of them never leads into anything.
import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, type Stats } from 'node:fs';
import { fchdir } from '../../../native-bindings/namespaces.ts';
import { fgetxattr } from '../../../native-bindings/xattrs.ts';
import { EngineError } from '../../errors/engine-error.ts';
import type { Change, ChangeKind } from '../image-service.ts';
import { displayName, fromBytes } from '../tar/tar-entry.ts';
import { throwIfCancelled } from './cancellation.ts';
import { isCode, isMissing, OPEN_DIRECTORY } from './path-walk.ts';
import { OPAQUE_XATTR } from './whiteouts.ts';

/** Each level holds open files: a container must not be able to use up all that the daemon may have. */
const MAX_DEPTH = 2000;

/** Sorted by path. `lowerFd` is a directory, read only; `upperFd` too. */
export function treeChanges(upperFd: number, lowerFd: number): Change[] {
  const found: { path: string; kind: ChangeKind }[] = [];
  compare(upperFd, lowerFd, '', found, 0);
  found.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  return found.map(({ path, kind }) => ({ Path: displayName(path), Kind: kind }));
}

function compare(
  upperFd: number,
  lowerFd: number | undefined,
  path: string,
  found: { path: string; kind: ChangeKind }[],
  depth: number,
): void {
  if (depth > MAX_DEPTH) throw new EngineError('system', 'compare directories: they are too deep');
  const names = list(upperFd);
  if (lowerFd !== undefined && fgetxattr(upperFd, OPAQUE_XATTR)?.toString() === 'y') {
    const kept = new Set(names);
    for (const name of list(lowerFd)) if (!kept.has(name)) found.push({ path: `${path}/${name}`, kind: 2 });
  }
  for (const name of names) {
    throwIfCancelled();
    fchdir(upperFd);
    const upper = lstatOrNothing(name);
    if (upper === undefined) continue;
    const lower = lowerFd === undefined ? undefined : lowerStats(lowerFd, name);
    const here = `${path}/${name}`;
    if (upper.isCharacterDevice() && upper.rdev === 0) {
      if (lower !== undefined) found.push({ path: here, kind: 2 });
      continue;
    }
    found.push({ path: here, kind: lower === undefined ? 1 : 0 });
    if (!upper.isDirectory()) continue;
    fchdir(upperFd);
    const upperChild = openSync(fromBytes(name), OPEN_DIRECTORY);
    try {
      const lowerChild = lower?.isDirectory() ? openLower(lowerFd as number, name) : undefined;
      try {
        compare(upperChild, lowerChild, here, found, depth + 1);
      } finally {
        if (lowerChild !== undefined) closeSync(lowerChild);
      }
    } finally {
      closeSync(upperChild);
    }
  }
}

/** Bytes of all files below a directory; a file with several names counts once, and what lies too deep to be reached does not. */
export function treeSize(rootFd: number): number {
  let bytes = 0;
  eachBelow(rootFd, (stats) => {
    if (stats.isFile()) bytes += stats.size;
  });
  return bytes;
}

/** What the tree takes of its disk, directories too: du(1)'s bytes. */
export function treeUsage(rootFd: number): number {
  let blocks = fstatSync(rootFd).blocks;
  eachBelow(rootFd, (stats) => {
    blocks += stats.blocks;
  });
  return blocks * 512;
}

/** Every file once, however many names it has. */
function eachBelow(rootFd: number, see: (stats: Stats) => void): void {
  const seen = new Set<string>();
  const visit = (fd: number, depth: number): void => {
    for (const name of list(fd)) {
      throwIfCancelled();
      fchdir(fd);
      const stats = lstatOrNothing(name);
      if (stats === undefined) continue;
      const key = `${stats.dev}:${stats.ino}`;
      if (!stats.isDirectory() && stats.nlink > 1) {
        if (seen.has(key)) continue;
        seen.add(key);
      }
      see(stats);
      if (!stats.isDirectory()) continue;
      const child = openOrNothing(name);
      if (child === undefined) continue;
      try {
        if (depth < MAX_DEPTH) visit(child, depth + 1);
      } finally {
        closeSync(child);
      }
    }
  };
  visit(rootFd, 0);
}

function list(fd: number): string[] {
  fchdir(fd);
  return readdirSync('.', { encoding: 'latin1' });
}

function openLower(lowerFd: number, name: string): number {
  fchdir(lowerFd);
  return openSync(fromBytes(name), OPEN_DIRECTORY);
}

function lowerStats(lowerFd: number, name: string): Stats | undefined {
  fchdir(lowerFd);
  return lstatOrNothing(name);
}

function lstatOrNothing(name: string): Stats | undefined {
  try {
    return lstatSync(fromBytes(name));
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Whoever uses the files may have deleted or replaced it. */
function openOrNothing(name: string): number | undefined {
  try {
    return openSync(fromBytes(name), OPEN_DIRECTORY);
  } catch (error) {
    if (isMissing(error) || isCode(error, 'ELOOP')) return undefined;
    throw error;
  }
}

/** For fchdir and listing. */
export function openRoot(): number {
  return openSync('/', constants.O_RDONLY | constants.O_DIRECTORY);
}

/** The working directory, opened for listing. */
export function openHere(): number {
  return openSync('.', constants.O_RDONLY | constants.O_DIRECTORY);
}
