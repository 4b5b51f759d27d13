// An image that was built, before anybody has it: its config and its layers, held.
import type { ImageConfig } from '../../images/documents/image-config.ts';
import type { ImageParts } from '../../images/image-parts.ts';
import { finishImage } from '../graph/finish-image.ts';
import type { BuildPlan } from '../graph/plan.ts';
import type { Solve } from '../solver/solve.ts';
import type { Result } from '../steps/step.ts';
import { historyFacts } from './history-facts.ts';
import { finishLayers } from './image-layers.ts';

export interface BuiltImage extends Disposable {
  readonly config: ImageConfig;
  /** Held, and on the disk; undefined: there are none. */
  readonly topLayer: number | undefined;
}

/** The value of a config's "moby.buildkit.cache.v0" for an image with these layers; undefined: there is nothing to say. */
export type InlineCache = (diffIds: readonly string[]) => string | undefined;

/**
 * `result`: of the plan's target, held by the caller; undefined: no files at all. `rewritesTimes`: no file that was made is later than the build's
 * SOURCE_DATE_EPOCH.
 */
export async function builtImage(
  parts: Pick<ImageParts, 'layers' | 'files' | 'jail'>,
  solve: Solve,
  plan: BuildPlan,
  result: (Result & { kind: 'layers' }) | undefined,
  {
    rewritesTimes = false,
    inlineCache,
  }: { readonly rewritesTimes?: boolean; readonly inlineCache?: InlineCache | undefined } = {},
): Promise<BuiltImage> {
  const { layers, files } = parts;
  const top = result?.top;
  const base = plan.baseImage?.rootfs.diff_ids ?? [];
  const latestSeconds = rewritesTimes ? plan.epoch : undefined;
  const finished = await finishLayers(parts, top, { base, latestSeconds, signal: solve.signal });
  try {
    const facts = await historyFacts(solve, layers, plan, { top, diffIds: finished.diffIds });
    await files.syncAll();
    const image = finishImage({ image: facts.image, epoch: plan.epoch }, facts.layers);
    const cache = inlineCache?.(finished.diffIds);
    const config = cache === undefined ? image : { ...image, 'moby.buildkit.cache.v0': cache };
    return { config, topLayer: finished.top, [Symbol.dispose]: () => finished[Symbol.dispose]() };
  } catch (error) {
    finished[Symbol.dispose]();
    throw error;
  }
}
