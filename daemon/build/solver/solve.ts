// One build's evaluation of its graph. A vertex has a key first, which needs the keys of its inputs and, for copies, checksums of their files;
// only when the cache has nothing under that key its inputs are evaluated and it runs. The first failure ends all of it.
import type { Slots } from '../../images/pull/slots.ts';
import { chainId, type LayerStore } from '../../snapshots/layer-store.ts';
import type { Edge, Vertex } from '../graph/operation.ts';
import { holdLayers } from '../steps/layers-result.ts';
import type { ClientServices, ExecSettings, LayersResult, Result, Selection, StepRun, Steps } from '../steps/step.ts';
import type { BuildEventSink } from './build-event.ts';
import { contentKey, contentSelections, definitionKey, settingsKey } from './cache-key.ts';
import { type CacheRecord, type CacheRecords, newIdentity } from './cache-records.ts';
import type { RunContext, SharedRuns } from './shared-runs.ts';
import { VertexProgress, wallClockMs } from './vertex-progress.ts';

export interface SolverParts {
  readonly steps: Steps;
  readonly records: CacheRecords;
  readonly layers: Pick<LayerStore, 'hold' | 'chain'>;
  /** The highest layer of an image that is held. */
  readonly topLayer: (imageId: string) => number | undefined;
}

export interface SolveOptions {
  readonly exec: ExecSettings;
  readonly client: ClientServices;
  readonly tell: BuildEventSink;
  readonly signal: AbortSignal;
}

/** What a vertex is known as, and what the cache has of it. */
interface VertexKey {
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
  /** Of the record, held. */
  readonly cached?: readonly LayersResult[];
}

interface Parts extends SolverParts {
  readonly runs: SharedRuns;
  readonly slots: Slots;
}

export class Solve implements AsyncDisposable {
  readonly #parts: Parts;
  readonly #options: SolveOptions;
  readonly #controller = new AbortController();
  readonly #settings: string;
  readonly #progress: VertexProgress;
  readonly #vertices = new Map<string, Vertex>();
  readonly #keys = new Map<string, Promise<VertexKey>>();
  readonly #results = new Map<string, Promise<readonly Result[]>>();
  readonly #held: Result[] = [];
  readonly #records = new Map<string, CacheRecord>();
  readonly #pins: Disposable[] = [];
  readonly #listeners: ((vertex: Vertex, results: readonly Result[]) => void)[] = [];
  /** Failures that were told as a vertex's own: they go up through all that need it. */
  readonly #told = new Set<unknown>();
  #failure: unknown;
  #total = 0;
  #cached = 0;
  readonly #leave = (): void => this.#fail(this.#options.signal.reason);

