// Which files a copy takes: sources as paths or patterns, what is left out of them, and a walk through what is left. A link that a source names is
// followed inside the root, one that is found below is not. Names and paths are byte strings (latin1) but in patterns.
import { constants } from 'node:fs';
import { O, S_IF } from '../../../../native-bindings/constants.ts';
import { check, EntryStat, isAbsent, openIn } from '../../../../native-bindings/entries.ts';
import { ERRNO } from '../../../../native-bindings/errno.ts';
import { closeFd } from '../../../../native-bindings/files.ts';
import { EngineError } from '../../../errors/engine-error.ts';
import { IgnoreMatcher } from '../../../protocols/ignore/ignore-matcher.ts';
import { hasWildcard, parsePathPattern, splitAtWildcard } from '../../../protocols/ignore/path-pattern.ts';
import { displayName } from '../../../protocols/tar/tar-entry.ts';
import { throwIfCancelled } from '../../cancellation.ts';
import { type HeldDirectory, holdDirectory, isCode, isMissing, resolvedPath, splitPath } from '../path-walk.ts';
import type { NameSorter, SortedNames } from '../sorted-names.ts';

/** As CopyAction has it. */
export interface SourceChoice {
  readonly sources: readonly string[];
  readonly exclude: readonly string[];
  readonly hasWildcards: boolean;
  readonly allowsNoMatch: boolean;
  /** A source's directories come with it, from "/./" on where that stands in it. */
  readonly keepsParents: boolean;
}

/** Something that a source names. */
export interface Match {
  /** The directory that it is in, held until the next one is asked for, and its name there; undefined: the directory itself. */
  readonly parent: HeldDirectory;
  readonly name: string | undefined;
  /** As it was found: links are not followed. */
  readonly path: string;
  /** What it is called where it goes to: the last part of what was asked for, whatever a link led to. */
  readonly base: string;
  readonly filter: Filter;
}

/** Paths are relative to the match. */
export class Filter {
  readonly #exclude: IgnoreMatcher;
  readonly #include: IgnoreMatcher | undefined;
  /** All that is included lies here, or below. */
  readonly #prefix: string;

  constructor(exclude: IgnoreMatcher, pattern?: string) {
    this.#exclude = exclude;
    this.#include = pattern === undefined ? undefined : new IgnoreMatcher([pattern], throwIfCancelled);
    this.#prefix = pattern === undefined ? '' : splitAtWildcard(pattern).directory;
  }

  get isPlain(): boolean {
    return this.#exclude.isEmpty && this.#include === undefined;
  }

