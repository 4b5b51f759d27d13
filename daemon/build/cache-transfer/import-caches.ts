// --cache-from: reads what caches there are before a build begins, and brings layers of them when a step needs them. A cache that cannot be had is
// told, and does not fail the build.
import { existsSync } from 'node:fs';
import type { Descriptor } from '../../content/digest.ts';
import { EngineError } from '../../errors/engine-error.ts';
import type { Catalogue } from '../../images/catalogue.ts';
import type { RegistrySide } from '../../images/open-registry.ts';
import type { NamedLayer } from '../../images/pull/image-puller.ts';
import { pullError } from '../../registry/pull-words.ts';
import type { PullSession } from '../../registry/registry-session.ts';
import { chainId } from '../../snapshots/layer-keys.ts';
import type { LayerStore } from '../../snapshots/layer-store.ts';
import type { BuildRequest, CacheSourceChoice } from '../build-request.ts';
import type { Vertex } from '../graph/operation.ts';
import { makeVertex } from '../graph/vertex.ts';
import type { ImportedCache, ImportedRecord } from '../solver/imported-cache.ts';
import { VertexProgress } from '../solver/vertex-progress.ts';
import { progressTeller } from '../sources/image-resolver.ts';
import { holdLayers } from '../steps/layers-result.ts';
import type { DirectoryResult, LayersResult } from '../steps/step.ts';
import { cacheReference } from './cache-attributes.ts';
import { inlineCache, type ReadCache, readCache } from './cache-manifest.ts';
import { LayoutSession } from './layout-session.ts';
import { RecordIndex } from './record-graph.ts';

export interface CacheParts {
  readonly catalogue: Catalogue;
  readonly registry: Pick<RegistrySide, 'registries' | 'layers'>;
}

type ImportRequest = Pick<BuildRequest, 'cacheFrom' | 'auth' | 'client' | 'platforms' | 'tell'>;

interface Source extends Found {
  /** That tells of it. */
  readonly vertex: Vertex;
}

interface Found {
  readonly index: RecordIndex;
  readonly layers: ReadCache['layers'];
  /** Whoever opens it gives it away or disposes of it; undefined: what is not here cannot be had. */
  readonly open: (() => PullSession) | undefined;
}

/** All caches of one build, asked in the order in which they were named. Holds directories of the client until it is disposed. */
export class ImportedCaches implements ImportedCache, Disposable {
  readonly #parts: CacheParts;
  readonly #request: ImportRequest;
  readonly #progress: VertexProgress;
  readonly #held: Disposable[] = [];
  #sources: readonly Source[] = [];

  constructor(parts: CacheParts, request: ImportRequest) {
    this.#parts = parts;
    this.#request = request;
    this.#progress = new VertexProgress(request.tell);
  }

