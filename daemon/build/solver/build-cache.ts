// What builds keep, as a whole: results of vertices, and what others of the builder keep (cache mounts, clients' directories). Shows it, prunes it,
// and holds it below a limit.
import type { BuildCache, BuildCacheEntry, PruneCacheOptions } from '../build-service.ts';
import { cacheFilter } from './cache-filters.ts';
import type { CacheRecords } from './cache-records.ts';
import { bytesToKeep, pruneOrder } from './prune-order.ts';
import { type ResultEntriesParts, type ResultEntry, resultEntries } from './result-entries.ts';

/** Something that is kept for builds besides results. */
export interface KeptForBuilds {
  list(): Promise<BuildCacheEntry[]>;
  /** By the entry's id. What is in use by now, or has gone, stays as it is. */
  remove(id: string): Promise<void>;
}

export interface BuildCacheParts extends ResultEntriesParts {
  readonly records: CacheRecords;
  /** Lets go of layers without a user. */
  readonly collect: () => void;
  /** Of the disk. */
  readonly disk: () => { readonly freeBytes: number; readonly totalBytes: number };
  readonly others: readonly KeptForBuilds[];
  readonly onError: (error: unknown) => void;
}

const DAY_MS = 24 * 3600 * 1000;
const MEGABYTE = 1000 * 1000;
/** What is easily made again: a client's directory, a checkout, a cache mount. */
const passing: ReadonlySet<string> = new Set(['source.local', 'source.git.checkout', 'exec.cachemount']);
const internal: ReadonlySet<string> = new Set(['internal', 'frontend']);

export class EngineBuildCache implements BuildCache {
  readonly #parts: BuildCacheParts;
  #collecting: Promise<void> | undefined;

  constructor(parts: BuildCacheParts) {
    this.#parts = parts;
  }

  async list(): Promise<BuildCacheEntry[]> {
    const results = await resultEntries(this.#parts, this.#parts.records.all());
    return [
      ...results.map(({ record: _, ...entry }) => entry),
      ...(await this.#otherEntries()).map(({ entry }) => entry),
    ];
  }

  async prune(options: PruneCacheOptions): Promise<{ ids: string[]; bytes: number }> {
    const isMatch = cacheFilter(options.filters, Date.now());
    const isWanted = (entry: BuildCacheEntry) => isMatch(entry) && (options.all || !isInternal(entry));
    return this.#prune(isWanted, options);
  }

  /** After a build: down to the limit, by BuildKit's default rules. Never rejects. */
  collectSoon(): void {
    this.#collecting ??= this.#collect()
      .catch(this.#parts.onError)
      .finally(() => {
        this.#collecting = undefined;
      });
  }

  async close(): Promise<void> {
    await this.#collecting;
  }

  async #collect(): Promise<void> {
    const { totalBytes } = this.#parts.disk();
    const limits = { reservedBytes: totalBytes * 0.1, maxUsedBytes: totalBytes * 0.8, minFreeBytes: totalBytes * 0.2 };
    const unusedFor = (ms: number) => (entry: BuildCacheEntry) =>
      (entry.lastUsedMs ?? entry.createdMs) < Date.now() - ms;
    const isOld = unusedFor(2 * DAY_MS);
    const isVeryOld = unusedFor(60 * DAY_MS);
    await this.#prune((entry) => passing.has(entry.kind) && isOld(entry), { reservedBytes: 512 * MEGABYTE });
    await this.#prune((entry) => !isInternal(entry) && isVeryOld(entry), limits);
    await this.#prune((entry) => !isInternal(entry), limits);
    await this.#prune(() => true, limits);
  }

  async #prune(
    isWanted: (entry: BuildCacheEntry) => boolean,
    limits: Parameters<typeof bytesToKeep>[2],
  ): Promise<{ ids: string[]; bytes: number }> {
    const results = await resultEntries(this.#parts, this.#parts.records.all());
    const others = await this.#otherEntries();
    const entries: BuildCacheEntry[] = [...results, ...others.map(({ entry }) => entry)];
    const removals = new Map<BuildCacheEntry, () => Promise<void> | void>();
    for (const entry of results) removals.set(entry, () => this.#removeResult(entry));
    for (const { entry, other } of others) removals.set(entry, () => other.remove(entry.id));
    const usedBytes = entries.reduce((sum, entry) => sum + (entry.isShared ? 0 : entry.sizeBytes), 0);
    const keptBytes = bytesToKeep(usedBytes, this.#parts.disk().freeBytes, limits);
    const order = pruneOrder(entries, { isWanted, keptBytes });
    const ids: string[] = [];
    let bytes = 0;
    for (const entry of order) {
      await removals.get(entry)?.();
      ids.push(entry.id);
      bytes += entry.isShared ? 0 : entry.sizeBytes;
    }
    if (ids.length > 0) {
      this.#parts.records.write();
      this.#parts.collect();
    }
    return { ids, bytes };
  }

  #removeResult({ record }: ResultEntry): void {
    // A build may have begun to use it.
    if (!record.isInUse) this.#parts.records.remove(record);
  }

  async #otherEntries(): Promise<{ readonly entry: BuildCacheEntry; readonly other: KeptForBuilds }[]> {
    const lists = await Promise.all(
      this.#parts.others.map(async (other) => (await other.list()).map((entry) => ({ entry, other }))),
    );
    return lists.flat();
  }
}

function isInternal({ kind, isShared }: BuildCacheEntry): boolean {
  return internal.has(kind) || isShared;
}
