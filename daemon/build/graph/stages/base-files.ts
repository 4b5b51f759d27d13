// What a stage begins with when it does not come from another one: an image, nothing, or a named context.

import { EngineError, isEngineError } from '../../../errors/engine-error.ts';
import type { ImageConfig } from '../../../images/documents/image-config.ts';
import { normalised } from '../../../images/documents/platform.ts';
import { parseReference } from '../../../registry/reference.ts';
import type { ContextChoice } from '../../build-request.ts';
import { withSuggestion } from '../../dockerfile/suggest.ts';
import type { DraftEdge } from '../draft.ts';
import { atLines } from '../in-lines.ts';
import { parseGitReference } from '../instructions/git-reference.ts';
import type { PlanContext } from '../instructions/step-context.ts';
import { fromName } from '../instructions/step-name.ts';
import type { BuildPlatform, Edge, LocalSource } from '../operation.ts';
import { followed } from '../paths.ts';
import type { PlanLookups } from '../plan.ts';
import { makeVertex } from '../vertex.ts';
import { Environment, splitVariable } from './environment.ts';
import { parseIgnoreFile } from './ignore-file.ts';
import { findNamedContext } from './named-context.ts';
import type { Stage } from './stage.ts';
import { SCRATCH } from './stage-list.ts';
import type { StageState } from './stage-state.ts';

const DEFAULT_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const MAX_IGNORE_BYTES = 1024 * 1024;

interface Found {
  readonly files: DraftEdge | undefined;
  /** undefined: files without a config. */
  readonly config: ImageConfig | undefined;
  readonly platform: BuildPlatform;
}

/** Throws a DockerfileError at the stage's FROM, or what the lookups reject with. */
export async function beginningOf(
  context: PlanContext,
  { stage, lookups, stageNames }: { stage: Stage; lookups: PlanLookups; stageNames: () => readonly string[] },
): Promise<StageState> {
  try {
    const found = await findBase(context, stage, lookups);
    return stateOf(context, found);
  } catch (error) {
    const named = isEngineError(error, 'not-found')
      ? new EngineError(
          'not-found',
          withSuggestion(
            `${stage.baseName}: ${error.message}`,
            stage.baseName,
            [...stageNames(), ...commonImages],
            true,
          ),
          { cause: error },
        )
      : error;
    throw atLines(named, stage.lines);
  }
}

const commonImages = ['alpine', 'busybox', 'centos', 'debian', 'golang', 'ubuntu', 'fedora'].flatMap((name) => [
  name,
  `${name}:latest`,
]);

async function findBase(context: PlanContext, stage: Stage, lookups: PlanLookups): Promise<Found> {
  const { options, graph } = context;
  const platform = stage.platform ?? options.targetPlatform ?? options.buildPlatform;
  if (stage.replacement !== undefined)
    return namedFiles(context, { name: stage.name, choice: stage.replacement, stage, platform, lookups });
  if (stage.baseName === SCRATCH) return { files: undefined, config: undefined, platform };
  const choice = findNamedContext(options.namedContexts, stage.baseName, platform);
  if (choice !== undefined) return namedFiles(context, { name: stage.baseName, choice, stage, platform, lookups });
  const reference = canonical(stage.baseName);
  const prefix = options.isMultiPlatform ? `${platform.os}/${platform.architecture} ` : '';
  const image = await lookups.resolveImage({
    reference,
    platform,
    name: `[${prefix}internal] load metadata for ${reference}`,
  });
  const isImplicit = stage.platform === undefined && options.targetPlatform === undefined;
  const own = isImplicit ? platformOf(image.config, platform) : platform;
  if (image.config.rootfs.diff_ids.length === 0) return { files: undefined, config: image.config, platform: own };
  const operation = {
    kind: 'source',
    source: { type: 'image', reference: image.reference, imageId: image.imageId },
  } as const;
  const files = graph.add({ operation, name: fromName(context, stage, image.reference, own), lines: stage.lines });
  return { files, config: image.config, platform: own };
}

/** With a tag when there is neither tag nor digest. */
function canonical(name: string): string {
  const { repository, tag, digest } = parseReference(name);
  const withTag =
    tag === undefined && digest === undefined
      ? `${repository}:latest`
      : `${repository}${tag === undefined ? '' : `:${tag}`}`;
  return digest === undefined ? withTag : `${withTag}@${digest}`;
}

function platformOf({ os, architecture, variant }: ImageConfig, asked: BuildPlatform): BuildPlatform {
  const own = normalised({ os, architecture, ...(variant === undefined ? {} : { variant }) });
  return own.os === asked.os && own.architecture === asked.architecture ? asked : own;
}

