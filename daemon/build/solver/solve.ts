// One build's evaluation of its graph. A vertex has a key first, which needs the keys of its inputs and, for copies, checksums of their files;
// only when the cache has nothing under that key its inputs are evaluated and it runs. The first failure ends all of it.
import type { Edge, Vertex } from '../graph/operation.ts';
import { ExecFailed } from '../steps/exec-failed.ts';
import type { ClientServices, LayersResult, Result, Steps } from '../steps/step.ts';
import type { BuildEventSink } from './build-event.ts';
import { runKey, runSettingsKey, settingsKey } from './cache-key.ts';
import type { CacheRecord } from './cache-records.ts';
import { type ImportedCache, nothingImported } from './imported-cache.ts';
import { ImportedResults } from './imported-results.ts';
import { type RunParts, type RunSettings, runVertex, stepRun, type VertexRun } from './run-vertex.ts';
import type { RunMember, SharedRuns } from './shared-runs.ts';
import { findKey, type KeyParts, type VertexKey } from './vertex-keys.ts';
import { VertexProgress } from './vertex-progress.ts';

export interface SolverParts extends KeyParts {
  readonly steps: Steps;
}

export interface SolveOptions extends RunSettings {
  readonly client: ClientServices;
  readonly tell: BuildEventSink;
  readonly signal: AbortSignal;
  /** Caches from elsewhere. */
  readonly imported?: ImportedCache;
}

interface Parts extends SolverParts, RunParts {
  readonly steps: Steps;
  readonly runs: SharedRuns;
}

export interface KnownVertex {
  readonly key: VertexKey;
  /** undefined: nothing of it is here. */
  readonly record: CacheRecord | undefined;
}

export class Solve implements AsyncDisposable {
  readonly #parts: Parts;
  readonly #options: SolveOptions;
  readonly #controller = new AbortController();
  readonly #settings: string;
  readonly #runSettings: string;
  readonly #progress: VertexProgress;
  readonly #vertices = new Map<string, Vertex>();
  readonly #keys = new Map<string, Promise<VertexKey>>();
  readonly #found = new Map<string, VertexKey>();
  readonly #results = new Map<string, Promise<readonly Result[]>>();
  readonly #held: Result[] = [];
  readonly #images = new Map<string, number | undefined>();
  readonly #records = new Map<string, CacheRecord>();
  readonly #imported: ImportedResults;
  readonly #pins: Disposable[] = [];
  readonly #listeners: ((vertex: Vertex, results: readonly Result[]) => void)[] = [];
  /** Failures that were told as a vertex's own: they go up through all that need it. */
  readonly #told = new Set<unknown>();
  #failure: unknown;
  #failed: Vertex | undefined;
  readonly #leave = (): void => this.#fail(this.#options.signal.reason);

