// Results that are layers, held in the store.
import type { LayerStore } from '../../snapshots/layer-store.ts';
import type { LayersResult } from '../steps/step.ts';

/** Holds a chain by its highest layer; undefined: no files. */
export function holdLayers(layers: Pick<LayerStore, 'hold'>, top: number | undefined): LayersResult {
  const hold = top === undefined ? undefined : layers.hold(top);
  return {
    kind: 'layers',
    top,
    again: () => holdLayers(layers, top),
    [Symbol.dispose]: () => hold?.[Symbol.dispose](),
  };
}