interface NamedRequest {
  readonly name: string;
  readonly choice: ContextChoice;
  readonly stage: Stage;
  readonly platform: BuildPlatform;
  readonly lookups: PlanLookups;
}

async function namedFiles(context: PlanContext, request: NamedRequest): Promise<Found> {
  const { name, choice, stage, platform, lookups } = request;
  const { graph } = context;
  const label = `[context ${name}]`;
  switch (choice.kind) {
    case 'none':
      return { files: undefined, config: undefined, platform };
    case 'image': {
      if (choice.reference === SCRATCH) return { files: undefined, config: undefined, platform };
      const reference = canonical(choice.reference);
      const image = await lookups.resolveImage({
        reference,
        platform,
        name: `${label} load metadata for ${choice.reference}`,
      });
      const operation = {
        kind: 'source',
        source: { type: 'image', reference: image.reference, imageId: image.imageId },
      } as const;
      const hasFiles = image.config.rootfs.diff_ids.length > 0;
      const files = hasFiles
        ? graph.add({ operation, name: `${label} ${choice.reference}`, lines: stage.lines })
        : undefined;
      return { files, config: image.config, platform: platformOf(image.config, platform) };
    }
    case 'oci-layout': {
      const config = await lookups.resolveLayout({ name: choice.name, digest: choice.digest, platform });
      const operation = {
        kind: 'source',
        source: { type: 'oci-layout', name: choice.name, digest: choice.digest },
      } as const;
      const files = graph.add({ operation, name: `${label} OCI load from client`, lines: stage.lines });
      return { files, config, platform };
    }
    case 'remote':
      return {
        files: onStage(
          context,
          request,
          graph.add({ operation: remoteOperation(choice.url), name: `${label} ${choice.url}` }),
        ),
        config: undefined,
        platform,
      };
    case 'client': {
      const exclude = await ignoredIn(choice.name, label, lookups);
      const operation = () =>
        ({
          kind: 'source',
          source: { type: 'local', name: choice.name, include: [], exclude, followPaths: followed(stage.usedPaths) },
        }) as const;
      return {
        files: onStage(context, request, graph.add({ operation, name: `${label} load from client` })),
        config: undefined,
        platform,
      };
    }
  }
}

/** A stage goes on from files that are an image's: those of a directory are copied once. */
function onStage({ graph }: PlanContext, { stage, name, platform }: NamedRequest, directory: DraftEdge): DraftEdge {
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
  return graph.add({
    operation: { kind: 'file', actions: [copy], platform },
    inputs: [directory],
    name: `[context ${name}] copy`,
  });
}

function remoteOperation(url: string) {
  const git = parseGitReference(url, 'context');
  if (git === undefined)
    return {
      kind: 'source',
      source: { type: 'http', url, checksum: '', filename: 'context', uid: 0, gid: 0 },
    } as const;
  const { keepsGitDirectory = false, ...rest } = git;
  return { kind: 'source', source: { type: 'git', ...rest, keepsGitDirectory } } as const;
}

/** What the .dockerignore of a directory of the client leaves out. */
async function ignoredIn(name: string, label: string, lookups: PlanLookups): Promise<readonly string[]> {
  const source: LocalSource = { type: 'local', name, include: [], exclude: [], followPaths: ['.dockerignore'] };
  const vertex = makeVertex({ operation: { kind: 'source', source }, inputs: [], name: `${label} load .dockerignore` });
  const files: Edge = { vertex, output: 0 };
  const bytes = await lookups.readFile(files, '.dockerignore', { maxBytes: MAX_IGNORE_BYTES });
  return bytes === undefined ? [] : parseIgnoreFile(Buffer.from(bytes).toString('utf8'));
}

function stateOf({ budget }: PlanContext, { files, config, platform }: Found): StageState {
  const {
    config: own = {},
    history: _history,
    rootfs: _rootfs,
    created: _created,
    ...base
  } = config ?? emptyImage(platform);
  const before = own.Env ?? [];
  const hasPath = before.some((entry) => splitVariable(entry).name === 'PATH');
  const Env = hasPath ? before : [...before, DEFAULT_PATH];
  const env = new Environment(budget);
  for (const entry of Env) {
    const { name, value } = splitVariable(entry);
    env.set(name, value);
  }
  return {
    files,
    env,
    platform,
    config: { ...own, Env },
    author: base.author,
    base,
    baseImage: config,
    history: undefined,
    args: undefined,
    hasCmd: false,
  };
}

/** What docker begins FROM scratch with. */
function emptyImage({ os, architecture, variant }: BuildPlatform): ImageConfig {
  return {
    architecture,
    os,
    ...(variant === undefined ? {} : { variant }),
    config: { Env: [DEFAULT_PATH], WorkingDir: '/' },
    rootfs: { type: 'layers', diff_ids: [] },
  };
}
