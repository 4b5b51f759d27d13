// A result that is layers, held.
import type { LayerHold, LayerStore } from '../../snapshots/layer-store.ts';
import type { LayersResult } from './step.ts';

/** Takes the hold over; undefined: no files at all. */
export function layersResult(layers: Pick<LayerStore, 'hold'>, hold: LayerHold | undefined): LayersResult {
  const top = hold?.layer.number;
  return {
    kind: 'layers',
    top,
    again: () => layersResult(layers, top === undefined ? undefined : layers.hold(top)),
    [Symbol.dispose]: () => hold?.[Symbol.dispose](),
  };
}

/** With a hold of its own on a chain, by its highest layer. */
export function holdLayers(layers: Pick<LayerStore, 'hold'>, top: number | undefined): LayersResult {
  return layersResult(layers, top === undefined ? undefined : layers.hold(top));
}
