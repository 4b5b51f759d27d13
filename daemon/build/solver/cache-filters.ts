// Docker's filters of `builder prune`: id, parent, type, description, inuse, shared, private, until, unused-for.
import { EngineError } from '../../errors/engine-error.ts';
import { parseDurationNs } from '../../protocols/units/go-duration.ts';
import { booleanFilter, checkFilterKeys, type Filters } from '../../state/filters.ts';
import { parseTimeFilter } from '../../state/time-filter.ts';
import type { BuildCacheEntry } from '../build-service.ts';

const knownFilters: ReadonlySet<string> = new Set(
  'id parent type description inuse shared private until unused-for'.split(' '),
);

/** Throws 'invalid'. */
export function cacheFilter(filters: Filters, nowMs: number): (entry: BuildCacheEntry) => boolean {
  checkFilterKeys(filters, knownFilters);
  const texts = {
    id: textFilter(filters, 'id'),
    type: textFilter(filters, 'type'),
    parent: textFilter(filters, 'parent'),
    description: textFilter(filters, 'description'),
  };
  const inUse = booleanFilter(filters, 'inuse');
  const shared = booleanFilter(filters, 'shared');
  const isPrivate = booleanFilter(filters, 'private');
  const before = unusedSince(filters, nowMs);
  return (entry) =>
    texts.id(entry.id) &&
    texts.type(entry.kind) &&
    (!filters.has('parent') || entry.parents.some(texts.parent)) &&
    texts.description(entry.description) &&
    (inUse === undefined || entry.isInUse === inUse) &&
    (shared === undefined || entry.isShared === shared) &&
    (isPrivate === undefined || entry.isShared !== isPrivate) &&
    (before === undefined || (entry.lastUsedMs ?? entry.createdMs) < before);
}

function textFilter(filters: Filters, key: string): (text: string) => boolean {
  const values = filters.get(key) ?? [];
  if (values.length > 1) throw new EngineError('invalid', `invalid filter '${key}': more than one value`);
  const [value] = values;
  return (text) => value === undefined || text === value;
}

function unusedSince(filters: Filters, nowMs: number): number | undefined {
  const until = parseTimeFilter(filters);
  if (until !== undefined) return Number(until / 1_000_000n);
  const [unused] = filters.get('unused-for') ?? [];
  if (unused === undefined) return undefined;
  try {
    return nowMs - parseDurationNs(unused) / 1e6;
  } catch (error) {
    throw new EngineError('invalid', `invalid filter 'unused-for=${unused}'`, { cause: error });
  }
}