  constructor(parts: Parts, options: SolveOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#settings = settingsKey(options.exec);
    this.#runSettings = runSettingsKey(options.exec);
    this.#progress = new VertexProgress(options.tell);
    this.#imported = new ImportedResults({
      records: parts.records,
      progress: this.#progress,
      tell: options.tell,
      take: (vertex, record, result) => {
        this.#held.push(result);
        this.#note(vertex, record);
      },
    });
    if (options.signal.aborted) this.#leave();
    else options.signal.addEventListener('abort', this.#leave, { once: true });
  }

  /** Aborts with the build. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Before a vertex of it is evaluated. The caller holds the image as long as the build goes on; `top` is its highest layer. */
  addImage(imageId: string, top: number | undefined): void {
    this.#images.set(imageId, top);
  }

  /** The result belongs to the build, and is there until it is disposed. Rejects with what went wrong first, when all has stopped. */
  async evaluate(edge: Edge): Promise<Result> {
    try {
      const result = await this.#resultOf(edge);
      this.#imported.keepAll();
      return result;
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
    await this.#keyOf(vertex);
    return this.#records.get(vertex.digest);
  }

  /** What this build has come to know of vertices that a cache can have, by their digests. */
  get known(): ReadonlyMap<string, KnownVertex> {
    const known = new Map<string, KnownVertex>();
    for (const [digest, key] of this.#found) known.set(digest, { key, record: this.#records.get(digest) });
    return known;
  }

  /** What was found elsewhere and is not needed here comes all the same, as far as it is there: for who gives all of it away. */
  async bringAll(): Promise<void> {
    await this.#imported.bringAll(this.signal);
  }

  /** The vertex that ended the build. */
  get failed(): Vertex | undefined {
    return this.#failed;
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
        this.#failed = vertex;
        this.#progress.started(vertex);
        this.#progress.completed(vertex, { error: error instanceof Error ? error.message : String(error) });
      }
      this.#fail(error);
      throw error;
    }
  }

  async #makeResults(vertex: Vertex): Promise<readonly Result[]> {
    const { operation } = vertex;
    if (operation.kind === 'source' && operation.source.type !== 'image') return [await this.#fetch(vertex)];
    const key = await this.#keyOf(vertex);
    if (key.cached !== undefined) return key.cached;
    const brought = await this.#bring(vertex);
    if (brought !== undefined) return [brought];
    const inputs = await Promise.all(vertex.inputs.map((edge) => this.#resultOf(edge)));
    // Nobody else may be given what an earlier run has made.
    const name = vertex.ignoresCache ? `${key.key}:anew` : key.key;
    const shared = runKey(name, this.#runSettings, operation);
    const results = await this.#run(shared, { vertex, key, inputs, settings: this.#options });
    for (const result of results) this.#held.push(result);
    const record = this.#parts.records.lookup(key.key);
    if (record !== undefined) this.#note(vertex, record);
    this.#progress.completed(vertex);
    for (const listener of this.#listeners) listener(vertex, results);
    return results;
  }

  /** A root that a step has left behind is the build's, too. */
  async #run(name: string, run: VertexRun): Promise<readonly LayersResult[]> {
    try {
      return await this.#parts.runs.join(name, this.#member(run.vertex), (context) =>
        runVertex(this.#parts, run, context),
      );
    } catch (error) {
      // Of another step's failure that step has seen to it.
      if (error instanceof ExecFailed && error !== this.signal.reason && error.root !== undefined)
        this.#held.push(error.root);
      throw error;
    }
  }

  /** What a cache from elsewhere has made of it. undefined: it runs. */
  async #bring(vertex: Vertex): Promise<Result | undefined> {
    const result = await this.#imported.bring(vertex, this.signal);
    if (result !== undefined) for (const listener of this.#listeners) listener(vertex, [result]);
    return result;
  }

  /** A client's directory, a checkout, a download: this build's own. */
  async #fetch(vertex: Vertex): Promise<Result> {
    this.#vertices.set(vertex.digest, vertex);
    this.#progress.started(vertex);
    const result = await this.#parts.steps.source(stepRun(vertex, this.#options, this.#member(vertex)));
    this.#held.push(result);
    this.#progress.completed(vertex);
    return result;
  }

  #member(vertex: Vertex): RunMember {
    const { client, keepsFailed } = this.#options;
    return { signal: this.signal, client, keepsFailed, tell: (event) => this.#progress.took(vertex, event) };
  }

  async #findKey(vertex: Vertex): Promise<VertexKey> {
    const { signal } = this;
    const evaluation = {
      settings: this.#settings,
      signal,
      images: this.#images,
      imported: this.#options.imported ?? nothingImported,
      keyOf: (other: Vertex) => this.#keyOf(other),
      resultOf: (edge: Edge) => this.#resultOf(edge),
    };
    const found = await findKey(this.#parts, evaluation, vertex);
    if (vertex.operation.kind !== 'source' && found.isLasting) this.#found.set(vertex.digest, found);
    for (const result of found.cached ?? []) this.#held.push(result);
    if (found.record !== undefined) {
      this.#note(vertex, found.record);
      this.#progress.completed(vertex, { isCached: true });
    } else if (found.imported !== undefined) {
      this.#imported.add(vertex, found, found.imported);
    } else if (found.cached !== undefined) {
      this.#progress.started(vertex);
      this.#progress.completed(vertex);
    }
    return found;
  }

  async #resultOf({ vertex, output }: Edge): Promise<Result> {
    const results = await this.#resultsOf(vertex);
    const result = results[output];
    if (result !== undefined) return result;
    throw new TypeError(`${vertex.name} has ${results.length} results: number ${output} is not there`);
  }

  #note(vertex: Vertex, record: CacheRecord): void {
    this.#records.set(vertex.digest, record);
    this.#pins.push(this.#parts.records.pin(record));
  }
}
