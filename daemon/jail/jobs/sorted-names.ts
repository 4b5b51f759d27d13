// The names in a directory, sorted by bytes, however many there are: few in memory, many in runs on the scratch file that are merged there. A
// list is used up and closed before those that were begun earlier.
import { nextNames, rewindDirectory } from '../../../native-bindings/directories.ts';
import { throwIfCancelled } from '../cancellation.ts';
import type { Scratch } from './scratch.ts';

const READ_BYTES = 32 * 1024;
/** A run holds so many names, or bytes of them. */
const RUN_NAMES = 50_000;
const RUN_BYTES = 4 * 1024 * 1024;
/** All lists in memory together: there is one for each level of a tree. */
const HELD_BYTES = 8 * 1024 * 1024;
/** What a name costs beside its bytes. */
const NAME_BYTES = 32;
/** Runs that are merged at once, and what is read ahead of each. */
const MERGED_RUNS = 256;
const AHEAD_BYTES = 8 * 1024;

export interface SortedNames extends Disposable {
  /** A byte string; undefined at the end. */
  next(): string | undefined;
}

interface Run {
  readonly start: number;
  readonly end: number;
}

export class NameSorter {
  readonly #scratch: Scratch;
  readonly #buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  #heldBytes = 0;

  constructor(scratch: Scratch) {
    this.#scratch = scratch;
  }

  /** Of the directory `fd`, as they are now. */
  list(fd: number): SortedNames {
    const start = this.#scratch.end;
    const runs: Run[] = [];
    let names: string[] = [];
    let bytes = 0;
    rewindDirectory(fd);
    for (let batch = nextNames(fd, this.#buffer); batch !== undefined; batch = nextNames(fd, this.#buffer)) {
      throwIfCancelled();
      for (const name of batch) {
        names.push(name);
        bytes += name.length;
      }
      if (names.length < RUN_NAMES && bytes < RUN_BYTES) continue;
      runs.push(this.#write(names.sort()));
      names = [];
      bytes = 0;
    }
    names.sort();
    const cost = bytes + names.length * NAME_BYTES;
    if (runs.length === 0 && this.#heldBytes + cost <= HELD_BYTES) return this.#held(names, cost);
    runs.push(this.#write(names));
    return this.#stored(this.#merge(runs), start);
  }

  #held(names: string[], cost: number): SortedNames {
    this.#heldBytes += cost;
    let at = 0;
    return {
      next: () => names[at++],
      [Symbol.dispose]: () => {
        this.#heldBytes -= cost;
      },
    };
  }

  #stored(run: Run, start: number): SortedNames {
    const reader = new RunReader(this.#scratch, run);
    return { next: () => reader.next(), [Symbol.dispose]: () => this.#scratch.shrinkTo(start) };
  }

  #write(names: readonly string[]): Run {
    const writer = new RunWriter(this.#scratch);
    for (const name of names) writer.add(name);
    return writer.finish();
  }

  #merge(runs: readonly Run[]): Run {
    let left = [...runs];
    while (left.length > 1) {
      const group = left.slice(0, MERGED_RUNS);
      const writer = new RunWriter(this.#scratch);
      for (const name of merged(group.map((run) => new RunReader(this.#scratch, run)))) writer.add(name);
      left = [...left.slice(MERGED_RUNS), writer.finish()];
    }
    return left[0] as Run;
  }
}

/** The smallest first. A name that comes twice (somebody renamed while the directory was read) comes once. */
function* merged(readers: readonly RunReader[]): Generator<string> {
  const heads: { name: string; reader: RunReader }[] = [];
  const insert = (reader: RunReader): void => {
    const name = reader.next();
    if (name === undefined) return;
    let low = 0;
    let high = heads.length;
    // The smallest stands last, where it is taken from.
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((heads[middle] as { name: string }).name > name) low = middle + 1;
      else high = middle;
    }
    heads.splice(low, 0, { name, reader });
  };
  for (const reader of readers) insert(reader);
  let last: string | undefined;
  for (let head = heads.pop(); head !== undefined; head = heads.pop()) {
    throwIfCancelled();
    if (head.name !== last) yield head.name;
    last = head.name;
    insert(head.reader);
  }
}

/** A name is a byte with its length, and its bytes. */
class RunWriter {
  readonly #scratch: Scratch;
  readonly #start: number;
  readonly #buffer = Buffer.allocUnsafeSlow(64 * 1024);
  #used = 0;

  constructor(scratch: Scratch) {
    this.#scratch = scratch;
    this.#start = scratch.end;
  }

  add(name: string): void {
    if (this.#used + 1 + name.length > this.#buffer.length) this.#flush();
    this.#buffer[this.#used++] = name.length;
    this.#used += this.#buffer.write(name, this.#used, 'latin1');
  }

  finish(): Run {
    this.#flush();
    return { start: this.#start, end: this.#scratch.end };
  }

  #flush(): void {
    this.#scratch.append(this.#buffer.subarray(0, this.#used));
    this.#used = 0;
  }
}

class RunReader {
  readonly #scratch: Scratch;
  readonly #end: number;
  readonly #buffer: Buffer;
  #position: number;
  #at = 0;
  #filled = 0;

  constructor(scratch: Scratch, { start, end }: Run) {
    this.#scratch = scratch;
    this.#position = start;
    this.#end = end;
    this.#buffer = Buffer.allocUnsafeSlow(Math.min(AHEAD_BYTES, end - start));
  }

  next(): string | undefined {
    if (!this.#has(1)) return undefined;
    const length = this.#buffer[this.#at] as number;
    this.#has(1 + length);
    const start = this.#at + 1;
    this.#at = start + length;
    return this.#buffer.toString('latin1', start, this.#at);
  }

  #has(bytes: number): boolean {
    if (this.#filled - this.#at >= bytes) return true;
    this.#buffer.copy(this.#buffer, 0, this.#at, this.#filled);
    this.#filled -= this.#at;
    this.#at = 0;
    const space = this.#buffer.subarray(this.#filled);
    const count = this.#scratch.read(space, space.length, this.#position, this.#end);
    this.#position += count;
    this.#filled += count;
    return this.#filled >= bytes;
  }
}
