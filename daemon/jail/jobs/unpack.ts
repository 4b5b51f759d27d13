// Writes the entries of a tar below a directory of the jail. Whatever an entry's name or link says, it stays in the jail's root; names
// are cleaned as text, then their parents are walked to, links followed inside the root (what containerd and Docker do).
import { closeSync, constants, fchmodSync, fchownSync, ftruncateSync, futimesSync, openSync, writeSync } from 'node:fs';
import { EngineError } from '../../errors/engine-error.ts';
import { displayName, fromBytes, type TarEntry } from '../../protocols/tar/tar-entry.ts';
import type { TarSink } from '../../protocols/tar/tar-reader.ts';
import { throwIfCancelled } from '../cancellation.ts';
import { DirectoryTimes, type FileTime } from './directory-times.ts';
import { checkEntry, mtimeOf, refused, writeXattrs } from './entry-attributes.ts';
import { makeDirectory, makeLink, makeNode, makeSymlink, noLinkTarget, prepareName } from './make-entry.ts';
import { type HeldDirectory, holdDirectory, isCode, splitPath } from './path-walk.ts';
import type { Scratch } from './scratch.ts';
import { applyWhiteout, isOverlayWhiteout, whiteoutOf } from './whiteouts.ts';

export interface UnpackOptions {
  /** 'layer': whiteouts become overlayfs's; 'copy': they are names like others. */
  form: 'layer' | 'copy';
  /** Absolute path, below which everything goes. */
  destination: string;
  noOverwriteDirNonDir: boolean;
  /** Everything gets this owner; undefined keeps the archive's. */
  owner: { uid: number; gid: number } | undefined;
}

const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
/** So many zeros become a hole: shorter runs are not worth an extent of their own. */
const HOLE_BYTES = 64 * 1024;
const PAGE_BYTES = 4096;
const zeros = Buffer.alloc(HOLE_BYTES);

interface OpenFile {
  readonly fd: number;
  readonly entry: TarEntry;
  /** From here on only zeros came, and none of them is written. */
  zerosFrom: number;
}

export class Unpacker implements TarSink {
  readonly #options: UnpackOptions;
  #parent: { key: string; directory: HeldDirectory } | undefined;
  #file: OpenFile | undefined;
  /** Directories get their times last: making their entries changes them. */
  readonly #directoryTimes: DirectoryTimes;
  /** Bytes of all files. */
  sizeBytes = 0;

  constructor(options: UnpackOptions, scratch: Scratch) {
    this.#options = options;
    this.#directoryTimes = new DirectoryTimes(scratch);
  }

  entry(entry: TarEntry): void {
    throwIfCancelled();
    checkEntry(entry);
    const split = splitPath(entry.path);
    if (split === undefined) {
      if (entry.type === 'directory') this.#root(entry);
      return;
    }
    if (this.#options.form === 'layer') {
      const whiteout = whiteoutOf(split, entry);
      if (whiteout?.kind === 'ignored') return;
      if (whiteout !== undefined) {
        const parent = this.#hold(split.parent);
        applyWhiteout(parent, whiteout);
        this.#forgetParent();
        return;
      }
    } else if (isOverlayWhiteout(entry)) throw refused(entry, 'device 0:0 would be a whiteout');
    this.#make(entry, split);
  }

  data(bytes: Buffer, offset: number): void {
    throwIfCancelled();
    const file = this.#file;
    if (file === undefined) return;
    for (let at = 0; at < bytes.length; ) {
      const end = Math.min(bytes.length, at + PAGE_BYTES - ((offset + at) % PAGE_BYTES));
      if (!isZero(bytes, at, end)) {
        const stop = endOfData(bytes, end, offset);
        writeHeldZeros(file, offset + at);
        writeAll(file.fd, bytes, at, stop - at, offset + at);
        file.zerosFrom = offset + stop;
        at = stop;
      } else at = end;
    }
  }

  end(): void {
    const file = this.#file;
    if (file === undefined) return;
    this.#file = undefined;
    const { fd, entry } = file;
    try {
      if (file.zerosFrom < entry.sizeBytes) ftruncateSync(fd, entry.sizeBytes);
      this.#finish(fd, entry);
    } finally {
      closeSync(fd);
    }
    this.sizeBytes += entry.sizeBytes;
  }

  /** Gives the directories their times. */
  finish(): void {
    this.#forgetParent();
    for (const [path, time] of this.#directoryTimes.take()) {
      throwIfCancelled();
      try {
        setDirectoryTime(path, time);
      } catch (error) {
        // A later entry took its place.
        if (!isCode(error, 'ENOENT') && !isCode(error, 'ENOTDIR') && !isCode(error, 'ELOOP')) throw error;
      }
    }
  }

