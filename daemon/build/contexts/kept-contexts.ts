// Directories of clients that stay between builds, so that the next one sends what changed. A client names its directory, sends a list of it, and is
// told which files to send; see docs/api.md.
//
// Invariants: a generation that has the file "done" is what its list says, and nobody changes it any more but by taking it away first ("done" goes,
// its name goes). One that somebody holds is never touched: the next one is made of links to its files. Nothing is synced: after a
// boot there are none.
import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { isErrno } from '../../../native-bindings/errno.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { decompressed } from '../../jail/decoding/decompress.ts';
import { holdTree } from '../../jail/hold-tree.ts';
import type { Jail } from '../../jail/jail.ts';
import { LineCutter, LineWriter, linesOf } from '../../jail/line-file.ts';
import type { Trash } from '../../jail/trash.ts';
import { MAX_LINE_BYTES } from '../../protocols/context-list/context-entry.ts';
import type { ContextOffer } from '../../protocols/context-list/context-offer.ts';
import { FormatError } from '../../protocols/format-error.ts';
import type { BuildCacheEntry } from '../build-service.ts';
import type { KeptForBuilds } from '../solver/build-cache.ts';
import type { DirectoryResult } from '../steps/step.ts';
import type { ReceiveOptions } from './context-store.ts';
import { holdDirectory } from './held-directory.ts';
import { type Comparison, ListComparison } from './list-comparison.ts';

export interface KeptContextsOptions {
  /** Made when it is missing. On the file system of the layers and the trash. */
  readonly path: string;
  readonly jail: Jail;
  readonly trash: Trash;
  /** Of all together; the least recently used go first. */
  readonly maxBytes?: number;
  /** Tells boots apart. */
  readonly bootId?: string;
}

const DEFAULT_BYTES = 10 * 1024 ** 3;
const MAX_CONTEXTS = 200;
const MAX_PENDING = 32;
const PENDING_MS = 10 * 60_000;
const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const noLines: Iterator<string> = { next: () => ({ done: true, value: undefined }) };

/** One state of one directory: <path>/<key>/<name>/{fs,list,done}. */
interface Generation {
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

/** A list that was taken, and waits for its files. */
interface Pending {
  readonly key: string;
  readonly base: Generation | undefined;
  readonly hold: Disposable;
  /** Has the list, and the changes. */
  readonly directory: string;
  readonly comparison: Comparison;
  readonly timer: NodeJS.Timeout;
}

export class KeptContexts implements KeptForBuilds, Disposable {
  readonly #path: string;
  readonly #offers: string;
  readonly #jail: Jail;
  readonly #trash: Trash;
  readonly #maxBytes: number;
  readonly #bootId: string;
  readonly #current = new Map<string, Generation>();
  readonly #pending = new Map<string, Pending>();

