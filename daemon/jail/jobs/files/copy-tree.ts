// COPY: files of one tree into another, with all that belongs to them. What stands where, and what becomes of it, is BuildKit's (fsutil's copy):
// a directory's contents go into the directory that is named, one that is there already keeps what it is, those below get what their sources are.
import { fchmodSync } from 'node:fs';
import { O, S_IF, XATTR } from '../../../../native-bindings/constants.ts';
import {
  check,
  EntryStat,
  isAbsent,
  linkIn,
  makeNodeIn,
  makeSymlinkIn,
  openIn,
  setOwner,
  setTimes,
  setTimesOf,
  type Times,
} from '../../../../native-bindings/entries.ts';
import { ERRNO } from '../../../../native-bindings/errno.ts';
import { closeFd, makeDevice, readlinkFd } from '../../../../native-bindings/files.ts';
import { fgetxattr, flistxattr, fsetxattr } from '../../../../native-bindings/xattrs.ts';
import { EngineError } from '../../../errors/engine-error.ts';
import { displayName } from '../../../protocols/tar/tar-entry.ts';
import { isKeptXattr } from '../entry-attributes.ts';
import { FirstNames } from '../first-names.ts';
import { isCode, splitPath } from '../path-walk.ts';
import type { Scratches } from '../scratch.ts';
import { NameSorter } from '../sorted-names.ts';
import {
  type Filter,
  type Match,
  matchSources,
  OPEN_SOURCE,
  type SourceChoice,
  type WalkedDirectory,
  walkTaken,
} from './choose-sources.ts';
import { DataCopier } from './copy-data.ts';
import type { ModeChange } from './mode-change.ts';
import { failure, type Owner, type TwoDirectory } from './two-trees.ts';

export interface CopyRequest extends SourceChoice {
  /** Absolute text; with a slash at the end it is a directory. */
  readonly destination: string;
  readonly owner: Owner | undefined;
  readonly mode: ModeChange | undefined;
  /** Of directories that are made on the way. */
  readonly parentsMode: number;
  readonly replacesLinks: boolean;
  readonly times: Times | undefined;
  /** Nobody writes to the source's files, and they are on the same mount: large ones that stay what they are get another name. */
  readonly isLinkable: boolean;
}

/**
 * Smaller files are copied: of a name more is seen in a container (a program may refuse a file that has several, cron(8) does), and making one is
 * not much cheaper than a small file.
 */
const LINKED_BYTES = 1024 * 1024;
const LINKED_XATTR = 'trusted.overlay.linked';

/** What a directory of the source is; its target is made when something needs it. */
interface Level {
  readonly source: WalkedDirectory;
  readonly facts: Facts;
  target: TwoDirectory | undefined;
  /** It gets times when it is full. */
  isDescribed: boolean;
}

interface Facts {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly times: Times;
}

const CREATE = O.WRONLY | O.CREAT | O.EXCL;

/** `root`: where it goes. `sourceFd`: the root of where it comes from; stays open. */
export function copyTree(root: TwoDirectory, sourceFd: number, request: CopyRequest, scratches: Scratches): void {
  const copier = new Copier(root, request, scratches);
  for (const match of matchSources(sourceFd, request, copier.sorter)) copier.copy(match);
}

class Copier {
  readonly sorter: NameSorter;
  readonly #root: TwoDirectory;
  readonly #request: CopyRequest;
  readonly #scratches: Scratches;
  readonly #data = new DataCopier();
  readonly #stat = new EntryStat();
  /** Of one match: files with several names. */
  #firstNames: FirstNames | undefined;

  constructor(root: TwoDirectory, request: CopyRequest, scratches: Scratches) {
    this.sorter = new NameSorter(scratches.names);
    this.#root = root;
    this.#request = request;
    this.#scratches = scratches;
  }

