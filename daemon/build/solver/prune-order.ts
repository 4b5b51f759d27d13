// Which entries of the cache go, and in which order: those that were used longest ago first, and no entry before what stands on it. Pure.
import type { BuildCacheEntry } from '../build-service.ts';

export interface PruneChoice {
  /** May it go? */
  readonly isWanted: (entry: BuildCacheEntry) => boolean;
  /** Bytes down to which entries go; undefined: whatever they have. Without any limit all go that are wanted. */
  readonly keptBytes: number | undefined;
  /** How many entries may stay, at the most; undefined: any number. */
  readonly keptCount?: number | undefined;
}

/** Entries that a build has stay, whatever is wanted. */
export function pruneOrder(
  entries: readonly BuildCacheEntry[],
  { isWanted, keptBytes, keptCount }: PruneChoice,
): BuildCacheEntry[] {
  const byId = new Map(entries.map((entry) => [entry.id, entry]));
  const children = new Map<string, number>();
  for (const { parents } of entries) for (const id of parents) children.set(id, (children.get(id) ?? 0) + 1);
  const isReady = (entry: BuildCacheEntry): boolean =>
    !entry.isInUse && (children.get(entry.id) ?? 0) === 0 && isWanted(entry);
  const ready = entries.filter(isReady).sort(byAge);
  const order: BuildCacheEntry[] = [];
  const hasLimit = keptBytes !== undefined || keptCount !== undefined;
  let bytes = entries.reduce((sum, entry) => sum + (entry.isShared ? 0 : entry.sizeBytes), 0);
  for (let next = ready.shift(); next !== undefined; next = ready.shift()) {
    const isEnough = bytes <= (keptBytes ?? Infinity) && entries.length - order.length <= (keptCount ?? Infinity);
    if (hasLimit && isEnough) break;
    order.push(next);
    if (!next.isShared) bytes -= next.sizeBytes;
    for (const id of next.parents) {
      children.set(id, (children.get(id) ?? 1) - 1);
      const parent = byId.get(id);
      if (parent !== undefined && isReady(parent)) insert(ready, parent);
    }
  }
  return order;
}

/**
 * As BuildKit reckons (cache/manager.go): down to what may be used at most, further when the disk has too little left, and never below what is
 * reserved. undefined: nothing was said.
 */
export function bytesToKeep(
  usedBytes: number,
  freeBytes: number,
  given: { readonly reservedBytes?: number; readonly maxUsedBytes?: number; readonly minFreeBytes?: number },
): number | undefined {
  const { reservedBytes = 0, maxUsedBytes = 0, minFreeBytes = 0 } = given;
  if (reservedBytes === 0 && maxUsedBytes === 0 && minFreeBytes === 0) return undefined;
  const excess = minFreeBytes - freeBytes;
  let kept = maxUsedBytes;
  if (excess > 0) kept = kept === 0 ? usedBytes - excess : Math.min(kept, usedBytes - excess);
  return Math.max(kept, reservedBytes);
}

function byAge(a: BuildCacheEntry, b: BuildCacheEntry): number {
  return ageOf(a) - ageOf(b);
}

function ageOf({ lastUsedMs, createdMs }: BuildCacheEntry): number {
  return lastUsedMs ?? createdMs;
}

function insert(sorted: BuildCacheEntry[], entry: BuildCacheEntry): void {
  const at = sorted.findIndex((other) => ageOf(other) > ageOf(entry));
  sorted.splice(at < 0 ? sorted.length : at, 0, entry);
}
