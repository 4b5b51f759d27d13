// The host's git, run for a stranger's repository: nothing of the host's or the user's configuration, no hooks, no questions, only transports to
// other hosts; a process group of its own, which ends with the signal. What it is told are arguments, never words of a shell.
import { spawn } from 'node:child_process';
import { EngineError } from '../../errors/engine-error.ts';

export interface GitRun {
  /** Working directory. */
  readonly directory: string;
  readonly signal: AbortSignal;
  /** More configuration. It goes by the environment, which only root can read: arguments are everybody's. */
  readonly config?: readonly (readonly [string, string])[];
  /** A socket that ssh asks for keys. */
  readonly sshAgentPath?: string;
  /** What it says, a line each, progress too. */
  readonly onLine?: (line: string) => void;
}

/** git ended with an error; the message is its own last words. */
export class GitFailed extends Error {}

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** Files are to have the usual modes, whatever the daemon's umask is. */
const START = 'umask 022; command -v git >/dev/null || exit 127; exec git "$@"';
/**
 * Unknown hosts are taken as they are, as BuildKit does; one that the host's administrator knows must have its key. ssh asks the user database,
 * not HOME, for the directory of its own files: without IdentityFile a stranger's URL is opened with root's keys. Those of an agent stay.
 */
export const SSH_COMMAND = [
  'ssh -F none -o BatchMode=yes -o IdentityFile=none -o IdentitiesOnly=no -o ControlPath=none -o PKCS11Provider=none',
  '-o UserKnownHostsFile=/dev/null -o UpdateHostKeys=no -o StrictHostKeyChecking=accept-new',
].join(' ');
/** Of what is read: names of refs, commits. */
const MAX_OUTPUT_BYTES = 1024 * 1024;
const MAX_WORDS = 4096;

const settings: readonly (readonly [string, string])[] = [
  ['core.hooksPath', '/dev/null'],
  ['core.fsmonitor', 'false'],
  ['core.autocrlf', 'false'],
  ['credential.helper', ''],
  ['gc.auto', '0'],
  ['maintenance.auto', 'false'],
  ['advice.detachedHead', 'false'],
  ['init.defaultBranch', 'master'],
  ['safe.directory', '*'],
  // A host that sends nothing any more.
  ['http.lowSpeedLimit', '1'],
  ['http.lowSpeedTime', '120'],
];
/** The daemon's own: it is the daemon that fetches. */
const proxyNames = ['http_proxy', 'https_proxy', 'HTTPS_PROXY', 'no_proxy', 'NO_PROXY', 'all_proxy', 'ALL_PROXY'];

/** What it wrote to stdout. Throws GitFailed, 'not-implemented' where there is no git, and the signal's reason. */
export function runGit(args: readonly string[], run: GitRun): Promise<string> {
  run.signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const child = spawn('/bin/sh', ['-c', START, 'git', ...args], {
      cwd: run.directory,
      env: environment(run),
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const words = new LastWords(run.onLine);
    let output = '';
    // With its helpers, which hold the connection.
    const stop = (): void => killGroup(child.pid);
    run.signal.addEventListener('abort', stop, { once: true });
    child.stdout.on('data', (bytes: Buffer) => {
      output += bytes.toString('utf8');
      if (output.length > MAX_OUTPUT_BYTES) stop();
    });
    child.stderr.on('data', (bytes: Buffer) => words.add(bytes.toString('utf8')));
    const over = (error?: Error): void => {
      run.signal.removeEventListener('abort', stop);
      if (run.signal.aborted) reject(run.signal.reason);
      else if (error === undefined) resolve(output);
      else reject(error);
    };
    child.once('error', over);
    child.once('close', (code) => {
      if (code === 0) over();
      else if (code === 127) over(notInstalled());
      else over(new GitFailed(words.told || `git ended with ${code ?? 'a signal'}`));
    });
  });
}

function notInstalled(): EngineError {
  return new EngineError('not-implemented', 'read git repository: git is not installed on this host: install git');
}

function environment({ config = [], sshAgentPath }: GitRun): Record<string, string> {
  const all = [...settings, ...config];
  const env: Record<string, string> = {
    PATH,
    HOME: '/nonexistent',
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    // For submodules too: neither the host's files nor remote helpers, which are programs.
    GIT_ALLOW_PROTOCOL: 'http:https:git:ssh',
    GIT_SSH_COMMAND: SSH_COMMAND,
    GIT_CONFIG_COUNT: String(all.length),
  };
  all.forEach(([key, value], i) => {
    env[`GIT_CONFIG_KEY_${i}`] = key;
    env[`GIT_CONFIG_VALUE_${i}`] = value;
  });
  if (sshAgentPath !== undefined) env.SSH_AUTH_SOCK = sshAgentPath;
  for (const name of proxyNames) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  return env;
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

/** Lines of stderr as they come, and the last of them that say something. */
class LastWords {
  readonly #onLine: ((line: string) => void) | undefined;
  #rest = '';
  #lines: string[] = [];

  constructor(onLine: ((line: string) => void) | undefined) {
    this.#onLine = onLine;
  }

  add(text: string): void {
    const lines = (this.#rest + text).split(/[\r\n]/);
    this.#rest = (lines.pop() ?? '').slice(-MAX_WORDS);
    for (const line of lines) this.#line(line.slice(0, MAX_WORDS));
  }

  get told(): string {
    this.#line(this.#rest);
    return this.#lines.join('; ').slice(0, MAX_WORDS);
  }

  #line(line: string): void {
    if (line.trim() === '') return;
    this.#onLine?.(line);
    if (!/: +\d+% \(/.test(line)) this.#lines = [...this.#lines.slice(-4), line];
  }
}
