// How much is below a directory. Names are read a batch at a time, and nothing is remembered of a file once it was counted.
import { type BigIntStats, closeSync, fstatSync, lstatSync, openSync, type Stats } from 'node:fs';
import { nextNames } from '../../../native-bindings/directories.ts';
import { fchdir } from '../../../native-bindings/namespaces.ts';
import { fromBytes } from '../../protocols/tar/tar-entry.ts';
import { throwIfCancelled } from '../cancellation.ts';
import { FirstNames } from './first-names.ts';
import { isCode, isMissing, OPEN_DIRECTORY } from './path-walk.ts';
import type { Scratch } from './scratch.ts';

/** Each level holds an open file: a container must not be able to use up all that the daemon may have. What lies deeper does not count. */
const MAX_DEPTH = 2000;
const BATCH_BYTES = 32 * 1024;
/** Each level holds a batch of names: deep ones have small batches. */
const SHALLOW = 64;
const DEEP_BATCH_BYTES = 4 * 1024;

/** Bytes of all files below a directory: each counts once, whatever other names it has, here or elsewhere. */
export function treeSize(rootFd: number, scratch: Scratch): number {
  let bytes = 0;
  const firstNames = new FirstNames(scratch);
  eachBelow(rootFd, (stats, _, name) => {
    if (!stats.isFile()) return;
    if (stats.nlink > 1) {
      const identity = identityOf(name);
      if (identity === undefined || firstNames.seen(identity, '-') !== undefined) return;
    }
    bytes += stats.size;
  });
  scratch.clear();
  return bytes;
}

/** What the tree takes of its disk, directories too: du(1)'s bytes. */
export function treeUsage(rootFd: number): number {
  let blocks = fstatSync(rootFd).blocks;
  eachBelow(rootFd, (stats, share) => {
    blocks += stats.blocks * share;
  });
  return Math.round(blocks) * 512;
}

/** A file with several names comes with each of them, for its share. Its name is one of the working directory. */
function eachBelow(rootFd: number, see: (stats: Stats, share: number, name: string) => void): void {
  const buffer = Buffer.allocUnsafeSlow(BATCH_BYTES);
  const levels: { fd: number; names: string[] }[] = [{ fd: rootFd, names: [] }];
  try {
    for (let top = levels.at(-1); top !== undefined; top = levels.at(-1)) {
      throwIfCancelled();
      const name = top.names.pop();
      if (name === undefined) {
        const names = nextNames(top.fd, levels.length < SHALLOW ? buffer : buffer.subarray(0, DEEP_BATCH_BYTES));
        if (names !== undefined) top.names = names;
        else if (levels.pop() !== undefined && top.fd !== rootFd) closeSync(top.fd);
        continue;
      }
      fchdir(top.fd);
      const stats = lstatOrNothing(name);
      if (stats === undefined) continue;
      see(stats, stats.isDirectory() ? 1 : 1 / Math.max(1, stats.nlink), name);
      if (!stats.isDirectory() || levels.length > MAX_DEPTH) continue;
      const child = openOrNothing(name);
      if (child !== undefined) levels.push({ fd: child, names: [] });
    }
  } finally {
    for (const { fd } of levels) if (fd !== rootFd) closeSync(fd);
  }
}

function identityOf(name: string): BigIntStats | undefined {
  try {
    return lstatSync(fromBytes(name), { bigint: true });
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function lstatOrNothing(name: string): Stats | undefined {
  try {
    return lstatSync(fromBytes(name));
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Whoever uses the files may have deleted or replaced it. */
function openOrNothing(name: string): number | undefined {
  try {
    return openSync(fromBytes(name), OPEN_DIRECTORY);
  } catch (error) {
    if (isMissing(error) || isCode(error, 'ELOOP')) return undefined;
    throw error;
  }
}
