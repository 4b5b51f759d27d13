// Makes a tar of what stands below a directory of the jail: sorted by bytes, so that the same files always make the same archive.
// Directories are held by fd and their entries named by one component: a racer can hide files from us, but not lead us elsewhere.
import { closeSync, fstatSync, lstatSync, openSync, readSync, type Stats } from 'node:fs';
import { fchdir } from '../../../native-bindings/namespaces.ts';
import { fgetxattr, flistxattr } from '../../../native-bindings/xattrs.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { displayName, type EntryType, fromBytes, type TarEntry } from '../../protocols/tar/tar-entry.ts';
import { encodeEntry, endOfArchive, paddingOf } from '../../protocols/tar/tar-header.ts';
import { throwIfCancelled } from '../cancellation.ts';
import type { PackTimes } from '../messages.ts';
import { isKeptXattr } from './entry-attributes.ts';
import { FirstNames } from './first-names.ts';
import { mayBeMade, readToEnd } from './made-file.ts';
import { linkTarget, lstatOrSkip, OPEN_FILE, openIfReadable, openOrSkip } from './open-or-skip.ts';
import { OPEN_DIRECTORY } from './path-walk.ts';
import type { Scratches } from './scratch.ts';
import { NameSorter, type SortedNames } from './sorted-names.ts';
import { OPAQUE_MARKER, OPAQUE_XATTR, WHITEOUT_PREFIX } from './whiteouts.ts';

export interface PackOptions {
  /**
   * 'layer': overlayfs's whiteouts are written as names, and nothing is in the archive that two equal layers could differ in. A file whose
   * own name would read as a whiteout is left out: no layer can say it.
   */
  form: 'layer' | 'copy';
  /** Memory for a chunk; it is used until the next chunk is asked for. */
  allocate: (bytes: number) => Buffer;
  scratches: Scratches;
  times?: PackTimes;
}

export const CHUNK_BYTES = 512 * 1024;
const MAX_DEPTH = 2000;
/** Longer names are in no archive that could be unpacked; and each level of a tree holds its own. */
const MAX_PATH_BYTES = 4095;
const noXattrs: ReadonlyMap<string, Buffer> = new Map();

export class Packer {
  readonly #isLayer: boolean;
  readonly #allocate: (bytes: number) => Buffer;
  /** Of files with several: the one in this archive that others link to. */
  readonly #firstNames: FirstNames;
  readonly #sorter: NameSorter;
  readonly #times: PackTimes | undefined;
  #out: Buffer;
  #used = 0;
  /** Bytes of all files. */
  sizeBytes = 0;

  constructor(options: PackOptions) {
    this.#isLayer = options.form === 'layer';
    this.#allocate = options.allocate;
    this.#times = options.times;
    this.#firstNames = new FirstNames(options.scratches.notes);
    this.#sorter = new NameSorter(options.scratches.names);
    this.#out = this.#allocate(CHUNK_BYTES);
  }

  /**
   * Everything below the directory `fd`, which stays open; the entries' names start with `prefix` ("" or "name/"). With `rootName` the
   * directory itself comes first, under that name.
   */
  *directory(fd: number, prefix: string, rootName?: string): Generator<Buffer> {
    const stats = fstatSync(fd);
    if (rootName !== undefined) yield* this.#header(describe(rootName, 'directory', stats, readXattrs(fd)));
    else if (this.#isLayer && isUnusualRoot(stats)) {
      yield* this.#header({ ...describe('./', 'directory', stats, readXattrs(fd)), mtimeSeconds: 0 });
    }
    yield* this.#walk(fd, prefix);
  }

