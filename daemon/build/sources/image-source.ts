// The files of an image that is in the store.
import type { Catalogue } from '../../images/catalogue.ts';
import type { ImageSource } from '../graph/operation.ts';
import type { LayersResult } from '../steps/step.ts';

/** Throws 'not-found' when the image has gone. */
export function imageFiles(catalogue: Pick<Catalogue, 'holdImage' | 'topLayer'>, source: ImageSource): LayersResult {
  const top = catalogue.topLayer(source.imageId);
  return holdLayers(top, catalogue.holdImage(source.imageId));
}

/** Layers that stay while any of these holds is there; `held` is what keeps them. */
function holdLayers(top: number | undefined, held: Disposable): LayersResult {
  let holds = 0;
  const hold = (): LayersResult => {
    holds++;
    let isHeld = true;
    return {
      kind: 'layers',
      top,
      again: () => {
        if (!isHeld) throw new TypeError('hold layers: they were let go');
        return hold();
      },
      [Symbol.dispose]: () => {
        if (!isHeld) return;
        isHeld = false;
        if (--holds === 0) held[Symbol.dispose]();
      },
    };
  };
  return hold();
}
