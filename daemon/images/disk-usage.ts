// The images' part of GET /system/df: what layers and content take of the disk, as du(1) counts it. The sizes of single images are those of
// their files, as everywhere else.
import { existsSync } from 'node:fs';
import { holdTree } from '../jail/hold-tree.ts';
import type { ImagesDiskUsage } from './image-service.ts';
import type { LocalImageStore } from './image-store.ts';
import { listImages } from './list-images.ts';

export async function imagesDiskUsage(store: LocalImageStore): Promise<ImagesDiskUsage> {
  const { layers, content } = store.parts;
  const images = listImages(store, { all: false, filters: new Map(), sharedSize: true });
  let bytes = await usageOf(store, content.path);
  for (const layer of [...layers.all()]) {
    if (layers.byKey(layer.key) === layer) bytes += await layerUsage(store, layer.number);
  }
  return { LayersSize: bytes, Images: images };
}

/** Counted once for each layer: a layer does not change. */
async function layerUsage(store: LocalImageStore, number: number): Promise<number> {
  const { layers } = store.parts;
  const known = layers.usageOf(number);
  if (known !== undefined) return known;
  // It may be removed while it is counted.
  using _held = layers.hold(number);
  const path = layers.dirOf(number);
  // One whose files are lost takes nothing; it may come back.
  if (!existsSync(path)) return 0;
  const bytes = await usageOf(store, path);
  layers.setUsage(number, bytes);
  return bytes;
}

function usageOf({ parts: { jail } }: LocalImageStore, path: string): Promise<number> {
  const fd = holdTree(path);
  return jail.run<'usage'>({ do: 'usage', place: { kind: 'tree', rootFd: fd, mounts: [] } }, [fd]);
}
