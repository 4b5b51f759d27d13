// The layers of a built image: with digests, without those that hold nothing, and on the disk.
import { existsSync } from 'node:fs';
import type { ImageParts } from '../../images/image-parts.ts';
import type { Layer } from '../../snapshots/layer.ts';
import { chainId, type LayerHold } from '../../snapshots/layer-store.ts';

/** Digest of an archive without entries. */
export const EMPTY_LAYER = 'sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef';

export interface FinishedLayers extends Disposable {
  /** Held; undefined: there are none. */
  readonly top: number | undefined;
  /** From the lowest up. */
  readonly diffIds: readonly string[];
}

/** `base`: diff ids of the base image, whose layers stay as they are. The caller holds `top`. Nothing of it is on the disk yet: see `syncAll`. */
export async function finishLayers(
  { layers, files }: Pick<ImageParts, 'layers' | 'files'>,
  top: number | undefined,
  base: readonly string[],
  signal: AbortSignal,
): Promise<FinishedLayers> {
  const chain = layers.chain(top).reverse();
  const isBase = base.every((diffId, index) => chain[index]?.diffId === diffId);
  const given = isBase ? chain.slice(0, base.length) : [];
  const made = await Promise.all(chain.slice(given.length).map(({ number }) => files.digest(number, signal)));
  let below: Layer | undefined = given.at(-1);
  let hold: LayerHold | undefined = below === undefined ? undefined : layers.hold(below.number);
  const diffIds = given.map(({ diffId }) => diffId);
  let chainKey = diffIds.reduce<string | undefined>(chainId, undefined);
  try {
    for (const { number, diffId } of made) {
      if (diffId === EMPTY_LAYER) continue;
      chainKey = chainId(chainKey, diffId);
      const known = layers.byKey(chainKey);
      const isThere = known !== undefined && existsSync(layers.dirOf(known.number));
      const next: LayerHold = isThere ? layers.hold(known.number) : layers.restack(number, below?.number);
      hold?.[Symbol.dispose]();
      hold = next;
      below = next.layer;
      diffIds.push(diffId);
    }
  } catch (error) {
    hold?.[Symbol.dispose]();
    throw error;
  }
  return { top: below?.number, diffIds, [Symbol.dispose]: () => hold?.[Symbol.dispose]() };
}
