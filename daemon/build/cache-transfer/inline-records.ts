// The cache that an image has in its config: of its own layers only.
import type { BuildRequest } from '../build-request.ts';
import type { InlineCache } from '../exporters/built-image.ts';
import type { Edge } from '../graph/operation.ts';
import type { Solve } from '../solver/solve.ts';
import { encodeRecords } from './cache-document.ts';
import { type CollectParts, recordsOfImage } from './collect-records.ts';
import { documentRecords } from './record-graph.ts';

/** undefined: nobody has asked for one. Without buildx that is done with a build argument, which moby looks at. */
export function inlineCacheOf(
  parts: Pick<CollectParts, 'layers'>,
  { cacheTo, buildArgs }: Pick<BuildRequest, 'cacheTo' | 'buildArgs'>,
  solve: Solve,
  target: Edge | undefined,
): InlineCache | undefined {
  const isArgument = /^(?:1|t|true)$/i.test(buildArgs.get('BUILDKIT_INLINE_CACHE') ?? '');
  if (!isArgument && cacheTo.every(({ type }) => type !== 'inline')) return undefined;
  return (diffIds) => {
    const records = recordsOfImage(parts, { known: solve.known, target }, diffIds);
    if (records.every(({ layer }) => layer === undefined)) return undefined;
    return encodeRecords(documentRecords(records)).toString('base64');
  };
}
