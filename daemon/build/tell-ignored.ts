// What of a request would have no effect is refused; where it has one for some outputs only, that is told, as a vertex that failed and does not fail
// the build.
import { EngineError } from '../errors/engine-error.ts';
import type { BuildRequest } from './build-request.ts';
import { makeVertex } from './graph/vertex.ts';
import { VertexProgress } from './solver/vertex-progress.ts';

const why = 'only outputs of type oci and docker have them: an image in the store has no manifest yet';

/** Throws 'not-implemented' when it has no effect at all. */
export function tellIgnored({ annotations, outputs, tell }: BuildRequest): void {
  const isForNothing = outputs.every(({ type }) => type !== 'oci' && type !== 'docker');
  if (annotations.size > 0 && isForNothing) throw new EngineError('not-implemented', `annotations: ${why}`);
  const progress = new VertexProgress(tell);
  const refuse = (name: string, error: string): void => {
    const source = { type: 'image', reference: name, imageId: '' } as const;
    const vertex = makeVertex({ operation: { kind: 'source', source }, inputs: [], name });
    progress.started(vertex);
    progress.completed(vertex, { error });
  };
  if (annotations.size > 0 && outputs.some(({ type }) => type === 'image')) refuse('annotations', why);
}
