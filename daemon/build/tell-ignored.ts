// What of a request has no effect here is told, as vertices that failed and do not fail the build.
import type { BuildRequest } from './build-request.ts';
import { makeVertex } from './graph/vertex.ts';
import { VertexProgress } from './solver/vertex-progress.ts';

export function tellIgnored({ annotations, outputs, tell }: BuildRequest): void {
  const progress = new VertexProgress(tell);
  const refuse = (name: string, error: string): void => {
    const source = { type: 'image', reference: name, imageId: '' } as const;
    const vertex = makeVertex({ operation: { kind: 'source', source }, inputs: [], name });
    progress.started(vertex);
    progress.completed(vertex, { error });
  };
  if (annotations.size > 0 && outputs.some(({ type }) => type === 'image'))
    refuse('annotations', 'only outputs of type oci and docker have them: an image in the store has no manifest yet');
}
