// The files of a step that failed become an image without a name, with the step's own surroundings: `run -it` of it shows what the step saw.
import type { Catalogue } from '../../images/catalogue.ts';
import type { ImageConfig } from '../../images/documents/image-config.ts';
import type { Vertex } from '../graph/operation.ts';
import type { LayersResult } from '../steps/step.ts';
import { finishLayers } from './image-layers.ts';

/** Resolves to the image's id. `root` stays the caller's. */
export async function keepFailed(
  catalogue: Catalogue,
  vertex: Vertex,
  root: LayersResult,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { operation, name } = vertex;
  if (operation.kind !== 'exec') return undefined;
  using layers = await finishLayers(catalogue.parts, root.top, { base: [], signal });
  await catalogue.parts.files.syncAll();
  const { os, architecture, variant } = operation.platform;
  const created = new Date().toISOString();
  const config: ImageConfig = {
    architecture,
    ...(variant === undefined ? {} : { variant }),
    os,
    created,
    comment: `a step that failed: ${name}`,
    config: {
      Env: [...operation.env],
      Cmd: ['/bin/sh'],
      WorkingDir: operation.workingDir,
      User: operation.user,
    },
    history: layers.diffIds.map((_, index) => ({
      created,
      created_by: index === layers.diffIds.length - 1 ? name : 'a layer below a step that failed',
    })),
    rootfs: { type: 'layers', diff_ids: [...layers.diffIds] },
  };
  return catalogue.add(config, { topLayer: layers.top, isTold: true });
}
