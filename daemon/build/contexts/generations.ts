// States of clients' directories on the disk, with who holds them. What a list is, and how one state becomes the next, is kept-contexts.ts's matter.
//
// Invariants: a generation that has the file "done" is what its list says, and nobody changes it any more but by taking it away first ("done" goes,
// its name goes). One that somebody holds is never touched. Nothing is synced: after a boot there are none.
import { randomBytes } from 'node:crypto';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { isErrno } from '../../../native-bindings/errno.ts';
import type { Trash } from '../../jail/trash.ts';
import type { BuildCacheEntry } from '../build-service.ts';
import type { DirectoryResult } from '../steps/step.ts';
import { holdDirectory } from './held-directory.ts';

export interface GenerationsOptions {
  /** Made when it is missing. On the file system of the trash. */
  readonly path: string;
  readonly trash: Trash;
  /** Of all together; the least recently used go first. */
  readonly maxBytes: number;
  /** Tells boots apart. */
  readonly bootId: string;
}

const MAX_CONTEXTS = 200;

/** One state of one directory: <path>/<key>/<name>/{fs,list,done}. */
export interface Generation {
  /** Of the client's directory. */
  readonly key: string;
  readonly name: string;
  readonly directory: string;
  readonly diskBytes: number;
  readonly createdMs: number;
  usedMs: number;
  /** Since the daemon started. */
  uses: number;
  holds: number;
  /** The one that the next list is compared with: it stays without holds. */
  isCurrent: boolean;
}

/** One that is being made: it has its place, and nothing in it. */
export type NewGeneration = Pick<Generation, 'key' | 'name' | 'directory'>;

export class Generations {
  readonly #path: string;
  readonly #trash: Trash;
  readonly #maxBytes: number;
  readonly #bootId: string;
  readonly #current = new Map<string, Generation>();

  /** With those of an earlier daemon. */
  constructor({ path, trash, maxBytes, bootId }: GenerationsOptions) {
    this.#path = path;
    this.#trash = trash;
    this.#maxBytes = maxBytes;
    this.#bootId = bootId;
    mkdirSync(path, { recursive: true, mode: 0o700 });
    for (const key of readdirSync(path)) this.#find(key);
    this.#makeRoom();
  }

  get(key: string): Generation | undefined {
    return this.#current.get(key);
  }

