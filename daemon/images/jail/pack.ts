// Makes a tar of what stands below a directory of the jail: sorted by bytes, so that the same files always make the same archive.
// Directories are held by fd and their entries named by one component: a racer can hide files from us, but not lead us elsewhere.
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  type Stats,
} from 'node:fs';
import { fchdir } from '../../../native-bindings/namespaces.ts';
import { fgetxattr, flistxattr } from '../../../native-bindings/xattrs.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { type EntryType, fromBytes, type TarEntry } from '../tar/tar-entry.ts';
import { encodeEntry, endOfArchive, paddingOf } from '../tar/tar-header.ts';
import { isKeptXattr } from './entry-attributes.ts';
import { isCode, isMissing, OPEN_DIRECTORY } from './path-walk.ts';
import { OPAQUE_MARKER, OPAQUE_XATTR, WHITEOUT_PREFIX } from './whiteouts.ts';

export interface PackOptions {
  /** 'layer': overlayfs's whiteouts are written as names, and nothing is in the archive that two equal layers could differ in. */
  form: 'layer' | 'copy';
}

const OPEN_FILE = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const CHUNK_BYTES = 512 * 1024;
const MAX_DEPTH = 2000;
const noXattrs: ReadonlyMap<string, Buffer> = new Map();

export class Packer {
  readonly #isLayer: boolean;
  /** Files with several names: their first name in this archive, by device and inode. */
  readonly #firstNames = new Map<string, string>();
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  /** Bytes of all files. */
  sizeBytes = 0;

  constructor(options: PackOptions) {
    this.#isLayer = options.form === 'layer';
  }

  /**
   * Everything below the directory `fd`, which stays open; the entries' names start with `prefix` ("" or "name/"). With `rootName` the
   * directory itself comes first, under that name.
   */
  *directory(fd: number, prefix: string, rootName?: string): Generator<Buffer> {
    const stats = fstatSync(fd);
    if (rootName !== undefined) this.#header(this.#describe(rootName, 'directory', stats, readXattrs(fd)));
    else if (this.#isLayer && isUnusualRoot(stats)) {
      this.#header({ ...this.#describe('./', 'directory', stats, readXattrs(fd)), mtimeSeconds: 0 });
    }
    yield* this.#walk(fd, prefix);
  }

  /** One entry of the directory `parentFd`, with what is below it, under another name. */
  *entry(parentFd: number, name: string, as: string): Generator<Buffer> {
    fchdir(parentFd);
    const stats = lstatSync(fromBytes(name));
    if (!stats.isDirectory()) {
      yield* this.#leaf(parentFd, name, as, stats);
      return;
    }
    const fd = openSync(fromBytes(name), OPEN_DIRECTORY);
    try {
      yield* this.directory(fd, `${as}/`, `${as}/`);
    } finally {
      closeSync(fd);
    }
  }

  *end(): Generator<Buffer> {
    this.#push(endOfArchive());
    yield* this.#flush(0);
  }

  *#walk(rootFd: number, prefix: string): Generator<Buffer> {
    const stack = [{ fd: rootFd, prefix, names: this.#list(rootFd, prefix) }];
    try {
      for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
        const name = top.names.pop();
        if (name === undefined) {
          stack.pop();
          if (top.fd !== rootFd) closeSync(top.fd);
          continue;
        }
        fchdir(top.fd);
        let stats: Stats;
        try {
          stats = lstatSync(fromBytes(name));
        } catch (error) {
          if (isMissing(error)) continue;
          throw error;
        }
        const path = top.prefix + name;
        if (!stats.isDirectory()) {
          yield* this.#leaf(top.fd, name, path, stats);
          continue;
        }
        if (stack.length >= MAX_DEPTH)
          throw new EngineError('system', `pack ${path.slice(0, 100)}…: directories are too deep`);
        const fd = openOrSkip(name, OPEN_DIRECTORY);
        if (fd === undefined) continue;
        // The entry is on the stack before anything may throw, so that it gets closed.
        const level = { fd, prefix: `${path}/`, names: [] as string[] };
        stack.push(level);
        this.#header(this.#describe(`${path}/`, 'directory', fstatSync(fd), readXattrs(fd)));
        level.names = this.#list(fd, level.prefix);
        yield* this.#flush(CHUNK_BYTES);
      }
    } finally {
      for (const { fd } of stack) if (fd !== rootFd) closeSync(fd);
    }
  }

  /** Names in reverse order, to be popped. In a layer, the marker of an opaque directory is written at once: it comes first. */
  #list(fd: number, prefix: string): string[] {
    fchdir(fd);
    if (this.#isLayer && fgetxattr(fd, OPAQUE_XATTR)?.toString() === 'y') this.#header(marker(prefix + OPAQUE_MARKER));
    return readdirSync('.', { encoding: 'latin1' }).sort(descending);
  }

