// The filters of `volume ls` and `volume prune`.
import { booleanFilter, checkFilterKeys, type Filters, filterPatterns, matchLabels } from '../state/filters.ts';
import { anonymousLabel, localDriver, type VolumeRecord } from './volume-record.ts';

const listKeys: ReadonlySet<string> = new Set(['dangling', 'driver', 'label', 'name']);
const pruneKeys: ReadonlySet<string> = new Set(['label', 'label!', 'all', 'dangling']);

export function volumeFilter(filters: Filters, isUsed: (name: string) => boolean): (record: VolumeRecord) => boolean {
  checkFilterKeys(filters, listKeys);
  const dangling = booleanFilter(filters, 'dangling');
  const drivers = filters.get('driver') ?? [];
  const names = filterPatterns(filters, ['name'])('name');
  return ({ name, labels }) =>
    (drivers.length === 0 || drivers.includes(localDriver)) &&
    (names.length === 0 || names.some((pattern) => pattern.test(name))) &&
    matchLabels(filters, labels) &&
    (dangling === undefined || isUsed(name) !== dangling);
}

/** `all` is what an old client means; a new one asks for it by a filter. */
export function pruneFilter(filters: Filters, all: boolean): (record: VolumeRecord) => boolean {
  checkFilterKeys(filters, pruneKeys);
  booleanFilter(filters, 'dangling');
  const takesNamed = booleanFilter(filters, 'all') ?? all;
  return ({ labels }) =>
    (takesNamed || (labels !== null && Object.hasOwn(labels, anonymousLabel))) && matchLabels(filters, labels);
}
