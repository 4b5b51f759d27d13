// The layers of a built image: with digests, without those that hold nothing, and on the disk.
import { existsSync } from 'node:fs';
import { EngineError } from '../../errors/engine-error.ts';
import type { ImageParts } from '../../images/image-parts.ts';
import type { Layer } from '../../snapshots/layer.ts';
import { copyAsLayer } from '../../snapshots/layer-files.ts';
import { chainId } from '../../snapshots/layer-keys.ts';
import type { LayerHold, LayerStore } from '../../snapshots/layer-store.ts';

/** Digest of an archive without entries. */
export const EMPTY_LAYER = 'sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef';

export interface FinishedLayers extends Disposable {
  /** Held; undefined: there are none. */
  readonly top: number | undefined;
  /** From the lowest up. */
  readonly diffIds: readonly string[];
}

export interface FinishOptions {
  /** Diff ids of the base image, whose layers stay as they are. */
  readonly base: readonly string[];
  /** No file of other layers is later than this (seconds since 1970): they are copied. */
  readonly latestSeconds?: number | undefined;
  readonly signal: AbortSignal;
}

/** The caller holds `top`. Nothing of it is on the disk yet: see `syncAll`. */
export async function finishLayers(
  parts: Pick<ImageParts, 'layers' | 'files' | 'jail'>,
  top: number | undefined,
  { base, latestSeconds, signal }: FinishOptions,
): Promise<FinishedLayers> {
  const { layers, files } = parts;
  const chain = layers.chain(top).reverse();
  const isBase = base.every((diffId, index) => chain[index]?.diffId === diffId);
  const given = isBase ? chain.slice(0, base.length) : [];
  const made = await Promise.all(chain.slice(given.length).map(({ number }) => files.digest(number, signal)));
  let below: Layer | undefined = given.at(-1);
  let hold: LayerHold | undefined = below === undefined ? undefined : layers.hold(below.number);
  const diffIds = given.map(({ diffId }) => diffId);
  let chainKey = diffIds.reduce<string | undefined>(chainId, undefined);
  try {
    for (const layer of made) {
      if (layer.diffId === EMPTY_LAYER) continue;
      signal.throwIfAborted();
      const next =
        latestSeconds === undefined
          ? onTop(layers, layer, { below, chainKey: chainId(chainKey, layer.diffId) })
          : await withTimes(parts, layer, below, latestSeconds);
      hold?.[Symbol.dispose]();
      hold = next;
      below = next.layer;
      diffIds.push(below.diffId);
      chainKey = chainId(chainKey, below.diffId);
    }
    checkFiles(layers, below?.number);
  } catch (error) {
    hold?.[Symbol.dispose]();
    throw error;
  }
  return { top: below?.number, diffIds, [Symbol.dispose]: () => hold?.[Symbol.dispose]() };
}

/** What ran before may be remembered longer than the disk has kept it. */
function checkFiles(layers: LayerStore, top: number | undefined): void {
  const lost = layers.lostOf(top);
  if (lost === undefined) return;
  throw new EngineError(
    'system',
    `make image: the files of layer ${lost.diffId} are lost: pull the base image again, or build without the cache`,
  );
}

/** One that is there already is used instead. */
function onTop(
  layers: LayerStore,
  { number }: Layer,
  { below, chainKey }: { readonly below: Layer | undefined; readonly chainKey: string },
): LayerHold {
  const known = layers.byKey(chainKey);
  if (known !== undefined && existsSync(layers.dirOf(known.number))) return layers.hold(known.number);
  return layers.restack(number, below?.number);
}

async function withTimes(
  { layers, jail }: Pick<ImageParts, 'layers' | 'jail'>,
  { number }: Layer,
  below: Layer | undefined,
  seconds: number,
): Promise<LayerHold> {
  const times = { seconds, isLimit: true };
  using _reading = layers.read(number);
  return await layers.make(below?.number, (directory) => copyAsLayer(jail, layers.dirOf(number), directory, times));
}