  constructor({ path, jail, trash, maxBytes, bootId }: KeptContextsOptions) {
    this.#path = join(path, 'kept');
    this.#offers = join(path, 'offers');
    this.#jail = jail;
    this.#trash = trash;
    this.#maxBytes = maxBytes ?? DEFAULT_BYTES;
    this.#bootId = bootId ?? readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
    for (const directory of [this.#path, this.#offers]) mkdirSync(directory, { recursive: true, mode: 0o700 });
    trash.discardAllBelow(this.#offers);
    for (const key of readdirSync(this.#path)) this.#find(key);
    this.#makeRoom();
  }

  /**
   * Takes the list of the directory that a client calls `id`. Throws 'invalid' for a list that cannot be, and the signal's reason; nothing is left then.
   * What is offered can be taken once, for ten minutes.
   */
  async offer(id: string, list: Readable, signal: AbortSignal): Promise<ContextOffer> {
    if (!ID.test(id)) throw new EngineError('invalid', `context ${JSON.stringify(id.slice(0, 200))}: it is no id`);
    const key = createHash('sha256').update(id).digest('hex').slice(0, 32);
    const base = this.#current.get(key);
    if (base !== undefined) base.usedMs = Date.now();
    const hold = base === undefined ? { [Symbol.dispose]: () => undefined } : this.#hold(base);
    const update = randomBytes(16).toString('hex');
    const directory = join(this.#offers, update);
    mkdirSync(directory, { mode: 0o700 });
    try {
      const comparison = await compare(base, directory, list, signal);
      const timer = setTimeout(() => this.#drop(update), PENDING_MS).unref();
      this.#pending.set(update, { key, base, hold, directory, comparison, timer });
      const [oldest] = this.#pending.keys();
      if (this.#pending.size > MAX_PENDING && oldest !== undefined) this.#drop(oldest);
      return { update, files: comparison.files, bytes: comparison.bytes, needed: comparison.needed };
    } catch (error) {
      hold[Symbol.dispose]();
      this.#trash.discard(directory);
      throw error instanceof FormatError ? new EngineError('invalid', error.message, { cause: error }) : error;
    }
  }

  /** The directory as the list says it, with the files of `archive` where they were asked for. Throws 'not-found' for what was never offered, or is too old. */
  async take(update: string, archive: Readable, options: ReceiveOptions): Promise<DirectoryResult> {
    const pending = this.#pending.get(update);
    if (pending === undefined)
      throw new EngineError('not-found', 'receive context: this update was used, or is too old: send the list again');
    this.#pending.delete(update);
    clearTimeout(pending.timer);
    try {
      if (pending.base !== undefined && !pending.comparison.isChanged) return this.#result(pending.base);
      return this.#result(await this.#apply(pending, archive, options));
    } finally {
      pending.hold[Symbol.dispose]();
      this.#trash.discard(pending.directory);
    }
  }

  /** Bytes of all that is kept. */
  get diskBytes(): number {
    return [...this.#current.values()].reduce((sum, { diskBytes }) => sum + diskBytes, 0);
  }

  async list(): Promise<BuildCacheEntry[]> {
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

  async remove(id: string): Promise<boolean> {
    const found = [...this.#current.values()].find(({ name, holds }) => name === id && holds === 0);
    if (found !== undefined) this.#forget(found);
    return found !== undefined;
  }

  /** What waits for its files is dropped; what is kept stays for the next daemon. */
  [Symbol.dispose](): void {
    for (const update of [...this.#pending.keys()]) this.#drop(update);
  }

  async #apply(pending: Pending, archive: Readable, options: ReceiveOptions): Promise<Generation> {
    const { key, base, comparison } = pending;
    const name = randomBytes(8).toString('hex');
    const keyDirectory = join(this.#path, key);
    const directory = join(keyDirectory, name);
    mkdirSync(keyDirectory, { recursive: true, mode: 0o700 });
    try {
      await this.#begin(base, keyDirectory, name, options.signal);
      await this.#update(pending, join(directory, 'fs'), archive, options);
      renameSync(join(pending.directory, 'list'), join(directory, 'list'));
      writeFileSync(
        join(directory, 'done.new'),
        JSON.stringify({ diskBytes: comparison.diskBytes, bootId: this.#bootId }),
      );
      renameSync(join(directory, 'done.new'), join(directory, 'done'));
    } catch (error) {
      this.#trash.discard(directory);
      throw error;
    }
    const now = Date.now();
    const generation: Generation = {
      key,
      name,
      directory,
      diskBytes: comparison.diskBytes,
      createdMs: now,
      usedMs: now,
      uses: 0,
      holds: 0,
      isCurrent: true,
    };
    const previous = this.#current.get(key);
    if (previous !== undefined) this.#retire(previous);
    this.#current.set(key, generation);
    // Not itself: somebody is about to use it.
    using _held = this.#hold(generation);
    this.#makeRoom();
    return generation;
  }

  /** The directory that the changes are made in: the base itself where nobody else has it, or links to its files. */
  async #begin(base: Generation | undefined, keyDirectory: string, name: string, signal: AbortSignal): Promise<void> {
    const directory = join(keyDirectory, name);
    if (base !== undefined && base.holds === 1) {
      // From here on it is nobody's base any more.
      base.isCurrent = false;
      if (this.#current.get(base.key) === base) this.#current.delete(base.key);
      rmSync(join(base.directory, 'done'), { force: true });
      renameSync(base.directory, directory);
      return;
    }
    mkdirSync(join(directory, 'fs'), { recursive: true, mode: 0o755 });
    if (base === undefined) return;
    const rootFd = holdTree(keyDirectory);
    const place = { kind: 'tree', rootFd, mounts: [] } as const;
    const job = { do: 'link-tree', place, from: `/${base.name}/fs`, to: `/${name}/fs`, exclude: [] } as const;
    await this.#jail.run<'link-tree'>(job, [rootFd], { signal });
  }

  async #update(pending: Pending, path: string, archive: Readable, { signal, onBytes }: ReceiveOptions): Promise<void> {
    signal.throwIfAborted();
    const input = await decompressed(archive);
    let total = 0;
    const count = (chunk: Buffer): void => {
      total += chunk.length;
      onBytes?.(total);
    };
    archive.on('data', count);
    const changesFd = openSync(join(pending.directory, 'changes'), 'r');
    try {
      const rootFd = holdTree(path);
      const place = { kind: 'tree', rootFd, mounts: [] } as const;
      await this.#jail.run<'update-tree'>({ do: 'update-tree', place, path: '/', changesFd }, [rootFd], {
        input,
        signal,
      });
    } finally {
      closeSync(changesFd);
      archive.off('data', count);
    }
  }

  #result(generation: Generation): DirectoryResult {
    const hold = this.#hold(generation);
    generation.usedMs = Date.now();
    generation.uses++;
    const now = new Date();
    utimesSync(join(generation.directory, 'list'), now, now);
    return holdDirectory(join(generation.directory, 'fs'), `local:${generation.name}`, () => hold[Symbol.dispose]());
  }

  #hold(generation: Generation): Disposable {
    generation.holds++;
    let isHeld = true;
    return {
      [Symbol.dispose]: () => {
        if (!isHeld) return;
        isHeld = false;
        if (--generation.holds === 0 && !generation.isCurrent) this.#trash.discard(generation.directory);
      },
    };
  }

  #retire(generation: Generation): void {
    generation.isCurrent = false;
    if (generation.holds === 0) this.#trash.discard(generation.directory);
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

  #drop(update: string): void {
    const pending = this.#pending.get(update);
    if (pending === undefined) return;
    this.#pending.delete(update);
    clearTimeout(pending.timer);
    pending.hold[Symbol.dispose]();
    this.#trash.discard(pending.directory);
  }

  /** What an earlier daemon kept of one directory: the newest that is whole, and made since the boot. */
  #find(key: string): void {
    const keyDirectory = join(this.#path, key);
    const found: Generation[] = [];
    for (const name of readdirSync(keyDirectory)) {
      const directory = join(keyDirectory, name);
      const whole = readDone(directory, this.#bootId);
      if (whole === undefined) this.#trash.discard(directory);
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

async function compare(
  base: Generation | undefined,
  directory: string,
  list: Readable,
  signal: AbortSignal,
): Promise<Comparison> {
  using files = new DisposableStack();
  const open = (path: string, flags: string): number => files.adopt(openSync(path, flags, 0o600), closeSync);
  const stored = new LineWriter(open(join(directory, 'list'), 'wx'));
  const changes = new LineWriter(open(join(directory, 'changes'), 'wx'));
  const old = base === undefined ? noLines : linesOf(open(join(base.directory, 'list'), 'r'), MAX_LINE_BYTES);
  const comparison = new ListComparison(old, (line) => changes.write(line));
  const cutter = new LineCutter(MAX_LINE_BYTES);
  const stop = (): void => {
    list.destroy();
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    signal.throwIfAborted();
    for await (const piece of list.iterator({ destroyOnReturn: false })) {
      for (const line of cutter.cut(piece as Buffer)) {
        const entry = comparison.add(line) ?? (await inTurns(() => comparison.add(line), signal));
        stored.write(entry);
      }
    }
    const last = cutter.end();
    if (last !== '') stored.write(await inTurns(() => comparison.add(last), signal));
    const result = await inTurns(() => comparison.end(), signal);
    stored.flush();
    changes.flush();
    return result;
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** What `work` returns at last; whenever it returns undefined others have a turn before it goes on. */
async function inTurns<T>(work: () => T | undefined, signal: AbortSignal): Promise<T> {
  for (;;) {
    const made = work();
    if (made !== undefined) return made;
    await setImmediate();
    signal.throwIfAborted();
  }
}
