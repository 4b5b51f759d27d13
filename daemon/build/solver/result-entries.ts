// Records of results as entries of the cache: each has the layers from its own highest down to what another record, or an image, has below it.
import type { Layer } from '../../snapshots/layer.ts';
import type { LayerStore } from '../../snapshots/layer-store.ts';
import type { BuildCacheEntry } from '../build-service.ts';
import type { CacheRecord } from './cache-records.ts';

export interface ResultEntry extends BuildCacheEntry {
  readonly record: CacheRecord;
}

export interface ResultEntriesParts {
  readonly layers: Pick<LayerStore, 'chain' | 'hold'>;
  /** Bytes of one layer. */
  readonly sizeOf: (layer: Layer) => Promise<number>;
  /** The highest layers of all images. */
  readonly imageTops: () => Iterable<number | undefined>;
}

export async function resultEntries(
  { layers, sizeOf, imageTops }: ResultEntriesParts,
  records: Iterable<CacheRecord>,
): Promise<ResultEntry[]> {
  const inImages = new Set<number>();
  for (const top of imageTops()) for (const { number } of layers.chain(top)) inImages.add(number);
  // Several may have the same files: a step that changed none stands on the one before it.
  const sorted = [...records].sort((a, b) => a.createdMs - b.createdMs);
  // Others may remove records, and their layers, while sizes are counted.
  using held = new DisposableStack();
  for (const record of sorted) for (const top of topsOf(record)) held.use(layers.hold(top));
  const owners = ownersOf(sorted);
  const entries: ResultEntry[] = [];
  for (const record of sorted) {
    const parents = new Set<string>();
    let sizeBytes = 0;
    for (const top of topsOf(record)) {
      for (const layer of layers.chain(top)) {
        const parent = parentAt(owners.get(layer.number) ?? [], record, layer.number === top);
        if (parent !== undefined) parents.add(idOf(parent));
        if (parent !== undefined || (layer.number !== top && inImages.has(layer.number))) break;
        sizeBytes += await sizeOf(layer);
      }
    }
    entries.push({
      record,
      id: idOf(record),
      parents: [...parents],
      kind: 'regular',
      description: record.description,
      isInUse: record.isInUse,
      isShared: topsOf(record).some((top) => inImages.has(top)),
      sizeBytes,
      createdMs: record.createdMs,
      lastUsedMs: record.usedMs,
      useCount: record.useCount,
    });
  }
  return entries;
}

function ownersOf(records: readonly CacheRecord[]): Map<number, CacheRecord[]> {
  const owners = new Map<number, CacheRecord[]>();
  for (const record of records) {
    for (const top of topsOf(record)) {
      const known = owners.get(top);
      if (known === undefined) owners.set(top, [record]);
      else known.push(record);
    }
  }
  return owners;
}

/** Whose files begin at a layer of a record's chain: at its own highest layer only one that was there before it. */
function parentAt(owners: readonly CacheRecord[], record: CacheRecord, isTop: boolean): CacheRecord | undefined {
  if (!isTop) return owners.at(-1);
  return owners[owners.indexOf(record) - 1];
}

function topsOf({ outputs }: CacheRecord): number[] {
  return [...new Set(outputs)].filter((top) => top !== undefined);
}

function idOf({ key }: CacheRecord): string {
  return key.slice(0, 25);
}
