// A graph while it is planned. Which of a context's files are needed is known only when all instructions were looked at, and every digest above
// depends on it: so vertices are drafts first, and become vertices all at once, in the order in which they were drafted.
import type { Edge, Operation, Vertex } from './operation.ts';
import type { Pauses } from './pauses.ts';
import { makeVertex } from './vertex.ts';

/** undefined where it stands for an input: no files at all. */
export interface DraftEdge {
  readonly vertex: VertexDraft;
  readonly output: number;
}

export interface VertexDraft {
  /** A function: called when the draft becomes a vertex. */
  readonly operation: Operation | (() => Operation);
  readonly inputs: readonly DraftEdge[];
  readonly name: string;
  readonly ignoresCache: boolean;
  readonly lines: { readonly start: number; readonly end: number } | undefined;
}

type Growing = { -readonly [Key in keyof Vertex]: Vertex[Key] };

export class GraphDraft {
  readonly #drafts: VertexDraft[] = [];
  readonly #adopted = new Map<VertexDraft, Vertex>();

  /** Its first result. The inputs were added before. */
  add(parts: Pick<VertexDraft, 'operation' | 'name'> & Partial<VertexDraft>): DraftEdge {
    const { operation, name, inputs = [], ignoresCache = false, lines } = parts;
    const vertex: VertexDraft = { operation, inputs, name, ignoresCache, lines };
    this.#drafts.push(vertex);
    return { vertex, output: 0 };
  }

  /** One that is a vertex already. */
  adopt({ vertex, output }: Edge): DraftEdge {
    const { operation, name, ignoresCache, lines } = vertex;
    const draft: VertexDraft = { operation, inputs: [], name, ignoresCache, lines };
    this.#adopted.set(draft, vertex);
    return { vertex: draft, output };
  }

  /** Equal vertices become one, which ignores the cache when one of them does. */
  async finish(pauses: Pauses): Promise<FinishedGraph> {
    const byDraft = new Map<VertexDraft, Vertex>(this.#adopted);
    const byDigest = new Map<string, Growing>();
    for (const draft of this.#drafts) {
      const pause = pauses.due();
      if (pause !== undefined) await pause;
      const { name, ignoresCache, lines } = draft;
      const operation = typeof draft.operation === 'function' ? draft.operation() : draft.operation;
      const inputs = draft.inputs.map((edge) => edgeOf(byDraft, edge));
      const made = makeVertex({ operation, inputs, name, ignoresCache, ...(lines === undefined ? {} : { lines }) });
      const same = byDigest.get(made.digest);
      const vertex = same ?? { ...made };
      if (same === undefined) byDigest.set(vertex.digest, vertex);
      else same.ignoresCache ||= ignoresCache;
      byDraft.set(draft, vertex);
    }
    return { edge: (edge) => (edge === undefined ? undefined : edgeOf(byDraft, edge)) };
  }
}

export interface FinishedGraph {
  edge(edge: DraftEdge | undefined): Edge | undefined;
}

function edgeOf(vertices: ReadonlyMap<VertexDraft, Vertex>, { vertex, output }: DraftEdge): Edge {
  const made = vertices.get(vertex);
  if (made === undefined) throw new Error('a vertex was drafted before its input');
  return { vertex: made, output };
}
