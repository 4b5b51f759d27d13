// Which records of a build go into a cache for elsewhere, and the layers that they stand on.
import type { Layer } from '../../snapshots/layer.ts';
import type { LayerFiles } from '../../snapshots/layer-files.ts';
import { chainId } from '../../snapshots/layer-keys.ts';
import type { LayerStore } from '../../snapshots/layer-store.ts';
import { exportedChain } from '../exporters/exported-chain.ts';
import { EMPTY_LAYER } from '../exporters/image-layers.ts';
import type { Edge } from '../graph/operation.ts';
import type { KnownVertex } from '../solver/solve.ts';
import type { RecordToExport } from './record-graph.ts';

export interface CollectParts {
  readonly layers: Pick<LayerStore, 'chain'>;
  readonly files: Pick<LayerFiles, 'digest'>;
}

/** Of a build: what is known of its vertices, by their digests, and its target. */
export interface BuiltRecords {
  readonly known: ReadonlyMap<string, KnownVertex>;
  readonly target: Edge | undefined;
}

/** A layer on those below it, in the order of the document. */
export interface CollectedLayer {
  readonly layer: Layer;
  /** Index; -1: there is none. */
  readonly parent: number;
  readonly createdMs: number | undefined;
}

export interface Collected {
  readonly layers: readonly CollectedLayer[];
  readonly records: readonly RecordToExport[];
}

interface Link {
  readonly layer: Layer;
  readonly key: string;
  readonly parent: string | undefined;
  readonly height: number;
  createdMs: number | undefined;
}

/**
 * `isMax`: what all of them have made, not only what the target's files came from; of the others only their keys go out. The build holds the layers.
 */
export async function collectRecords(
  { layers, files }: CollectParts,
  built: BuiltRecords,
  { isMax, signal }: { readonly isMax: boolean; readonly signal: AbortSignal },
): Promise<Collected> {
  const links = new Map<string, Link>();
  const kept: { readonly vertex: KnownVertex; readonly top: string | undefined }[] = [];
  for (const { vertex, isOfTarget } of distinct(built)) {
    const { record } = vertex;
    const digested: Layer[] = [];
    if (record !== undefined && (isMax || isOfTarget))
      for (const { number } of layers.chain(record.outputs[0]).reverse())
        digested.push(await files.digest(number, signal));
    kept.push({ vertex, top: addChain(links, digested, record?.createdMs) });
  }
  const ordered = [...links.values()].sort((a, b) => a.height - b.height || (a.key < b.key ? -1 : 1));
  const indexes = new Map(ordered.map(({ key }, index) => [key, index]));
  return {
    layers: ordered.map(({ layer, parent, createdMs }) => {
      return { layer, parent: indexes.get(parent ?? '') ?? -1, createdMs };
    }),
    records: kept.map(({ vertex, top }) => toExport(vertex, indexes.get(top ?? ''))),
  };
}

/** For an image with these layers: what a record has made is as many of them, from the lowest up, as its files have. */
export function recordsOfImage(
  { layers }: Pick<CollectParts, 'layers'>,
  built: BuiltRecords,
  diffIds: readonly string[],
): RecordToExport[] {
  return distinct(built).map(({ vertex, isOfTarget }) => {
    const own = layers
      .chain(vertex.record?.outputs[0])
      .map(({ diffId }) => diffId)
      .filter((diffId) => diffId !== EMPTY_LAYER)
      .reverse();
    const isPrefix = own.length > 0 && own.every((diffId, index) => diffId === diffIds[index]);
    return toExport(vertex, isOfTarget && isPrefix ? own.length - 1 : undefined);
  });
}

interface Distinct {
  readonly vertex: KnownVertex;
  readonly isOfTarget: boolean;
}

/** Several vertices may have the same key. A record of BuildKit's format is of one result. */
function distinct({ known, target }: BuiltRecords): Distinct[] {
  const chain = exportedChain(target);
  const found = new Map<string, Distinct>();
  for (const [digest, vertex] of known) {
    const { key, record } = vertex;
    if (record !== undefined && record.outputs.length !== 1) continue;
    const isOfTarget = chain.has(digest) || found.get(key.key)?.isOfTarget === true;
    found.set(key.key, { vertex, isOfTarget });
  }
  return [...found.values()];
}

/** From the lowest up, without those that hold nothing. Returns the key of the highest. */
function addChain(
  links: Map<string, Link>,
  chain: readonly Layer[],
  createdMs: number | undefined,
): string | undefined {
  let parent: string | undefined;
  let height = 0;
  for (const layer of chain) {
    if (layer.diffId === EMPTY_LAYER) continue;
    const key = chainId(parent, layer.diffId);
    height++;
    if (!links.has(key)) links.set(key, { layer, key, parent, height, createdMs: undefined });
    parent = key;
  }
  const top = links.get(parent ?? '');
  if (top !== undefined) top.createdMs ??= createdMs;
  return parent;
}

function toExport({ key: found, record }: KnownVertex, layer: number | undefined): RecordToExport {
  const { key, identity, aliases, inputs } = found;
  const names = new Map([key, ...aliases].map((name) => [name, inputs]));
  return { identity, names, createdMs: record?.createdMs ?? 0, layer };
}
