// The filters of `images` and what it tells of each.
import { EngineError } from '../errors/engine-error.ts';
import type { PathPattern } from '../protocols/ignore/path-pattern.ts';
import { parseDurationNs } from '../protocols/units/go-duration.ts';
import { familiar, familiarName } from '../registry/reference.ts';
import { booleanFilter, checkFilterKeys, matchLabels } from '../state/filters.ts';
import type { Catalogue } from './catalogue.ts';
import { parseGlobs } from './glob.ts';
import type { ListedImage, ListImagesOptions } from './image-service.ts';
import type { ImageName, ImageRow } from './image-tables.ts';

const knownFilters: ReadonlySet<string> = new Set([
  'dangling',
  'label',
  'label!',
  'before',
  'since',
  'reference',
  'until',
]);

/** Newest first. Without `all` only images that have a name or no children. */
export function listImages(catalogue: Catalogue, { all, filters, sharedSize }: ListImagesOptions): ListedImage[] {
  checkFilterKeys(filters, knownFilters);
  const dangling = booleanFilter(filters, 'dangling');
  const before = timeOfImages(catalogue, filters.get('before'), Math.min);
  const since = timeOfImages(catalogue, filters.get('since'), Math.max);
  const until = untilSeconds(filters.get('until'));
  const patterns = parseGlobs(filters.get('reference') ?? []);
  const { tables, usersOf } = catalogue.parts;
  const rows = tables.all();
  const sharedBytes = sharedSize ? sharedLayers(catalogue, rows) : undefined;
  const result: ListedImage[] = [];
  for (const row of rows) {
    const config = catalogue.readableConfig(row.id);
    const created = createdSeconds(config?.created);
    if (before !== undefined && created >= before) continue;
    if (since !== undefined && created <= since) continue;
    if (until !== undefined && created >= until) continue;
    const labels = config?.config?.Labels ?? null;
    if (!matchLabels(filters, labels)) continue;
    const names = tables
      .namesOf(row.id)
      .filter((name) => patterns.length === 0 || patterns.some((pattern) => matchesReference(pattern, name)));
    // An image that has only a digest (pulled by it) is dangling and not dangling, as with Docker.
    if (dangling === true && names.some(({ tag }) => tag !== undefined)) continue;
    if (names.length === 0) {
      if (dangling === false || patterns.length > 0) continue;
      if (!all && tables.childrenOf(row.id).length > 0) continue;
    }
    result.push({
      id: row.id,
      parentId: row.parentId,
      names,
      createdSeconds: created,
      sizeBytes: row.sizeBytes,
      sharedBytes: sharedBytes?.(row),
      labels,
      containers: usersOf(row.id).length,
    });
  }
  return result.sort((a, b) => b.createdSeconds - a.createdSeconds || (a.id < b.id ? -1 : 1));
}

/** Tells the bytes of an image's layers that others of these images have as well. */
function sharedLayers(catalogue: Catalogue, rows: readonly ImageRow[]): (row: ImageRow) => number {
  const { layers } = catalogue.parts;
  const users = new Map<number, number>();
  for (const { topLayer } of rows) {
    for (const { number } of layers.chain(topLayer)) users.set(number, (users.get(number) ?? 0) + 1);
  }
  return ({ topLayer }) =>
    layers
      .chain(topLayer)
      .reduce((sum, { number, sizeBytes }) => sum + ((users.get(number) ?? 0) > 1 ? sizeBytes : 0), 0);
}

/** Docker's path.Match over the familiar name, with and without the tag. */
function matchesReference(pattern: PathPattern, name: ImageName): boolean {
  const short = familiarName(name.repository);
  const tagged = familiar({ repository: name.repository, tag: name.tag, digest: name.digest });
  return pattern.matches(short) || pattern.matches(tagged);
}

function timeOfImages(
  catalogue: Catalogue,
  refs: readonly string[] | undefined,
  pick: (...times: number[]) => number,
): number | undefined {
  if (refs === undefined || refs.length === 0) return undefined;
  return pick(...refs.map((ref) => createdSeconds(catalogue.get(ref).config.created)));
}

/** A time stamp, or a duration before now ("10m", "1h30m", "1700000000", RFC 3339). */
export function untilSeconds(values: readonly string[] | undefined, nowMs = Date.now()): number | undefined {
  if (values === undefined || values.length === 0) return undefined;
  if (values.length > 1) throw new EngineError('invalid', 'more than one until filter specified');
  const value = values[0] as string;
  if (/^[0-9]+(\.[0-9]+)?$/.test(value)) return Number(value);
  const ageNs = durationOf(value);
  if (ageNs !== undefined) return nowMs / 1000 - ageNs / 1e9;
  const time = Date.parse(value);
  if (Number.isNaN(time)) throw new EngineError('invalid', `invalid filter 'until=${value}'`);
  return time / 1000;
}

function durationOf(value: string): number | undefined {
  try {
    return parseDurationNs(value);
  } catch {
    return undefined;
  }
}

/** Whole seconds since 1970 of an RFC 3339 time; 0 when there is none. */
export function createdSeconds(created: string | undefined): number {
  const time = created === undefined ? Number.NaN : Date.parse(created);
  return Number.isNaN(time) ? 0 : Math.floor(time / 1000);
}
