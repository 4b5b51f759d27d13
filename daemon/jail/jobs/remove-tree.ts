// Deletes what is below a directory, whatever it is: any number of entries, any depth, in memory that depends on neither. Directories are
// read a batch at a time and held by descriptor, entries named by one component: no name is ever followed through a link.
import { AT, O } from '../../../native-bindings/constants.ts';
import { moveEntry, nextNames, openEntry, rewindDirectory, unlinkEntry } from '../../../native-bindings/directories.ts';
import { ERRNO, errnoName } from '../../../native-bindings/errno.ts';
import { closeFd } from '../../../native-bindings/files.ts';
import { fchdir } from '../../../native-bindings/namespaces.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { displayName } from '../../protocols/tar/tar-entry.ts';
import { throwIfCancelled } from '../cancellation.ts';

/** What lies deeper is moved to the top first: a chain of directories can be as long as the disk has inodes. */
const MAX_HELD = 32;
/** Where that is not possible: overlayfs does not move directories of its lower layers, whose paths have an end. */
const MAX_DEPTH = 2100;
const BATCH_BYTES = 32 * 1024;
/** Somebody who makes files as fast as they go must not hold a job for ever. */
const MAX_PASSES = 100;
/** Of those that are told by name. */
const MAX_TOLD = 1000;

/** Something directly in the directory that could not be deleted, or not all that is below it. */
export interface Left {
  readonly name: string;
  readonly error: EngineError;
}

/** Removes `name` (a byte string) of the directory `parentFd`, whatever it is. Missing is fine. The working directory ends at the parent. */
export function removeEntry(parentFd: number, name: string): void {
  fchdir(parentFd);
  const errno = unlink(parentFd, name);
  if (errno === 0 || errno === ERRNO.ENOENT) return;
  const fd = openDirectory(parentFd, name);
  if (fd < 0) throw failure('unlink', name, errno);
  try {
    emptyDirectory(fd);
  } finally {
    closeFd(fd);
  }
  const again = unlink(parentFd, name, AT.REMOVEDIR);
  if (again !== 0 && again !== ERRNO.ENOENT) throw failure('rmdir', name, again);
}

/** Removes everything in a directory. What cannot go keeps nothing else; the first such error is thrown at the end. */
export function emptyDirectory(fd: number): void {
  const [first] = removeBelow(fd, new Set());
  if (first !== undefined) throw first.error;
}

/** The same, apart from the entries `passedOver`; tells what is left, at most a thousand names. */
export function removeBelow(fd: number, passedOver: ReadonlySet<string>): Left[] {
  const remover = new Remover(fd, passedOver);
  try {
    remover.run();
  } finally {
    remover.drop();
  }
  return [...remover.left.values()];
}

interface Level {
  readonly fd: number;
  readonly name: string;
  names: string[];
  /** Since it was last read from its start. */
  hasRemoved: boolean;
  passes: number;
}

class Remover {
  readonly left = new Map<string, Left>();
  readonly #passedOver: ReadonlySet<string>;
  readonly #levels: Level[];
  readonly #buffer = Buffer.allocUnsafeSlow(BATCH_BYTES);
  #moved = 0;

  constructor(fd: number, passedOver: ReadonlySet<string>) {
    this.#passedOver = passedOver;
    this.#levels = [{ fd, name: '', names: [], hasRemoved: false, passes: 0 }];
    rewindDirectory(fd);
  }

