// Where operations on files write: a directory that becomes a layer (upper), and what is below it, read only (lower), seen as one tree as overlayfs
// would show them. Written here are plain files of the upper directory: no overlay is mounted, which would make each file dearer, and could not be
// linked into. What is changed is copied up as the kernel does it: directories with their attributes, everything else anew.
// Directories are held, names are one component each: no link is ever followed by the kernel. Names are byte strings (latin1).
import { fchmodSync } from 'node:fs';
import { O, S_IF } from '../../../../native-bindings/constants.ts';
import { nextNames, rewindDirectory, unlinkEntry } from '../../../../native-bindings/directories.ts';
import {
  check,
  EntryStat,
  isAbsent,
  makeDirectoryIn,
  makeNodeIn,
  openIn,
  setOwner,
  setTimes,
  type Times,
} from '../../../../native-bindings/entries.ts';
import { ERRNO, errnoName } from '../../../../native-bindings/errno.ts';
import { closeFd, makeDevice, readlinkFd } from '../../../../native-bindings/files.ts';
import { fgetxattr, flistxattr, fsetxattr } from '../../../../native-bindings/xattrs.ts';
import { EngineError } from '../../../errors/engine-error.ts';
import { displayName } from '../../../protocols/tar/tar-entry.ts';
import { isCode, pathError } from '../path-walk.ts';
import { removeEntry } from '../remove-tree.ts';
import { OPAQUE_XATTR } from '../whiteouts.ts';

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** How a directory is made that is missing. */
export interface NewDirectory {
  /** Permissions. */
  readonly mode: number;
  /** undefined: root, and the group that a directory with the set-group-ID bit gives. */
  readonly owner: Owner | undefined;
  readonly times: Times | undefined;
}

export type EntryKind = 'file' | 'directory' | 'symlink' | 'other';
/** Of what a name stands for, where it is seen. */
export interface Seen {
  readonly kind: EntryKind;
  readonly isUpper: boolean;
}

const MAX_LINKS = 40;
const MAX_PATH_BYTES = 4095;
const MAX_NAME_BYTES = 255;
/** For patterns of what is to be removed. */
const MAX_NAMES = 100_000;
const NAMES_BYTES = 32 * 1024;
const OPEN_LIST = O.RDONLY | O.DIRECTORY;
const OPEN_HANDLE = O.PATH;
/** What is made in such a directory has its group. */
const S_ISGID = 0o2000;
const IMMUTABLE_PREFIX = 'trusted.overlay.';
const stat = new EntryStat();

interface Place {
  readonly path: string;
  readonly parent?: TwoDirectory;
  readonly name: string;
  readonly isFresh?: boolean;
}

/** A directory of the two. It is closed by who opened it. */
export class TwoDirectory implements Disposable {
  /** Absolute, without links. */
  readonly path: string;
  readonly #parent: TwoDirectory | undefined;
  readonly #name: string;
  /** undefined: it is below alone, so far. */
  #upperFd: number | undefined;
  /** undefined: nothing below is seen here. */
  readonly #lowerFd: number | undefined;
  /** Made by this operation, with nothing below, and what is made in it is root's: nothing can be in the way that it did not make itself. */
  readonly isFresh: boolean;
  #users = 1;

  private constructor(place: Place, upperFd?: number, lowerFd?: number) {
    this.path = place.path;
    this.#name = place.name;
    this.#upperFd = upperFd;
    this.#lowerFd = lowerFd;
    this.#parent = place.parent;
    this.isFresh = place.isFresh === true;
    if (place.parent !== undefined) place.parent.#users++;
  }

  /** Both descriptors become its own. */
  static root(upperFd: number, lowerFd: number | undefined): TwoDirectory {
    return new TwoDirectory({ path: '/', name: '' }, upperFd, lowerFd);
  }