  constructor(parts: Parts, options: SolveOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#settings = settingsKey(options.exec);
    this.#progress = new VertexProgress(options.tell);
    if (options.signal.aborted) this.#leave();
    else options.signal.addEventListener('abort', this.#leave, { once: true });
  }

  /** Aborts with the build. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The result belongs to the build, and is there until it is disposed. Rejects with what went wrong first, when all has stopped. */
  async evaluate({ vertex, output }: Edge): Promise<Result> {
    try {
      return at(await this.#resultsOf(vertex), output);
    } catch (error) {
      this.#fail(error);
      await this.#rest();
      throw this.#failure;
    }
  }

  /** `listener` is called with what each step has made as soon as it has. */
  onResults(listener: (vertex: Vertex, results: readonly Result[]) => void): void {
    this.#listeners.push(listener);
  }

  /** What is recorded of a vertex that was evaluated, or would be found if it were. Evaluates nothing that it need not. */
  async recordOf(vertex: Vertex): Promise<CacheRecord | undefined> {
    const { record } = await this.#keyOf(vertex);
    return this.#records.get(vertex.digest) ?? record;
  }

  /** How many vertices were looked at, and how many of these were there. */
  get counts(): { readonly total: number; readonly cached: number } {
    return { total: this.#total, cached: this.#cached };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#options.signal.removeEventListener('abort', this.#leave);
    this.#controller.abort(this.#failure ?? new Error('the build is over'));
    await this.#rest();
    for (const each of [...this.#held.splice(0), ...this.#pins.splice(0)]) each[Symbol.dispose]();
  }

  #fail(error: unknown): void {
    if (this.#controller.signal.aborted) return;
    this.#failure = error;
    this.#controller.abort(error);
  }

  /** When nothing goes on any more. */
  async #rest(): Promise<void> {
    // What goes on may begin something else.
    for (let seen = -1; seen !== this.#keys.size + this.#results.size; ) {
      seen = this.#keys.size + this.#results.size;
      await Promise.allSettled([...this.#keys.values(), ...this.#results.values()]);
    }
    this.#progress.cancelled(this.#vertices.values());
  }

  #keyOf(vertex: Vertex): Promise<VertexKey> {
    let key = this.#keys.get(vertex.digest);
    if (key === undefined) {
      this.#vertices.set(vertex.digest, vertex);
      this.#total++;
      key = this.#telling(vertex, () => this.#findKey(vertex));
      this.#keys.set(vertex.digest, key);
    }
    return key;
  }

  #resultsOf(vertex: Vertex): Promise<readonly Result[]> {
    let results = this.#results.get(vertex.digest);
    if (results === undefined) {
      results = this.#telling(vertex, () => this.#makeResults(vertex));
      this.#results.set(vertex.digest, results);
    }
    return results;
  }

  /** Tells of a vertex that it failed, once; the build ends with it. */
  async #telling<T>(vertex: Vertex, work: () => Promise<T>): Promise<T> {
    try {
      // A chain of ten thousand vertices must not become as many calls inside each other.
      await undefined;
      this.signal.throwIfAborted();
      return await work();
    } catch (error) {
      if (!this.#told.has(error) && !this.signal.aborted) {
        this.#told.add(error);
        this.#progress.started(vertex);
        this.#progress.completed(vertex, { error: error instanceof Error ? error.message : String(error) });
      }
      this.#fail(error);
      throw error;
    }
  }

  async #findKey(vertex: Vertex): Promise<VertexKey> {
    if (vertex.operation.kind === 'source') return this.#findSourceKey(vertex);
    const known = await Promise.all(vertex.inputs.map((edge) => this.#findInput(vertex, edge)));
    const isLasting = known.every((input) => input.isLasting);
    const inputs = known.filter((input) => input.isLasting).map(({ identity }) => identity);
    const { operation, ignoresCache } = vertex;
    const definition = definitionKey(
      operation,
      this.#settings,
      known.map(({ identity }) => identity),
    );
    const found = { inputs, isLasting };
    if (isLasting && !ignoresCache) {
      const record = this.#parts.records.lookup(definition);
      if (record !== undefined) return this.#hit(vertex, record, found);
    }
    const selections = contentSelections(operation, vertex.inputs.length);
    const hasContent = selections.some((parts) => parts !== undefined);
    const key = hasContent ? await this.#findContentKey(vertex, known, selections) : definition;
    const aliases = hasContent && isLasting ? [definition] : [];
    if (!ignoresCache && hasContent) {
      const record = this.#parts.records.lookup(key);
      if (record !== undefined) {
        for (const alias of aliases) this.#parts.records.alias(record, alias, inputs);
        return this.#hit(vertex, record, found);
      }
    }
    // Files are copied to the same result each time; a process may make another.
    const isOther = ignoresCache && operation.kind === 'exec';
    const isForGood = isLasting || hasContent;
    return { ...found, key, aliases, isLasting: isForGood, identity: isOther ? newIdentity(key) : key };
  }

  /** What an input is known as. Where no record can be found with it, it will be needed: so it is evaluated meanwhile. */
  async #findInput(vertex: Vertex, edge: Edge): Promise<{ identity: string; isLasting: boolean }> {
    const { identity, isLasting } = await this.#keyOf(edge.vertex);
    const input = edge.output === 0 ? identity : `${identity}#${edge.output}`;
    if (vertex.ignoresCache || !this.#parts.records.hasUses(input)) this.#resultsOf(edge.vertex).catch(() => undefined);
    return { identity: input, isLasting };
  }

  async #findContentKey(
    { operation, inputs }: Vertex,
    known: readonly { readonly identity: string }[],
    selections: readonly (readonly Selection[] | undefined)[],
  ): Promise<string> {
    const parts = await Promise.all(
      inputs.map(async (edge, index) => {
        const selection = selections[index];
        if (selection === undefined) return known[index]?.identity ?? '';
        const files = at(await this.#resultsOf(edge.vertex), edge.output);
        return Promise.all(selection.map((part) => this.#parts.steps.checksum(files, part, this.signal)));
      }),
    );
    return contentKey(operation, this.#settings, parts);
  }

  async #findSourceKey(vertex: Vertex): Promise<VertexKey> {
    const nothing = { aliases: [], inputs: [] };
    const { operation } = vertex;
    if (operation.kind === 'source' && operation.source.type === 'image') {
      const top = this.#parts.topLayer(operation.source.imageId);
      const identity = this.#filesOf(top);
      const cached = [this.#hold(holdLayers(this.#parts.layers, top))];
      this.#progress.started(vertex);
      this.#progress.completed(vertex);
      return { ...nothing, key: identity, identity, isLasting: true, cached };
    }
    const result = at(await this.#resultsOf(vertex), 0);
    const identity = result.kind === 'directory' ? result.identity : this.#filesOf(result.top);
    return { ...nothing, key: identity, identity, isLasting: !identity.startsWith('local:') };
  }

  /** Whichever image has them. */
  #filesOf(top: number | undefined): string {
    const ids = this.#parts.layers.chain(top).map(({ key, diffId }) => (diffId === '' ? key : diffId));
    return `layers:${ids.reverse().reduce<string | undefined>(chainId, undefined) ?? ''}`;
  }

  #hit(vertex: Vertex, record: CacheRecord, found: Pick<VertexKey, 'inputs' | 'isLasting'>): VertexKey {
    const cached = this.#parts.records.use(record).map((result) => this.#hold(result));
    this.#pins.push(this.#parts.records.pin(record));
    this.#cached++;
    this.#progress.completed(vertex, { isCached: true });
    return { ...found, isLasting: true, aliases: [], key: record.key, identity: record.identity, record, cached };
  }

  async #makeResults(vertex: Vertex): Promise<readonly Result[]> {
    if (vertex.operation.kind === 'source' && vertex.operation.source.type !== 'image') {
      this.#vertices.set(vertex.digest, vertex);
      return [await this.#fetch(vertex)];
    }
    const key = await this.#keyOf(vertex);
    if (key.cached !== undefined) return key.cached;
    const inputs = await Promise.all(
      vertex.inputs.map(async (edge) => at(await this.#resultsOf(edge.vertex), edge.output)),
    );
    // Nobody else may be given what an earlier run has made.
    const name = vertex.ignoresCache ? `${key.key}:anew` : key.key;
    const { signal } = this;
    const member = {
      signal,
      client: this.#options.client,
      tell: (event: Parameters<VertexProgress['took']>[1]) => this.#progress.took(vertex, event),
    };
    const results = await this.#parts.runs.join(name, member, (context) => this.#run(vertex, key, inputs, context));
    const record = this.#parts.records.lookup(key.key);
    if (record !== undefined) {
      this.#records.set(vertex.digest, record);
      this.#pins.push(this.#parts.records.pin(record));
    }
    this.#progress.completed(vertex);
    for (const result of results) this.#hold(result);
    for (const listener of this.#listeners) listener(vertex, results);
    return results;
  }

  /** A client's directory, a checkout, a download: this build's own. */
  async #fetch(vertex: Vertex): Promise<Result> {
    const { signal } = this;
    this.#progress.started(vertex);
    const tell = (event: Parameters<VertexProgress['took']>[1]) => this.#progress.took(vertex, event);
    const result = await this.#parts.steps.source(
      this.#stepRun(vertex, { signal, client: this.#options.client, tell }),
    );
    this.#hold(result);
    this.#progress.completed(vertex);
    return result;
  }

  /** For all who wait for it: what it needs it holds itself. */
  async #run(
    vertex: Vertex,
    { key, identity, aliases, inputs: known }: VertexKey,
    inputs: readonly Result[],
    context: RunContext,
  ): Promise<readonly LayersResult[]> {
    const held = inputs.map((input) => input.again());
    try {
      using _slot = await this.#parts.slots.take(context.signal);
      context.tell({ kind: 'started', atMs: wallClockMs() });
      const outputs = await this.#perform(vertex, held, context);
      this.#parts.records.add({ key, identity, aliases, inputs: known, description: vertex.name, outputs });
      return outputs;
    } finally {
      for (const input of held) input[Symbol.dispose]();
    }
  }

  async #perform(vertex: Vertex, inputs: readonly Result[], context: RunContext): Promise<readonly LayersResult[]> {
    const { steps } = this.#parts;
    const run = this.#stepRun(vertex, context);
    switch (vertex.operation.kind) {
      case 'exec':
        return steps.exec(run, inputs);
      case 'file':
        return steps.file(run, inputs);
      case 'merge':
        return [await steps.merge(run, inputs)];
      case 'diff':
        return [await steps.diff(run, inputs)];
      case 'source': {
        const result = await steps.source(run);
        if (result.kind === 'layers') return [result];
        result[Symbol.dispose]();
        throw new TypeError(`${vertex.name}: a directory is no result of a step`);
      }
    }
  }

  #stepRun(vertex: Vertex, { signal, client, tell }: RunContext): StepRun {
    const begun = new Map<string, number>();
    return {
      vertex,
      signal,
      client,
      exec: this.#options.exec,
      log: (stream, bytes) => tell({ kind: 'log', atMs: wallClockMs(), stream, bytes }),
      status: (id, current, total, isComplete) => {
        const now = wallClockMs();
        const startedMs = begun.get(id) ?? now;
        begun.set(id, startedMs);
        tell({ kind: 'status', id, current, total, startedMs, ...(isComplete ? { completedMs: now } : {}) });
      },
    };
  }

  #hold<T extends Result>(result: T): T {
    this.#held.push(result);
    return result;
  }
}

function at(results: readonly Result[], output: number): Result {
  const result = results[output];
  if (result === undefined) throw new TypeError(`a step has ${results.length} results: number ${output} is not there`);
  return result;
}
