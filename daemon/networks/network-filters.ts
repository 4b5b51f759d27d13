// The filters of `network ls` and `network prune`.
import { EngineError } from '../errors/engine-error.ts';
import { booleanFilter, checkFilterKeys, type Filters, filterPatterns, matchLabels } from '../state/filters.ts';
import { isPredefined, type NetworkRecord } from './network-record.ts';

const listKeys: ReadonlySet<string> = new Set(['dangling', 'driver', 'id', 'label', 'label!', 'name', 'scope', 'type']);
const pruneKeys: ReadonlySet<string> = new Set(['label', 'label!', 'until']);

/** `isUsed`: a container is connected. Throws 'invalid' in docker's words. */
export function networkFilter(
  filters: Filters,
  isUsed: (record: NetworkRecord) => boolean,
): (record: NetworkRecord) => boolean {
  checkFilterKeys(filters, listKeys);
  const dangling = booleanFilter(filters, 'dangling');
  for (const type of filters.get('type') ?? []) {
    if (type !== 'builtin' && type !== 'custom') throw new EngineError('invalid', `invalid filter: 'type'='${type}'`);
  }
  const any = (key: string, test: (value: string) => boolean) => {
    const values = filters.get(key) ?? [];
    return values.length === 0 || values.some(test);
  };
  const patterns = filterPatterns(filters, ['name', 'id']);
  const matches = (key: string, text: string) => {
    const list = patterns(key);
    return list.length === 0 || list.some((pattern) => pattern.test(text));
  };
  return (record) =>
    matches('name', record.name) &&
    matches('id', record.id) &&
    any('driver', (value) => record.driver === value) &&
    any('scope', (value) => value === 'local') &&
    any('type', (value) => (value === 'builtin') === isPredefined(record)) &&
    (dangling === undefined || dangling === (!isPredefined(record) && !isUsed(record))) &&
    matchLabels(filters, record.labels);
}

/** Throws 'invalid' in docker's words. `untilMs` as parsed by the caller. */
export function pruneFilter(filters: Filters, untilMs: number | undefined): (record: NetworkRecord) => boolean {
  checkFilterKeys(filters, pruneKeys);
  return (record) =>
    !isPredefined(record) &&
    (untilMs === undefined || Date.parse(record.created) < untilMs) &&
    matchLabels(filters, record.labels);
}
