// Places that are made in a root because something is mounted there, and that go again when the step has ended: as long as they are as they were
// made. With them go the copies that overlayfs made of the directories above, so that the layer says nothing of them.
// Everything is found by descriptors that follow no link: the files are the step's.
import { createHash } from 'node:crypto';
import { fstatSync, lstatSync, rmdirSync, type Stats, unlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { AT, O, RESOLVE } from '../../../../native-bindings/constants.ts';
import { isErrno } from '../../../../native-bindings/errno.ts';
import { closeFd, openat2, readlinkFd } from '../../../../native-bindings/files.ts';
import { getxattr, listxattr } from '../../../../native-bindings/xattrs.ts';
import { EngineError } from '../../../errors/engine-error.ts';

/** A directory as it was before: what a copy of it by overlayfs looks like. */
interface Looks {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** A digest of names and values, but those of overlayfs; undefined: there are too many to look at. */
  readonly attributes: string | undefined;
}

export interface MountStubs {
  /** Paths in the root that are not there yet, links resolved, the deepest first. */
  readonly missing: readonly string[];
  /** The directories above them that are there. */
  readonly above: ReadonlyMap<string, Looks>;
}

/** As the kernel (path_resolution(7)). */
const maxLinks = 40;
const maxPathBytes = 4095;
/** Of a place: each of its directories is looked at and noted, on the main thread. Links can make a short path as deep as their targets are long. */
export const maxPlaceDepth = 128;
const maxAttributes = 64;
const overlayAttribute = 'trusted.overlay.';

/** Before anything is mounted in the root. undefined: all places are there. Throws 'invalid' for what is too long or too deep, once links are followed. */
export function findMountStubs(rootFd: number, targets: readonly string[]): MountStubs | undefined {
  const missing = new Set<string>();
  const above = new Map<string, Looks>();
  for (const target of targets) {
    const { found, names } = lookUp(rootFd, target);
    for (let n = 1; n <= names.length; n++) missing.add(join(found, ...names.slice(0, n)));
    if (names.length > 0) noteAbove(rootFd, found, above);
  }
  if (missing.size === 0) return undefined;
  return { missing: [...missing].sort((a, b) => depth(b) - depth(a)), above };
}

/** `upper`: what the step wrote; nothing is mounted on it any more. */
export function removeMountStubs(upper: string, { missing, above }: MountStubs): void {
  const root = openat2(AT.FDCWD, upper, { flags: O.PATH | O.DIRECTORY });
  try {
    for (const path of missing)
      within(root, path, (place, stats) => {
        if (stats.isDirectory()) removeEmpty(place);
        else if (stats.isFile() && stats.size === 0) unlinkSync(place);
      });
    const copies = [...above].sort(([a], [b]) => depth(b) - depth(a));
    for (const [path, looks] of copies)
      within(root, path, (place, stats) => {
        if (stats.isDirectory() && looksLike(place, stats, looks)) removeEmpty(place);
      });
  } finally {
    closeFd(root);
  }
}

/** How far a path leads in the root, without links, and the names after that. A link that leads nowhere leads to what is made for it. */
function lookUp(rootFd: number, path: string): { readonly found: string; readonly names: readonly string[] } {
  const rest = namesOf(path);
  let found = '/';
  checkPlace(path, found, rest);
  for (let links = 0; rest.length > 0; ) {
    const name = rest.shift() as string;
    const next = name === '..' ? dirname(found) : join(found, name);
    const entry = entryAt(rootFd, next);
    if (entry === undefined || links > maxLinks) return { found, names: namesOf(join('/', name, ...rest)) };
    if (entry.link === undefined) {
      found = next;
      continue;
    }
    links++;
    rest.unshift(...namesOf(entry.link));
    if (entry.link.startsWith('/')) found = '/';
    checkPlace(path, found, rest);
  }
  return { found, names: [] };
}

/** `path`: what was asked for; `rest`: names that are to be looked up from `found` on. */
function checkPlace(path: string, found: string, rest: readonly string[]): void {
  const parts = found === '/' ? rest.length : depth(found) - 1 + rest.length;
  const bytes = rest.reduce((sum, name) => sum + 1 + Buffer.byteLength(name), Buffer.byteLength(found));
  if (parts > maxPlaceDepth || bytes > maxPathBytes) throw tooLong(path);
}

function tooLong(path: string): EngineError {
  const shown = JSON.stringify(path.slice(0, 200));
  return new EngineError(
    'invalid',
    `mount on ${shown}: with its links it has more than ${maxPlaceDepth} parts, or a name or all of it is too long`,
  );
}

function namesOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}

/** What lies at a path that has no links but perhaps the last; undefined: nothing, or a file is in the way: whoever mounts there tells. */
function entryAt(rootFd: number, path: string): { readonly link: string | undefined } | undefined {
  let fd: number;
  try {
    fd = openat2(rootFd, path, { flags: O.PATH | O.NOFOLLOW, resolve: RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS });
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return undefined;
    if (isErrno(error, 'ENAMETOOLONG')) throw tooLong(path);
    throw error;
  }
  try {
    return { link: fstatSync(fd).isSymbolicLink() ? readlinkFd(fd).toString('utf8') : undefined };
  } finally {
    closeFd(fd);
  }
}

function noteAbove(rootFd: number, path: string, above: Map<string, Looks>): void {
  for (let at = path; at !== '/' && !above.has(at); at = dirname(at)) {
    const fd = openat2(rootFd, at, { flags: O.PATH, resolve: RESOLVE.IN_ROOT | RESOLVE.NO_SYMLINKS });
    try {
      const { mode, uid, gid } = fstatSync(fd);
      above.set(at, { mode, uid, gid, attributes: attributesOf(`/proc/self/fd/${fd}`) });
    } finally {
      closeFd(fd);
    }
  }
}

function looksLike(place: string, { mode, uid, gid }: Stats, looks: Looks): boolean {
  if (mode !== looks.mode || uid !== looks.uid || gid !== looks.gid || looks.attributes === undefined) return false;
  return attributesOf(place) === looks.attributes;
}

/** An opaque directory is more than a copy. */
function attributesOf(place: string): string | undefined {
  const names = listxattr(place).filter(
    (name) => !name.startsWith(overlayAttribute) || name === `${overlayAttribute}opaque`,
  );
  if (names.length > maxAttributes) return undefined;
  const values = names.sort().map((name) => [name, getxattr(place, name)?.toString('base64')]);
  return createHash('sha256').update(JSON.stringify(values)).digest('hex');
}

/** The kernel tells whether it is empty: a list of what a step put into it may be of any length. */
function removeEmpty(place: string): void {
  try {
    rmdirSync(place);
  } catch (error) {
    if (!isErrno(error, 'ENOTEMPTY', 'EEXIST')) throw error;
  }
}

/** Calls `work` with a path to what lies there, the last name not followed; not at all when nothing does. */
function within(root: number, path: string, work: (place: string, stats: Stats) => void): void {
  let parent: number;
  try {
    const resolve = RESOLVE.IN_ROOT | RESOLVE.NO_SYMLINKS;
    parent = openat2(root, dirname(path), { flags: O.PATH | O.DIRECTORY, resolve });
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return;
    throw error;
  }
  try {
    const place = join(`/proc/self/fd/${parent}`, basename(path));
    const stats = lstatSync(place, { throwIfNoEntry: false });
    if (stats !== undefined) work(place, stats);
  } finally {
    closeFd(parent);
  }
}

function depth(path: string): number {
  return path.split('/').length;
}