  *#leaf(parentFd: number, name: string, path: string, stats: Stats): Generator<Buffer> {
    if (stats.isFile()) yield* this.#file(parentFd, name, path, stats);
    else if (stats.isSymbolicLink()) {
      const linkPath = linkTarget(name);
      if (linkPath !== undefined) this.#header({ ...this.#describe(path, 'symlink', stats), linkPath });
    } else if (stats.isCharacterDevice() && stats.rdev === 0 && this.#isLayer) {
      this.#header(marker(path.slice(0, path.length - name.length) + WHITEOUT_PREFIX + name));
    } else if (stats.isCharacterDevice()) this.#header(this.#describe(path, 'char', stats));
    else if (stats.isBlockDevice()) this.#header(this.#describe(path, 'block', stats));
    else if (stats.isFIFO()) this.#header(this.#describe(path, 'fifo', stats));
    // Sockets have no meaning in an archive.
    yield* this.#flush(CHUNK_BYTES);
  }

  *#file(parentFd: number, name: string, path: string, seen: Stats): Generator<Buffer> {
    if (seen.nlink > 1) {
      fchdir(parentFd);
      const { dev, ino } = lstatSync(fromBytes(name), { bigint: true });
      const first = this.#firstNames.get(`${dev}:${ino}`);
      if (first !== undefined) {
        this.#header({ ...this.#describe(path, 'link', seen), linkPath: first, sizeBytes: 0 });
        return;
      }
      this.#firstNames.set(`${dev}:${ino}`, path);
    }
    const fd = openOrSkip(name, OPEN_FILE);
    if (fd === undefined) return;
    try {
      const stats = fstatSync(fd);
      if (!stats.isFile()) return;
      this.#header({ ...this.#describe(path, 'file', stats, readXattrs(fd)), sizeBytes: stats.size });
      this.sizeBytes += stats.size;
      yield* this.#content(fd, stats.size);
    } finally {
      closeSync(fd);
    }
  }

  /** Exactly as many bytes as the header said, whatever happens to the file meanwhile. */
  *#content(fd: number, sizeBytes: number): Generator<Buffer> {
    let left = sizeBytes;
    while (left > 0) {
      const chunk = Buffer.allocUnsafeSlow(Math.min(left, CHUNK_BYTES));
      let filled = 0;
      while (filled < chunk.length) {
        const count = readSync(fd, chunk, filled, chunk.length - filled, null);
        if (count === 0) break;
        filled += count;
      }
      if (filled < chunk.length) chunk.fill(0, filled);
      left -= chunk.length;
      this.#push(chunk);
      yield* this.#flush(CHUNK_BYTES);
    }
    const padding = paddingOf(sizeBytes);
    if (padding > 0) this.#push(Buffer.alloc(padding));
  }

  #describe(path: string, type: EntryType, stats: Stats, xattrs = noXattrs): TarEntry {
    const isDevice = type === 'char' || type === 'block';
    return {
      type,
      path,
      linkPath: '',
      mode: stats.mode & 0o7777,
      uid: stats.uid,
      gid: stats.gid,
      sizeBytes: 0,
      mtimeSeconds: Math.floor(stats.mtimeMs / 1000),
      devMajor: isDevice ? majorOf(stats.rdev) : 0,
      devMinor: isDevice ? minorOf(stats.rdev) : 0,
      xattrs,
    };
  }

  #header(entry: TarEntry): void {
    this.#push(encodeEntry(entry));
  }

  #push(bytes: Buffer): void {
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
  }

  /** Gives what has gathered, once it is at least `atLeast` bytes. */
  *#flush(atLeast: number): Generator<Buffer> {
    if (this.#pendingBytes === 0 || this.#pendingBytes < atLeast) return;
    const bytes =
      this.#pending.length === 1 ? (this.#pending[0] as Buffer) : concatOwned(this.#pending, this.#pendingBytes);
    this.#pending = [];
    this.#pendingBytes = 0;
    yield bytes;
  }
}

/** A copy that owns its memory, so that it can be handed to another thread. */
function concatOwned(parts: readonly Buffer[], bytes: number): Buffer {
  const result = Buffer.allocUnsafeSlow(bytes);
  let at = 0;
  for (const part of parts) at += part.copy(result, at);
  return result;
}

function marker(path: string): TarEntry {
  return {
    type: 'file',
    path,
    linkPath: '',
    mode: 0o600,
    uid: 0,
    gid: 0,
    sizeBytes: 0,
    mtimeSeconds: 0,
    devMajor: 0,
    devMinor: 0,
    xattrs: noXattrs,
  };
}

function isUnusualRoot(stats: Stats): boolean {
  return (stats.mode & 0o7777) !== 0o755 || stats.uid !== 0 || stats.gid !== 0;
}

function readXattrs(fd: number): ReadonlyMap<string, Buffer> {
  const names = flistxattr(fd);
  if (names.length === 0) return noXattrs;
  const found = new Map<string, Buffer>();
  for (const name of names) {
    const value = isKeptXattr(name) ? fgetxattr(fd, name) : undefined;
    if (value !== undefined) found.set(name, Buffer.from(value));
  }
  return found;
}

function openOrSkip(name: string, flags: number): number | undefined {
  try {
    return openSync(fromBytes(name), flags);
  } catch (error) {
    // Gone or replaced since it was listed.
    if (isMissing(error) || isCode(error, 'ELOOP') || isCode(error, 'ENXIO')) return undefined;
    throw error;
  }
}

function linkTarget(name: string): string | undefined {
  try {
    return readlinkSync(fromBytes(name), { encoding: 'latin1' });
  } catch (error) {
    if (isMissing(error) || isCode(error, 'EINVAL')) return undefined;
    throw error;
  }
}

function descending(a: string, b: string): number {
  return a < b ? 1 : a > b ? -1 : 0;
}

/** glibc's split of a dev_t, as far as device numbers go. */
function majorOf(rdev: number): number {
  return Math.floor(rdev / 256) % 4096;
}

function minorOf(rdev: number): number {
  return (rdev % 256) + Math.floor(rdev / 2 ** 20) * 256;
}
