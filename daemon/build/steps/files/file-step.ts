// File operations: COPY, ADD, WORKDIR and what else changes files without running anything. Each is done in a jail, in a directory that becomes a
// layer. A layer is made also where nothing changes, as BuildKit makes one.

import { EngineError } from '../../../errors/engine-error.ts';
import type { FileAction, FileOperation, Vertex } from '../../graph/operation.ts';
import { layersResult } from '../layers-result.ts';
import type { LayersResult, Result, StepRun } from '../step.ts';
import { ChangingRoot } from './changing-root.ts';
import type { FileParts } from './file-parts.ts';

/** What an action may refer to: an input, or what an action before it has made. */
type Value = { readonly result: Result } | { readonly root: ChangingRoot };

/** One result for each output. */
export async function runFileStep(parts: FileParts, run: StepRun, inputs: readonly Result[]): Promise<LayersResult[]> {
  const operation = fileOperation(run.vertex);
  using held = new DisposableStack();
  const values: Value[] = inputs.map((result) => ({ result }));
  const outputs: (LayersResult | undefined)[] = [];
  for (const [index, action] of operation.actions.entries()) {
    run.signal.throwIfAborted();
    const from = action.action === 'copy' ? resultOf(values, action.from) : undefined;
    const root = await rootFor(parts, values, action.input, run.signal, held);
    await root.apply(action, from);
    if (isGoneOnWith(operation, inputs.length, index)) {
      values.push({ root });
      continue;
    }
    const made = held.use(layersResult(parts.layers, await root.seal()));
    values.push({ result: made });
    if (action.output >= 0) outputs[action.output] = made;
  }
  if (outputs.length === 0) throw invalid('nothing of it is kept');
  return Array.from(outputs, (output, index) => {
    if (output === undefined) throw invalid(`nothing makes its output ${index}`);
    return output.again();
  });
}

function fileOperation({ operation }: Vertex): FileOperation {
  if (operation.kind !== 'file') throw new TypeError(`a file step of an operation that is ${operation.kind}`);
  return operation;
}

/** The next action alone goes on where this one ends: no layer has to be made between them. */
function isGoneOnWith({ actions }: FileOperation, inputCount: number, index: number): boolean {
  const own = inputCount + index;
  const users = actions.filter((action) => refersTo(action, own));
  const [next] = users;
  const isNext = users.length === 1 && next === actions[index + 1] && next?.input === own;
  return isNext && actions[index]?.output === -1 && !(next.action === 'copy' && next.from === own);
}

function refersTo(action: FileAction, value: number): boolean {
  return action.input === value || (action.action === 'copy' && action.from === value);
}

function resultOf(values: readonly Value[], index: number): Result | undefined {
  if (index === -1) return undefined;
  const value = values[index];
  if (value === undefined || !('result' in value)) throw invalid(`there is no input ${index}`);
  return value.result;
}

async function rootFor(
  parts: FileParts,
  values: readonly Value[],
  index: number,
  signal: AbortSignal,
  held: DisposableStack,
): Promise<ChangingRoot> {
  const value = index === -1 ? undefined : values[index];
  if (index !== -1 && value === undefined) throw invalid(`there is no input ${index}`);
  if (value !== undefined && 'root' in value) return value.root;
  const result = value?.result;
  const root = held.use(new ChangingRoot(parts, result?.kind === 'layers' ? result.top : undefined, signal));
  // Files that are no layer yet become one.
  if (result?.kind === 'directory') await root.copyAll(result);
  return root;
}

function invalid(what: string): EngineError {
  return new EngineError('invalid', `file operation: ${what}`);
}
