// What has to be done, and sent, to make of one list of a directory the next: both lists come in the same order, so that one walk over both tells, in
// memory that does not grow with them. Pure: lines in, lines out; where much of the old list is gone its caller is told to let others have their turn.
import {
  type ContextEntry,
  compareContextPaths,
  decodeContextEntry,
  encodeContextEntry,
  parentOf,
} from '../../protocols/context-list/context-entry.ts';
import { FormatError } from '../../protocols/format-error.ts';

const MAX_ENTRIES = 4_000_000;
const BLOCK_BYTES = 4096;
/** Of the old list, that are passed in one go. */
const MAX_PASSED = 2000;

export interface Comparison {
  /** Whether anything is to be done. */
  readonly isChanged: boolean;
  /** Of the new list's files, runs of those that have to come: [first, count], counted over files alone. */
  readonly needed: readonly (readonly [first: number, count: number])[];
  readonly files: number;
  readonly bytes: number;
  /** About what the whole directory takes on the disk. */
  readonly diskBytes: number;
}

interface Known {
  readonly line: string;
  readonly entry: ContextEntry;
}

/** A directory of the new list that the walk is in. */
interface Level {
  readonly path: string;
  readonly line: string;
  /** Something directly in it comes or goes: its own time has to be set again. */
  isTouched: boolean;
}

export class ListComparison {
  readonly #old: Iterator<string>;
  readonly #write: (change: string) => void;
  readonly #levels: Level[] = [];
  readonly #runs: [number, number][] = [];
  #next: Known | undefined;
  #last = '';
  /** Goes, with all that the old list has below it. */
  #goneDirectory: string | undefined;
  #entries = 0;
  #passed = 0;
  #fileCount = 0;
  #files = 0;
  #bytes = 0;
  #diskBytes = 0;
  #isChanged = false;

  /** `old`: lines of a list that was taken before. `write`: gets the lines of changes, see jail/jobs/update-tree.ts. */
  constructor(old: Iterator<string>, write: (change: string) => void) {
    this.#old = old;
    this.#write = write;
    this.#advance();
  }

  /**
   * The next line of the new list; returns it as it is to be stored. undefined: much of the old list comes before it, give the same line again, after
   * a turn of others. Throws FormatError for what is no entry, or not in its place.
   */
  add(line: string): string | undefined {
    // Most entries are as they were: the old list has that line, and it is whole.
    const same = this.#next?.line === line ? this.#next : undefined;
    const entry = same?.entry ?? decodeContextEntry(line);
    const stored = same?.line ?? encodeContextEntry(entry);
    if (this.#entries >= MAX_ENTRIES) throw bad('it has too many entries');
    if (this.#last !== '' && compareContextPaths(this.#last, entry.path) >= 0)
      throw bad(`${JSON.stringify(entry.path.slice(0, 200))} is not in its order`);
    if (!this.#passOld(entry.path)) return undefined;
    this.#entries++;
    this.#last = entry.path;
    this.#leave(entry.path);
    const parent = parentOf(entry.path);
    if (parent !== (this.#levels.at(-1)?.path ?? ''))
      throw bad(`${JSON.stringify(entry.path.slice(0, 200))} is in no directory of the list`);
    const isDifferent = this.#compare(entry, stored);
    if (entry.kind === 'directory') this.#levels.push({ path: entry.path, line: stored, isTouched: false });
    this.#count(entry, isDifferent);
    return stored;
  }

  /** undefined: as with `add`. */
  end(): Comparison | undefined {
    if (!this.#passOld(undefined)) return undefined;
    this.#leave(undefined);
    return {
      isChanged: this.#isChanged,
      needed: this.#runs,
      files: this.#files,
      bytes: this.#bytes,
      diskBytes: this.#diskBytes,
    };
  }

  /** True when it has to be made. */
  #compare(entry: ContextEntry, stored: string): boolean {
    const old = this.#next?.entry.path === entry.path ? this.#next : undefined;
    if (old !== undefined) this.#advance();
    if (old?.line === stored) return false;
    const isDirectory = entry.kind === 'directory';
    // What takes a directory's place takes it with all below.
    if (old?.entry.kind === 'directory' && !isDirectory) this.#goneDirectory = entry.path;
    if (old?.entry.kind !== 'directory' || !isDirectory) this.#touch();
    this.#change(`+${stored}`);
    return true;
  }

  #count(entry: ContextEntry, isDifferent: boolean): void {
    this.#diskBytes += BLOCK_BYTES;
    if (entry.kind !== 'file') return;
    this.#diskBytes += Math.ceil(entry.sizeBytes / BLOCK_BYTES) * BLOCK_BYTES;
    const index = this.#fileCount++;
    if (!isDifferent) return;
    this.#files++;
    this.#bytes += entry.sizeBytes;
    const run = this.#runs.at(-1);
    if (run !== undefined && run[0] + run[1] === index) run[1]++;
    else this.#runs.push([index, 1]);
  }

  /** What the old list has before `path` is gone. False: there is more, but this has been enough for one go. */
  #passOld(path: string | undefined): boolean {
    for (let old = this.#next; old !== undefined; old = this.#next) {
      if (path !== undefined && compareContextPaths(old.entry.path, path) >= 0) return true;
      if (this.#passed >= MAX_PASSED) {
        this.#passed = 0;
        return false;
      }
      this.#passed++;
      this.#advance();
      const gone = old.entry.path;
      if (this.#goneDirectory !== undefined && isBelow(gone, this.#goneDirectory)) continue;
      this.#leave(gone);
      this.#touch();
      this.#change(`-${JSON.stringify(gone)}`);
      if (old.entry.kind === 'directory') this.#goneDirectory = gone;
    }
    return true;
  }

  /** Directories that the walk has left, when it comes to `path`. */
  #leave(path: string | undefined): void {
    for (let top = this.#levels.at(-1); top !== undefined; top = this.#levels.at(-1)) {
      if (path !== undefined && isBelow(path, top.path)) return;
      if (top.isTouched) this.#change(`+${top.line}`);
      this.#levels.pop();
    }
  }

  #touch(): void {
    const top = this.#levels.at(-1);
    if (top !== undefined) top.isTouched = true;
  }

  #change(line: string): void {
    this.#isChanged = true;
    this.#write(line);
  }

  #advance(): void {
    const next = this.#old.next();
    this.#next = next.done ? undefined : { line: next.value, entry: decodeContextEntry(next.value) };
  }
}

function isBelow(path: string, directory: string): boolean {
  return path.startsWith(directory) && path.charCodeAt(directory.length) === 0x2f;
}

function bad(what: string): FormatError {
  return new FormatError(`read list of a context: ${what}`);
}
