// What becomes of the files that a step has written: layers, as they are or copied.
import { copyAsLayer } from '../../../snapshots/layer-files.ts';
import type { LayerHold } from '../../../snapshots/layer-store.ts';
import type { ExecMount } from '../../graph/operation.ts';
import { layersResult } from '../layers-result.ts';
import type { LayersResult } from '../step.ts';
import type { ExecParts } from './exec-parts.ts';
import type { MountOutput } from './step-mounts.ts';

export interface WrittenFiles {
  /** Of the root's snapshot. */
  readonly id: string;
  /** What the root stands on. */
  readonly base: LayersResult;
  readonly root: ExecMount | undefined;
  readonly outputs: readonly MountOutput[];
  /** Somebody may write to them still. */
  readonly isCopied: boolean;
}

/** One result for each output, by its number. When it throws, none is held. */
export async function takeResults(parts: ExecParts, written: WrittenFiles): Promise<LayersResult[]> {
  const { id, base, root, outputs, isCopied } = written;
  using made = new DisposableStack();
  const results: LayersResult[] = [];
  const put = (output: number, result: LayersResult): void => {
    results[output] = made.use(result);
  };
  if (root?.type === 'bind' && root.output >= 0) {
    const hold = root.isReadonly ? undefined : await takeFiles(parts, id, isCopied);
    put(root.output, hold === undefined ? base.again() : layersResult(parts.layers, hold));
  }
  for (const one of outputs) {
    put(one.output, 'unchanged' in one ? one.unchanged.again() : await takeMount(parts, one, isCopied));
  }
  made.move();
  return results;
}

/** Of the root. */
export async function takeFiles({ snapshots }: ExecParts, id: string, isCopied: boolean): Promise<LayerHold> {
  return isCopied ? snapshots.commit(id) : snapshots.seal(id);
}

async function takeMount(
  { layers, jail }: ExecParts,
  { root, parent }: Extract<MountOutput, { root: unknown }>,
  isCopied: boolean,
): Promise<LayersResult> {
  const hold = isCopied
    ? await layers.make(parent, (directory) => copyAsLayer(jail, root.dirs.upper, directory))
    : root.seal();
  return layersResult(layers, hold);
}
