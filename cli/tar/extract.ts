// Unpacks what comes out of a container onto this machine. The names in the archive are a container's words: nothing is ever
// written through a symbolic link or outside the destination. Device nodes are left out, as docker's client does for users.
import { constants } from 'node:fs';
import { chmod, lchown, link, lstat, lutimes, mkdir, open, readlink, rm, symlink, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { CliError } from '../errors.ts';
import { systemReason } from '../options/variables.ts';
import { type CopyPlan, renameEntry } from './copy-plan.ts';
import type { ReadEntry } from './reader.ts';

export interface ExtractOptions {
  plan: CopyPlan;
  /** Keep the owners of the archive (needs root). */
  keepOwners: boolean;
}

export async function extract(entries: AsyncIterable<ReadEntry>, options: ExtractOptions): Promise<void> {
  const { directory, rename } = options.plan;
  const directories: { path: string; entry: ReadEntry }[] = [];
  for await (const entry of entries) {
    const parts = safeParts(renameEntry(entry.name, rename), entry.name);
    const path = join(directory, ...parts);
    try {
      await requireDirectories(directory, parts.slice(0, -1));
      if (entry.type === 'directory') {
        await makeDirectory(path, parts.length === 0);
        if (parts.length > 0) directories.push({ path, entry });
      } else {
        if (parts.length === 0) throw new CliError(`invalid name in archive: ${JSON.stringify(entry.name)}`);
        await makeNode(path, entry, options);
      }
    } catch (error) {
      throw error instanceof CliError ? error : new CliError(`${path}: ${systemReason(error)}`);
    }
  }
  // Times and modes of directories last: what is made inside changes the one and may be forbidden by the other.
  for (const { path, entry } of directories.reverse()) await setMetadata(path, entry, options);
}

function safeParts(name: string, original: string): string[] {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..') || name.includes('\0')) {
    throw new CliError(`invalid name in archive: ${JSON.stringify(original)}`);
  }
  return parts;
}

/** The parents must be directories, not links to some. Those that the archive does not name are made. */
async function requireDirectories(root: string, parts: readonly string[]): Promise<void> {
  let path = root;
  for (const part of parts) {
    path = join(path, part);
    const stats = await lstat(path).catch(() => undefined);
    if (!stats) await mkdir(path, 0o755);
    else if (!stats.isDirectory()) throw new CliError(`${path}: not a directory`);
  }
}

async function makeDirectory(path: string, isRoot: boolean): Promise<void> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats?.isDirectory() || (isRoot && stats)) return;
  if (stats) throw new CliError(`cannot overwrite non-directory "${path}" with directory`);
  await mkdir(path, 0o700);
}

async function makeNode(path: string, entry: ReadEntry, options: ExtractOptions): Promise<void> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats?.isDirectory()) throw new CliError(`cannot overwrite directory "${path}" with non-directory "${path}"`);
  if (stats) await unlink(path);
  switch (entry.type) {
    case 'file':
      await writeFile(path, entry);
      break;
    case 'symlink':
      await symlink(entry.linkName, path);
      break;
    case 'link': {
      const parts = safeParts(renameEntry(entry.linkName, options.plan.rename), entry.linkName);
      await requireDirectories(options.plan.directory, parts.slice(0, -1));
      await link(join(options.plan.directory, ...parts), path);
      return;
    }
    default:
      return;
  }
  await setMetadata(path, entry, options);
}

async function writeFile(path: string, entry: ReadEntry): Promise<void> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const file = await open(path, flags, 0o600);
  try {
    for await (const chunk of entry.body) await file.write(chunk);
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}

async function setMetadata(path: string, entry: ReadEntry, options: ExtractOptions): Promise<void> {
  if (options.keepOwners) await lchown(path, entry.uid, entry.gid);
  if (entry.type !== 'symlink') await chmod(path, entry.mode);
  await lutimes(path, entry.mtime, entry.mtime);
}

/** Follows a destination that is a link, as far as the last component goes. */
export async function resolveDestination(
  path: string,
): Promise<{ path: string; exists: boolean; isDirectory: boolean }> {
  let current = path;
  for (let links = 0; links < 40; links++) {
    const stats = await lstat(current.replace(/(.)\/+$/, '$1')).catch(() => undefined);
    if (!stats) return { path: current, exists: false, isDirectory: false };
    if (!stats.isSymbolicLink()) return { path: current, exists: true, isDirectory: stats.isDirectory() };
    const target = await readlink(current.replace(/(.)\/+$/, '$1'));
    current = target.startsWith('/') ? target : join(current, '..', target);
  }
  throw new CliError(`${path}: too many links`);
}
