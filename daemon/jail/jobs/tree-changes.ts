// `docker diff`: what an overlay's upper directory says about the tree below it. Both trees are walked side by side by held directories, so
// that a link in one of them never leads into anything; what was found is told as it is found, however much it is.
import { closeSync, constants, lstatSync, openSync, type Stats } from 'node:fs';
import { fchdir } from '../../../native-bindings/namespaces.ts';
import { fgetxattr } from '../../../native-bindings/xattrs.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { displayName, fromBytes } from '../../protocols/tar/tar-entry.ts';
import { throwIfCancelled } from '../cancellation.ts';
import type { Change, ChangeKind } from '../file-facts.ts';
import { isMissing, OPEN_DIRECTORY } from './path-walk.ts';
import type { Scratch } from './scratch.ts';
import { NameSorter, type SortedNames } from './sorted-names.ts';
import { OPAQUE_XATTR } from './whiteouts.ts';

/** Each level holds open files: a container must not be able to use up all that the daemon may have. */
const MAX_DEPTH = 2000;
const MAX_PATH_BYTES = 16 * 1024;

interface Level {
  readonly upperFd: number;
  /** Undefined: nothing below is seen here. */
  readonly lowerFd: number | undefined;
  readonly path: string;
  readonly names: SortedNames;
  /** Of a directory that hides the one below it. */
  readonly hidden: SortedNames | undefined;
  nextHidden: string | undefined;
}

/** In the order of a walk with sorted names: a directory, what is in it, its next neighbour. `lowerFd` is a directory, read only; `upperFd` too. */
export function* treeChanges(upperFd: number, lowerFd: number, scratch: Scratch): Generator<Change> {
  const sorter = new NameSorter(scratch);
  const levels: Level[] = [levelOf(sorter, upperFd, lowerFd, '')];
  try {
    for (let top = levels.at(-1); top !== undefined; top = levels.at(-1)) {
      throwIfCancelled();
      const name = top.names.next();
      while (top.nextHidden !== undefined && (name === undefined || top.nextHidden <= name)) {
        if (top.nextHidden !== name) yield change(top, top.nextHidden, 2);
        top.nextHidden = top.hidden?.next();
      }
      if (name === undefined) {
        levels.pop();
        close(top, levels.length === 0);
        continue;
      }
      fchdir(top.upperFd);
      const upper = lstatOrNothing(name);
      if (upper === undefined) continue;
      const lower = top.lowerFd === undefined ? undefined : statsIn(top.lowerFd, name);
      if (upper.isCharacterDevice() && upper.rdev === 0) {
        if (lower !== undefined) yield change(top, name, 2);
        continue;
      }
      yield change(top, name, lower === undefined ? 1 : 0);
      if (upper.isDirectory()) levels.push(enter(sorter, top, name, lower, levels.length));
    }
  } finally {
    for (const level of levels.splice(0).reverse()) close(level, level.upperFd === upperFd);
  }
}

function change({ path }: Level, name: string, Kind: ChangeKind): Change {
  return { Path: displayName(`${path}/${name}`), Kind };
}

function enter(sorter: NameSorter, above: Level, name: string, lower: Stats | undefined, depth: number): Level {
  const path = `${above.path}/${name}`;
  if (depth > MAX_DEPTH || path.length > MAX_PATH_BYTES)
    throw new EngineError('system', 'compare directories: they are too deep');
  fchdir(above.upperFd);
  const upperFd = openSync(fromBytes(name), OPEN_DIRECTORY);
  let lowerFd: number | undefined;
  try {
    if (lower?.isDirectory()) {
      fchdir(above.lowerFd as number);
      lowerFd = openSync(fromBytes(name), OPEN_DIRECTORY);
    }
    return levelOf(sorter, upperFd, lowerFd, path);
  } catch (error) {
    closeSync(upperFd);
    if (lowerFd !== undefined) closeSync(lowerFd);
    throw error;
  }
}

function levelOf(sorter: NameSorter, upperFd: number, lowerFd: number | undefined, path: string): Level {
  const names = sorter.list(upperFd);
  const isOpaque = lowerFd !== undefined && fgetxattr(upperFd, OPAQUE_XATTR)?.toString() === 'y';
  const hidden = isOpaque ? sorter.list(lowerFd) : undefined;
  return { upperFd, lowerFd, path, names, hidden, nextHidden: hidden?.next() };
}

/** The descriptors of the root are the caller's. */
function close({ upperFd, lowerFd, names, hidden }: Level, isRoot: boolean): void {
  hidden?.[Symbol.dispose]();
  names[Symbol.dispose]();
  if (isRoot) return;
  closeSync(upperFd);
  if (lowerFd !== undefined) closeSync(lowerFd);
}

/** An array in pieces, as JSON; null when there is nothing in it. */
export function* jsonChunks(changes: Iterable<Change>, bytes: number): Generator<Buffer> {
  let text = '[';
  let isFirst = true;
  for (const change of changes) {
    text += isFirst ? JSON.stringify(change) : `,${JSON.stringify(change)}`;
    isFirst = false;
    if (text.length < bytes) continue;
    yield ownBuffer(text);
    text = '';
  }
  yield ownBuffer(isFirst ? 'null\n' : `${text}]\n`);
}

/** With memory of its own: it is handed to another thread. */
function ownBuffer(text: string): Buffer {
  const buffer = Buffer.allocUnsafeSlow(Buffer.byteLength(text));
  buffer.write(text);
  return buffer;
}

function statsIn(fd: number, name: string): Stats | undefined {
  fchdir(fd);
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

/** For fchdir and listing. */
export function openRoot(): number {
  return openSync('/', constants.O_RDONLY | constants.O_DIRECTORY);
}

/** The working directory, opened for listing. */
export function openHere(): number {
  return openSync('.', constants.O_RDONLY | constants.O_DIRECTORY);
}
