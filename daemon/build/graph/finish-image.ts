// What an image's config lacks until its layers are there: their digests, and when everything was made.

import { EngineError } from '../../errors/engine-error.ts';
import type { HistoryEntry, ImageConfig } from '../../images/documents/image-config.ts';
import type { BuildPlan } from './plan.ts';
import { epochTime } from './stages/stage-state.ts';

/** One layer of an image, from the base image's on. */
export interface FinishedLayer {
  /** "sha256:…" of the unpacked archive. */
  readonly diffId: string;
  /** When it was made: RFC 3339. Not asked for where the history knows it. */
  readonly created: string;
}

/**
 * Pure; the same plan and layers are the same image. Entries without a layer get the time of the layer before, or of the first new one, as docker does.
 * Throws 'system' when there are fewer layers than entries of the history that have one.
 */
export function finishImage(
  { image, epoch }: Pick<BuildPlan, 'image' | 'epoch'>,
  layers: readonly FinishedLayer[],
): ImageConfig {
  const history = withLayerTimes(image.history ?? [], layers);
  fillTimes(history);
  const made =
    epoch === undefined ? history.findLast(({ created }) => created !== undefined)?.created : epochTime(epoch);
  return {
    ...image,
    ...(made === undefined ? {} : { created: made }),
    history,
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
  };
}

/** Layers that no entry tells of, those of a base image without a history, get one of their own. */
function withLayerTimes(entries: readonly HistoryEntry[], layers: readonly FinishedLayer[]): HistoryEntry[] {
  const known = entries.filter(({ empty_layer }) => empty_layer !== true).length;
  if (known > layers.length) {
    throw new EngineError(
      'system',
      `finish image: its history tells of ${known} layers, and there are ${layers.length}`,
    );
  }
  const untold = layers.slice(0, layers.length - known);
  const waiting = layers.slice(untold.length).values();
  const told = untold.map(({ created }): HistoryEntry => ({ created, comment: 'buildkit.exporter.image.v0' }));
  return [
    ...told,
    ...entries.map((entry) => {
      if (entry.empty_layer === true) return { ...entry };
      const layer = waiting.next().value;
      const created = entry.created ?? layer?.created;
      return { ...entry, ...(created === undefined ? {} : { created }) };
    }),
  ];
}

function fillTimes(history: HistoryEntry[]): void {
  const firstUntimed = history.findIndex(({ created }) => created === undefined);
  if (firstUntimed < 0) return;
  const after = history.slice(firstUntimed).find(({ created }) => created !== undefined);
  let created = (after ?? history.slice(0, firstUntimed).at(-1))?.created;
  for (const entry of history.slice(firstUntimed)) {
    if (entry.created !== undefined) created = entry.created;
    else if (created !== undefined) entry.created = created;
  }
}
