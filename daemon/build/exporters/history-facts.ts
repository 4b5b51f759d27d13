// What a built image's history says of each instruction, once there are layers: when its files were made, and whether there are any.
import type { HistoryEntry, ImageConfig } from '../../images/documents/image-config.ts';
import type { LayerStore } from '../../snapshots/layer-store.ts';
import type { FinishedLayer } from '../graph/finish-image.ts';
import type { BuildPlan } from '../graph/plan.ts';
import type { Solve } from '../solver/solve.ts';
import { EMPTY_LAYER } from './image-layers.ts';

export interface HistoryFacts {
  readonly image: ImageConfig;
  readonly layers: readonly FinishedLayer[];
}

/** What an instruction has made. */
interface EntryFacts {
  readonly createdMs: number | undefined;
  readonly isEmpty: boolean;
}

/** Of a target that was evaluated. `top`: its highest layer; `diffIds`: of the layers that the image has. Evaluates nothing. */
export async function historyFacts(
  solve: Pick<Solve, 'recordOf'>,
  layers: Pick<LayerStore, 'has' | 'get' | 'chain'>,
  plan: BuildPlan,
  { top, diffIds }: { readonly top: number | undefined; readonly diffIds: readonly string[] },
): Promise<HistoryFacts> {
  const facts = await entryFacts(solve, layers, plan, top);
  const history = [...(plan.image.history ?? [])];
  const first = history.length - facts.length;
  facts.forEach(({ isEmpty }, index) => {
    const entry = history[first + index];
    if (entry !== undefined && isEmpty) history[first + index] = withoutLayer(entry);
  });
  dropExcess(history, first, diffIds.length);
  const baseCount = plan.baseImage?.rootfs.diff_ids.length ?? 0;
  const times = facts.filter(({ isEmpty }) => !isEmpty).map(({ createdMs }) => createdMs);
  const now = Date.now();
  return {
    image: { ...plan.image, history },
    layers: diffIds.map((diffId, index) => ({
      diffId,
      created: new Date(times[index - baseCount] ?? now).toISOString(),
    })),
  };
}

async function entryFacts(
  solve: Pick<Solve, 'recordOf'>,
  layers: Pick<LayerStore, 'has' | 'get' | 'chain'>,
  { history, baseImage }: BuildPlan,
  top: number | undefined,
): Promise<EntryFacts[]> {
  let below = layers.chain(top).reverse()[(baseImage?.rootfs.diff_ids.length ?? 0) - 1]?.number;
  const facts: EntryFacts[] = [];
  for (const { files } of history) {
    const record = files === undefined ? undefined : await solve.recordOf(files.vertex);
    if (files === undefined || record === undefined) {
      facts.push({ createdMs: undefined, isEmpty: files === undefined });
      continue;
    }
    const own = record.outputs[files.output];
    facts.push({ createdMs: record.createdMs, isEmpty: own === below || isEmptyLayer(layers, own) });
    below = own;
  }
  return facts;
}

function isEmptyLayer(layers: Pick<LayerStore, 'has' | 'get'>, number: number | undefined): boolean {
  return number !== undefined && layers.has(number) && layers.get(number).diffId === EMPTY_LAYER;
}

/** Where records are gone it is not known who made a layer: as moby, the first entries are those that have none. */
function dropExcess(history: HistoryEntry[], first: number, layerCount: number): void {
  let excess = history.filter((entry) => entry.empty_layer !== true).length - layerCount;
  for (let index = first; excess > 0 && index < history.length; index++) {
    const entry = history[index];
    if (entry === undefined || entry.empty_layer === true) continue;
    history[index] = withoutLayer(entry);
    excess--;
  }
}

function withoutLayer(entry: HistoryEntry): HistoryEntry {
  return { ...entry, empty_layer: true };
}