  /** One entry of the directory `parentFd`, with what is below it, under another name. */
  *entry(parentFd: number, name: string, as: string): Generator<Buffer> {
    fchdir(parentFd);
    const stats = lstatSync(fromBytes(name));
    if (!stats.isDirectory()) {
      yield* this.#leaf(parentFd, name, as, stats, true);
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
    yield* this.#write(endOfArchive());
    if (this.#used > 0) yield this.#out.subarray(0, this.#used);
    this.#used = 0;
  }

  *#walk(rootFd: number, prefix: string): Generator<Buffer> {
    const stack: { fd: number; prefix: string; names: SortedNames | undefined }[] = [
      { fd: rootFd, prefix, names: undefined },
    ];
    try {
      for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
        if (top.names === undefined) {
          if (this.#isLayer && isOpaque(top.fd)) yield* this.#header(marker(top.prefix + OPAQUE_MARKER));
          top.names = this.#sorter.list(top.fd);
        }
        throwIfCancelled();
        const name = top.names.next();
        if (name === undefined) {
          stack.pop();
          top.names[Symbol.dispose]();
          if (top.fd !== rootFd) closeSync(top.fd);
          continue;
        }
        if (this.#isLayer && name.startsWith(WHITEOUT_PREFIX)) continue;
        fchdir(top.fd);
        const stats = lstatOrSkip(name);
        if (stats === undefined) continue;
        const path = top.prefix + name;
        if (!stats.isDirectory()) {
          yield* this.#leaf(top.fd, name, path, stats);
          continue;
        }
        if (stack.length >= MAX_DEPTH || path.length > MAX_PATH_BYTES) throw tooDeep(path);
        const fd = openOrSkip(name, OPEN_DIRECTORY);
        if (fd === undefined) continue;
        stack.push({ fd, prefix: `${path}/`, names: undefined });
        yield* this.#header(describe(`${path}/`, 'directory', fstatSync(fd), readXattrs(fd)));
      }
    } finally {
      for (const { fd } of stack) if (fd !== rootFd) closeSync(fd);
    }
  }

  /** `isAsked`: it was named, not found below what was. */
  *#leaf(parentFd: number, name: string, path: string, stats: Stats, isAsked = false): Generator<Buffer> {
    if (stats.isFile()) yield* this.#file(parentFd, name, path, stats, isAsked);
    else if (stats.isSymbolicLink()) {
      const linkPath = linkTarget(name);
      if (linkPath !== undefined) yield* this.#header({ ...describe(path, 'symlink', stats), linkPath });
    } else if (stats.isCharacterDevice() && stats.rdev === 0 && this.#isLayer) {
      yield* this.#header(marker(path.slice(0, path.length - name.length) + WHITEOUT_PREFIX + name));
    } else if (stats.isCharacterDevice()) yield* this.#header(describe(path, 'char', stats));
    else if (stats.isBlockDevice()) yield* this.#header(describe(path, 'block', stats));
    else if (stats.isFIFO()) yield* this.#header(describe(path, 'fifo', stats));
    // Sockets have no meaning in an archive.
  }

  *#file(parentFd: number, name: string, path: string, seen: Stats, isAsked: boolean): Generator<Buffer> {
    if (seen.nlink > 1) {
      fchdir(parentFd);
      const first = this.#firstNames.seen(lstatSync(fromBytes(name), { bigint: true }), path);
      if (first !== undefined) {
        yield* this.#header({ ...describe(path, 'link', seen), linkPath: first });
        return;
      }
    }
    const isMade = !this.#isLayer && mayBeMade(seen);
    const fd = isMade && !isAsked ? openIfReadable(name) : openOrSkip(name, OPEN_FILE);
    if (fd === undefined) return;
    try {
      const stats = fstatSync(fd);
      if (!stats.isFile()) return;
      if (isMade && mayBeMade(stats)) {
        yield* this.#made(fd, path, stats, isAsked);
        return;
      }
      yield* this.#header({ ...describe(path, 'file', stats, readXattrs(fd)), sizeBytes: stats.size });
      this.sizeBytes += stats.size;
      yield* this.#content(fd, stats.size);
    } finally {
      closeSync(fd);
    }
  }

  /** A file that is made while it is read: its size is known afterwards. Below what was asked for, one that cannot be read is left out. */
  *#made(fd: number, path: string, stats: Stats, isAsked: boolean): Generator<Buffer> {
    let content: Buffer;
    try {
      content = readToEnd(fd, path);
    } catch (error) {
      if (isAsked) throw error;
      return;
    }
    yield* this.#header({ ...describe(path, 'file', stats, readXattrs(fd)), sizeBytes: content.length });
    this.sizeBytes += content.length;
    yield* this.#write(content);
    yield* this.#write(Buffer.alloc(paddingOf(content.length)));
  }

  /** Exactly as many bytes as the header said, whatever happens to the file meanwhile. */
  *#content(fd: number, sizeBytes: number): Generator<Buffer> {
    let isAtEnd = false;
    for (let left = sizeBytes; left > 0; ) {
      throwIfCancelled();
      const space = Math.min(left, this.#out.length - this.#used);
      let count = isAtEnd ? 0 : readSync(fd, this.#out, this.#used, space, null);
      if (count === 0) {
        isAtEnd = true;
        this.#out.fill(0, this.#used, this.#used + space);
        count = space;
      }
      this.#used += count;
      left -= count;
      yield* this.#emitFull();
    }
    const padding = paddingOf(sizeBytes);
    if (padding > 0) yield* this.#write(Buffer.alloc(padding));
  }

  *#header(entry: TarEntry): Generator<Buffer> {
    yield* this.#write(encodeEntry(this.#times === undefined ? entry : withTime(entry, this.#times)));
  }

  *#write(bytes: Buffer): Generator<Buffer> {
    for (let at = 0; at < bytes.length; ) {
      const count = bytes.copy(this.#out, this.#used, at);
      this.#used += count;
      at += count;
      yield* this.#emitFull();
    }
  }

  *#emitFull(): Generator<Buffer> {
    if (this.#used < this.#out.length) return;
    yield this.#out;
    this.#out = this.#allocate(CHUNK_BYTES);
    this.#used = 0;
  }
}

function withTime(entry: TarEntry, { seconds, isLimit }: PackTimes): TarEntry {
  return isLimit && entry.mtimeSeconds <= seconds ? entry : { ...entry, mtimeSeconds: seconds };
}

function describe(path: string, type: EntryType, stats: Stats, xattrs = noXattrs): TarEntry {
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

function isOpaque(fd: number): boolean {
  return fgetxattr(fd, OPAQUE_XATTR)?.toString() === 'y';
}

function tooDeep(path: string): EngineError {
  return new EngineError('system', `pack ${displayName(path.slice(0, 100))}…: directories are too deep`);
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

/** glibc's split of a dev_t, as far as device numbers go. */
function majorOf(rdev: number): number {
  return Math.floor(rdev / 256) % 4096;
}

function minorOf(rdev: number): number {
  return (rdev % 256) + Math.floor(rdev / 2 ** 20) * 256;
}
