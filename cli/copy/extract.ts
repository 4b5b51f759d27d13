// Unpacks what comes out of a container onto this machine. The names in the archive are a container's words: nothing is ever
// written through a symbolic link or outside the destination. Device nodes are left out, as docker's client does for users.
import { constants } from 'node:fs';
import {
  chmod,
  type FileHandle,
  lchown,
  link,
  lstat,
  lutimes,
  mkdir,
  open,
  readlink,
  rm,
  symlink,
  unlink,
} from 'node:fs/promises';
import { join } from 'node:path';
import { FormatError } from '../../daemon/protocols/format-error.ts';
import type { ReadEntry } from '../../daemon/protocols/tar/read-entries.ts';
import { CAPABILITY_XATTR, displayName, fromBytes, toBytes } from '../../daemon/protocols/tar/tar-entry.ts';
import { CliError } from '../errors.ts';
import { systemReason } from '../options/variables.ts';
import { type CopyPlan, renameEntry } from './copy-plan.ts';
import { type FileCapabilities, loadFileCapabilities } from './file-capabilities.ts';

export interface ExtractOptions {
  plan: CopyPlan;
  /** Keep the owners of the archive (needs root). */
  keepOwners: boolean;
  /** Called when the first file with capabilities comes; in no other copy. */
  loadCapabilities?: () => Promise<FileCapabilities | undefined>;
}

/** A file that did not get the capabilities it has in the archive. */
export interface LostCapability {
  path: string;
  reason: string;
}

/** Returns what could not be kept, because of this machine, its file system or the user's rights. */
export async function extract(entries: AsyncIterable<ReadEntry>, options: ExtractOptions): Promise<LostCapability[]> {
  const lost: LostCapability[] = [];
  const directory = toBytes(options.plan.directory);
  const rename = renameInBytes(options.plan.rename);
  const directories: { path: string; entry: ReadEntry }[] = [];
  for await (const entry of entries) {
    const parts = safeParts(renameEntry(entry.path, rename), entry.path);
    const path = [directory, ...parts].join('/');
    try {
      await requireDirectories(directory, parts.slice(0, -1));
      if (entry.type === 'directory') {
        await makeDirectory(path, parts.length === 0);
        if (parts.length > 0) directories.push({ path, entry });
      } else {
        if (parts.length === 0)
          throw new CliError(`invalid name in archive: ${JSON.stringify(displayName(entry.path))}`);
        await clearWay(path);
        if (entry.type === 'file') {
          const reason = await writeFile(path, entry, options);
          if (reason !== undefined) lost.push({ path: displayName(path), reason });
        } else await makeLink(path, entry, directory, rename);
        if (entry.type === 'symlink') await setMetadata(path, entry, options);
      }
    } catch (error) {
      if (error instanceof CliError || error instanceof FormatError) throw error;
      throw new CliError(`${displayName(path)}: ${systemReason(error)}`);
    }
  }
  // Times and modes of directories last: what is made inside changes the one and may be forbidden by the other.
  for (const { path, entry } of directories.reverse()) await setMetadata(path, entry, options);
  return lost;
}

function safeParts(name: string, original: string): string[] {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..') || name.includes('\0')) {
    throw new CliError(`invalid name in archive: ${JSON.stringify(displayName(original))}`);
  }
  return parts;
}

/** The parents must be directories, not links to some. Those that the archive does not name are made. */
async function requireDirectories(root: string, parts: readonly string[]): Promise<void> {
  let path = root;
  for (const part of parts) {
    path = `${path}/${part}`;
    const stats = await lstat(fromBytes(path)).catch(() => undefined);
    if (!stats) await mkdir(fromBytes(path), 0o755);
    else if (!stats.isDirectory()) throw new CliError(`${displayName(path)}: not a directory`);
  }
}

async function makeDirectory(path: string, isRoot: boolean): Promise<void> {
  const stats = await lstat(fromBytes(path)).catch(() => undefined);
  if (stats?.isDirectory() || (isRoot && stats)) return;
  if (stats) throw new CliError(`cannot overwrite non-directory "${displayName(path)}" with directory`);
  await mkdir(fromBytes(path), 0o700);
}

/** What is there is replaced, unless it is a directory. */
async function clearWay(path: string): Promise<void> {
  const stats = await lstat(fromBytes(path)).catch(() => undefined);
  const shown = displayName(path);
  if (stats?.isDirectory()) throw new CliError(`cannot overwrite directory "${shown}" with non-directory "${shown}"`);
  if (stats) await unlink(fromBytes(path));
}

/** A link of either kind; of what kind nothing is made here, nothing is. */
async function makeLink(path: string, entry: ReadEntry, directory: string, rename: CopyPlan['rename']): Promise<void> {
  if (entry.type === 'symlink') await symlink(fromBytes(entry.linkPath), fromBytes(path));
  if (entry.type !== 'link') return;
  const parts = safeParts(renameEntry(entry.linkPath, rename), entry.linkPath);
  await requireDirectories(directory, parts.slice(0, -1));
  await link(fromBytes([directory, ...parts].join('/')), fromBytes(path));
}

function renameInBytes(rename: CopyPlan['rename']): CopyPlan['rename'] {
  return rename && { from: toBytes(rename.from), to: toBytes(rename.to) };
}

/** Why its capabilities are lost; undefined when they are not. */
async function writeFile(path: string, entry: ReadEntry, options: ExtractOptions): Promise<string | undefined> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const file = await open(fromBytes(path), flags, 0o600);
  try {
    for await (const chunk of entry.body) await file.write(chunk);
    // The kernel drops capabilities when a file is written or its owner changes: they come after both.
    if (options.keepOwners) await file.chown(entry.uid, entry.gid);
    const capability = entry.xattrs.get(CAPABILITY_XATTR);
    const reason = capability && (await setCapability(file, capability, options));
    await file.chmod(entry.mode);
    const time = timeOf(entry);
    await file.utimes(time, time);
    return reason;
  } catch (error) {
    await rm(fromBytes(path), { force: true });
    throw error;
  } finally {
    await file.close();
  }
}

async function setCapability(
  file: FileHandle,
  value: Buffer,
  { loadCapabilities = loadFileCapabilities }: ExtractOptions,
): Promise<string | undefined> {
  const capabilities = await loadCapabilities();
  return capabilities ? capabilities.write(file.fd, value) : 'what reads and sets them is not installed';
}

async function setMetadata(path: string, entry: ReadEntry, options: ExtractOptions): Promise<void> {
  const at = fromBytes(path);
  if (options.keepOwners) await lchown(at, entry.uid, entry.gid);
  if (entry.type !== 'symlink') await chmod(at, entry.mode);
  const time = timeOf(entry);
  await lutimes(at, time, time);
}

/** As node:fs takes it, which takes a negative number for "now". */
function timeOf({ mtimeSeconds }: ReadEntry): number | Date {
  return mtimeSeconds < 0 ? new Date(Math.floor(mtimeSeconds * 1000)) : mtimeSeconds;
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
