// For `system df`: what layers and content take of the disk, as du(1) counts it. The sizes of single images are those of their files, as
// everywhere else.
import { holdTree } from '../jail/hold-tree.ts';
import type { Catalogue } from './catalogue.ts';
import type { ImagesDiskUsage } from './image-service.ts';
import { listImages } from './list-images.ts';

export async function imagesDiskUsage(catalogue: Catalogue): Promise<ImagesDiskUsage> {
  const { layers, files, content, jail } = catalogue.parts;
  const images = listImages(catalogue, { all: false, filters: new Map(), sharedSize: true });
  const fd = holdTree(content.path);
  let bytes = await jail.run<'usage'>({ do: 'usage', place: { kind: 'tree', rootFd: fd, mounts: [] } }, [fd]);
  const counted = new Set<number>();
  for (const layer of [...layers.all()]) {
    if (counted.has(layer.directory) || !layers.has(layer.number)) continue;
    counted.add(layer.directory);
    bytes += await files.usageBytes(layers.get(layer.number));
  }
  return { layersBytes: bytes, images };
}
