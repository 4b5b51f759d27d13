// What a disk, or somebody, has taken from layers and blobs that are here: found before a load or pull says that it has them, and given back by
// it. Files are judged by their number of bytes, blobs by theirs or by their digest.
import type { Descriptor } from '../content/digest.ts';
import { EngineError } from '../errors/engine-error.ts';
import type { Layer } from '../snapshots/layer.ts';
import type { LayerHold, StagedLayer } from '../snapshots/layer-store.ts';
import type { ImageParts } from './image-parts.ts';

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
    if (!(await parts.files.isWhole(layer))) damage.set(layer.key, 'files');
  }
  return damage;
}

/** Puts staged files in the place of a layer's. Throws 'conflict' where a running container or a build uses what is left of them. */
export async function repairLayer(parts: ImageParts, staged: StagedLayer, layer: Layer): Promise<LayerHold> {
  return parts.files.repair(staged, layer, (leftBytes) => {
    if (leftBytes === undefined) return;
    const missing = `repair layer ${layer.diffId}: files of it are missing, and`;
    const now = parts.layers.get(layer.number);
    const user = runningUser(parts, now);
    if (user !== undefined)
      throw new EngineError('conflict', `${missing} container ${user.slice(0, 12)} runs on the others: stop it first`);
    if (parts.layers.isRead(now))
      throw new EngineError('conflict', `${missing} a build reads the others: repeat it when that is over`);
  });
}

async function isBlobWhole({ content }: ImageParts, { digest, size }: Descriptor, reads: boolean): Promise<boolean> {
  if (!content.has(digest) || content.sizeOf(digest) !== size) return false;
  return !reads || (await content.isWhole(digest));
}

function runningUser({ tables, layers, usersOf }: ImageParts, layer: Layer): string | undefined {
  for (const { id, topLayer } of tables.all()) {
    if (!layers.chain(topLayer).some(({ directory }) => directory === layer.directory)) continue;
    const user = usersOf(id).find(({ isRunning }) => isRunning);
    if (user !== undefined) return user.id;
  }
  return undefined;
}
