// Which vertices make layers of the image: those that the target's files stand on. Pure.
import type { Edge, Vertex } from '../graph/operation.ts';

/** Digests of vertices. */
export function exportedChain(target: Edge | undefined): Set<string> {
  const found = new Set<string>();
  const waiting = target === undefined ? [] : [target.vertex];
  for (let vertex = waiting.pop(); vertex !== undefined; vertex = waiting.pop()) {
    if (found.has(vertex.digest)) continue;
    found.add(vertex.digest);
    for (const index of filesBelow(vertex)) {
      const input = vertex.inputs[index];
      if (input !== undefined) waiting.push(input.vertex);
    }
  }
  return found;
}

function filesBelow({ operation, inputs }: Vertex): number[] {
  switch (operation.kind) {
    case 'exec':
      return operation.mounts.flatMap((mount) => (mount.type === 'bind' && mount.output !== -1 ? [mount.input] : []));
    case 'file':
      return operation.actions.map(({ input }) => input);
    case 'merge':
      return inputs.map((_, index) => index);
    default:
      return [];
  }
}
