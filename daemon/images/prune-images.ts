// `image prune`: images without a tag (or, with dangling=false, without a container) that nobody needs.
import { familiar } from '../registry/reference.ts';
import { booleanFilter, checkFilterKeys, type Filters, matchLabels } from '../state/filters.ts';
import type { Catalogue } from './catalogue.ts';
import type { PrunedImages, RemovedPart } from './image-service.ts';
import type { ImageName } from './image-tables.ts';
import { createdSeconds, untilSeconds } from './list-images.ts';
import { deleteUnused, removeImage } from './remove-image.ts';

const knownFilters: ReadonlySet<string> = new Set(['dangling', 'label', 'label!', 'until']);

export async function pruneImages(catalogue: Catalogue, filters: Filters): Promise<PrunedImages> {
  checkFilterKeys(filters, knownFilters);
  const danglingOnly = booleanFilter(filters, 'dangling') ?? true;
  const until = untilSeconds(filters.get('until'));
  const { tables, usersOf } = catalogue.parts;
  const before = totalBytes(catalogue);
  const removed: RemovedPart[] = [];
  for (const { id } of tables.all()) {
    // One that went may have taken its parents along.
    if (tables.get(id) === undefined) continue;
    const config = catalogue.readableConfig(id);
    if (until !== undefined && createdSeconds(config?.created) >= until) continue;
    if (!matchLabels(filters, config?.config?.Labels)) continue;
    const names = tables.namesOf(id);
    if (usersOf(id).length > 0 || (danglingOnly && names.some(({ tag }) => tag !== undefined))) continue;
    // A parent goes with the last of its children; its names go now.
    if (names.length === 0 && tables.childrenOf(id).length > 0) continue;
    if (names.length === 0) removed.push(...deleteUnused(catalogue, id));
    for (const name of names) {
      const ref = shown(name);
      // The last tag of a repository takes its digests along.
      if (!tables.namesOf(id).some((left) => shown(left) === ref)) continue;
      removed.push(...(await removeImage(catalogue, ref, { force: false, noPrune: false })));
    }
  }
  const garbage = catalogue.reclaim(until === undefined ? 0 : Math.max(0, Date.now() - until * 1000));
  const reclaimedBytes = Math.max(0, before - totalBytes(catalogue)) + garbage;
  catalogue.parts.onEvent({ action: 'prune', id: '', attributes: { reclaimed: String(reclaimedBytes) } });
  return { removed, reclaimedBytes };
}

function shown({ repository, tag, digest }: ImageName): string {
  return familiar({ repository, tag, digest });
}

function totalBytes(catalogue: Catalogue): number {
  let bytes = 0;
  for (const layer of catalogue.parts.layers.all()) bytes += layer.sizeBytes;
  return bytes;
}