  /** Bytes of all that is kept. */
  get diskBytes(): number {
    return [...this.#current.values()].reduce((sum, { diskBytes }) => sum + diskBytes, 0);
  }

  entries(): BuildCacheEntry[] {
    return [...this.#current.values()].map((generation) => ({
      id: generation.name,
      parents: [],
      kind: 'source.local',
      description: 'local source for context',
      isInUse: generation.holds > 0,
      isShared: false,
      sizeBytes: generation.diskBytes,
      createdMs: generation.createdMs,
      lastUsedMs: generation.usedMs,
      useCount: generation.uses,
    }));
  }

  /** By the entry's id. One that somebody holds stays. Whether it went. */
  remove(id: string): boolean {
    const found = [...this.#current.values()].find(({ name, holds }) => name === id && holds === 0);
    if (found !== undefined) this.#forget(found);
    return found !== undefined;
  }

  begin(key: string): NewGeneration {
    const name = randomBytes(8).toString('hex');
    const directory = join(this.#path, key, name);
    mkdirSync(dirname(directory), { recursive: true, mode: 0o700 });
    return { key, name, directory };
  }

  /** The files and the list of one that only the caller holds become those of a new one: from here on it is nobody's base any more. */
  takeOver(base: Generation, { directory }: NewGeneration): void {
    base.isCurrent = false;
    if (this.#current.get(base.key) === base) this.#current.delete(base.key);
    rmSync(join(base.directory, 'done'), { force: true });
    renameSync(base.directory, directory);
  }

  /** `fs` and `list` are there: the next daemon may take it for whole. */
  seal({ directory }: NewGeneration, diskBytes: number): void {
    writeFileSync(join(directory, 'done.new'), JSON.stringify({ diskBytes, bootId: this.#bootId }));
    renameSync(join(directory, 'done.new'), join(directory, 'done'));
  }

  /** One that was sealed takes the place of the one before. */
  add({ key, name, directory }: NewGeneration, diskBytes: number): Generation {
    const now = Date.now();
    const used = { createdMs: now, usedMs: now, uses: 0, holds: 0, isCurrent: true };
    const generation: Generation = { key, name, directory, diskBytes, ...used };
    const previous = this.#current.get(key);
    if (previous !== undefined) this.#retire(previous);
    this.#current.set(key, generation);
    // Not itself: somebody is about to use it.
    using _held = this.hold(generation);
    this.#makeRoom();
    return generation;
  }

  /** Throws away what lies there, and with the last one of a key what is left of that. */
  discard({ directory }: NewGeneration): void {
    this.#trash.discard(directory);
    try {
      rmdirSync(dirname(directory));
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENOTEMPTY', 'EEXIST', 'EROFS')) throw error;
    }
  }

  use(generation: Generation): DirectoryResult {
    const hold = this.hold(generation);
    generation.usedMs = Date.now();
    generation.uses++;
    const now = new Date();
    utimesSync(join(generation.directory, 'list'), now, now);
    return holdDirectory(join(generation.directory, 'fs'), `local:${generation.name}`, () => hold[Symbol.dispose]());
  }

  hold(generation: Generation): Disposable {
    generation.holds++;
    let isHeld = true;
    return {
      [Symbol.dispose]: () => {
        if (!isHeld) return;
        isHeld = false;
        if (--generation.holds === 0 && !generation.isCurrent) this.discard(generation);
      },
    };
  }

  #retire(generation: Generation): void {
    generation.isCurrent = false;
    if (generation.holds === 0) this.discard(generation);
  }

  #forget(generation: Generation): void {
    this.#current.delete(generation.key);
    this.#retire(generation);
  }

  #makeRoom(): void {
    const oldestFirst = [...this.#current.values()].sort((a, b) => a.usedMs - b.usedMs);
    let bytes = this.diskBytes;
    for (const generation of oldestFirst) {
      if (bytes <= this.#maxBytes && this.#current.size <= MAX_CONTEXTS) return;
      if (generation.holds > 0) continue;
      bytes -= generation.diskBytes;
      this.#forget(generation);
    }
  }

  /** What an earlier daemon kept of one directory: the newest that is whole, and made since the boot. */
  #find(key: string): void {
    const keyDirectory = join(this.#path, key);
    const found: Generation[] = [];
    for (const name of readdirSync(keyDirectory)) {
      const directory = join(keyDirectory, name);
      const whole = readDone(directory, this.#bootId);
      if (whole === undefined) this.discard({ key, name, directory });
      else found.push({ key, name, directory, ...whole, uses: 0, holds: 0, isCurrent: true });
    }
    found.sort((a, b) => b.usedMs - a.usedMs);
    const [newest, ...others] = found;
    for (const other of others) this.#retire(other);
    if (newest === undefined) rmSync(keyDirectory, { recursive: true, force: true });
    else this.#current.set(key, newest);
  }
}

function readDone(
  directory: string,
  bootId: string,
): Pick<Generation, 'diskBytes' | 'createdMs' | 'usedMs'> | undefined {
  try {
    const done: unknown = JSON.parse(readFileSync(join(directory, 'done'), 'utf8'));
    const { diskBytes, bootId: madeIn } = done as { diskBytes?: unknown; bootId?: unknown };
    if (typeof diskBytes !== 'number' || madeIn !== bootId) return undefined;
    const timeOf = (name: string): number => statSync(join(directory, name)).mtimeMs;
    return { diskBytes, createdMs: timeOf('done'), usedMs: timeOf('list') };
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR') || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
