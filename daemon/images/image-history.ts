// GET /images/{name}/history: the config's history with the sizes of its layers, newest first.
import type { HistoryResponseItem } from '../docker-types/image.ts';
import type { Catalogue } from './catalogue.ts';
import type { ImageRecord } from './image-service.ts';
import { createdSeconds, repoTags } from './list-images.ts';

/** The newest entry and those of parents that are here carry an id; the others are "<missing>". */
export function imageHistory(catalogue: Catalogue, image: ImageRecord): HistoryResponseItem[] {
  const { tables, layers } = catalogue.parts;
  const history = image.config.history ?? [];
  const sizes = layers
    .chain(tables.get(image.id)?.topLayer)
    .map(({ sizeBytes }) => sizeBytes)
    .reverse();
  let layer = 0;
  const items = history.map((entry): HistoryResponseItem => {
    const size = entry.empty_layer === true ? 0 : (sizes[layer++] ?? 0);
    return {
      Id: '<missing>',
      Created: createdSeconds(entry.created),
      CreatedBy: entry.created_by ?? '',
      Tags: null,
      Size: size,
      Comment: entry.comment ?? '',
    };
  });
  items.reverse();
  nameAncestors(catalogue, image, items);
  return items;
}

function nameAncestors(catalogue: Catalogue, image: ImageRecord, items: HistoryResponseItem[]): void {
  const { tables } = catalogue.parts;
  const seen = new Set<string>();
  for (let id: string | undefined = image.id; id !== undefined && !seen.has(id); ) {
    seen.add(id);
    const row = tables.get(id);
    if (row === undefined) return;
    const length = catalogue.config(id).history?.length ?? 0;
    const item = items[items.length - length];
    if (item !== undefined) {
      item.Id = id;
      const tags = repoTags(tables.namesOf(id));
      item.Tags = tags.length === 0 ? null : tags;
    }
    id = row.parentId;
  }
}
