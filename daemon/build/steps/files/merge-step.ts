// Merge and diff: layers that are there already, in another order or on other parents. No file is copied.
import { EngineError } from '../../../errors/engine-error.ts';
import type { LayerHold } from '../../../snapshots/layer-store.ts';
import { layersResult } from '../layers-result.ts';
import type { LayersResult, Result, StepRun } from '../step.ts';
import { ChangingRoot } from './changing-root.ts';
import type { FileParts } from './file-parts.ts';

/** The layers of all inputs on top of each other, the first lowest. */
export async function runMergeStep(parts: FileParts, run: StepRun, inputs: readonly Result[]): Promise<LayersResult> {
  using held = new DisposableStack();
  let top: number | undefined;
  for (const [index, input] of inputs.entries()) {
    const given = await asLayers(parts, run, input, held);
    if (index === 0) top = given;
    else top = await stack(parts, run, layersFrom(parts, given, undefined), top, held);
  }
  return result(parts, top);
}

/** What the second input has changed of the first: the layers that it has on top of it. */
export async function runDiffStep(parts: FileParts, run: StepRun, inputs: readonly Result[]): Promise<LayersResult> {
  using held = new DisposableStack();
  const [lower, upper] = inputs;
  if (lower === undefined || upper === undefined)
    throw new EngineError('invalid', 'diff operation: it needs two inputs');
  const below = await asLayers(parts, run, lower, held);
  const above = await asLayers(parts, run, upper, held);
  const layers = layersFrom(parts, above, below);
  return result(parts, await stack(parts, run, layers, undefined, held));
}

function result({ layers }: FileParts, top: number | undefined): LayersResult {
  return layersResult(layers, top === undefined ? undefined : layers.hold(top));
}

/** Numbers of the layers on top of `below`, the lowest first. Throws 'not-implemented' when it is not below `top`. */
function layersFrom({ layers }: FileParts, top: number | undefined, below: number | undefined): number[] {
  const chain = layers.chain(top).map(({ number }) => number);
  const end = below === undefined ? chain.length : chain.indexOf(below);
  if (end < 0)
    throw new EngineError('not-implemented', 'diff operation: of files that were not made one from the other');
  return chain.slice(0, end).reverse();
}

/** Layers on others, by number. */
async function stack(
  { layers, files }: FileParts,
  { signal }: StepRun,
  numbers: readonly number[],
  below: number | undefined,
  held: DisposableStack,
): Promise<number | undefined> {
  let top = below;
  for (const number of numbers) {
    signal.throwIfAborted();
    // What hides nothing where it was made may hide something here: it goes before.
    if (layers.get(number).parent !== undefined) await files.digest(number, signal);
    const hold: LayerHold = held.use(layers.restack(number, top));
    top = hold.layer.number;
  }
  return top;
}

async function asLayers(
  parts: FileParts,
  { signal }: StepRun,
  input: Result,
  held: DisposableStack,
): Promise<number | undefined> {
  if (input.kind === 'layers') return input.top;
  using root = new ChangingRoot(parts, undefined, signal);
  await root.copyAll(input);
  return held.use(await root.seal()).layer.number;
}