  copy({ parent, name, base, filter }: Match): void {
    this.#firstNames = undefined;
    this.#scratches.notes.shrinkTo(0);
    check('statx', this.#stat.read(parent.fd, name ?? ''), base);
    const isDirectory = (this.#stat.mode & S_IF.MT) === S_IF.DIR;
    // A file that a source names is taken whatever is left out: BuildKit looks only at what is below a directory.
    if (!isDirectory) {
      this.#copyLeafTo(parent.fd, name ?? '', base);
      return;
    }
    const fd = check('openat', openIn(parent.fd, name ?? '.', O.RDONLY | O.DIRECTORY), base);
    try {
      this.#copyContents(fd, filter);
    } finally {
      closeFd(fd);
    }
  }

  /** A file onto the destination, or into it when that is a directory. */
  #copyLeafTo(parentFd: number, name: string, base: string): void {
    const { destination } = this.#request;
    const path = Buffer.from(destination).toString('latin1');
    if (path.endsWith('/')) {
      using directory = this.#making(path);
      this.#placeIn(directory, parentFd, name, base);
      return;
    }
    const { directory, rest } = this.#root.walk(path);
    using held = directory;
    const last = rest.pop();
    if (last === undefined) this.#placeIn(held, parentFd, name, base);
    else {
      using above = held.walkOnMaking(rest, this.#newDirectory);
      this.#placeIn(above, parentFd, name, last);
    }
  }

  #placeIn(directory: TwoDirectory, parentFd: number, name: string, as: string): void {
    check('statx', this.#stat.read(parentFd, name), as);
    this.#leaf(directory, parentFd, name, as);
    this.#touch(directory);
  }

  #copyContents(fd: number, filter: Filter): void {
    const path = Buffer.from(this.#request.destination).toString('latin1');
    const { directory, rest } = this.#root.walk(path);
    using held = directory;
    const [first] = rest;
    if (first !== undefined && rest.length === 1 && held.look(first) !== undefined)
      throw new EngineError('invalid', `cannot copy to non-directory: ${displayName(held.pathOf(first))}`);
    using top = held.walkOnMaking(rest, this.#newDirectory);
    const levels: Level[] = [];
    const targetOf = (depth: number): TwoDirectory => {
      const level = levels[depth];
      if (level === undefined) return top;
      level.target ??= this.#directory(targetOf(depth - 1), level);
      return level.target;
    };
    let isChanged = false;
    try {
      for (const walked of walkTaken(fd, filter, this.sorter, this.#stat)) {
        if (walked.kind === 'end') this.#end(levels.pop() as Level);
        else if (walked.kind === 'directory') {
          check('statx', this.#stat.read(walked.directory.fd, ''), walked.directory.name);
          const { mode, uid, gid, times } = this.#stat;
          levels.push({
            source: walked.directory,
            facts: { mode, uid, gid, times },
            target: undefined,
            isDescribed: false,
          });
          if (walked.directory.isTaken) targetOf(levels.length - 1);
          isChanged ||= walked.directory.isTaken;
        } else {
          const target = targetOf(levels.length - 1);
          this.#leaf(target, walked.parentFd, walked.name, walked.name);
          isChanged = true;
        }
      }
    } finally {
      for (const { target } of levels.reverse()) target?.[Symbol.dispose]();
    }
    if (isChanged) this.#touch(top);
  }

  /** Times of a directory that was there: with a timestamp they must not tell when it was. */
  #touch(directory: TwoDirectory): void {
    if (this.#request.times !== undefined) setTimes(directory.fd, this.#request.times);
  }

  get #newDirectory() {
    const { owner, times, parentsMode: mode } = this.#request;
    return { mode, owner, times };
  }

  #making(path: string): TwoDirectory {
    return this.#root.walkMaking(path, this.#newDirectory);
  }

  #directory(parent: TwoDirectory, level: Level): TwoDirectory {
    const { name, fd, isTaken } = level.source;
    const { facts } = level;
    const seen = parent.look(name);
    if (seen?.kind !== 'directory') {
      if (seen !== undefined && !this.#request.replacesLinks)
        throw new EngineError('invalid', `cannot copy to non-directory: ${displayName(parent.pathOf(name))}`);
      const made = parent.makeDirectory(name, { mode: this.#modeOf(facts, true), owner: this.#ownerOf(facts) }, true);
      copyXattrs(fd, made.fd);
      level.isDescribed = true;
      return made;
    }
    const there = parent.enter(name);
    if (isTaken) {
      const { uid, gid } = this.#ownerOf(facts);
      setOwner(there.fd, '', uid, gid);
      copyXattrs(fd, there.fd);
      level.isDescribed = true;
    }
    fchmodSync(there.fd, this.#modeOf(facts, true));
    return there;
  }

  #end({ target, isDescribed, facts }: Level): void {
    if (target === undefined) return;
    using full = target;
    if (isDescribed) setTimes(full.fd, this.#request.times ?? facts.times);
    else this.#touch(full);
  }

  #ownerOf({ uid, gid }: { uid: number; gid: number }): Owner {
    return this.#request.owner ?? { uid, gid };
  }

  #modeOf({ mode }: { mode: number }, isDirectory: boolean): number {
    return this.#request.mode?.(mode & 0o7777, isDirectory) ?? mode & 0o7777;
  }

  /** Something that is no directory; what it is was read last. */
  #leaf(target: TwoDirectory, parentFd: number, name: string, as: string): void {
    const { mode } = this.#stat;
    const type = mode & S_IF.MT;
    if (type === S_IF.SOCK) return;
    if (type === S_IF.REG) {
      this.#file(target, parentFd, name, as);
      return;
    }
    const facts = { mode, uid: this.#stat.uid, gid: this.#stat.gid, times: this.#stat.times };
    const [major, minor] = this.#stat.device;
    this.#makeRoom(target, as);
    if (type === S_IF.LNK) {
      const link = readLinkIn(parentFd, name);
      if (link === undefined) return;
      check('symlinkat', makeSymlinkIn(link, target.fd, as), as);
    } else {
      const device = type === S_IF.IFO ? 0 : makeDevice(major, minor);
      check('mknodat', makeNodeIn(target.fd, as, type | this.#modeOf(facts, false), device), as);
    }
    const { uid, gid } = this.#ownerOf(facts);
    setOwner(target.fd, as, uid, gid);
    setTimesOf(target.fd, as, this.#request.times ?? facts.times);
  }

  #makeRoom(target: TwoDirectory, name: string): void {
    if (target.look(name)?.kind === 'directory' && !this.#request.replacesLinks) {
      const path = displayName(target.pathOf(name));
      throw new EngineError('invalid', `cannot replace to directory ${path} with file`);
    }
    target.makeRoom(name);
  }

  #file(target: TwoDirectory, parentFd: number, name: string, as: string): void {
    if (this.#stat.nlink > 1 && this.#isLinked(target, as)) return;
    const from = openIn(parentFd, name, OPEN_SOURCE);
    if (isAbsent(from) || from === -ERRNO.ELOOP) return;
    check('openat', from, name);
    try {
      check('statx', this.#stat.read(from, ''), name);
      if ((this.#stat.mode & S_IF.MT) !== S_IF.REG) return;
      if (this.#mayLink() && markLinked(from) && this.#link(target, parentFd, name, as)) return;
      this.#fileFrom(from, target, as);
    } finally {
      closeFd(from);
    }
  }

  #mayLink(): boolean {
    const { isLinkable, times, mode, owner } = this.#request;
    const { sizeBytes, uid, gid } = this.#stat;
    if (!isLinkable || sizeBytes < LINKED_BYTES || times !== undefined || mode !== undefined) return false;
    return owner === undefined || (owner.uid === uid && owner.gid === gid);
  }

  #link(target: TwoDirectory, parentFd: number, name: string, as: string): boolean {
    this.#makeRoom(target, as);
    return linkIn(parentFd, name, target.fd, as) === 0;
  }

  /** The attributes of what is open were read last. Owner before mode and capabilities: changing the owner takes both away. */
  #fileFrom(from: number, target: TwoDirectory, as: string): void {
    const { sizeBytes, blocks, times } = this.#stat;
    const { uid, gid } = this.#ownerOf(this.#stat);
    const mode = this.#modeOf(this.#stat, false);
    const to = this.#create(target, as, mode & 0o777);
    try {
      if (sizeBytes > 0) this.#data.copy(from, to, sizeBytes, blocks);
      const isPlain = target.isFresh && uid === 0 && gid === 0 && mode <= 0o777;
      if (!isPlain) {
        setOwner(to, '', uid, gid);
        fchmodSync(to, mode);
      }
      copyXattrs(from, to);
      setTimes(to, this.#request.times ?? times);
    } finally {
      closeFd(to);
    }
  }

  #create(target: TwoDirectory, name: string, mode: number): number {
    if (!target.isFresh) this.#makeRoom(target, name);
    let fd = openIn(target.fd, name, CREATE, mode);
    if (fd === -ERRNO.EEXIST) {
      this.#makeRoom(target, name);
      fd = openIn(target.fd, name, CREATE, mode);
    }
    if (fd < 0) throw failure('create', target.pathOf(name), fd);
    return fd;
  }

  /** Whether the file is there already under another name, and is linked to that. */
  #isLinked(target: TwoDirectory, name: string): boolean {
    this.#firstNames ??= new FirstNames(this.#scratches.notes);
    const { dev, ino } = this.#stat;
    const first = this.#firstNames.seen({ dev, ino }, target.pathOf(name));
    const split = first === undefined ? undefined : splitPath(first);
    if (split === undefined) return false;
    const { directory, rest } = this.#root.walk(split.parent);
    using held = directory;
    if (rest.length > 0) return false;
    this.#makeRoom(target, name);
    const result = linkIn(held.fd, split.name, target.fd, name);
    if (result === -ERRNO.EMLINK || isAbsent(result)) return false;
    check('linkat', result, name);
    return true;
  }
}

/**
 * Whether the file was in no layer before, which it is from now on. A second time it is copied: were it twice in an image, its two names would be seen
 * as those of one file. The mark is one that overlayfs keeps to itself, and no archive or checksum has it.
 */
function markLinked(fd: number): boolean {
  try {
    fsetxattr(fd, LINKED_XATTR, Buffer.from('y'), XATTR.CREATE);
    return true;
  } catch (error) {
    if (isCode(error, 'EEXIST') || isCode(error, 'ENOTSUP') || isCode(error, 'EPERM') || isCode(error, 'ENOSPC'))
      return false;
    throw error;
  }
}

function readLinkIn(parentFd: number, name: string): string | undefined {
  const fd = openIn(parentFd, name, O.PATH);
  if (isAbsent(fd)) return undefined;
  check('openat', fd, name);
  try {
    return readlinkFd(fd).toString('latin1');
  } finally {
    closeFd(fd);
  }
}

/** What archives carry too. A file system that has none, or not on such files, is no error. */
function copyXattrs(from: number, to: number): void {
  for (const name of flistxattr(from)) {
    if (!isKeptXattr(name)) continue;
    const value = fgetxattr(from, name);
    try {
      if (value !== undefined) fsetxattr(to, name, value);
    } catch (error) {
      if (!isCode(error, 'ENOTSUP') && !isCode(error, 'EPERM')) throw error;
    }
  }
}
