// Where the Dockerfile is, what it says, and which files belong to the context: docker's ways to find each of them.
import { posix } from 'node:path';
import { EngineError } from '../../errors/engine-error.ts';
import type { ContextChoice } from '../build-request.ts';
import { isArchive, TOLD_BYTES } from '../contexts/tell-apart.ts';
import { DockerfileError } from '../dockerfile/dockerfile-error.ts';
import type { Dockerfile } from '../dockerfile/instructions.ts';
import { parseInPieces } from '../dockerfile/parse-dockerfile.ts';
import { parseRemote, withoutCredentials } from '../sources/remote.ts';
import { withExcerpt } from './in-lines.ts';
import { gitSource } from './instructions/remote-files.ts';
import type { BuildPlatform, Edge, SourceOperation } from './operation.ts';
import { Pauses } from './pauses.ts';
import type { MainContext, PlanLookups } from './plan.ts';
import { readPatterns } from './read-patterns.ts';
import { makeVertex } from './vertex.ts';

const DEFAULT_NAME = 'Dockerfile';
const IGNORE_FILE = '.dockerignore';
const MAX_DOCKERFILE_BYTES = 16 * 1024 * 1024;

export interface DockerfileRequest {
  readonly context: ContextChoice;
  /** Empty: "Dockerfile". */
  readonly dockerfile: string;
  readonly dockerfileText?: string;
  readonly buildArgs: ReadonlyMap<string, string | undefined>;
  /** Where it is built. */
  readonly buildPlatform: BuildPlatform;
}

export interface LoadedDockerfile {
  readonly dockerfile: Dockerfile;
  /** As it is shown in messages. */
  readonly name: string;
  readonly context: MainContext;
  /** Digest of the vertex that it was read of, or would have been. */
  readonly definition: string;
}

type Lookups = Pick<PlanLookups, 'readFile'>;

/** Throws 'invalid' in docker's words when there is no Dockerfile, and DockerfileError with the lines around for what is wrong in it. */
export async function loadDockerfile(request: DockerfileRequest, lookups: Lookups): Promise<LoadedDockerfile> {
  const found = await findDockerfile(request, lookups);
  try {
    refuseNul(found.text);
    const { dockerfile, error } = await new Pauses().through(parseInPieces(found.text));
    if (error !== undefined) throw error;
    refuseOtherFrontends(dockerfile, request.buildArgs);
    const { name, context, definition } = found;
    return { dockerfile, name, context, definition };
  } catch (error) {
    throw withExcerpt(error, found.name, found.text);
  }
}

export interface FoundDockerfile {
  /** As it is shown in messages. */
  readonly name: string;
  readonly text: string;
  /** Digest of the vertex that it was read of, or would have been. */
  readonly definition: string;
  readonly context: MainContext;
}

/** Throws 'invalid' in docker's words when there is none. */
export async function findDockerfile(request: DockerfileRequest, lookups: Lookups): Promise<FoundDockerfile> {
  const { context } = request;
  switch (context.kind) {
    case 'client':
      return findInDirectory(context.name, request, lookups);
    case 'remote':
      return findInRemote(context.url, request, lookups);
    case 'none':
      return { ...(await given(request, undefined, lookups)), context: { kind: 'files', files: undefined } };
    default:
      throw new EngineError(
        'invalid',
        `build: an image cannot be the context (${context.kind}): name it with --build-context`,
      );
  }
}

async function findInDirectory(name: string, request: DockerfileRequest, lookups: Lookups): Promise<FoundDockerfile> {
  const fileName = request.dockerfile || DEFAULT_NAME;
  const definition = definitionOf(name, fileName);
  const found = await given(request, definition, lookups);
  const isGiven = request.dockerfileText !== undefined;
  const own = isGiven ? undefined : await readPatterns(lookups, definition, `${fileName}${IGNORE_FILE}`);
  const source = { type: 'local', name, include: [], exclude: [], followPaths: [IGNORE_FILE] } as const;
  const exclude = own ?? (await readPatterns(lookups, edge(source, `[internal] load ${IGNORE_FILE}`), IGNORE_FILE));
  return { ...found, context: { kind: 'local', name, exclude: exclude ?? [] } };
}