  [Symbol.dispose](): void {
    this.#forgetParent();
    if (this.#file !== undefined) closeSync(this.#file.fd);
    this.#file = undefined;
  }

  #make(entry: TarEntry, split: { parent: string; name: string }): void {
    const parent = this.#hold(split.parent);
    parent.enter();
    const name = fromBytes(split.name);
    if (entry.type === 'file' && this.#createFile(entry, name)) return;
    if (entry.type === 'link') {
      this.#link(entry, parent, split.name);
      return;
    }
    const exists = prepareName(entry, parent, split.name, this.#options.noOverwriteDirNonDir);
    if (exists === 'removed') {
      // The held parent may lie below what was removed, when a link led there.
      this.#forgetParent();
      this.#make(entry, split);
      return;
    }
    if (entry.type === 'directory') {
      const fd = makeDirectory(name, exists === 'directory');
      try {
        this.#finish(fd, entry);
      } finally {
        closeSync(fd);
      }
      this.#directoryTimes.set(`${parent.path}/${split.name}`, mtimeOf(entry));
    } else if (entry.type === 'symlink') {
      makeSymlink(name, entry, this.#owner(entry));
    } else if (entry.type === 'file') {
      throw new EngineError('system', `create ${displayName(entry.path)}: it came back while it was replaced`);
    } else makeNode(parent.fd, name, entry, this.#owner(entry));
  }

  /** The usual case in one call: nothing has that name. False when something has. */
  #createFile(entry: TarEntry, name: Buffer): boolean {
    try {
      const fd = openSync(name, CREATE, 0o600);
      this.#file = { fd, entry, zerosFrom: 0 };
      return true;
    } catch (error) {
      if (isCode(error, 'EEXIST') || isCode(error, 'ELOOP')) return false;
      throw error;
    }
  }

  #link(entry: TarEntry, parent: HeldDirectory, name: string): void {
    const target = splitPath(entry.linkPath);
    if (target === undefined)
      throw new EngineError('invalid', `invalid hard link ${displayName(entry.path)}: it has no target`);
    using targetParent = this.#linkTarget(entry, target.parent);
    if (targetParent.path === parent.path && target.name === name) return;
    if (prepareName(entry, parent, name, this.#options.noOverwriteDirNonDir) === 'removed') {
      this.#forgetParent();
      const again = splitPath(entry.path) as { parent: string; name: string };
      makeLink(targetParent, target.name, this.#hold(again.parent), name, entry);
    } else makeLink(targetParent, target.name, parent, name, entry);
  }

  #linkTarget(entry: TarEntry, parent: string): HeldDirectory {
    try {
      return this.#walkTo(parent, undefined);
    } catch (error) {
      if (isCode(error, 'ENOENT') || isCode(error, 'ENOTDIR')) throw noLinkTarget(entry, error);
      throw error;
    }
  }

  /** "./" in a layer says what the root itself is. */
  #root(entry: TarEntry): void {
    using directory = this.#walkTo('', undefined);
    directory.enter();
    const fd = makeDirectory(Buffer.from('.'), true);
    try {
      this.#finish(fd, entry);
    } finally {
      closeSync(fd);
    }
    this.#directoryTimes.set(directory.path, mtimeOf(entry));
  }

  /** Owner before mode and capabilities: changing the owner takes both away. */
  #finish(fd: number, entry: TarEntry): void {
    const { uid, gid } = this.#owner(entry);
    fchownSync(fd, uid, gid);
    fchmodSync(fd, entry.mode & 0o7777);
    if (entry.xattrs.size > 0) writeXattrs(fd, entry);
    if (entry.type === 'file') futimesSync(fd, mtimeOf(entry), mtimeOf(entry));
  }

  #owner(entry: TarEntry): { uid: number; gid: number } {
    return this.#options.owner ?? entry;
  }

  #hold(parent: string): HeldDirectory {
    if (this.#parent?.key === parent) return this.#parent.directory;
    this.#forgetParent();
    const directory = this.#walkTo(parent, 0o755);
    this.#parent = { key: parent, directory };
    return directory;
  }

  #walkTo(path: string, createMode: number | undefined): HeldDirectory {
    const full = `${this.#options.destination}/${path}`;
    return holdDirectory(full, createMode === undefined ? {} : { createMode });
  }

  #forgetParent(): void {
    this.#parent?.directory[Symbol.dispose]();
    this.#parent = undefined;
  }
}

/** Of the directory that has the path, not of one that a link in its place leads to. */
function setDirectoryTime(path: string, time: FileTime): void {
  const split = splitPath(path);
  using parent = holdDirectory(split?.parent ?? '');
  parent.enter();
  const fd = makeDirectory(fromBytes(split?.name ?? '.'), true);
  try {
    futimesSync(fd, time, time);
  } finally {
    closeSync(fd);
  }
}

/** Writes the zeros that were held back before `until`, unless there are enough for a hole. */
function writeHeldZeros(file: OpenFile, until: number): void {
  const count = until - file.zerosFrom;
  if (count > 0 && count < HOLE_BYTES) writeAll(file.fd, zeros, 0, count, file.zerosFrom);
}

/** Where the pages that are not all zeros end. `at` is the end of one, or of the bytes. */
function endOfData(bytes: Buffer, at: number, offset: number): number {
  let end = at;
  while (end < bytes.length) {
    const next = Math.min(bytes.length, end + PAGE_BYTES - ((offset + end) % PAGE_BYTES));
    if (isZero(bytes, end, next)) break;
    end = next;
  }
  return end;
}

function isZero(bytes: Buffer, from: number, to: number): boolean {
  return bytes[from] === 0 && bytes.compare(zeros, 0, to - from, from, to) === 0;
}

function writeAll(fd: number, bytes: Buffer, at: number, length: number, position: number): void {
  for (let done = 0; done < length; ) done += writeSync(fd, bytes, at + done, length - done, position + done);
}
