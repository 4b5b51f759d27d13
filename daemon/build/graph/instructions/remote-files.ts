// Sources that are elsewhere: a git repository, a file by HTTP.
import { posix } from 'node:path';
import { DockerfileError } from '../../dockerfile/dockerfile-error.ts';
import type { AddInstruction, LineRange } from '../../dockerfile/instructions.ts';
import { type GitRemote, parseRemote } from '../../sources/remote.ts';
import type { DraftEdge } from '../draft.ts';
import { inLines } from '../in-lines.ts';
import type { GitSource, HttpSource } from '../operation.ts';
import type { StepContext } from './step-context.ts';

/** `path`: what of it is copied. */
export interface RemoteFiles {
  readonly kind: 'git' | 'http';
  readonly files: DraftEdge;
  readonly path: string;
}

export interface RemoteRequest {
  readonly instruction: AddInstruction;
  /** Of --checksum, expanded. */
  readonly checksum: string | undefined;
  /** The step's. */
  readonly name: string;
}

/** What a source of COPY or ADD is by its words alone; undefined: files of the context. Throws a DockerfileError. */
export function remoteKind(source: string, lines: LineRange): 'git' | 'http' | undefined {
  const remote = inLines(lines, () => parseRemote(source));
  return remote?.kind === 'git' && remote.isLikePath ? undefined : remote?.kind;
}

/** Throws a DockerfileError for what is said twice and not the same. */
export function remoteFiles(step: StepContext, request: RemoteRequest, url: string): RemoteFiles {
  const { graph, lines, stage } = step;
  const remote = inLines(lines, () => parseRemote(url));
  const source = remote?.kind === 'git' ? gitOf(remote, request, lines) : httpOf(url, request, lines);
  const options = { name: request.name, ignoresCache: stage.ignoresCache, lines };
  const files = graph.add({ operation: { kind: 'source', source }, ...options });
  return { kind: source.type, files, path: source.type === 'git' ? '/' : `/${source.filename}` };
}

export function gitSource(
  remote: GitRemote,
  { checksum, keepsGitDirectory }: Pick<GitSource, 'checksum' | 'keepsGitDirectory'>,
): GitSource {
  const { url, ref, subdirectory, hasSubmodules } = remote;
  const skips = hasSubmodules === false ? { skipsSubmodules: true } : {};
  return { type: 'git', url, ref, subdirectory, keepsGitDirectory, checksum, ...skips };
}

function gitOf(remote: GitRemote, { instruction, checksum }: RemoteRequest, lines: LineRange): GitSource {
  const { keepGitDir } = instruction;
  if (keepGitDir !== undefined && remote.keepsGitDirectory !== undefined && keepGitDir !== remote.keepsGitDirectory) {
    throw new DockerfileError('inconsistent keep-git-dir configuration', lines);
  }
  if (checksum !== undefined && remote.checksum !== '' && checksum !== remote.checksum) {
    const both = `${JSON.stringify(checksum)} != ${JSON.stringify(remote.checksum)}`;
    throw new DockerfileError(`checksum mismatch ${both}`, lines);
  }
  return gitSource(remote, {
    checksum: checksum ?? remote.checksum,
    keepsGitDirectory: keepGitDir ?? remote.keepsGitDirectory ?? false,
  });
}

function httpOf(url: string, { checksum = '' }: RemoteRequest, lines: LineRange): HttpSource {
  if (checksum !== '' && !/^sha256:[0-9a-f]{64}$/.test(checksum)) {
    throw new DockerfileError(checksumProblem(checksum), lines);
  }
  return { type: 'http', url, checksum, filename: fileNameOf(url), uid: 0, gid: 0 };
}

function checksumProblem(checksum: string): string {
  if (/^sha256:[0-9a-f]*$/.test(checksum)) return 'invalid checksum digest length';
  return /^[a-z0-9]+:[0-9a-f]+$/.test(checksum) ? 'unsupported digest algorithm' : 'invalid checksum digest format';
}

/** The last part of the URL's path; a name of docker's when it has none. */
function fileNameOf(url: string): string {
  const base = URL.canParse(url) ? posix.basename(decoded(new URL(url).pathname)) : '';
  return base === '' || base === '.' || base === '..' || base.includes('\0') ? '__unnamed__' : base;
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
