// Directories of clients that stay between builds, so that the next one sends what changed. A client names its directory, sends a list of it, and is
// told which files to send; see docs/api.md. Of a state that somebody else holds the next one is made of links to its files.
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readFileSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { EngineError } from '../../errors/engine-error.ts';
import { decompressed } from '../../jail/decoding/decompress.ts';
import { holdTree } from '../../jail/hold-tree.ts';
import type { Jail } from '../../jail/jail.ts';
import type { Trash } from '../../jail/trash.ts';
import type { ContextOffer } from '../../protocols/context-list/context-offer.ts';
import { FormatError } from '../../protocols/format-error.ts';
import type { BuildCacheEntry } from '../build-service.ts';
import type { KeptForBuilds } from '../solver/build-cache.ts';
import type { DirectoryResult } from '../steps/step.ts';
import { compareList } from './compare-list.ts';
import type { ReceiveOptions } from './context-store.ts';
import { type Generation, Generations, type NewGeneration } from './generations.ts';
import type { Comparison } from './list-comparison.ts';

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
const MAX_PENDING = 32;
const PENDING_MS = 10 * 60_000;
const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

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
  readonly #offers: string;
  readonly #jail: Jail;
  readonly #trash: Trash;
  readonly #generations: Generations;
  readonly #pending = new Map<string, Pending>();

  constructor({ path, jail, trash, maxBytes, bootId }: KeptContextsOptions) {
    this.#offers = join(path, 'offers');
    this.#jail = jail;
    this.#trash = trash;
    mkdirSync(this.#offers, { recursive: true, mode: 0o700 });
    trash.discardAllBelow(this.#offers);
    this.#generations = new Generations({
      path: join(path, 'kept'),
      trash,
      maxBytes: maxBytes ?? DEFAULT_BYTES,
      bootId: bootId ?? readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim(),
    });
  }

  /**
   * Takes the list of the directory that a client calls `id`. Throws 'invalid' for a list that cannot be, and the signal's reason; nothing is left then.
   * What is offered can be taken once, for ten minutes.
   */
  async offer(id: string, list: Readable, signal: AbortSignal): Promise<ContextOffer> {
    if (!ID.test(id)) throw new EngineError('invalid', `context ${JSON.stringify(id.slice(0, 200))}: it is no id`);
    const key = createHash('sha256').update(id).digest('hex').slice(0, 32);
    const base = this.#generations.get(key);
    if (base !== undefined) base.usedMs = Date.now();
    const hold = base === undefined ? { [Symbol.dispose]: () => undefined } : this.#generations.hold(base);
    const update = randomBytes(16).toString('hex');
    const directory = join(this.#offers, update);
    mkdirSync(directory, { mode: 0o700 });
    try {
      const comparison = await compareList(base?.directory, directory, list, signal);
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
      if (pending.base !== undefined && !pending.comparison.isChanged) return this.#generations.use(pending.base);
      return this.#generations.use(await this.#apply(pending, archive, options));
    } finally {
      pending.hold[Symbol.dispose]();
      this.#trash.discard(pending.directory);
    }
  }

  /** Bytes of all that is kept. */
  get diskBytes(): number {
    return this.#generations.diskBytes;
  }

  async list(): Promise<BuildCacheEntry[]> {
    return this.#generations.entries();
  }

  async remove(id: string): Promise<boolean> {
    return this.#generations.remove(id);
  }

  /** What waits for its files is dropped; what is kept stays for the next daemon. */
  [Symbol.dispose](): void {
    for (const update of [...this.#pending.keys()]) this.#drop(update);
  }

  async #apply(pending: Pending, archive: Readable, options: ReceiveOptions): Promise<Generation> {
    const { key, base, comparison } = pending;
    const made = this.#generations.begin(key);
    try {
      await this.#begin(base, made, options.signal);
      await this.#update(pending, join(made.directory, 'fs'), archive, options);
      renameSync(join(pending.directory, 'list'), join(made.directory, 'list'));
      this.#generations.seal(made, comparison.diskBytes);
    } catch (error) {
      this.#generations.discard(made);
      throw error;
    }
    return this.#generations.add(made, comparison.diskBytes);
  }

  /** The directory that the changes are made in: the base itself where nobody else has it, or links to its files. */
  async #begin(base: Generation | undefined, made: NewGeneration, signal: AbortSignal): Promise<void> {
    const { name, directory } = made;
    if (base !== undefined && base.holds === 1) return this.#generations.takeOver(base, made);
    mkdirSync(join(directory, 'fs'), { recursive: true, mode: 0o755 });
    if (base === undefined) return;
    const rootFd = holdTree(dirname(directory));
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

  #drop(update: string): void {
    const pending = this.#pending.get(update);
    if (pending === undefined) return;
    this.#pending.delete(update);
    clearTimeout(pending.timer);
    pending.hold[Symbol.dispose]();
    this.#trash.discard(pending.directory);
  }
}
