// An operation on files: what a vertex of a build's graph does to a tree, action by action.
import { writeSync } from 'node:fs';
import { O } from '../../../../native-bindings/constants.ts';
import {
  check,
  makeSymlinkIn,
  openIn,
  setOwner,
  setTimes,
  setTimesOf,
  type Times,
  timesOf,
} from '../../../../native-bindings/entries.ts';
import { closeFd } from '../../../../native-bindings/files.ts';
import { EngineError } from '../../../errors/engine-error.ts';
import { hasWildcard, parsePathPattern } from '../../../protocols/ignore/path-pattern.ts';
import { displayName } from '../../../protocols/tar/tar-entry.ts';
import { throwIfCancelled } from '../../cancellation.ts';
import type { FileChange, Job } from '../../messages.ts';
import type { Scratches } from '../scratch.ts';
import { copyTree } from './copy-tree.ts';
import { modeChange, octalMode } from './mode-change.ts';
import { failure, TwoDirectory } from './two-trees.ts';

type Change<K extends FileChange['change']> = Extract<FileChange, { change: K }>;

export function changeFiles(job: Job & { do: 'change-files' }, scratches: Scratches): void {
  const { upperFd, lowerFd, changes } = job;
  const upper = openList(upperFd);
  let lower: number | undefined;
  try {
    lower = lowerFd === undefined ? undefined : openList(lowerFd);
  } catch (error) {
    closeFd(upper);
    throw error;
  }
  using root = TwoDirectory.root(upper, lower);
  for (const change of changes) {
    throwIfCancelled();
    if (change.change === 'copy') copy(root, change, scratches);
    else if (change.change === 'make-file') makeFile(root, change);
    else if (change.change === 'make-directory') makeDirectory(root, change);
    else if (change.change === 'symlink') makeLink(root, change);
    else remove(root, change);
  }
}

function openList(fd: number): number {
  return check('openat', openIn(fd, '.', O.RDONLY | O.DIRECTORY), '/');
}

function copy(root: TwoDirectory, change: Change<'copy'>, scratches: Scratches): void {
  const { fromFd, owner, isLinkable = false, ...request } = change;
  const mode = change.mode === undefined ? undefined : modeChange(change.mode);
  // As in BuildKit: a number is the mode of directories on the way, too; words change what a source has, and they have none.
  const parentsMode = (change.mode === undefined ? undefined : octalMode(change.mode)) ?? 0o755;
  const made = { owner, mode, parentsMode, times: timesFor(change) };
  copyTree(root, fromFd, { ...request, ...made, isLinkable }, scratches);
}

/** What has the name is replaced, links are followed. */
function makeFile(root: TwoDirectory, { path, data, mode, owner, ...change }: Change<'make-file'>): void {
  const { directory, name } = parentOf(root, path);
  using held = directory;
  const seen = held.look(name);
  if (seen?.kind === 'directory') throw new EngineError('invalid', `open ${path}: is a directory`);
  held.makeRoom(name);
  const fd = openIn(held.fd, name, O.WRONLY | O.CREAT | O.EXCL, mode & 0o777);
  if (fd < 0) throw failure('create', path, fd);
  try {
    for (let done = 0; done < data.length; ) done += writeSync(fd, data, done);
    if (owner !== undefined) setOwner(fd, '', owner.uid, owner.gid);
    const times = timesFor(change);
    if (times !== undefined) setTimes(fd, times);
  } finally {
    closeFd(fd);
  }
  touch(held, change);
}

function makeDirectory(root: TwoDirectory, change: Change<'make-directory'>): void {
  const { path, mode, makesParents, owner, touches = false } = change;
  const { directory, rest } = root.walk(bytesOf(path));
  using held = directory;
  if (rest.length > 1 && !makesParents) throw new EngineError('not-found', `mkdir ${path}: no such file or directory`);
  using made = held.walkOnMaking(rest, { mode: mode & 0o777, owner, times: timesFor(change) });
  if (rest.length > 0) touch(held, change);
  if (touches) touch(made, change);
}

function makeLink(root: TwoDirectory, { path, target, owner, ...change }: Change<'symlink'>): void {
  const { directory, name } = parentOf(root, path, false);
  using held = directory;
  if (held.look(name) !== undefined) throw new EngineError('conflict', `symlink ${path}: file exists`);
  held.makeRoom(name);
  const result = makeSymlinkIn(bytesOf(target), held.fd, name);
  if (result < 0) throw failure('symlink', path, result);
  if (owner !== undefined) setOwner(held.fd, name, owner.uid, owner.gid);
  const times = timesFor(change);
  if (times !== undefined) setTimesOf(held.fd, name, times);
  touch(held, change);
}

function remove(root: TwoDirectory, { path, allowsMissing, hasWildcards }: Change<'remove'>): void {
  const parts = bytesOf(path).split('/').filter(Boolean);
  if (parts.length === 0) throw new EngineError('invalid', 'remove: the path is empty');
  const first = hasWildcards ? parts.findIndex((part) => hasWildcard(textOf(part))) : -1;
  const literal = first < 0 ? parts.slice(0, -1) : parts.slice(0, first);
  const { directory, rest } = root.walk(literal.join('/'));
  using held = directory;
  if (first >= 0) {
    if (rest.length === 0) removeMatching(held, parts.slice(first).map(patternOf));
    return;
  }
  const isGone = rest.length === 0 && removeOne(held, parts.at(-1) as string);
  if (!isGone && !allowsMissing) throw new EngineError('not-found', `remove ${path}: no such file or directory`);
}

function removeOne(directory: TwoDirectory, name: string): boolean {
  if (directory.look(name) === undefined) return false;
  directory.remove(name);
  return true;
}

interface Pattern {
  matches(name: string): boolean;
}

function patternOf(part: string): Pattern {
  const pattern = parsePathPattern(textOf(part));
  return { matches: (name) => pattern.matches(textOf(name)) };
}

function removeMatching(directory: TwoDirectory, [first, ...others]: readonly Pattern[]): void {
  for (const name of directory.names()) {
    throwIfCancelled();
    if (!first?.matches(name)) continue;
    if (others.length === 0) removeOne(directory, name);
    else if (directory.look(name)?.kind === 'directory') {
      using below = directory.enter(name);
      removeMatching(below, others);
    }
  }
}

/** The directory that a path's last part is in; it has to be there. `follows`: a link at the end leads on. */
function parentOf(root: TwoDirectory, path: string, follows = true): { directory: TwoDirectory; name: string } {
  const parts = bytesOf(path).split('/').filter(Boolean);
  const last = parts.pop();
  if (last === undefined) throw new EngineError('invalid', `open ${path}: is a directory`);
  const { directory, rest } = root.walk(follows ? bytesOf(path) : parts.join('/'));
  const name = follows ? rest.pop() : last;
  if (name !== undefined && rest.length === 0) return { directory, name };
  const shown = displayName(directory.path);
  directory[Symbol.dispose]();
  if (name === undefined) throw new EngineError('invalid', `open ${path}: is a directory`);
  throw new EngineError('not-found', `open ${path}: no such file or directory below ${shown}`);
}

/** A directory that was there tells with a timestamp no other time. */
function touch(directory: TwoDirectory, change: { timestamp?: number }): void {
  const times = timesFor(change);
  if (times !== undefined) setTimes(directory.fd, times);
}

function timesFor({ timestamp }: { timestamp?: number }): Times | undefined {
  return timestamp === undefined ? undefined : timesOf(timestamp);
}

function textOf(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString();
}

function bytesOf(text: string): string {
  return Buffer.from(text).toString('latin1');
}