  run(): void {
    for (let top = this.#levels.at(-1); top !== undefined; top = this.#levels.at(-1)) {
      throwIfCancelled();
      const name = top.names.pop();
      if (name !== undefined) {
        if (!this.#isPassedOver(name)) this.#remove(top, name);
        continue;
      }
      const names = nextNames(top.fd, this.#buffer);
      if (names !== undefined) top.names = names;
      else if (!this.#end(top)) return;
    }
  }

  /** Closes what was opened. */
  drop(): void {
    for (const { fd } of this.#levels.splice(1)) closeFd(fd);
  }

  #isPassedOver(name: string): boolean {
    return this.#levels.length === 1 && (this.#passedOver.has(name) || this.left.has(name));
  }

  #remove(parent: Level, name: string): void {
    const errno = unlink(parent.fd, name);
    if (errno === 0 || errno === ERRNO.ENOENT) parent.hasRemoved = true;
    else if (errno !== ERRNO.EISDIR && errno !== ERRNO.EPERM) this.#fail('unlink', name, errno);
    else if (this.#levels.length >= MAX_HELD && this.#moveUp(parent, name)) parent.hasRemoved = true;
    else this.#enter(parent, name, errno);
  }

  #enter(parent: Level, name: string, errno: number): void {
    if (this.#levels.length > MAX_DEPTH) {
      this.#fail('open', name, ERRNO.ENAMETOOLONG);
      return;
    }
    const fd = openDirectory(parent.fd, name);
    if (fd >= 0) this.#levels.push({ fd, name, names: [], hasRemoved: false, passes: 0 });
    else if (fd === -ERRNO.ENOENT) parent.hasRemoved = true;
    else this.#fail(fd === -ERRNO.ENOTDIR || fd === -ERRNO.ELOOP ? 'unlink' : 'open', name, errno);
  }

  #moveUp(parent: Level, name: string): boolean {
    const top = this.#levels[0] as Level;
    for (;;) {
      const to = `deep-${this.#moved++}`;
      const result = moveEntry(parent.fd, name, top.fd, to);
      if (result >= 0) {
        top.hasRemoved = true;
        top.passes = 0;
      }
      if (result !== -ERRNO.EEXIST) return result >= 0;
    }
  }

  /** A directory was read to its end. False: it was the one that all began with, and nothing more goes. */
  #end(level: Level): boolean {
    const parent = this.#levels.at(-2);
    const errno = parent === undefined ? ERRNO.ENOTEMPTY : unlink(parent.fd, level.name, AT.REMOVEDIR);
    // Not every file system gives each name when others go meanwhile. Once nothing goes any more, what is there stays.
    const isFull = errno === ERRNO.ENOTEMPTY || errno === ERRNO.EEXIST;
    if (level.hasRemoved && isFull && level.passes++ < MAX_PASSES) {
      level.hasRemoved = false;
      rewindDirectory(level.fd);
      return true;
    }
    if (parent === undefined) return false;
    this.#levels.pop();
    closeFd(level.fd);
    if (errno === 0 || errno === ERRNO.ENOENT) parent.hasRemoved = true;
    else this.#fail('rmdir', level.name, errno);
    return true;
  }

  /** The first reason counts: that a directory is not empty says less. */
  #fail(call: string, name: string, errno: number): void {
    const path = [...this.#levels.slice(1).map((level) => level.name), name];
    const top = path[0] as string;
    if (this.left.has(top) || this.left.size >= MAX_TOLD) return;
    this.left.set(top, { name: top, error: failure(call, path.join('/'), errno) });
  }
}

function failure(call: string, path: string, errno: number): EngineError {
  if (errno === ERRNO.EBUSY) {
    const what = JSON.stringify(displayName(path).slice(0, 300));
    return new EngineError('system', `${call} ${what}: device or resource busy: something is mounted there`);
  }
  return new EngineError('system', `${call} ${JSON.stringify(displayName(path).slice(0, 300))}: ${errnoName(errno)}`);
}

/** The error number, 0 when it has gone. */
function unlink(parentFd: number, name: string, flags = 0): number {
  return -unlinkEntry(parentFd, name, flags);
}

/** A descriptor, or minus the error number. */
function openDirectory(parentFd: number, name: string): number {
  const flags = O.RDONLY | O.DIRECTORY | O.NOFOLLOW | O.CLOEXEC;
  return openEntry(parentFd, name, flags);
}
