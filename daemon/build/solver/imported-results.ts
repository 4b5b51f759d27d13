// What one build has found in caches from elsewhere: fetched when somebody needs the files, and recorded here then. Who could do without the files is
// told as cached at the end.
import type { Vertex } from '../graph/operation.ts';
import type { LayersResult } from '../steps/step.ts';
import type { BuildEventSink } from './build-event.ts';
import type { CacheRecord, CacheRecords } from './cache-records.ts';
import type { ImportedRecord } from './imported-cache.ts';
import type { VertexKey } from './vertex-keys.ts';
import type { VertexProgress } from './vertex-progress.ts';

interface Found {
  readonly vertex: Vertex;
  readonly key: VertexKey;
  readonly record: ImportedRecord;
}

export interface ImportedResultsParts {
  readonly records: CacheRecords;
  readonly progress: VertexProgress;
  readonly tell: BuildEventSink;
  /** Takes a result over that is here by now. */
  readonly take: (vertex: Vertex, record: CacheRecord, result: LayersResult) => void;
}

export class ImportedResults {
  readonly #parts: ImportedResultsParts;
  /** Those that nobody has needed yet, by the digests of their vertices. */
  readonly #found = new Map<string, Found>();

  constructor(parts: ImportedResultsParts) {
    this.#parts = parts;
  }

  add(vertex: Vertex, key: VertexKey, record: ImportedRecord): void {
    this.#found.set(vertex.digest, { vertex, key, record });
  }

  /** The result stays the build's. undefined: there is none, or it cannot be had, and the vertex runs. */
  async bring(vertex: Vertex, signal: AbortSignal): Promise<LayersResult | undefined> {
    const found = this.#found.get(vertex.digest);
    if (found === undefined) return undefined;
    try {
      const result = found.record.here() ?? (await found.record.fetch(signal));
      this.#remember(found, result);
      this.#keepBelow(vertex.inputs.map((edge) => edge.vertex));
      return result;
    } catch (error) {
      signal.throwIfAborted();
      this.#found.delete(vertex.digest);
      const short = `${vertex.name}: it is run, since a cache does not have what it says: ${(error as Error).message}`;
      this.#parts.tell({ kind: 'warning', vertex: vertex.digest, short, detail: [], url: '' });
      return undefined;
    }
  }

  /** All that can be had. */
  async bringAll(signal: AbortSignal): Promise<void> {
    for (const { vertex } of [...this.#found.values()]) await this.bring(vertex, signal);
  }

  /** The build's files are there, and nobody needs the rest. */
  keepAll(): void {
    this.#keepBelow([...this.#found.values()].map(({ vertex }) => vertex));
  }

  /** Who has all its layers by now is recorded here, too. */
  #keepBelow(vertices: readonly Vertex[]): void {
    const waiting = [...vertices];
    const seen = new Set<string>();
    for (let vertex = waiting.pop(); vertex !== undefined; vertex = waiting.pop()) {
      const found = this.#found.get(vertex.digest);
      if (found === undefined || seen.has(vertex.digest)) continue;
      seen.add(vertex.digest);
      for (const edge of vertex.inputs) waiting.push(edge.vertex);
      const result = found.record.here();
      if (result !== undefined) this.#remember(found, result);
      else this.#parts.progress.completed(vertex, { isCached: true });
    }
  }

  #remember({ vertex, key, record: { createdMs } }: Found, result: LayersResult): void {
    const { records, progress, take } = this.#parts;
    const { key: own, identity, aliases, inputs } = key;
    this.#found.delete(vertex.digest);
    const known = records.lookup(own);
    const names = { key: own, identity, aliases, inputs, description: vertex.name };
    const record = known ?? records.add({ ...names, outputs: [result], createdMs });
    if (known !== undefined) for (const alias of aliases) records.alias(known, alias, inputs);
    take(vertex, record, result);
    progress.completed(vertex, { isCached: true });
  }
}
