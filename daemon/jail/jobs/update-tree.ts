// Brings a client's directory from one list of its entries to the next. What is to be is said by lines that the engine wrote; the client's archive has the
// bytes of files alone, in the same order, and nothing else that it says counts. So the tree is what the list says, whatever came. A file
// is never changed where it lies: it may be part of a layer by another name.
import { type ContextEntry, decodeContextEntry, MAX_LINE_BYTES } from '../../protocols/context-list/context-entry.ts';
import { FormatError } from '../../protocols/format-error.ts';
import { displayName, type EntryType, type TarEntry } from '../../protocols/tar/tar-entry.ts';
import type { TarSink } from '../../protocols/tar/tar-reader.ts';
import { throwIfCancelled } from '../cancellation.ts';
import { linesOf } from '../line-file.ts';
import { cleanComponents, holdDirectory, isMissing, splitPath } from './path-walk.ts';
import { removeEntry } from './remove-tree.ts';
import type { Unpacker } from './unpack.ts';

/** A line of changes: "-" and the path as JSON goes; "+" and the entry comes, or takes the place of what is there. */
const LINE_BYTES = MAX_LINE_BYTES + 1;
const noXattrs: ReadonlyMap<string, Buffer> = new Map();

/** First of all, while every directory is still one: what takes a directory's place may be a link. */
export function removeGone(destination: string, changesFd: number): void {
  for (const line of linesOf(changesFd, LINE_BYTES)) {
    if (!line.startsWith('-')) continue;
    throwIfCancelled();
    const split = splitPath(JSON.parse(line.slice(1)) as string);
    if (split === undefined) continue;
    try {
      using parent = holdDirectory(`${destination}/${split.parent}`);
      removeEntry(parent.fd, split.name);
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }
}

export class TreeUpdate implements TarSink {
  readonly #unpacker: Unpacker;
  readonly #changes: Iterator<string>;

  constructor(unpacker: Unpacker, changesFd: number) {
    this.#unpacker = unpacker;
    this.#changes = linesOf(changesFd, LINE_BYTES);
  }

  entry(given: TarEntry): void {
    const wanted = this.#nextFile();
    if (wanted === undefined) throw unexpected(given, 'it was not asked for');
    if (given.type !== 'file' || cleanComponents(given.path).join('/') !== wanted.path)
      throw unexpected(given, `${displayName(wanted.path)} has to come here`);
    if (wanted.kind !== 'file' || given.sizeBytes !== wanted.sizeBytes)
      throw unexpected(given, 'it has not the size that the list says');
    this.#unpacker.entry(tarEntryOf(wanted));
  }

  data(bytes: Buffer, offset: number): void {
    this.#unpacker.data(bytes, offset);
  }

  end(): void {
    this.#unpacker.end();
  }

  /** What comes behind the last file. */
  finish(): void {
    const missing = this.#nextFile();
    if (missing !== undefined)
      throw new FormatError(`read context: the archive ends before ${displayName(missing.path)}`);
  }

  /** Makes all that has no bytes, up to the next file. */
  #nextFile(): ContextEntry | undefined {
    for (let next = this.#changes.next(); !next.done; next = this.#changes.next()) {
      if (!next.value.startsWith('+')) continue;
      const entry = decodeContextEntry(next.value.slice(1));
      if (entry.kind === 'file') return entry;
      this.#unpacker.entry(tarEntryOf(entry));
      this.#unpacker.end();
    }
    return undefined;
  }
}

const types: Readonly<Record<ContextEntry['kind'], EntryType>> = {
  file: 'file',
  directory: 'directory',
  symlink: 'symlink',
  fifo: 'fifo',
};

function tarEntryOf(entry: ContextEntry): TarEntry {
  return {
    type: types[entry.kind],
    path: entry.path,
    linkPath: entry.kind === 'symlink' ? entry.target : '',
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    sizeBytes: entry.kind === 'file' ? entry.sizeBytes : 0,
    mtimeSeconds: Number(entry.mtimeNs) / 1e9,
    devMajor: 0,
    devMinor: 0,
    xattrs: noXattrs,
  };
}

function unexpected(given: TarEntry, why: string): FormatError {
  return new FormatError(`read context: ${displayName(given.path.slice(0, 200))}: ${why}`);
}
