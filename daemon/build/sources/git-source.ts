// A git repository at one commit, as BuildKit checks it out: shallow where the server can, with submodules, without .git unless it is asked for.
import { existsSync, readlinkSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { AT, O, RESOLVE } from '../../../native-bindings/constants.ts';
import { isErrno } from '../../../native-bindings/errno.ts';
import { closeFd, openat, openat2 } from '../../../native-bindings/files.ts';
import { EngineError } from '../../errors/engine-error.ts';
import type { ContextStore, Filled } from '../contexts/context-store.ts';
import type { GitSource } from '../graph/operation.ts';
import type { DirectoryResult, StepRun } from '../steps/step.ts';
import { GitFailed, runGit } from './git-program.ts';
import { checkRef, parseRemote, splitCredentials, withoutCredentials } from './remote.ts';
import { openAgentSocket } from './ssh-agent-socket.ts';

type GitStepRun = Pick<StepRun, 'signal' | 'client' | 'log' | 'status'>;

const COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/** Throws 'invalid' (what git said, without credentials), 'not-found' for a subdirectory that is not there. Nothing is left then. */
export async function checkOut(contexts: ContextStore, source: GitSource, run: GitStepRun): Promise<DirectoryResult> {
  const isRemote = parseRemote(source.url)?.kind === 'git';
  // A client's graph may name what no Dockerfile can.
  if (!isRemote || /[#?]/.test(source.url))
    throw new EngineError(
      'invalid',
      `git ${JSON.stringify(withoutCredentials(source.url).slice(0, 300))}: it is no URL of a repository`,
    );
  if (source.ref !== '') checkRef(source.ref);
  try {
    return await contexts.make(async (path, work) => {
      using agent = await agentFor(source.url, work, run);
      const config = await credentialConfig(source.url, run.client);
      const bare = { ...source, url: splitCredentials(source.url).url };
      return new Checkout(bare, run, { path, work, config, sshAgentPath: agent?.path }).fill();
    });
  } catch (error) {
    if (!(error instanceof GitFailed)) throw error;
    const what = `git ${withoutCredentials(source.url)}`;
    throw new EngineError('invalid', `${what}: ${withoutCredentials(error.message)}`, { cause: error });
  }
}

interface Place {
  readonly path: string;
  readonly work: string;
  readonly config: readonly (readonly [string, string])[];
  readonly sshAgentPath: string | undefined;
}

class Checkout {
  /** Its URL is without credentials. */
  readonly #source: GitSource;
  readonly #run: GitStepRun;
  readonly #place: Place;
  readonly #gitDirectory: string;
  readonly #keepsGitDirectory: boolean;

  constructor(source: GitSource, run: GitStepRun, place: Place) {
    this.#source = source;
    this.#run = run;
    this.#place = place;
    this.#keepsGitDirectory = source.keepsGitDirectory && isRoot(source.subdirectory);
    this.#gitDirectory = this.#keepsGitDirectory ? join(place.path, '.git') : join(place.work, 'git');
  }

  async fill(): Promise<Filled> {
    const { url, checksum, subdirectory } = this.#source;
    const { path } = this.#place;
    await this.#git(['init', '--quiet']);
    // Submodules may be named relative to it.
    await this.#git(['config', '--', 'remote.origin.url', url]);
    const commit = await this.#fetch();
    this.#say(`${commit}\t${this.#source.ref || 'HEAD'}\n`);
    if (!commit.startsWith(checksum.toLowerCase()))
      throw new EngineError(
        'invalid',
        `git ${withoutCredentials(url)}: expected checksum to match ${checksum}, got ${commit}`,
      );
    if (this.#keepsGitDirectory) await this.#git(['checkout', '--quiet', '--detach', commit, '--']);
    else {
      await this.#git(['read-tree', commit]);
      await this.#git(['checkout-index', '--all', '--force', '--quiet']);
    }
    const hasSubmodules = existsSync(join(path, '.gitmodules')) && this.#source.skipsSubmodules !== true;
    if (hasSubmodules) await this.#shallow((depth) => ['submodule', 'update', '--init', '--recursive', ...depth]);
    if (hasSubmodules && !this.#keepsGitDirectory) await removeGitFiles(path, this.#run.signal);
    if (this.#keepsGitDirectory) await this.#tidy();
    const identity = [`git:${commit}`, subdirectory, hasSubmodules, this.#keepsGitDirectory && url];
    return { identity: identity.join(':'), path: isRoot(subdirectory) ? path : subdirectoryOf(path, subdirectory) };
  }

  /** The commit that was asked for. */
  async #fetch(): Promise<string> {
    const { url, ref } = this.#source;
    try {
      await this.#shallow((depth) => [
        'fetch',
        ...depth,
        '--no-tags',
        '--progress',
        '--',
        url,
        ref === '' ? 'HEAD' : ref,
      ]);
      return await this.#commitOf('FETCH_HEAD');
    } catch (error) {
      // Servers need not give a commit that is nobody's head.
      if (!(error instanceof GitFailed) || !COMMIT.test(ref)) throw error;
      const all = ['+refs/heads/*:refs/remotes/origin/*', '+refs/tags/*:refs/tags/*'];
      await this.#git(['fetch', '--progress', '--', url, ...all]);
      return await this.#commitOf(ref);
    }
  }

  async #commitOf(name: string): Promise<string> {
    const commit = (
      await this.#git(['rev-parse', '--verify', '--quiet', '--end-of-options', `${name}^{commit}`])
    ).trim();
    if (COMMIT.test(commit)) return commit;
    throw new EngineError('invalid', `git ${withoutCredentials(this.#source.url)}: ${this.#source.ref} is no commit`);
  }

  /** In one commit's depth, or whole where the server knows no such thing. */
  async #shallow(args: (depth: readonly string[]) => readonly string[]): Promise<void> {
    try {
      await this.#git(args(['--depth=1']));
    } catch (error) {
      if (!(error instanceof GitFailed) || !/--depth|shallow/.test(error.message)) throw error;
      await this.#git(args([]));
    }
  }

  /** Nothing secret, and nothing that says when this was, is in the .git that stays. */
  async #tidy(): Promise<void> {
    await this.#git(['reflog', 'expire', '--all', '--expire=now']);
    await rm(join(this.#gitDirectory, 'FETCH_HEAD'), { force: true });
  }

  #git(args: readonly string[]): Promise<string> {
    const { path, config, sshAgentPath } = this.#place;
    return runGit(['--git-dir', this.#gitDirectory, '--work-tree', path, ...args], {
      directory: path,
      signal: this.#run.signal,
      config,
      ...(sshAgentPath === undefined ? {} : { sshAgentPath }),
      onLine: (line) => this.#line(line),
    });
  }

  #line(line: string): void {
    const progress = /^(?:remote: )?([A-Z][a-z]+ [a-z]+): +\d+% \((\d+)\/(\d+)\)(.*)/.exec(line);
    if (progress === null) {
      if (!/^(?:remote: )?[A-Z][a-z]+ [a-z]+: /.test(line)) this.#say(`${withoutCredentials(line)}\n`);
      return;
    }
    const [, what = '', current, total, end = ''] = progress;
    this.#run.status(what.toLowerCase(), Number(current), Number(total), end.includes('done'));
  }

  #say(text: string): void {
    this.#run.log('stderr', Buffer.from(text));
  }
}

