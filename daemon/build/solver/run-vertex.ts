// Runs one vertex, for all builds that wait for it, and has what it made remembered.
import type { Slots } from '../../images/pull/slots.ts';
import type { LayerStore } from '../../snapshots/layer-store.ts';
import type { Vertex } from '../graph/operation.ts';
import type { ExecSettings, LayersResult, Result, StepRun, Steps } from '../steps/step.ts';
import type { CacheRecords } from './cache-records.ts';
import type { RunContext } from './shared-runs.ts';
import type { VertexKey } from './vertex-keys.ts';
import { wallClockMs } from './vertex-progress.ts';

export interface RunParts {
  readonly steps: Steps;
  readonly records: CacheRecords;
  readonly slots: Slots;
  readonly layers: Pick<LayerStore, 'hold' | 'read' | 'chain'>;
}

export interface VertexRun {
  readonly vertex: Vertex;
  readonly key: VertexKey;
  /** They stay the caller's: what is needed of them is held here. */
  readonly inputs: readonly Result[];
  readonly settings: RunSettings;
}

/** Of the build that began it. */
export interface RunSettings {
  readonly exec: ExecSettings;
  readonly keepsFailed: boolean;
}

export async function runVertex(
  { steps, records, slots, layers }: RunParts,
  { vertex, key: found, inputs, settings }: VertexRun,
  context: RunContext,
): Promise<readonly LayersResult[]> {
  const { key, identity, aliases, inputs: known } = found;
  // Another build may have been faster since it was looked for.
  const there = vertex.ignoresCache ? undefined : records.lookup(key);
  if (there !== undefined) return records.use(there);
  const held = inputs.map((input) => input.again());
  try {
    using slot = await takeSlot(slots, context.signal);
    using reading = new DisposableStack();
    for (const input of held) if (input.kind === 'layers') reading.use(layers.read(input.top));
    context.tell({ kind: 'started', atMs: wallClockMs() });
    const { whileWaiting } = slot;
    const outputs = await perform(steps, { ...stepRun(vertex, settings, context), whileWaiting }, held);
    records.add({ key, identity, aliases, inputs: known, description: vertex.name, outputs });
    return outputs;
  } finally {
    for (const input of held) input[Symbol.dispose]();
  }
}

interface StepSlot extends Disposable {
  readonly whileWaiting: NonNullable<StepRun['whileWaiting']>;
}

/** One that can be given back for a while. Who waits without it has nothing that those with one wait for: they all go on. */
async function takeSlot(slots: Slots, signal: AbortSignal): Promise<StepSlot> {
  let slot = await slots.take(signal);
  return {
    whileWaiting: async (work) => {
      slot[Symbol.dispose]();
      try {
        return await work();
      } finally {
        slot = await slots.take(signal);
      }
    },
    [Symbol.dispose]: () => slot[Symbol.dispose](),
  };
}

async function perform(steps: Steps, run: StepRun, inputs: readonly Result[]): Promise<readonly LayersResult[]> {
  const { operation, name } = run.vertex;
  switch (operation.kind) {
    case 'exec':
      return steps.exec(run, inputs);
    case 'file':
      return steps.file(run, inputs);
    case 'merge':
      return [await steps.merge(run, inputs)];
    case 'diff':
      return [await steps.diff(run, inputs)];
    case 'source':
      throw new TypeError(`${name}: a source is no step that runs`);
  }
}

export function stepRun(
  vertex: Vertex,
  { exec, keepsFailed }: RunSettings,
  { signal, client, tell }: RunContext,
): StepRun {
  const begun = new Map<string, number>();
  return {
    ...{ vertex, signal, client, exec, keepsFailed },
    log: (stream, bytes) => tell({ kind: 'log', atMs: wallClockMs(), stream, bytes }),
    status: (id, current, total, isComplete) => {
      const now = wallClockMs();
      const startedMs = begun.get(id) ?? now;
      begun.set(id, startedMs);
      tell({ kind: 'status', id, current, total, startedMs, ...(isComplete ? { completedMs: now } : {}) });
    },
  };
}
