// A build's context as a tar: the directory's files but for those that are left out, root's, in the order of their names.
import { constants, type Stats } from 'node:fs';
import { lstat, open, readdir, readlink } from 'node:fs/promises';
import { FormatError } from '../../daemon/protocols/format-error.ts';
import { readIgnoreFile } from '../../daemon/protocols/ignore/ignore-file.ts';
import { IgnoreMatcher } from '../../daemon/protocols/ignore/ignore-matcher.ts';
import { type EntryType, fromBytes, type TarEntry, toBytes } from '../../daemon/protocols/tar/tar-entry.ts';
import { encodeEntry, endOfArchive, paddingOf } from '../../daemon/protocols/tar/tar-header.ts';
import { CliError } from '../errors.ts';
import { systemReason } from '../options/variables.ts';
import type { DirectoryContext } from './find-context.ts';

const readBytes = 1 << 20;

/** One file of a context. Names are byte strings, see TarEntry. */
export interface ContextFile {
  /** Below the context. */
  readonly name: string;
  /** On this machine. */
  readonly path: string;
  readonly type: EntryType;
  readonly stats: Stats;
  readonly linkPath: string;
}

/** Everything that belongs to the context, directories before what is in them. Sockets are left out. */
export async function* contextFiles(context: DirectoryContext): AsyncGenerator<ContextFile> {
  const patterns = ignoreMatcher(context);
  // Always sent: the daemon needs both, and leaves them out of copies by itself.
  const always = new Set([toBytes(context.dockerfile), '.dockerignore', `${toBytes(context.dockerfile)}.dockerignore`]);
  const root = toBytes(context.root);
  yield* below('');

  async function* below(directory: string): AsyncGenerator<ContextFile> {
    for (const child of await children(`${root}/${directory}`)) {
      const name = directory === '' ? child : `${directory}/${child}`;
      const path = `${root}/${name}`;
      const stats = await lstat(fromBytes(path)).catch((error: unknown) => {
        // It went since it was listed.
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
        throw unreadable(name, error);
      });
      const type = stats === undefined ? undefined : entryType(stats);
      if (stats === undefined || type === undefined) continue;
      const text = fromBytes(name).toString();
      const isExcluded = !always.has(name) && patterns.isIgnored(text);
      if (isExcluded && (type !== 'directory' || (patterns.isIgnoredWhole(text) && !holdsAlways(name)))) continue;
      if (!isExcluded || type === 'directory') {
        const linkPath = type === 'symlink' ? await readlink(fromBytes(path), 'latin1') : '';
        // A directory that is left out comes when something in it does: as its parent.
        if (!isExcluded) yield { name, path, type, stats, linkPath };
      }
      if (type === 'directory') yield* below(name);
    }
  }

  function holdsAlways(directory: string): boolean {
    return [...always].some((name) => name.startsWith(`${directory}/`));
  }
}

/** The archive: a Dockerfile from elsewhere, then the files. */
export async function* packContext(
  context: DirectoryContext,
  files: AsyncIterable<ContextFile> | Iterable<ContextFile> = contextFiles(context),
): AsyncGenerator<Buffer> {
  const firstNames = new Map<string, string>();
  for (const { name, bytes } of context.extra) yield* extraFile(toBytes(name), bytes);
  for await (const file of files) {
    const { stats, type, name } = file;
    const key = `${stats.dev}:${stats.ino}`;
    const first = type === 'file' && stats.nlink > 1 ? firstNames.get(key) : undefined;
    if (first !== undefined) {
      yield encodeEntry({ ...entryOf(file), type: 'link', linkPath: first });
      continue;
    }
    if (type === 'file') {
      if (stats.nlink > 1) firstNames.set(key, name);
      yield* content(file);
    } else yield encodeEntry({ ...entryOf(file), path: type === 'directory' ? `${name}/` : name });
  }
  yield endOfArchive();
}

/** What shrinks while it is read keeps the size that it had: the archive stays whole. */
async function* content(file: ContextFile): AsyncGenerator<Buffer> {
  const handle = await open(fromBytes(file.path), constants.O_RDONLY | constants.O_NOFOLLOW).catch((error: unknown) => {
    throw unreadable(file.name, error);
  });
  try {
    const { size } = await handle.stat();
    yield encodeEntry({ ...entryOf(file), sizeBytes: size });
    let missing = size;
    while (missing > 0) {
      const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(Math.min(readBytes, missing)));
      if (bytesRead === 0) break;
      missing -= bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
    for (; missing > 0; missing -= Math.min(missing, readBytes)) yield Buffer.alloc(Math.min(missing, readBytes));
    if (paddingOf(size) > 0) yield Buffer.alloc(paddingOf(size));
  } finally {
    await handle.close();
  }
}

function* extraFile(name: string, bytes: Buffer): Generator<Buffer> {
  yield encodeEntry({
    path: name,
    type: 'file',
    mode: 0o600,
    uid: 0,
    gid: 0,
    sizeBytes: bytes.length,
    mtimeSeconds: 0,
    linkPath: '',
    devMajor: 0,
    devMinor: 0,
    xattrs: new Map(),
  });
  yield bytes;
  if (paddingOf(bytes.length) > 0) yield Buffer.alloc(paddingOf(bytes.length));
}

/** Whose it is here means nothing there: root's, as docker's client has it. */
function entryOf({ name, type, stats, linkPath }: ContextFile): TarEntry {
  const isDevice = type === 'char' || type === 'block';
  return {
    path: name,
    type,
    mode: stats.mode & 0o7777,
    uid: 0,
    gid: 0,
    sizeBytes: 0,
    mtimeSeconds: Math.floor(stats.mtimeMs / 1000),
    linkPath,
    devMajor: isDevice ? (stats.rdev >>> 8) & 0xfff : 0,
    devMinor: isDevice ? (stats.rdev & 0xff) | ((stats.rdev >>> 12) & 0xfff00) : 0,
    xattrs: new Map(),
  };
}

function ignoreMatcher({ ignore }: DirectoryContext): IgnoreMatcher {
  try {
    return new IgnoreMatcher(ignore === undefined ? [] : readIgnoreFile(ignore));
  } catch (error) {
    throw error instanceof FormatError ? new CliError(`unable to prepare context: ${error.message}`) : error;
  }
}

async function children(directory: string): Promise<string[]> {
  try {
    return (await readdir(fromBytes(directory), { encoding: 'latin1' })).sort();
  } catch (error) {
    throw unreadable(directory, error);
  }
}

function unreadable(name: string, error: unknown): CliError {
  return new CliError(`error checking context: open ${fromBytes(name).toString()}: ${systemReason(error)}`);
}

function entryType(stats: Stats): EntryType | undefined {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'directory';
  if (stats.isSymbolicLink()) return 'symlink';
  if (stats.isFIFO()) return 'fifo';
  if (stats.isCharacterDevice()) return 'char';
  return stats.isBlockDevice() ? 'block' : undefined;
}
