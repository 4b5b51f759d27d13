// Makes the places where something will be mounted, where an image lacks them. Runs in an overlay whose upper directory becomes the init
// layer: the kernel copies the parents up with their modes and owners.
import { closeSync, constants, lstatSync, mkdirSync, openSync, symlinkSync } from 'node:fs';
import { fromBytes } from '../../protocols/tar/tar-entry.ts';
import type { MountPointSpec } from '../messages.ts';
import { holdDirectory, isCode, isMissing, resolvedPath, splitPath } from './path-walk.ts';

const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

export function makeMountPoints(points: readonly MountPointSpec[]): void {
  for (const point of points) makeMountPoint(point);
}

function makeMountPoint(point: MountPointSpec): void {
  const path = Buffer.from(point.path).toString('latin1');
  const split = splitPath(point.kind === 'symlink' ? path : resolvedPath(path));
  if (split === undefined) return;
  try {
    using parent = holdDirectory(split.parent, { createMode: 0o755 });
    parent.enter();
    const name = fromBytes(split.name);
    if (exists(name)) return;
    if (point.kind === 'directory') mkdirSync(name, 0o755);
    else if (point.kind === 'symlink') symlinkSync(point.target ?? '', name);
    else closeSync(openSync(name, CREATE, 0o755));
  } catch (error) {
    // A file stands where a directory would have to be: the mount itself will say so, with its path.
    if (!isCode(error, 'ENOTDIR')) throw error;
  }
}

function exists(name: Buffer): boolean {
  try {
    lstatSync(name);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}
