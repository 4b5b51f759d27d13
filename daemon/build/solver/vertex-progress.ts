// What one build tells of its vertices: each begins and ends at most once, whoever runs it and however often it is asked for.
import type { Vertex } from '../graph/operation.ts';
import type { StepRun } from '../steps/step.ts';
import type { BuildEventSink } from './build-event.ts';
import type { RunEvent } from './shared-runs.ts';

export class VertexProgress {
  readonly #tell: BuildEventSink;
  readonly #started = new Map<string, number>();
  readonly #ended = new Set<string>();

  constructor(tell: BuildEventSink) {
    this.#tell = tell;
  }

  started(vertex: Vertex, atMs = wallClockMs()): void {
    if (this.#started.has(vertex.digest)) return;
    this.#started.set(vertex.digest, atMs);
    this.#tell({ kind: 'vertex', ...named(vertex), startedMs: atMs, isCached: false });
  }

  /** `error`: why it failed. */
  completed(vertex: Vertex, { isCached = false, error }: { isCached?: boolean; error?: string } = {}): void {
    if (this.#ended.has(vertex.digest)) return;
    this.#ended.add(vertex.digest);
    const now = wallClockMs();
    const startedMs = this.#started.get(vertex.digest) ?? now;
    const end = { startedMs, completedMs: now, isCached, ...(error === undefined ? {} : { error }) };
    this.#tell({ kind: 'vertex', ...named(vertex), ...end });
  }

  /** Those that began and will not end any more. */
  cancelled(vertices: Iterable<Vertex>): void {
    for (const vertex of vertices) {
      if (this.#started.has(vertex.digest)) this.completed(vertex, { error: 'context canceled' });
    }
  }

  /** Counts what a vertex is at, as steps do it. */
  statusOf(vertex: Vertex): StepRun['status'] {
    const begun = new Map<string, number>();
    return (id, current, total, isComplete) => {
      const now = wallClockMs();
      const startedMs = begun.get(id) ?? now;
      begun.set(id, startedMs);
      this.took(vertex, { kind: 'status', id, current, total, startedMs, ...(isComplete ? { completedMs: now } : {}) });
    };
  }

  took(vertex: Vertex, event: RunEvent): void {
    if (event.kind === 'started') this.started(vertex, event.atMs);
    else this.#tell({ ...event, vertex: vertex.digest });
  }
}

function named({ digest, name, inputs }: Vertex): { digest: string; name: string; inputs: string[] } {
  return { digest, name, inputs: [...new Set(inputs.map(({ vertex }) => vertex.digest))] };
}

/** Milliseconds since 1970, with fractions. */
export function wallClockMs(): number {
  return performance.timeOrigin + performance.now();
}
