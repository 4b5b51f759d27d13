// What vertices are known as, and what the cache has of them: by definition where that is enough, by the content of what is copied where not.
import { chainId } from '../../snapshots/layer-keys.ts';
import type { LayerStore } from '../../snapshots/layer-store.ts';
import type { Edge, SourceOperation, Vertex } from '../graph/operation.ts';
import { holdLayers } from '../steps/layers-result.ts';
import type { LayersResult, Result, Selection, Steps } from '../steps/step.ts';
import { contentKey, contentSelections, definitionKey } from './cache-key.ts';
import { type CacheRecord, type CacheRecords, newIdentity } from './cache-records.ts';
import { hasOneOutput, type ImportedCache, type ImportedRecord, nothingImported } from './imported-cache.ts';

export interface VertexKey {
  /** In keys of vertices above. */
  readonly identity: string;
  /** Of the record that it gets. */
  readonly key: string;
  /** Others that lead to it. */
  readonly aliases: readonly string[];
  /** What its inputs are known as, as far as they are known by that at another time. */
  readonly inputs: readonly string[];
  /** Not only for this build. */
  readonly isLasting: boolean;
  readonly record?: CacheRecord;
  /** What it is known to make; the caller's, to let go of. */
  readonly cached?: readonly LayersResult[];
  /** Where a cache from elsewhere has it. */
  readonly imported?: ImportedRecord;
}

export interface KeyParts {
  readonly steps: Pick<Steps, 'checksum'>;
  readonly records: CacheRecords;
  readonly layers: Pick<LayerStore, 'hold' | 'read' | 'chain'>;
}

/** The evaluation that asks. */
export interface Evaluation {
  readonly settings: string;
  readonly signal: AbortSignal;
  /** The highest layers of images that the build holds, by their ids: whoever removes one of them takes its row away. */
  readonly images: ReadonlyMap<string, number | undefined>;
  readonly imported: ImportedCache;
  keyOf(vertex: Vertex): Promise<VertexKey>;
  resultOf(edge: Edge): Promise<Result>;
}

interface KnownInput {
  readonly identity: string;
  readonly isLasting: boolean;
}

export async function findKey(parts: KeyParts, evaluation: Evaluation, vertex: Vertex): Promise<VertexKey> {
  const { operation, ignoresCache } = vertex;
  if (operation.kind === 'source') return sourceKey(parts, evaluation, vertex, operation);
  const known = await Promise.all(vertex.inputs.map((edge) => knownInput(parts, evaluation, vertex, edge)));
  const { records } = parts;
  const isLasting = known.every((input) => input.isLasting);
  const inputs = known.filter((input) => input.isLasting).map(({ identity }) => identity);
  const identities = known.map(({ identity }) => identity);
  const definition = definitionKey(operation, evaluation.settings, identities);
  const byDefinition = isLasting && !ignoresCache ? records.lookup(definition) : undefined;
  if (byDefinition !== undefined) return keyOfRecord(records, byDefinition, { aliases: [definition], inputs });
  const imports = !ignoresCache && hasOneOutput(operation) ? evaluation.imported : nothingImported;
  const selections = contentSelections(operation, vertex.inputs.length);
  const hasContent = selections.some((selection) => selection !== undefined);
  const importedByDefinition = isLasting ? imports.lookup(definition) : undefined;
  if (importedByDefinition !== undefined) {
    const { identity } = importedByDefinition;
    const own = hasContent ? { key: identity, aliases: [definition] } : { key: definition, aliases: [] };
    return { ...own, identity, inputs, isLasting: true, imported: importedByDefinition };
  }
  const key = hasContent ? await keyByContent(parts, evaluation, vertex, { identities, selections }) : definition;
  const aliases = hasContent && isLasting ? [definition] : [];
  const byContent = hasContent && !ignoresCache ? records.lookup(key) : undefined;
  if (byContent !== undefined) {
    for (const alias of aliases) records.alias(byContent, alias, inputs);
    return keyOfRecord(records, byContent, { aliases, inputs });
  }
  const imported = hasContent ? imports.lookup(key) : undefined;
  if (imported !== undefined) return { identity: imported.identity, key, aliases, inputs, isLasting: true, imported };
  // Files are copied to the same result each time; a process may make another.
  const identity = ignoresCache && operation.kind === 'exec' ? newIdentity() : key;
  return { identity, key, aliases, inputs, isLasting: isLasting || hasContent };
}

/** Where no record can be found with an input it will be needed: so it is evaluated meanwhile. */
async function knownInput(
  { records }: KeyParts,
  evaluation: Evaluation,
  { ignoresCache }: Vertex,
  edge: Edge,
): Promise<KnownInput> {
  const { identity: first, isLasting } = await evaluation.keyOf(edge.vertex);
  const identity = edge.output === 0 ? first : `${first}#${edge.output}`;
  // Who needs it is told why it failed.
  const isUsed = records.hasUses(identity) || evaluation.imported.hasUses(identity);
  if (ignoresCache || !isUsed) evaluation.resultOf(edge).catch(() => undefined);
  return { identity, isLasting };
}

async function keyByContent(
  { steps }: KeyParts,
  evaluation: Evaluation,
  { operation, inputs }: Vertex,
  known: {
    readonly identities: readonly string[];
    readonly selections: readonly (readonly Selection[] | undefined)[];
  },
): Promise<string> {
  const { settings, signal } = evaluation;
  const parts = await Promise.all(
    inputs.map(async (edge, index) => {
      const selection = known.selections[index];
      if (selection === undefined) return known.identities[index] ?? '';
      const files = await evaluation.resultOf(edge);
      return Promise.all(selection.map((part) => steps.checksum(files, part, signal)));
    }),
  );
  return contentKey(operation, settings, parts);
}

async function sourceKey(
  { layers }: KeyParts,
  evaluation: Evaluation,
  vertex: Vertex,
  { source }: SourceOperation,
): Promise<VertexKey> {
  const nothing = { aliases: [], inputs: [] };
  if (source.type === 'image') {
    const { imageId, reference } = source;
    const { images } = evaluation;
    if (!images.has(imageId)) throw new TypeError(`key of ${reference}: the build does not hold image ${imageId}`);
    const top = images.get(imageId);
    const identity = identityOfLayers(layers, top);
    return { ...nothing, key: identity, identity, isLasting: true, cached: [holdLayers(layers, top)] };
  }
  const result = await evaluation.resultOf({ vertex, output: 0 });
  const identity = result.kind === 'directory' ? result.identity : identityOfLayers(layers, result.top);
  return { ...nothing, key: identity, identity, isLasting: !identity.startsWith('local:') };
}

function keyOfRecord(
  records: CacheRecords,
  record: CacheRecord,
  { aliases, inputs }: Pick<VertexKey, 'aliases' | 'inputs'>,
): VertexKey {
  const { key, identity } = record;
  const others = aliases.filter((alias) => alias !== key);
  return { key, identity, aliases: others, inputs, isLasting: true, record, cached: records.use(record) };
}

/** Whichever image has them. */
function identityOfLayers(layers: Pick<LayerStore, 'chain'>, top: number | undefined): string {
  const ids = layers.chain(top).map(({ key, diffId }) => (diffId === '' ? key : diffId));
  return `layers:${ids.reverse().reduce<string | undefined>(chainId, undefined) ?? ''}`;
}