/** A checkout, an archive or a Dockerfile; what a .dockerignore in it says does not count, as with docker. */
async function findInRemote(url: string, request: DockerfileRequest, lookups: Lookups): Promise<FoundDockerfile> {
  const remote = parseRemote(url);
  if (remote === undefined) {
    throw new EngineError(
      'invalid',
      `unable to prepare context: ${JSON.stringify(url.slice(0, 300))} is neither git nor http`,
    );
  }
  if (remote.kind === 'git') {
    const keepsGitDirectory =
      remote.keepsGitDirectory === true || isTrue(request.buildArgs.get('BUILDKIT_CONTEXT_KEEP_GIT_DIR'));
    const source = gitSource(remote, { checksum: remote.checksum, keepsGitDirectory });
    const files = edge(source, `[internal] load git source ${withoutCredentials(url)}`);
    return { ...(await given(request, files, lookups)), context: { kind: 'files', files } };
  }
  const download = edge(
    { type: 'http', url, checksum: '', filename: 'context', uid: 0, gid: 0 },
    '[internal] load remote build context',
  );
  const start = await lookups.readFile(download, 'context', { maxBytes: TOLD_BYTES, cuts: true });
  if (start === undefined || !isArchive(Buffer.from(start))) {
    const text = request.dockerfileText ?? (await readText(lookups, download, 'context')) ?? '';
    return { name: 'context', text, definition: download.vertex.digest, context: { kind: 'files', files: download } };
  }
  const files = unpacked(download, request.buildPlatform);
  return { ...(await given(request, files, lookups)), context: { kind: 'files', files } };
}

/** The text of the request, or that of the file among `files`. */
async function given(
  request: DockerfileRequest,
  files: Edge | undefined,
  lookups: Lookups,
): Promise<Omit<FoundDockerfile, 'context'>> {
  const name = request.dockerfile || DEFAULT_NAME;
  const definition = (files ?? definitionOf('dockerfile', name)).vertex.digest;
  if (request.dockerfileText !== undefined) return { name, text: request.dockerfileText, definition };
  if (files !== undefined) {
    const text =
      (await readText(lookups, files, name)) ??
      (posix.basename(name) === DEFAULT_NAME ? await readText(lookups, files, lowerCased(name)) : undefined);
    if (text !== undefined) return { name, text, definition };
  }
  throw new EngineError('invalid', `failed to read dockerfile: open ${name}: no such file or directory`);
}

function definitionOf(directory: string, fileName: string): Edge {
  const followPaths = [fileName, `${fileName}${IGNORE_FILE}`];
  if (posix.basename(fileName) === DEFAULT_NAME) followPaths.push(lowerCased(fileName));
  const source = { type: 'local', name: directory, include: [], exclude: [], followPaths } as const;
  return edge(source, `[internal] load build definition from ${fileName}`);
}

function lowerCased(path: string): string {
  return posix.join(posix.dirname(path), posix.basename(path).toLowerCase());
}

async function readText(lookups: Lookups, files: Edge, path: string): Promise<string | undefined> {
  const bytes = await lookups.readFile(files, path, { maxBytes: MAX_DOCKERFILE_BYTES });
  return bytes === undefined ? undefined : Buffer.from(bytes).toString('utf8');
}

function edge(source: SourceOperation['source'], name: string): Edge {
  return { vertex: makeVertex({ operation: { kind: 'source', source }, inputs: [], name }), output: 0 };
}

function unpacked(download: Edge, platform: BuildPlatform): Edge {
  const copy = {
    action: 'copy',
    input: -1,
    from: 0,
    output: 0,
    sources: ['/context'],
    destination: '/',
    exclude: [],
    unpacks: true,
    keepsParents: false,
    replacesLinks: false,
    allowsNoMatch: false,
    hasWildcards: false,
  } as const;
  const operation = { kind: 'file', actions: [copy], platform } as const;
  return {
    vertex: makeVertex({ operation, inputs: [download], name: '[internal] unpack remote build context' }),
    output: 0,
  };
}

function isTrue(text: string | undefined): boolean {
  return text !== undefined && /^(?:1|t|T|TRUE|true|True)$/.test(text);
}

/** Nothing that is made of a Dockerfile may hold one: arguments, variables, paths. */
function refuseNul(text: string): void {
  const at = text.indexOf('\0');
  if (at < 0) return;
  const line = text.slice(0, at).split('\n').length;
  throw new DockerfileError('the Dockerfile holds a NUL character', { start: line, end: line });
}

/** docker/dockerfile of any version is what is built in; another frontend would be an image to run. */
function refuseOtherFrontends({ directives }: Dockerfile, buildArgs: DockerfileRequest['buildArgs']): void {
  const reference = buildArgs.get('BUILDKIT_SYNTAX') ?? directives.syntax?.reference;
  if (reference === undefined || /^(?:docker\.io\/)?docker\/dockerfile(?:-upstream)?(?:[:@]|$)/.test(reference)) return;
  throw new EngineError(
    'not-implemented',
    `# syntax=${reference}: frontends other than docker/dockerfile are not there yet`,
  );
}
