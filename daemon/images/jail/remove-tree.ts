// Deletes what is below a directory, one component at a time: no name is ever followed through a link.
import { closeSync, lstatSync, openSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { fchdir } from '../../../native-bindings/namespaces.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { displayName, fromBytes } from '../tar/tar-entry.ts';
import { throwIfCancelled } from './cancellation.ts';
import { isCode, OPEN_DIRECTORY } from './path-walk.ts';

/** Removes `name` (a byte string) of the directory `parentFd`, whatever it is. Missing is fine. The working directory ends at the parent. */
export function removeEntry(parentFd: number, name: string): void {
  fchdir(parentFd);
  if (removeHere(name)) return;
  const fd = openSync(fromBytes(name), OPEN_DIRECTORY);
  try {
    emptyDirectory(fd);
  } finally {
    closeSync(fd);
    fchdir(parentFd);
  }
  removeDirectoryHere(name);
}

interface Level {
  /** The name in the directory above. */
  readonly name: string;
  readonly identity: string;
  readonly left: string[];
}

/**
 * Removes everything in a directory, depth first. Nothing is held open, so that a tree of any depth can go; the way up is "..", and where
 * that does not lead back to where we came from, somebody moves things about and it ends with an error. What cannot go (an immutable file)
 * keeps nothing else: the first such error is thrown at the end.
 */
export function emptyDirectory(rootFd: number): void {
  fchdir(rootFd);
  const levels: Level[] = [enterLevel('')];
  let failed: unknown;
  for (let top = levels.at(-1); top !== undefined; top = levels.at(-1)) {
    throwIfCancelled();
    const name = top.left.pop();
    if (name !== undefined) {
      try {
        if (!removeHere(name)) levels.push(enterLevel(name));
      } catch (error) {
        failed ??= error;
        if (identityHere() !== top.identity) throw failed;
      }
      continue;
    }
    levels.pop();
    const above = levels.at(-1);
    if (above === undefined) break;
    goTo('..');
    if (identityHere() !== above.identity)
      throw new EngineError('system', `remove ${displayName(top.name)}: it was moved meanwhile`);
    try {
      removeDirectoryHere(top.name);
    } catch (error) {
      failed ??= error;
    }
  }
  if (failed !== undefined) throw failed;
}

/** What is in the working directory now. */
function enterLevel(name: string): Level {
  if (name !== '') goTo(fromBytes(name));
  return { name, identity: identityHere(), left: readdirSync('.', { encoding: 'latin1' }) };
}

function goTo(name: string | Buffer): void {
  const fd = openSync(name, OPEN_DIRECTORY);
  try {
    fchdir(fd);
  } finally {
    closeSync(fd);
  }
}

function identityHere(): string {
  const { dev, ino } = lstatSync('.', { bigint: true });
  return `${dev}:${ino}`;
}

/** False for a directory, which has to be emptied first. */
function removeHere(name: string): boolean {
  try {
    unlinkSync(fromBytes(name));
    return true;
  } catch (error) {
    if (isCode(error, 'ENOENT')) return true;
    if (!isCode(error, 'EISDIR') && !isCode(error, 'EPERM')) throw error;
    return false;
  }
}

function removeDirectoryHere(name: string): void {
  try {
    rmdirSync(fromBytes(name));
  } catch (error) {
    if (!isCode(error, 'ENOENT')) throw error;
  }
}