  [Symbol.dispose](): void {
    if (--this.#users > 0) return;
    if (this.#upperFd !== undefined) closeFd(this.#upperFd);
    if (this.#lowerFd !== undefined) closeFd(this.#lowerFd);
    this.#parent?.[Symbol.dispose]();
  }

  /** Another user of it. */
  again(): TwoDirectory {
    this.#users++;
    return this;
  }

  pathOf(name: string): string {
    return this.path === '/' ? `/${name}` : `${this.path}/${name}`;
  }

  /** To write in. What of it is only below is copied up. */
  get fd(): number {
    if (this.#upperFd !== undefined) return this.#upperFd;
    const parent = (this.#parent as TwoDirectory).fd;
    check('mkdirat', makeDirectoryIn(parent, this.#name, 0o700), this.#name);
    const fd = check('openat', openIn(parent, this.#name, OPEN_LIST), this.#name);
    this.#upperFd = fd;
    copyAttributes(this.#lowerFd as number, fd);
    return fd;
  }

  /** undefined: nothing has the name. */
  look(name: string): Seen | undefined {
    checkName(this, name);
    if (this.#upperFd !== undefined) {
      const result = stat.read(this.#upperFd, name);
      if (result === 0) return isWhiteout() ? undefined : { kind: kindOf(stat.mode), isUpper: true };
      if (!isAbsent(result)) throw failure('stat', this.pathOf(name), result);
    }
    if (this.#lowerFd === undefined) return undefined;
    const result = stat.read(this.#lowerFd, name);
    if (isAbsent(result)) return undefined;
    if (result < 0) throw failure('stat', this.pathOf(name), result);
    return isWhiteout() ? undefined : { kind: kindOf(stat.mode), isUpper: false };
  }

  /** Of all that may be in it: see `look`. As they are now. */
  names(): string[] {
    const buffer = Buffer.allocUnsafe(NAMES_BYTES);
    const names = new Set<string>();
    for (const fd of [this.#upperFd, this.#lowerFd]) {
      if (fd === undefined) continue;
      rewindDirectory(fd);
      for (let batch = nextNames(fd, buffer); batch !== undefined; batch = nextNames(fd, buffer)) {
        for (const name of batch) names.add(name);
        if (names.size > MAX_NAMES)
          throw new EngineError('invalid', `read ${displayName(this.path)}: more than ${MAX_NAMES} names`);
      }
    }
    return [...names].sort();
  }

  /** A directory in it, which is there. */
  enter(name: string): TwoDirectory {
    const place = { path: this.pathOf(name), parent: this, name };
    let upperFd: number | undefined;
    let isHidden = false;
    if (this.#upperFd !== undefined) {
      const fd = openIn(this.#upperFd, name, OPEN_LIST);
      if (fd >= 0) {
        upperFd = fd;
        isHidden = fgetxattr(fd, OPAQUE_XATTR)?.toString() === 'y';
      } else if (!isAbsent(fd)) throw failure('open', place.path, fd);
    }
    let lowerFd: number | undefined;
    if (this.#lowerFd !== undefined && !isHidden) {
      const fd = openIn(this.#lowerFd, name, OPEN_LIST);
      if (fd >= 0) lowerFd = fd;
      else if (!isAbsent(fd) && fd !== -ERRNO.ELOOP) throw failure('open', place.path, fd);
    }
    if (upperFd === undefined && lowerFd === undefined) throw failure('open', place.path, -ERRNO.ENOENT);
    return new TwoDirectory(place, upperFd, lowerFd);
  }

  /** Takes what has the name out of the way, with all below it. Of what is seen of it below nothing shows any more once the name is used again. */
  makeRoom(name: string): void {
    const seen = this.look(name);
    if (seen?.isUpper) removeEntry(this.fd, name);
    else unlinkEntry(this.fd, name, 0);
  }

  /** Removes what has the name. */
  remove(name: string): void {
    this.makeRoom(name);
    if (this.#isBelow(name)) check('mknodat', makeNodeIn(this.fd, name, S_IF.CHR, makeDevice(0, 0)), name);
  }

  /**
   * Makes a directory where nothing is; the caller closes it. It gets its times last, from who fills it. `isExact`: it does not take the
   * set-group-ID bit from this one.
   */
  makeDirectory(name: string, { mode, owner }: Omit<NewDirectory, 'times'>, isExact = false): TwoDirectory {
    this.makeRoom(name);
    const parent = this.fd;
    const result = makeDirectoryIn(parent, name, isExact ? 0o700 : mode);
    if (result < 0) throw failure('mkdir', this.pathOf(name), result);
    const fd = check('openat', openIn(parent, name, OPEN_LIST), name);
    try {
      if (owner !== undefined) setOwner(fd, '', owner.uid, owner.gid);
      if (isExact) setMode(fd, mode);
      // A file, or what was removed before, may have the name below; that is not seen through a new directory.
      if (this.#isBelow(name)) fsetxattr(fd, OPAQUE_XATTR, Buffer.from('y'));
      check('statx', stat.read(fd, ''), name);
    } catch (error) {
      closeFd(fd);
      throw error;
    }
    const isFresh = (stat.mode & S_ISGID) === 0;
    return new TwoDirectory({ path: this.pathOf(name), parent: this, name, isFresh }, fd);
  }

  #isBelow(name: string): boolean {
    return this.#lowerFd !== undefined && stat.read(this.#lowerFd, name) === 0 && !isWhiteout();
  }

  /** A symbolic link's target. */
  readLink(name: string, { isUpper }: Seen): string {
    const base = (isUpper ? this.#upperFd : this.#lowerFd) as number;
    const fd = check('openat', openIn(base, name, OPEN_HANDLE), name);
    try {
      return readlinkFd(fd).toString('latin1');
    } finally {
      closeFd(fd);
    }
  }

  /** Where `this` is the root: the directory at a path, links followed inside, and the parts of the path that are not there or no directory. */
  walk(path: string): { directory: TwoDirectory; rest: string[] } {
    const walk = new TwoWalk(this);
    try {
      const rest = walk.go(path);
      return { directory: walk.here.again(), rest };
    } finally {
      walk.drop();
    }
  }

  /** The same, and what is missing is made. Throws 'invalid' where something else than a directory stands. */
  walkMaking(path: string, made: NewDirectory): TwoDirectory {
    const { directory, rest } = this.walk(path);
    using held = directory;
    return held.walkOnMaking(rest, made);
  }

  /** The same from what a walk has left. */
  walkOnMaking(rest: readonly string[], made: NewDirectory): TwoDirectory {
    let at = this.again();
    for (const name of rest) {
      using above = at;
      if (above.look(name) !== undefined)
        throw new EngineError('invalid', `mkdir ${displayName(above.pathOf(name))}: not a directory`);
      at = above.makeDirectory(name, made);
      if (made.times !== undefined) setTimes(at.fd, made.times);
    }
    return at;
  }
}

/** The open directories from the root to where the walk is. */
class TwoWalk {
  readonly #levels: TwoDirectory[];
  #links = 0;

  constructor(root: TwoDirectory) {
    this.#levels = [root.again()];
  }

  get here(): TwoDirectory {
    return this.#levels.at(-1) as TwoDirectory;
  }

  /** Returns what is left of the path. */
  go(path: string): string[] {
    const rest = path.split('/').reverse();
    for (let part = rest.pop(); part !== undefined; part = rest.pop()) {
      if (part === '' || part === '.') continue;
      if (part === '..') {
        if (this.#levels.length > 1) this.#levels.pop()?.[Symbol.dispose]();
        continue;
      }
      const seen = this.here.look(part);
      if (seen?.kind === 'symlink') this.#follow(part, seen, rest);
      else if (seen?.kind === 'directory') this.#levels.push(this.here.enter(part));
      else return remaining([part, ...rest.reverse()]);
    }
    return [];
  }

  #follow(name: string, seen: Seen, rest: string[]): void {
    if (++this.#links > MAX_LINKS) throw pathError('ELOOP', displayName(this.here.pathOf(name)));
    const target = this.here.readLink(name, seen);
    if (target.startsWith('/')) for (const level of this.#levels.splice(1).reverse()) level[Symbol.dispose]();
    rest.push(...target.split('/').reverse());
    if (rest.length > 10_000) throw pathError('ENAMETOOLONG', displayName(this.here.pathOf(name)));
  }

  drop(): void {
    for (const level of this.#levels.splice(0).reverse()) level[Symbol.dispose]();
  }
}

/** As text: what is not there has no links. */
function remaining(parts: readonly string[]): string[] {
  const left: string[] = [];
  for (const part of parts) {
    if (part === '' || part === '.') continue;
    if (part === '..') left.pop();
    else left.push(part);
  }
  return left;
}

function checkName(directory: TwoDirectory, name: string): void {
  if (name.length > MAX_NAME_BYTES || directory.path.length + name.length + 1 > MAX_PATH_BYTES)
    throw new EngineError('invalid', `file name too long: ${displayName(directory.pathOf(name)).slice(0, 200)}…`);
}

function kindOf(mode: number): EntryKind {
  const type = mode & S_IF.MT;
  if (type === S_IF.REG) return 'file';
  if (type === S_IF.DIR) return 'directory';
  return type === S_IF.LNK ? 'symlink' : 'other';
}

/** Of what was read last. */
function isWhiteout(): boolean {
  const [major, minor] = stat.device;
  return (stat.mode & S_IF.MT) === S_IF.CHR && major === 0 && minor === 0;
}

function setMode(fd: number, mode: number): void {
  fchmodSync(fd, mode & 0o7777);
}

/** Owner before mode. */
function copyAttributes(from: number, to: number): void {
  check('statx', stat.read(from, ''), '');
  const { uid, gid, mode, times } = stat;
  setOwner(to, '', uid, gid);
  setMode(to, mode);
  for (const name of flistxattr(from)) {
    if (name.startsWith(IMMUTABLE_PREFIX)) continue;
    const value = fgetxattr(from, name);
    try {
      if (value !== undefined) fsetxattr(to, name, value);
    } catch (error) {
      if (!isCode(error, 'ENOTSUP')) throw error;
    }
  }
  setTimes(to, times);
}

export function failure(call: string, path: string, result: number): EngineError {
  return new EngineError('system', `${call} ${displayName(path)}: ${errnoName(-result)}`);
}
