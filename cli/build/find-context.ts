// What `build` is pointed at: a directory, a URL, or standard input; and which Dockerfile of it.
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { CliError } from '../errors.ts';
import { systemReason } from '../options/variables.ts';

export interface DirectoryContext {
  readonly kind: 'directory';
  readonly root: string;
  /** As the daemon finds it in the context. */
  readonly dockerfile: string;
  /** The text of the file of patterns that are left out; undefined: there is none. */
  readonly ignore: string | undefined;
  /** What is sent beside the directory's files: a Dockerfile from elsewhere. */
  readonly extra: readonly { readonly name: string; readonly bytes: Buffer }[];
}

export type BuildContext =
  | DirectoryContext
  | { readonly kind: 'remote'; readonly url: string; readonly dockerfile: string }
  | { readonly kind: 'stdin'; readonly dockerfile: string };

const maxDockerfileBytes = 16 << 20;

/** `readStdin` is called when the Dockerfile is to come from there. Throws CliError in docker's words. */
export async function findContext(path: string, file: string, readStdin: () => Promise<Buffer>): Promise<BuildContext> {
  if (path === '-') {
    if (file === '-') throw new CliError("invalid argument: can't use stdin for both build context and dockerfile");
    return { kind: 'stdin', dockerfile: file };
  }
  if (isUrl(path)) return { kind: 'remote', url: path, dockerfile: file };
  const root = resolve(path);
  const stats = lstatOf(path);
  if (!stats.isDirectory())
    throw new CliError(`unable to prepare context: path ${JSON.stringify(path)} must be a directory`);
  return directoryContext(root, file, file === '-' ? await readStdin() : undefined);
}

function directoryContext(root: string, file: string, stdin: Buffer | undefined): DirectoryContext {
  if (stdin !== undefined) {
    const name = hiddenName('-');
    return { kind: 'directory', root, dockerfile: name, ignore: ignoreText(root), extra: [{ name, bytes: stdin }] };
  }
  const path = file === '' ? defaultDockerfile(root) : resolve(file);
  const inside = relative(root, path);
  if (inside !== '' && !inside.startsWith('..'))
    return { kind: 'directory', root, dockerfile: inside, ignore: ignoreText(root, path), extra: [] };
  const name = hiddenName(path);
  const extra = [{ name, bytes: readDockerfile(path) }];
  return { kind: 'directory', root, dockerfile: name, ignore: ignoreText(root, path), extra };
}

/** Git, HTTP, and docker's short form of a repository. */
export function isUrl(path: string): boolean {
  return /^(?:https?|git|ssh):\/\/|^git@|^github\.com\//.test(path);
}

function lstatOf(path: string) {
  try {
    return statSync(path);
  } catch {
    throw new CliError(`unable to prepare context: path ${JSON.stringify(path)} not found`);
  }
}

/** The daemon finds one in lower case by itself, as it does for other clients. */
function defaultDockerfile(root: string): string {
  const usual = join(root, 'Dockerfile');
  const lower = join(root, 'dockerfile');
  return !existsSync(usual) && existsSync(lower) ? lower : usual;
}

function readDockerfile(path: string): Buffer {
  try {
    const { size } = lstatSync(path);
    if (size > maxDockerfileBytes)
      throw new CliError(`failed to read dockerfile: ${path}: larger than ${maxDockerfileBytes} bytes`);
    return readFileSync(path);
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(`failed to read dockerfile: open ${path}: ${systemReason(error)}`);
  }
}

/** Of a Dockerfile's own file, else of the context. */
export function ignoreText(root: string, dockerfile?: string): string | undefined {
  const own = dockerfile === undefined ? undefined : `${dockerfile}.dockerignore`;
  for (const path of [own, join(root, '.dockerignore')]) {
    if (path === undefined) continue;
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') continue;
      throw new CliError(`read ${relative(dirname(root), path)}: ${systemReason(error)}`);
    }
  }
  return undefined;
}

/** The same for the same file: the daemon keeps what it has of a context. */
function hiddenName(path: string): string {
  return `.dockerfile.${createHash('sha256').update(path).digest('hex').slice(0, 16)}`;
}
