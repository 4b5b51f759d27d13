// What a disk, or somebody, has taken from layers and blobs that are here: found before a load or pull says that it has them, and given back by
// it. Files are judged by their number of bytes, blobs by theirs or by their digest.
import { statSync } from 'node:fs';
import { isErrno } from '../../native-bindings/errno.ts';
import type { Descriptor } from '../content/digest.ts';
import { EngineError } from '../errors/engine-error.ts';
import { holdTree } from '../jail/hold-tree.ts';
import type { Layer, LayerHold, StagedLayer } from '../snapshots/layer-store.ts';
import type { ImageParts } from './image-store.ts';

/** What is wrong with a layer: its files, or only its packed form. */
export type Damage = 'files' | 'blob';

/**
 * The damage of layers, by their keys. Blobs that are not what they should be are taken away with their rows.
 * `reads`: blobs are read, which takes its time; else only their size is looked at.
 */
export async function findDamage(
  parts: ImageParts,
  layers: Iterable<Layer>,
  { reads }: { reads: boolean },
): Promise<Map<string, Damage>> {
  const damage = new Map<string, Damage>();
  for (const layer of new Set(layers)) {
    for (const blob of parts.blobs.layerBlobs(layer.diffId)) {
      if (await isBlobWhole(parts, blob, reads)) continue;
      parts.content.remove(blob.digest);
      parts.blobs.removeLayerBlob(layer.diffId, blob.digest);
      damage.set(layer.key, 'blob');
    }
    if ((await bytesOf(parts, parts.layers.dirOf(layer.number))) !== layer.sizeBytes) damage.set(layer.key, 'files');
  }
  return damage;
}

/**
 * Puts staged files in the place of a layer's. Throws 'conflict' where a running container uses what is left of them. How bytes were counted may
 * have been another way once: what has as many as the new files have stays.
 */
export async function repairLayer(parts: ImageParts, staged: StagedLayer, layer: Layer): Promise<LayerHold> {
  const left = await bytesOf(parts, parts.layers.dirOf(layer.number));
  if (left !== undefined && left === (await bytesOf(parts, staged.directory))) {
    parts.layers.setSize(layer.number, left);
    return parts.layers.hold(layer.number);
  }
  const user = left === undefined ? undefined : runningUser(parts, layer);
  if (user !== undefined) {
    throw new EngineError(
      'conflict',
      `repair layer ${layer.diffId}: files of it are missing, and container ${user.slice(0, 12)} runs on the others: stop it first`,
    );
  }
  parts.containerLayers().forgetMounts();
  return parts.layers.replace(staged, layer.number);
}

async function isBlobWhole({ content }: ImageParts, { digest, size }: Descriptor, reads: boolean): Promise<boolean> {
  if (!content.has(digest) || content.sizeOf(digest) !== size) return false;
  return !reads || (await content.isWhole(digest));
}

/** undefined: it is not there. */
async function bytesOf({ jail }: ImageParts, directory: string): Promise<number | undefined> {
  try {
    if (!statSync(directory).isDirectory()) return undefined;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
  const fd = holdTree(directory);
  return jail.run<'size'>({ do: 'size', place: { kind: 'tree', rootFd: fd, mounts: [] } }, [fd]);
}

function runningUser({ tables, layers, usersOf }: ImageParts, layer: Layer): string | undefined {
  for (const { id, topLayer } of tables.all()) {
    if (!layers.chain(topLayer).includes(layer)) continue;
    const user = usersOf(id).find(({ isRunning }) => isRunning);
    if (user !== undefined) return user.id;
  }
  return undefined;
}
