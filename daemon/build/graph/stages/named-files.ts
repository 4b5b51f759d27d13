// The files of a named context: --build-context name=….
import type { ContextChoice } from '../../build-request.ts';
import { parseRemote, withoutCredentials } from '../../sources/remote.ts';
import type { DraftEdge } from '../draft.ts';
import { gitSource } from '../instructions/remote-files.ts';
import type { PlanContext } from '../instructions/step-context.ts';
import type { BuildPlatform, LocalSource, SourceOperation } from '../operation.ts';
import { followed } from '../paths.ts';
import type { PlanLookups } from '../plan.ts';
import { readPatterns } from '../read-patterns.ts';
import { makeVertex } from '../vertex.ts';
import { canonicalName, imageBase, platformOf } from './image-base.ts';
import type { FoundBase, Stage } from './stage.ts';
import { SCRATCH } from './stage-list.ts';

export interface NamedRequest {
  readonly name: string;
  readonly choice: ContextChoice;
  readonly stage: Stage;
  readonly platform: BuildPlatform;
  readonly lookups: PlanLookups;
}

/** Rejects with what the lookups reject with, and 'invalid' for a name or URL that cannot be. */
export async function findNamedFiles(context: PlanContext, request: NamedRequest): Promise<FoundBase> {
  const { name, choice, stage, platform, lookups } = request;
  const { graph } = context;
  const label = `[context ${name}]`;
  const nothing: FoundBase = { files: () => undefined, config: undefined, platform };
  switch (choice.kind) {
    case 'none':
      return nothing;
    case 'image': {
      if (choice.reference === SCRATCH) return nothing;
      const asked = {
        reference: canonicalName(choice.reference),
        name: `${label} load metadata for ${choice.reference}`,
      };
      const image = await lookups.resolveImage({ ...asked, platform });
      const own = platformOf(image.config, platform);
      return imageBase(context, { image, platform: own, stage, name: () => `${label} ${choice.reference}` });
    }
    case 'oci-layout': {
      const { name: layout, digest } = choice;
      const config = await lookups.resolveLayout({ name: layout, digest, platform });
      const operation = { kind: 'source', source: { type: 'oci-layout', name: layout, digest } } as const;
      const files = () => graph.add({ operation, name: `${label} OCI load from client`, lines: stage.lines });
      return { files, config, platform };
    }
    case 'remote': {
      const operation = remoteOperation(choice.url);
      const shown = `${label} ${withoutCredentials(choice.url)}`;
      return { ...nothing, files: () => forStage(context, request, graph.add({ operation, name: shown })) };
    }
    case 'client': {
      const exclude = await ignoredIn(choice.name, label, lookups);
      const source = (): LocalSource => {
        return { type: 'local', name: choice.name, include: [], exclude, followPaths: followed(stage.usedPaths) };
      };
      const operation = () => ({ kind: 'source', source: source() }) as const;
      const shown = `${label} load from client`;
      return { ...nothing, files: () => forStage(context, request, graph.add({ operation, name: shown })) };
    }
  }
}

/** A stage goes on from files that are an image's: those of a directory are copied once. */
function forStage({ graph }: PlanContext, { stage, name, platform }: NamedRequest, directory: DraftEdge): DraftEdge {
  if (stage.isExternal || (stage.replacement !== undefined && !stage.isBase)) return directory;
  stage.usedPaths.add('/');
  const copy = {
    action: 'copy',
    input: -1,
    from: 0,
    output: 0,
    sources: ['/'],
    destination: '/',
    exclude: [],
    unpacks: false,
    keepsParents: false,
    replacesLinks: false,
    allowsNoMatch: true,
    hasWildcards: false,
  } as const;
  const operation = { kind: 'file', actions: [copy], platform } as const;
  return graph.add({ operation, inputs: [directory], name: `[context ${name}] copy` });
}

function remoteOperation(url: string): SourceOperation {
  const remote = parseRemote(url);
  const source: SourceOperation['source'] =
    remote?.kind === 'git'
      ? gitSource(remote, { checksum: remote.checksum, keepsGitDirectory: remote.keepsGitDirectory ?? false })
      : { type: 'http', url, checksum: '', filename: 'context', uid: 0, gid: 0 };
  return { kind: 'source', source };
}

/** What the .dockerignore of a directory of the client leaves out. */
async function ignoredIn(name: string, label: string, lookups: PlanLookups): Promise<readonly string[]> {
  const source: LocalSource = { type: 'local', name, include: [], exclude: [], followPaths: ['.dockerignore'] };
  const vertex = makeVertex({ operation: { kind: 'source', source }, inputs: [], name: `${label} load .dockerignore` });
  return (await readPatterns(lookups, { vertex, output: 0 }, '.dockerignore')) ?? [];
}
