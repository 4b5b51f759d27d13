// What a build is at, collected from its events: vertices in the order in which they were first heard of.
import type { BuildEventLine } from '../../daemon/docker-types/build.ts';

export interface VertexProgress {
  readonly digest: string;
  /** From 1 on. */
  readonly number: number;
  name: string;
  startedMs: number | undefined;
  completedMs: number | undefined;
  isCached: boolean;
  error: string | undefined;
  readonly statuses: Map<string, StatusProgress>;
  /** The last lines of its output, the last one perhaps without its end. */
  lines: string[];
}

export interface StatusProgress {
  readonly id: string;
  current: number;
  total: number;
  startedMs: number;
  completedMs: number | undefined;
}

const keptLines = 200;

export class BuildProgress {
  readonly vertices = new Map<string, VertexProgress>();
  readonly warnings: Extract<BuildEventLine, { kind: 'warning' }>[] = [];
  /** Where what failed stands in the Dockerfile. */
  excerpt = '';

  /** Returns the vertex that it is about; undefined for what is none's progress. */
  take(event: BuildEventLine): VertexProgress | undefined {
    if (event.kind === 'warning') {
      this.warnings.push(event);
      return undefined;
    }
    if (event.kind === 'source') {
      this.excerpt = event.excerpt;
      return undefined;
    }
    const vertex = this.#vertex(event.kind === 'vertex' ? event.digest : event.vertex);
    if (event.kind === 'vertex') {
      vertex.name = event.name || vertex.name;
      vertex.startedMs = event.startedMs ?? vertex.startedMs;
      vertex.completedMs = event.completedMs ?? vertex.completedMs;
      vertex.isCached ||= event.isCached;
      vertex.error = event.error ?? vertex.error;
    } else if (event.kind === 'status') {
      const { id, current, total, startedMs, completedMs } = event;
      vertex.statuses.set(id, { id, current, total, startedMs, completedMs });
    } else this.#addOutput(vertex, Buffer.from(event.bytes, 'base64').toString());
    return vertex;
  }

  get failed(): VertexProgress | undefined {
    return [...this.vertices.values()].find(({ error }) => error !== undefined);
  }

  get completedCount(): number {
    return [...this.vertices.values()].filter(isComplete).length;
  }

  #vertex(digest: string): VertexProgress {
    let vertex = this.vertices.get(digest);
    if (vertex === undefined) {
      vertex = {
        digest,
        number: this.vertices.size + 1,
        name: '',
        startedMs: undefined,
        completedMs: undefined,
        isCached: false,
        error: undefined,
        statuses: new Map(),
        lines: [],
      };
      this.vertices.set(digest, vertex);
    }
    return vertex;
  }

  #addOutput(vertex: VertexProgress, text: string): void {
    const last = vertex.lines.pop() ?? '';
    vertex.lines.push(...(last + text).split('\n'));
    if (vertex.lines.length > keptLines) vertex.lines.splice(0, vertex.lines.length - keptLines);
  }
}

export function isComplete({ completedMs, isCached }: VertexProgress): boolean {
  return completedMs !== undefined || isCached;
}

/** Whole lines of its output, the last ones. */
export function lastLines({ lines }: VertexProgress, count: number): string[] {
  const whole = lines.at(-1) === '' ? lines.slice(0, -1) : lines;
  return whole.slice(-count);
}

export function seconds(fromMs: number, toMs: number): string {
  return `${(Math.max(0, toMs - fromMs) / 1000).toFixed(1)}s`;
}
