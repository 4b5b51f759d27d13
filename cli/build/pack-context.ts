// Files of a build's context as a tar.
import { closeSync, constants, openSync, readSync } from 'node:fs';
import type { EntryType } from '../../daemon/protocols/tar/tar-entry.ts';
import { fromBytes, type TarEntry } from '../../daemon/protocols/tar/tar-entry.ts';
import { encodeEntry, endOfArchive, paddingOf } from '../../daemon/protocols/tar/tar-header.ts';
import { type ContextFile, unreadable } from './context-files.ts';

/** In one piece of its way: small files are many, and each piece is a write, a read and a message at least. */
const pieceBytes = 256 * 1024;

export async function* packContext(files: Iterable<ContextFile>): AsyncGenerator<Buffer> {
  yield* new ContextPacker().pack(files);
}

class ContextPacker {
  #piece = Buffer.allocUnsafeSlow(pieceBytes);
  #used = 0;

  *pack(files: Iterable<ContextFile>): Generator<Buffer> {
    for (const { entry, from } of files) {
      if (entry.kind !== 'file') {
        yield* this.#write(encodeEntry(tarEntry(entry)));
        continue;
      }
      yield* this.#write(encodeEntry({ ...tarEntry(entry), sizeBytes: entry.sizeBytes }));
      if (typeof from === 'string') yield* this.#content(from, entry.sizeBytes);
      else yield* this.#write(from);
      yield* this.#zeros(paddingOf(entry.sizeBytes));
    }
    yield* this.#write(endOfArchive());
    if (this.#used > 0) yield this.#piece.subarray(0, this.#used);
  }

  /** So many bytes, whatever becomes of the file meanwhile: the archive stays whole. */
  *#content(path: string, sizeBytes: number): Generator<Buffer> {
    const fd = openFile(path);
    try {
      let missing = sizeBytes;
      while (missing > 0) {
        const count = readSync(fd, this.#piece, this.#used, Math.min(missing, pieceBytes - this.#used), null);
        if (count === 0) break;
        missing -= count;
        yield* this.#fill(count);
      }
      yield* this.#zeros(missing);
    } finally {
      closeSync(fd);
    }
  }

  *#zeros(bytes: number): Generator<Buffer> {
    for (let missing = bytes; missing > 0; ) {
      const count = Math.min(missing, pieceBytes - this.#used);
      this.#piece.fill(0, this.#used, this.#used + count);
      missing -= count;
      yield* this.#fill(count);
    }
  }

  *#write(bytes: Buffer): Generator<Buffer> {
    for (let at = 0; at < bytes.length; ) {
      const count = bytes.copy(this.#piece, this.#used, at);
      at += count;
      yield* this.#fill(count);
    }
  }

  /** What is full is somebody else's. */
  *#fill(count: number): Generator<Buffer> {
    this.#used += count;
    if (this.#used < pieceBytes) return;
    yield this.#piece;
    this.#piece = Buffer.allocUnsafeSlow(pieceBytes);
    this.#used = 0;
  }
}

/** Without waiting, should it have become a pipe. */
function openFile(path: string): number {
  try {
    return openSync(fromBytes(path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    throw unreadable(path, error);
  }
}

const types: Record<ContextFile['entry']['kind'], EntryType> = {
  file: 'file',
  directory: 'directory',
  symlink: 'symlink',
  fifo: 'fifo',
};

function tarEntry(entry: ContextFile['entry']): TarEntry {
  const { kind, path, mode, uid, gid, mtimeNs } = entry;
  return {
    path: kind === 'directory' ? `${path}/` : path,
    type: types[kind],
    mode,
    uid,
    gid,
    sizeBytes: 0,
    mtimeSeconds: Number(BigInt(mtimeNs) / 1_000_000n) / 1000,
    linkPath: kind === 'symlink' ? entry.target : '',
    devMajor: 0,
    devMinor: 0,
    xattrs: new Map(),
  };
}
