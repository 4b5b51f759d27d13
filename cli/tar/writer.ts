// Makes a tar stream of a local file or directory tree.
import { constants, type Stats } from 'node:fs';
import { lstat, open, readdir, readlink } from 'node:fs/promises';
import { fsPath, nameOf } from './byte-names.ts';
import { type FileCapabilities, loadFileCapabilities } from './file-capabilities.ts';
import { type EntryType, encodeHeader, roundUp, type TarEntry } from './header.ts';

const readBytes = 1 << 20;
const endOfArchive = Buffer.alloc(1024);

interface Work {
  /** The first name in the archive of each file that has several, by device and inode. */
  names: Map<string, string>;
  /** Undefined where attributes cannot be read: whether there are any is not known then. */
  capabilities: FileCapabilities | undefined;
}

/**
 * Entries of `path` under `name`; sockets are left out, files with several names become links. Of extended attributes, files keep
 * security.capability, as docker's client has it.
 */
export async function* writeTar(
  path: string,
  name: string,
  load: () => Promise<FileCapabilities | undefined> = loadFileCapabilities,
): AsyncGenerator<Buffer> {
  yield* tree(nameOf(path), nameOf(name), { names: new Map(), capabilities: await load() });
  yield endOfArchive;
}

async function* tree(path: string, name: string, work: Work): AsyncGenerator<Buffer> {
  const stats = await lstat(fsPath(path));
  const type = entryType(stats);
  if (type === undefined) return;
  const key = `${stats.dev}:${stats.ino}`;
  const firstName = type === 'file' && stats.nlink > 1 ? work.names.get(key) : undefined;
  if (firstName !== undefined) {
    yield encodeHeader({ ...entry(stats, name, 'link'), linkName: firstName });
    return;
  }
  if (type === 'file') {
    if (stats.nlink > 1) work.names.set(key, name);
    yield* file(path, name, work);
    return;
  }
  const linkName = type === 'symlink' ? await readlink(fsPath(path), 'latin1') : '';
  yield encodeHeader({ ...entry(stats, type === 'directory' ? `${name}/` : name, type), linkName });
  if (type !== 'directory') return;
  const children = await readdir(fsPath(path), { encoding: 'latin1' });
  for (const child of children.sort()) yield* tree(`${path}/${child}`, `${name}/${child}`, work);
}

/** A file that changes while it is read still makes a valid archive of the size it had. All of it is read of one descriptor. */
async function* file(path: string, name: string, { capabilities }: Work): AsyncGenerator<Buffer> {
  const handle = await open(fsPath(path), constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const stats = await handle.stat();
    const capability = capabilities?.read(handle.fd);
    yield encodeHeader({ ...entry(stats, name, 'file'), size: stats.size, capability });
    let missing = stats.size;
    while (missing > 0) {
      const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(Math.min(readBytes, missing)));
      if (bytesRead === 0) break;
      missing -= bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
    for (; missing > 0; missing -= Math.min(missing, readBytes)) yield Buffer.alloc(Math.min(missing, readBytes));
    const padding = roundUp(stats.size) - stats.size;
    if (padding > 0) yield Buffer.alloc(padding);
  } finally {
    await handle.close();
  }
}

function entry(stats: Stats, name: string, type: EntryType): TarEntry {
  const isDevice = type === 'character' || type === 'block';
  return {
    name,
    type,
    mode: stats.mode & 0o7777,
    uid: stats.uid,
    gid: stats.gid,
    size: 0,
    mtime: Math.floor(stats.mtimeMs / 1000),
    linkName: '',
    // glibc's encoding of device numbers.
    deviceMajor: isDevice ? (stats.rdev >>> 8) & 0xfff : 0,
    deviceMinor: isDevice ? (stats.rdev & 0xff) | ((stats.rdev >>> 12) & 0xfff00) : 0,
  };
}

function entryType(stats: Stats): EntryType | undefined {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'directory';
  if (stats.isSymbolicLink()) return 'symlink';
  if (stats.isFIFO()) return 'fifo';
  if (stats.isCharacterDevice()) return 'character';
  return stats.isBlockDevice() ? 'block' : undefined;
}
