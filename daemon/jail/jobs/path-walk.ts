// Finding a directory below the current root without ever letting the kernel follow a link: one component at a time, each held by an fd.
// A racing rename or a link into /proc can so send us elsewhere in the same tree at most. Names are byte strings (latin1).
import { closeSync, constants, fstatSync, mkdirSync, openSync, type Stats } from 'node:fs';
import { O } from '../../../native-bindings/constants.ts';
import { readlinkFd } from '../../../native-bindings/files.ts';
import { fchdir } from '../../../native-bindings/namespaces.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { displayName, fromBytes } from '../../protocols/tar/tar-entry.ts';

/** The kernel's own limit of links in one path. */
const MAX_LINKS = 40;
export const OPEN_DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
const OPEN_HANDLE = O.PATH | constants.O_NOFOLLOW;

export interface WalkOptions {
  /** Makes missing directories, root's and with this mode; undefined: missing is ENOENT. */
  createMode?: number;
  /** What the path begins at, and links end at; it stays open. undefined: the thread's root. */
  rootFd?: number;
}

/** A directory that is held open. `path` is absolute, without links. Close it with `using`. */
export class HeldDirectory {
  readonly fd: number;
  readonly path: string;

  constructor(fd: number, path: string) {
    this.fd = fd;
    this.path = path;
  }

  /** Makes it this thread's working directory, so that its entries can be named by one component. */
  enter(): void {
    fchdir(this.fd);
  }

  [Symbol.dispose](): void {
    closeSync(this.fd);
  }
}

/** Text-only cleaning: no ".", no "..", no empty parts; never above the root. */
export function cleanComponents(path: string): string[] {
  const result: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') result.pop();
    else result.push(part);
  }
  return result;
}

/** Walks to the directory `path` (from the root, whatever it starts with), following links inside the root. */
export function holdDirectory(path: string, options: WalkOptions = {}): HeldDirectory {
  const walk = new Walk(options);
  try {
    walk.go(path);
    return walk.finish();
  } catch (error) {
    walk.drop();
    throw error;
  }
}

/**
 * Where a path leads, as text: absolute, all links followed inside the root. Parts that do not exist stay as they are written.
 * Only for telling: nobody may open the result by its name.
 */
export function resolvedPath(path: string, options: WalkOptions = {}): string {
  const walk = new Walk(options);
  try {
    const rest = walk.goAsFarAsPossible(path);
    return `/${cleanComponents([...walk.names, ...rest].join('/')).join('/')}`;
  } finally {
    walk.drop();
  }
}

/** The open directories from the root to where the walk is. */
class Walk {
  readonly #options: WalkOptions;
  readonly #fds: number[];
  readonly names: string[] = [];
  #links = 0;

  constructor(options: WalkOptions) {
    this.#options = options;
    if (options.rootFd !== undefined) fchdir(options.rootFd);
    this.#fds = [openSync(options.rootFd === undefined ? '/' : '.', OPEN_HANDLE | constants.O_DIRECTORY)];
  }

  go(path: string): void {
    const rest = path.split('/').reverse();
    for (let part = rest.pop(); part !== undefined; part = rest.pop()) this.#step(part, rest);
  }

  /** As go, but stops at what is missing or no directory; returns the parts that are left. */
  goAsFarAsPossible(path: string): string[] {
    const rest = path.split('/').reverse();
    for (let part = rest.pop(); part !== undefined; part = rest.pop()) {
      try {
        this.#step(part, rest);
      } catch (error) {
        if (!isMissing(error)) throw error;
        return [part, ...rest.reverse()];
      }
    }
    return [];
  }

  finish(): HeldDirectory {
    const fd = this.#fds.pop() as number;
    this.drop();
    return new HeldDirectory(fd, `/${this.names.join('/')}`);
  }

  drop(): void {
    for (const fd of this.#fds.splice(0)) closeSync(fd);
  }

  #step(part: string, rest: string[]): void {
    if (part === '' || part === '.') return;
    if (part === '..') {
      if (this.names.pop() !== undefined) closeSync(this.#fds.pop() as number);
      return;
    }
    fchdir(this.#fds.at(-1) as number);
    const fd = this.#open(part, rest);
    if (fd === undefined) return;
    let stats: Stats;
    try {
      stats = fstatSync(fd);
      if (stats.isSymbolicLink()) {
        this.#followLink(fd, part, rest);
        closeSync(fd);
        return;
      }
      if (!stats.isDirectory()) throw pathError('ENOTDIR', this.#tell(part));
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    this.#fds.push(fd);
    this.names.push(part);
  }

  /** Undefined when the part does not exist but is left again at once: "missing/../x" is "x", as other engines read it. */
  #open(part: string, rest: string[]): number | undefined {
    const name = fromBytes(part);
    try {
      return openSync(name, OPEN_HANDLE);
    } catch (error) {
      if (!isCode(error, 'ENOENT')) throw error;
      while (rest.at(-1) === '' || rest.at(-1) === '.') rest.pop();
      if (rest.at(-1) === '..') {
        rest.pop();
        return undefined;
      }
      if (this.#options.createMode === undefined) throw error;
    }
    mkdirSync(name, this.#options.createMode);
    return openSync(name, OPEN_HANDLE);
  }

  /** Reads the link that was opened, not what has its name now. */
  #followLink(fd: number, part: string, rest: string[]): void {
    if (++this.#links > MAX_LINKS) throw pathError('ELOOP', this.#tell(part));
    const target = readlinkFd(fd).toString('latin1');
    if (target.startsWith('/')) {
      for (const fd of this.#fds.splice(1)) closeSync(fd);
      this.names.length = 0;
    }
    rest.push(...target.split('/').reverse());
    if (rest.length > 10_000) throw pathError('ENAMETOOLONG', this.#tell(part));
  }

  #tell(part: string): string {
    return displayName(`/${[...this.names, part].join('/')}`);
  }
}

/** An error that looks like one of node:fs, for what is found without the kernel. */
export function pathError(code: 'ENOTDIR' | 'ELOOP' | 'ENAMETOOLONG', path: string): Error {
  return Object.assign(new Error(`${code}: open '${path}'`), { code, syscall: 'open', path });
}

export function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

export function isMissing(error: unknown): boolean {
  return isCode(error, 'ENOENT') || isCode(error, 'ENOTDIR');
}

/** The last component of a path after cleaning it as text, and what stands before it. Undefined for the root itself. */
export function splitPath(path: string): { parent: string; name: string } | undefined {
  const parts = cleanComponents(path);
  const name = parts.pop();
  if (name === undefined) return undefined;
  if (name.length > 255) throw new EngineError('invalid', `file name too long: ${displayName(name.slice(0, 40))}…`);
  return { parent: parts.join('/'), name };
}