function isRoot(subdirectory: string): boolean {
  return subdirectory.split('/').every((part) => part === '' || part === '.');
}

/** Where it really is: links are followed inside the checkout, and nobody changes that any more. */
function subdirectoryOf(path: string, subdirectory: string): string {
  const root = openat(AT.FDCWD, path, O.PATH | O.DIRECTORY);
  try {
    const resolve = RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS;
    const fd = openat2(root, subdirectory, { flags: O.PATH | O.DIRECTORY, resolve });
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } finally {
      closeFd(fd);
    }
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'EINVAL')) throw error;
    const shown = JSON.stringify(subdirectory.slice(0, 300));
    throw new EngineError('not-found', `open ${shown}: there is no such directory in the repository`, { cause: error });
  } finally {
    closeFd(root);
  }
}

/** Submodules have a file that says where their repository lies on this host. A tree of git's has no such name itself. */
async function removeGitFiles(path: string, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  for (const entry of await readdir(path, { withFileTypes: true })) {
    const below = join(path, entry.name);
    if (entry.name === '.git') await rm(below, { recursive: true, force: true });
    else if (entry.isDirectory()) await removeGitFiles(below, signal);
  }
}

/** BuildKit's secrets: GIT_AUTH_TOKEN and GIT_AUTH_HEADER, also with the host behind a dot. */
async function credentialConfig(url: string, client: StepRun['client']): Promise<[string, string][]> {
  if (!/^https?:/i.test(url)) return [];
  const { host, origin } = new URL(url);
  const first = async (id: string): Promise<string | undefined> =>
    text(await client.secret(`${id}.${host}`)) ?? text(await client.secret(id));
  const header = await first('GIT_AUTH_HEADER');
  const token = await first('GIT_AUTH_TOKEN');
  const { url: bare, user, password } = splitCredentials(url);
  const own = user === '' && password === '' ? undefined : basic(user, password);
  const value = header ?? (token === undefined ? own : basic('x-access-token', token));
  if (value === undefined) return [];
  // Of github.com the token counts for all repositories: submodules are likely to be there too. So do the URL's own for those that are named
  // relative to it.
  const scope = host === 'github.com' || value === own ? `${origin}/` : bare;
  return [
    [`http.${scope}.extraHeader`, `Authorization: ${value}`],
    // git would go on with the header at whatever host it is sent to.
    ['http.followRedirects', 'false'],
  ];
}

function basic(user: string, password: string): string {
  return `basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

function text(secret: Uint8Array | undefined): string | undefined {
  const value = secret === undefined ? '' : Buffer.from(secret).toString('utf8').trim();
  if (/[\r\n\0]/.test(value)) throw new EngineError('invalid', 'git credentials: a secret has several lines');
  return value === '' ? undefined : value;
}

async function agentFor(
  url: string,
  work: string,
  { client }: GitStepRun,
): Promise<(Disposable & { path: string }) | undefined> {
  if (/^(?:https?|git):/i.test(url)) return undefined;
  const first = await client.sshAgent('default');
  if (first === undefined) return undefined;
  first.destroy();
  const path = join(work, 'agent');
  const socket = await openAgentSocket(path, () => client.sshAgent('default'));
  return { path, [Symbol.dispose]: () => socket[Symbol.dispose]() };
}
