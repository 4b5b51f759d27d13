// What builds keep, as a whole: results of vertices, and what others of the builder keep (cache mounts, clients' directories). Shows it, prunes it,
// and holds it below a limit.
import type { BuildCache, BuildCacheEntry, PruneCacheOptions } from '../build-service.ts';
import { cacheFilter } from './cache-filters.ts';
import type { CacheRecords } from './cache-records.ts';
import { bytesToKeep, pruneOrder } from './prune-order.ts';
import { type ResultEntriesParts, resultEntries } from './result-entries.ts';

/** Something that is kept for builds besides results. */
export interface KeptForBuilds {
  list(): Promise<BuildCacheEntry[]>;
  /** By the entry's id. What is in use by now, or has gone, stays as it is. Resolves to whether it went. */
  remove(id: string): Promise<boolean>;
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

interface PruneRule {
  readonly isWanted: (entry: BuildCacheEntry) => boolean;
  readonly limits: Parameters<typeof bytesToKeep>[2];
  readonly keptCount?: number;
}

interface KeptEntry {
  readonly entry: BuildCacheEntry;
  readonly remove: () => Promise<boolean>;
}

const COLLECT_AFTER_MS = 10_000;
const DAY_MS = 24 * 3600 * 1000;
const MEGABYTE = 1000 * 1000;
/** Each is a row, a directory and some memory, even without files. */
export const MAX_ENTRIES = 10_000;
/** What is easily made again: a client's directory, a checkout, a cache mount. */
const passing: ReadonlySet<string> = new Set(['source.local', 'source.git.checkout', 'exec.cachemount']);
const internal: ReadonlySet<string> = new Set(['internal', 'frontend']);

export class EngineBuildCache implements BuildCache {
  readonly #parts: BuildCacheParts;
  #collecting: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(parts: BuildCacheParts) {
    this.#parts = parts;
  }

  async list(): Promise<BuildCacheEntry[]> {
    return (await this.#all()).map(({ entry }) => entry);
  }

  async prune(options: PruneCacheOptions): Promise<{ ids: string[]; bytes: number }> {
    const isMatch = cacheFilter(options.filters, Date.now());
    const isWanted = (entry: BuildCacheEntry) => isMatch(entry) && (options.all || !isInternal(entry));
    const gone = await this.#prune([{ isWanted, limits: options }]);
    const bytes = gone.reduce((sum, entry) => sum + (entry.isShared ? 0 : entry.sizeBytes), 0);
    return { ids: gone.map(({ id }) => id), bytes };
  }

  /** Some time after a build: down to the limit. Builds that follow each other closely share it. */
  collectSoon(): void {
    if (this.#isClosed) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      // The one before may still go on.
      this.#collecting = this.#collecting.then(() => this.#collect());
    }, COLLECT_AFTER_MS).unref();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#collecting;
  }

  async #collect(): Promise<void> {
    if (this.#isClosed) return;
    try {
      await this.#prune(defaultRules(this.#parts.disk().totalBytes, Date.now()));
    } catch (error) {
      if (!this.#isClosed) this.#parts.onError(error);
    }
  }

  /** What went, in order. */
  async #prune(rules: readonly PruneRule[]): Promise<BuildCacheEntry[]> {
    let left = await this.#all();
    const gone: BuildCacheEntry[] = [];
    for (const { isWanted, limits, keptCount } of rules) {
      const entries = left.map(({ entry }) => entry);
      const usedBytes = entries.reduce((sum, entry) => sum + (entry.isShared ? 0 : entry.sizeBytes), 0);
      const keptBytes = bytesToKeep(usedBytes, this.#parts.disk().freeBytes, limits);
      const removals = new Map(left.map(({ entry, remove }) => [entry, remove]));
      const removed = new Set<BuildCacheEntry>();
      for (const entry of pruneOrder(entries, { isWanted, keptBytes, keptCount }))
        if (await removals.get(entry)?.()) removed.add(entry);
      left = left.filter(({ entry }) => !removed.has(entry));
      gone.push(...removed);
    }
    if (gone.length > 0) {
      this.#parts.records.write();
      this.#parts.collect();
    }
    return gone;
  }

  async #all(): Promise<KeptEntry[]> {
    const { records, others } = this.#parts;
    const results = await resultEntries(this.#parts, records.all());
    const kept = results.map(({ record, ...entry }): KeptEntry => {
      return {
        entry,
        remove: async () => {
          // A build may have begun to use it, and another prune may have been here.
          return !record.isInUse && records.remove(record);
        },
      };
    });
    for (const other of others)
      for (const entry of await other.list()) kept.push({ entry, remove: () => other.remove(entry.id) });
    return kept;
  }
}

/** BuildKit's, as dockerd has them by default (builder-next/worker/gc.go), and one of our own: so many at the most. */
function defaultRules(diskBytes: number, nowMs: number): PruneRule[] {
  const limits = { reservedBytes: diskBytes * 0.1, maxUsedBytes: diskBytes * 0.8, minFreeBytes: diskBytes * 0.2 };
  const isUnusedFor = (entry: BuildCacheEntry, ms: number) => (entry.lastUsedMs ?? entry.createdMs) < nowMs - ms;
  return [
    {
      isWanted: (entry) => passing.has(entry.kind) && isUnusedFor(entry, 2 * DAY_MS),
      limits: { reservedBytes: 512 * MEGABYTE },
    },
    { isWanted: (entry) => !isInternal(entry) && isUnusedFor(entry, 60 * DAY_MS), limits },
    { isWanted: (entry) => !isInternal(entry), limits },
    { isWanted: () => true, limits },
    { isWanted: () => true, limits: {}, keptCount: MAX_ENTRIES },
  ];
}

function isInternal({ kind, isShared }: BuildCacheEntry): boolean {
  return internal.has(kind) || isShared;
}