  /** Rejects with the signal's reason only. */
  async read(signal: AbortSignal): Promise<void> {
    const { cacheFrom } = this.#request;
    const settled = await Promise.allSettled(cacheFrom.map((choice) => this.#read(choice, signal)));
    signal.throwIfAborted();
    this.#sources = settled.flatMap((one) =>
      one.status === 'fulfilled' && one.value !== undefined ? [one.value] : [],
    );
  }

  lookup(key: string): ImportedRecord | undefined {
    for (const source of this.#sources) {
      const found = source.index.lookup(key);
      if (found === undefined) continue;
      const layers = found.layers.map((index) => source.layers[index]).filter((layer) => layer !== undefined);
      // Nobody says what some of them are.
      if (layers.length < found.layers.length) continue;
      const here = () => this.#here(layers);
      const fetch = (signal: AbortSignal) => this.#fetch(source, layers, signal);
      return { identity: found.identity, createdMs: found.createdMs, here, fetch };
    }
    return undefined;
  }

  hasUses(identity: string): boolean {
    return this.#sources.some(({ index }) => index.hasUses(identity));
  }

  [Symbol.dispose](): void {
    for (const held of this.#held.splice(0)) held[Symbol.dispose]();
  }

  #here(layers: readonly { readonly diffId: string }[]): LayersResult | undefined {
    const store: LayerStore = this.#parts.catalogue.parts.layers;
    const top = store.byKey(layers.map(({ diffId }) => diffId).reduce<string | undefined>(chainId, undefined) ?? '');
    if (top === undefined || !store.chain(top.number).every(({ number }) => existsSync(store.dirOf(number))))
      return undefined;
    return holdLayers(store, top.number);
  }

  async #fetch(
    { open, vertex }: Source,
    layers: readonly { readonly blob: Descriptor | undefined; readonly diffId: string }[],
    signal: AbortSignal,
  ): Promise<LayersResult> {
    const named = layers.flatMap(({ blob, diffId }): NamedLayer[] => (blob === undefined ? [] : [{ blob, diffId }]));
    if (open === undefined || named.length < layers.length)
      throw new EngineError('not-found', 'its layers are in no registry, and not here any more');
    const { catalogue, registry } = this.#parts;
    const onProgress = progressTeller(this.#progress.statusOf(vertex));
    using pulled = await registry.layers.pullLayers(open(), named, { signal, onProgress });
    return holdLayers(catalogue.parts.layers, pulled.topLayer);
  }

  /** Told as a vertex of its own, as BuildKit tells it. undefined: there is nothing in it, or it cannot be had. */
  async #read(choice: CacheSourceChoice, signal: AbortSignal): Promise<Source | undefined> {
    const name = `importing cache manifest from ${choice.attributes.ref ?? choice.attributes.src ?? choice.type}`;
    const source = { type: 'image', reference: JSON.stringify(choice), imageId: '' } as const;
    const vertex = makeVertex({ operation: { kind: 'source', source }, inputs: [], name });
    this.#progress.started(vertex);
    try {
      const found = choice.type === 'local' ? await this.#local(choice, signal) : await this.#named(choice, signal);
      this.#progress.completed(vertex);
      return found === undefined ? undefined : { ...found, vertex };
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      this.#progress.completed(vertex, { error: signal.aborted ? 'context canceled' : text });
      return undefined;
    }
  }

  async #local({ attributes, directory: name = '' }: CacheSourceChoice, signal: AbortSignal) {
    const wanted = { include: [], exclude: [], followPaths: [] };
    const directory: DirectoryResult | undefined = await this.#request.client.directory(name, wanted, signal);
    if (directory === undefined) throw new EngineError('not-found', 'the client has no such directory');
    this.#held.push(directory);
    return this.#open(
      () => new LayoutSession(directory.again()),
      attributes.digest ?? attributes.tag ?? 'latest',
      signal,
    );
  }

  /** An image that is here comes first, as with dockerd; by its name alone it is not looked for elsewhere. */
  async #named({ type, attributes }: CacheSourceChoice, signal: AbortSignal): Promise<Found | undefined> {
    const image = this.#parts.catalogue.resolve(attributes.ref ?? '');
    const inline = image === undefined ? undefined : inlineCache(image.config, undefined);
    if (image !== undefined && inline !== undefined) {
      this.#held.push(this.#parts.catalogue.holdImage(image.id));
      return sourceOf(inline, undefined);
    }
    if (image !== undefined && type === 'image') return undefined;
    const reference = cacheReference(`--cache-from type=${type}`, attributes.ref);
    const { repository, tag = '', digest = tag } = reference;
    const credentials = this.#request.auth(repository.split('/')[0] as string);
    const open = () => this.#parts.registry.registries.open(repository, credentials, 'pull');
    return this.#open(open, digest, signal).catch((error: unknown) => {
      throw pullError(error, reference);
    });
  }

  async #open(open: () => PullSession, reference: string, signal: AbortSignal): Promise<Found | undefined> {
    using session = open();
    const read = await readCache(session, reference, this.#request.platforms[0], signal);
    return read === undefined ? undefined : sourceOf(read, open);
  }
}

function sourceOf({ document, layers }: ReadCache, open: Found['open']): Found {
  return { index: new RecordIndex(document.layers, document.records), layers, open };
}