  /** 'below': a directory that is only made when something in it is taken. */
  judge(relative: string, isDirectory: boolean): 'taken' | 'below' | 'not' {
    const path = textOf(relative);
    if (this.#exclude.isIgnored(path) && !(isDirectory && !this.#exclude.isIgnoredWhole(path))) return 'not';
    if (this.#include === undefined || this.#include.isIgnored(path)) return 'taken';
    if (!isDirectory) return 'not';
    const prefix = this.#prefix;
    const mayHold = prefix === '' || `${path}/`.startsWith(`${prefix}/`) || `${prefix}/`.startsWith(`${path}/`);
    return mayHold ? 'below' : 'not';
  }
}

const stat = new EntryStat();

/** All matches of all sources, in order. Throws 'not-found' for a source without any. */
export function* matchSources(rootFd: number, choice: SourceChoice, sorter: NameSorter): Generator<Match> {
  const exclude = new IgnoreMatcher(choice.exclude, throwIfCancelled);
  for (const source of choice.sources) {
    const pivot = choice.keepsParents ? source.indexOf('/./') : -1;
    const base = choice.keepsParents ? source.slice(0, Math.max(pivot, 0)) || '/' : source;
    const pattern = choice.keepsParents ? source.slice(pivot < 0 ? 1 : pivot + 3) : undefined;
    const filter = new Filter(exclude, pattern === '' ? undefined : pattern);
    let isFound = false;
    for (const path of expand(rootFd, base, choice.hasWildcards, sorter)) {
      throwIfCancelled();
      const match = hold(rootFd, path, filter);
      if (match === undefined) continue;
      using _held = match.parent;
      if (pattern !== undefined && !hasWildcard(pattern) && !exists(rootFd, `${path}/${bytesOf(pattern)}`)) continue;
      isFound = true;
      yield match;
    }
    const mayMiss = choice.allowsNoMatch && choice.hasWildcards && hasWildcard(source);
    if (!isFound && !mayMiss) throw new EngineError('not-found', `${JSON.stringify(source)}: not found`);
  }
}

/** Paths that a source stands for. */
function* expand(rootFd: number, source: string, hasWildcards: boolean, sorter: NameSorter): Generator<string> {
  if (!hasWildcards || !hasWildcard(source)) {
    yield bytesOf(source);
    return;
  }
  const { directory, pattern } = splitAtWildcard(source);
  const parts = pattern.split('/').map((part) => parsePathPattern(part));
  let start: HeldDirectory;
  try {
    start = holdDirectory(bytesOf(directory), { rootFd });
  } catch (error) {
    if (isMissing(error)) return;
    throw error;
  }
  using held = start;
  yield* expandIn(rootFd, held, parts, sorter);
}

function* expandIn(
  rootFd: number,
  directory: HeldDirectory,
  [first, ...others]: readonly { matches(path: string): boolean }[],
  sorter: NameSorter,
): Generator<string> {
  if (first === undefined) return;
  const fd = check('openat', openIn(directory.fd, '.', O.RDONLY | O.DIRECTORY), '.');
  using names = listOf(sorter, fd);
  try {
    for (let name = names.next(); name !== undefined; name = names.next()) {
      throwIfCancelled();
      if (!first.matches(textOf(name))) continue;
      const path = directory.path === '/' ? `/${name}` : `${directory.path}/${name}`;
      if (others.length === 0) {
        yield path;
        continue;
      }
      if (stat.read(fd, name) !== 0 || (stat.mode & S_IF.MT) !== S_IF.DIR) continue;
      using below = holdDirectory(path, { rootFd });
      yield* expandIn(rootFd, below, others, sorter);
    }
  } finally {
    closeFd(fd);
  }
}

function listOf(sorter: NameSorter, fd: number): SortedNames {
  try {
    return sorter.list(fd);
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

/** undefined: there is nothing. */
function hold(rootFd: number, path: string, filter: Filter): Match | undefined {
  const base = splitPath(path)?.name ?? '';
  try {
    const split = splitPath(resolvedPath(path, { rootFd }));
    const parent = holdDirectory(split?.parent ?? '', { rootFd });
    if (split === undefined) return { parent, name: undefined, path, base, filter };
    const result = stat.read(parent.fd, split.name);
    // A whiteout is nothing: where there is one layer alone it is seen.
    if (result === 0 && !isWhiteoutStat(stat)) return { parent, name: split.name, path, base, filter };
    parent[Symbol.dispose]();
    return undefined;
  } catch (error) {
    if (isMissing(error)) return undefined;
    if (isCode(error, 'ELOOP')) throw new EngineError('invalid', `${displayName(path)}: too many symbolic links`);
    throw error;
  }
}

function exists(rootFd: number, path: string): boolean {
  const found = hold(rootFd, path, new Filter(new IgnoreMatcher([])));
  found?.parent[Symbol.dispose]();
  return found !== undefined;
}

/** overlayfs's mark for a name that is deleted. */
export function isWhiteoutStat({ mode, device: [major, minor] }: EntryStat): boolean {
  return (mode & S_IF.MT) === S_IF.CHR && major === 0 && minor === 0;
}

export interface WalkedDirectory {
  /** Stays open until its end was told. */
  readonly fd: number;
  readonly name: string;
  readonly relative: string;
  /** It is taken itself, not only because of what is in it. */
  readonly isTaken: boolean;
}

export type Walked =
  | { readonly kind: 'directory'; readonly directory: WalkedDirectory }
  | { readonly kind: 'end' }
  /** `stat` is what was read of it, until the next one is asked for. */
  | { readonly kind: 'leaf'; readonly parentFd: number; readonly name: string; readonly relative: string };

/** Three descriptors for each: what copies has two of its own. */
const MAX_DEPTH = 1000;
const MAX_PATH_BYTES = 4095;
const ended: Walked = { kind: 'end' };

/** All below a directory that the filter takes, sorted by bytes: a directory, what is in it, its end. `fd` stays open; `seen` tells of each leaf. */
export function* walkTaken(fd: number, filter: Filter, sorter: NameSorter, seen: EntryStat): Generator<Walked> {
  const levels: { fd: number; relative: string; names: SortedNames }[] = [{ fd, relative: '', names: sorter.list(fd) }];
  try {
    for (let top = levels.at(-1); top !== undefined; top = levels.at(-1)) {
      throwIfCancelled();
      const name = top.names.next();
      if (name === undefined) {
        levels.pop();
        top.names[Symbol.dispose]();
        if (levels.length === 0) return;
        yield ended;
        closeFd(top.fd);
        continue;
      }
      const result = seen.read(top.fd, name);
      if (isAbsent(result)) continue;
      check('statx', result, name);
      if (isWhiteoutStat(seen)) continue;
      const relative = top.relative === '' ? name : `${top.relative}/${name}`;
      const isDirectory = (seen.mode & S_IF.MT) === S_IF.DIR;
      const verdict = filter.isPlain ? 'taken' : filter.judge(relative, isDirectory);
      if (verdict === 'not') continue;
      if (!isDirectory) {
        yield { kind: 'leaf', parentFd: top.fd, name, relative };
        continue;
      }
      if (levels.length >= MAX_DEPTH || relative.length > MAX_PATH_BYTES)
        throw new EngineError('invalid', `read ${displayName(relative.slice(0, 100))}…: directories are too deep`);
      const child = openIn(top.fd, name, O.RDONLY | O.DIRECTORY);
      if (isAbsent(child) || child === -ERRNO.ELOOP) continue;
      check('openat', child, name);
      let names: SortedNames;
      try {
        names = sorter.list(child);
      } catch (error) {
        closeFd(child);
        throw error;
      }
      levels.push({ fd: child, relative, names });
      yield { kind: 'directory', directory: { fd: child, name, relative, isTaken: verdict === 'taken' } };
    }
  } finally {
    for (const level of levels.reverse()) {
      level.names[Symbol.dispose]();
      if (level.fd !== fd) closeFd(level.fd);
    }
  }
}

/** A plain file's content is read, and nothing waits for it. */
export const OPEN_SOURCE = O.RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

function bytesOf(text: string): string {
  return Buffer.from(text).toString('latin1');
}

function textOf(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString();
}
