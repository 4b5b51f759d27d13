// Makes a tar stream of a local file or directory tree.
import { constants, type Stats } from 'node:fs';
import { lstat, open, readdir, readlink } from 'node:fs/promises';
import {
  CAPABILITY_XATTR,
  type EntryType,
  fromBytes,
  type TarEntry,
  toBytes,
} from '../../daemon/protocols/tar/tar-entry.ts';
import { encodeEntry, endOfArchive, paddingOf } from '../../daemon/protocols/tar/tar-header.ts';
import { type FileCapabilities, loadFileCapabilities } from './file-capabilities.ts';

const readBytes = 1 << 20;

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
export async function* packTree(
  path: string,
  name: string,
  load: () => Promise<FileCapabilities | undefined> = loadFileCapabilities,
): AsyncGenerator<Buffer> {
  yield* tree(toBytes(path), toBytes(name), { names: new Map(), capabilities: await load() });
  yield endOfArchive();
}

async function* tree(path: string, name: string, work: Work): AsyncGenerator<Buffer> {
  const stats = await lstat(fromBytes(path));
  const type = entryType(stats);
  if (type === undefined) return;
  const key = `${stats.dev}:${stats.ino}`;
  const firstName = type === 'file' && stats.nlink > 1 ? work.names.get(key) : undefined;
  if (firstName !== undefined) {
    yield encodeEntry({ ...entry(stats, name, 'link'), linkPath: firstName });
    return;
  }
  if (type === 'file') {
    if (stats.nlink > 1) work.names.set(key, name);
    yield* file(path, name, work);
    return;
  }
  const linkPath = type === 'symlink' ? await readlink(fromBytes(path), 'latin1') : '';
  yield encodeEntry({ ...entry(stats, type === 'directory' ? `${name}/` : name, type), linkPath });
  if (type !== 'directory') return;
  const children = await readdir(fromBytes(path), { encoding: 'latin1' });
  for (const child of children.sort()) yield* tree(`${path}/${child}`, `${name}/${child}`, work);
}

/** A file that changes while it is read still makes a valid archive of the size it had. All of it is read of one descriptor. */
async function* file(path: string, name: string, { capabilities }: Work): AsyncGenerator<Buffer> {
  const handle = await open(fromBytes(path), constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const stats = await handle.stat();
    const capability = capabilities?.read(handle.fd);
    const xattrs = new Map(capability === undefined ? [] : [[CAPABILITY_XATTR, capability] as const]);
    yield encodeEntry({ ...entry(stats, name, 'file'), sizeBytes: stats.size, xattrs });
    let missing = stats.size;
    while (missing > 0) {
      const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(Math.min(readBytes, missing)));
      if (bytesRead === 0) break;
      missing -= bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
    for (; missing > 0; missing -= Math.min(missing, readBytes)) yield Buffer.alloc(Math.min(missing, readBytes));
    if (paddingOf(stats.size) > 0) yield Buffer.alloc(paddingOf(stats.size));
  } finally {
    await handle.close();
  }
}

function entry(stats: Stats, name: string, type: EntryType): TarEntry {
  const isDevice = type === 'char' || type === 'block';
  return {
    path: name,
    type,
    mode: stats.mode & 0o7777,
    uid: stats.uid,
    gid: stats.gid,
    sizeBytes: 0,
    mtimeSeconds: Math.floor(stats.mtimeMs / 1000),
    linkPath: '',
    // glibc's encoding of device numbers.
    devMajor: isDevice ? (stats.rdev >>> 8) & 0xfff : 0,
    devMinor: isDevice ? (stats.rdev & 0xff) | ((stats.rdev >>> 12) & 0xfff00) : 0,
    xattrs: new Map(),
  };
}

function entryType(stats: Stats): EntryType | undefined {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'directory';
  if (stats.isSymbolicLink()) return 'symlink';
  if (stats.isFIFO()) return 'fifo';
  if (stats.isCharacterDevice()) return 'char';
  return stats.isBlockDevice() ? 'block' : undefined;
}
