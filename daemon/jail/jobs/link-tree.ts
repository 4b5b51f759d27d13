// A second tree with the files of a first one: directories are made, everything else gets another name (linkat(2)), so that neither costs more than
// its names, and entries can be replaced in the one without a change in the other. Patterns may leave some out.
import {
  closeSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  futimesSync,
  lstatSync,
  mkdirSync,
  openSync,
  type Stats,
} from 'node:fs';
import { nextNames } from '../../../native-bindings/directories.ts';
import { linkat } from '../../../native-bindings/files.ts';
import { fchdir } from '../../../native-bindings/namespaces.ts';
import { fgetxattr, flistxattr, fsetxattr } from '../../../native-bindings/xattrs.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { IgnoreMatcher } from '../../protocols/ignore/ignore-matcher.ts';
import { displayName, fromBytes } from '../../protocols/tar/tar-entry.ts';
import { throwIfCancelled } from '../cancellation.ts';
import { isKeptXattr } from './entry-attributes.ts';
import { holdDirectory, OPEN_DIRECTORY } from './path-walk.ts';
import { openHere } from './tree-changes.ts';

const BATCH_BYTES = 32 * 1024;
/** Each level of a tree holds two descriptors. */
const MAX_DEPTH = 400;

export interface LinkTree {
  /** Directories of the place; `to` is there, and empty. undefined: it is only looked whether anything is left out. */
  readonly from: string;
  readonly to?: string;
  /** As readIgnoreFile gives them. */
  readonly exclude: readonly string[];
}

interface Level {
  readonly fd: number;
  /** Below `from`, with a slash at the end; "" at the top. */
  readonly prefix: string;
  readonly name: string;
  readonly stats: Stats;
  names: string[];
  /** undefined: none of what is in it was taken yet. */
  targetFd: number | undefined;
}

/** How many entries were left out; without `to` at most one is counted. */
export function linkTree({ from, to, exclude }: LinkTree): { leftOut: number } {
  using fds = new DisposableStack();
  const open = (path: string): number => fds.adopt(openPath(path), closeSync);
  const walk = new LinkWalk(
    new IgnoreMatcher(exclude, throwIfCancelled),
    open(from),
    to === undefined ? undefined : open(to),
  );
  fds.defer(() => walk.close());
  return { leftOut: walk.run() };
}

function openPath(path: string): number {
  using directory = holdDirectory(path);
  directory.enter();
  return openHere();
}

class LinkWalk {
  readonly #matcher: IgnoreMatcher;
  readonly #levels: Level[];
  readonly #isWriting: boolean;
  readonly #buffer = Buffer.allocUnsafeSlow(BATCH_BYTES);
  #leftOut = 0;

  constructor(matcher: IgnoreMatcher, sourceFd: number, targetFd: number | undefined) {
    this.#matcher = matcher;
    this.#isWriting = targetFd !== undefined;
    this.#levels = [{ fd: sourceFd, prefix: '', name: '', stats: fstatSync(sourceFd), names: [], targetFd }];
  }

  run(): number {
    for (let top = this.#levels.at(-1); top !== undefined; top = this.#levels.at(-1)) {
      throwIfCancelled();
      if (!this.#isWriting && this.#leftOut > 0) return 1;
      const name = top.names.pop();
      if (name !== undefined) this.#entry(top, name);
      else {
        const names = nextNames(top.fd, this.#buffer);
        if (names === undefined) this.#leave(top);
        else top.names = names;
      }
    }
    return this.#leftOut;
  }

  /** What is held of an unfinished walk, but for the two that it was given. */
  close(): void {
    for (const { fd, targetFd } of this.#levels.splice(1)) {
      closeSync(fd);
      if (targetFd !== undefined) closeSync(targetFd);
    }
  }

  #entry(parent: Level, name: string): void {
    const path = displayName(parent.prefix + name);
    fchdir(parent.fd);
    if (!lstatSync(fromBytes(name)).isDirectory()) {
      if (this.#matcher.isIgnored(path)) this.#leftOut++;
      else if (this.#isWriting) linkat(parent.fd, fromBytes(name), this.#targetOf(parent), fromBytes(name));
      return;
    }
    if (this.#matcher.isIgnoredWhole(path)) {
      this.#leftOut++;
      return;
    }
    if (this.#levels.length > MAX_DEPTH)
      throw new EngineError('invalid', `read context: ${path.slice(0, 200)}… is too deep`);
    const fd = openSync(fromBytes(name), OPEN_DIRECTORY);
    const level = {
      fd,
      prefix: `${parent.prefix}${name}/`,
      name,
      stats: fstatSync(fd),
      names: [],
      targetFd: undefined,
    };
    this.#levels.push(level);
    if (!this.#matcher.isIgnored(path)) this.#targetOf(level);
  }

  /** The directory's twin, made when it is needed: one that is left out itself may hold what is not. */
  #targetOf(level: Level): number {
    if (level.targetFd !== undefined || !this.#isWriting) return level.targetFd ?? -1;
    const parent = this.#levels[this.#levels.indexOf(level) - 1] as Level;
    fchdir(this.#targetOf(parent));
    mkdirSync(fromBytes(level.name), 0o700);
    level.targetFd = openSync(fromBytes(level.name), OPEN_DIRECTORY);
    return level.targetFd;
  }

  /** Times last: making entries changes them. */
  #leave(level: Level): void {
    this.#levels.pop();
    if (level.targetFd !== undefined) copyAttributes(level, level.targetFd);
    else if (this.#isWriting) this.#leftOut++;
    if (this.#levels.length === 0) return;
    closeSync(level.fd);
    if (level.targetFd !== undefined) closeSync(level.targetFd);
  }
}

function copyAttributes({ fd, stats }: Level, target: number): void {
  fchownSync(target, stats.uid, stats.gid);
  fchmodSync(target, stats.mode & 0o7777);
  for (const name of flistxattr(fd)) {
    const value = isKeptXattr(name) ? fgetxattr(fd, name) : undefined;
    if (value !== undefined) fsetxattr(target, name, value);
  }
  futimesSync(target, stats.atimeMs / 1000, stats.mtimeMs / 1000);
}
