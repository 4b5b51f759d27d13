// All that is known here of one image: its record, its names, and where its files are.
import type { Catalogue } from './catalogue.ts';
import type { ImageRecord, SeenImage } from './image-service.ts';

export function inspectImage(catalogue: Catalogue, image: ImageRecord): SeenImage {
  const { tables, layers } = catalogue.parts;
  const row = tables.get(image.id);
  return {
    image,
    names: tables.namesOf(image.id),
    taggedAt: row?.taggedAt ?? '',
    layerDirs: layers.chain(row?.topLayer).map(({ number }) => layers.dirOf(number)),
  };
}
