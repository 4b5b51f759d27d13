// Resolvers of the outside world and clients that ask, both in network namespaces of the test. See test/fixtures/upstream-dns.mjs.
import { type ChildProcess, spawn } from 'node:child_process';
import { eventually } from './eventually.ts';
import type { NetNamespace } from './net-namespace.ts';
import { fixturesDir } from './paths.ts';
import { mustRun } from './run-command.ts';

export class UpstreamDns {
  readonly #child: ChildProcess;
  #output = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.on('data', (chunk: Buffer) => {
      this.#output += chunk.toString();
    });
  }

  /** On port 53 of an address of the namespace. */
  static async start(namespace: Pick<NetNamespace, 'wrapper'>, address: string, tag = 'up'): Promise<UpstreamDns> {
    const [file = '', ...args] = [
      ...namespace.wrapper,
      process.execPath,
      `${fixturesDir}/upstream-dns.mjs`,
      address,
      tag,
    ];
    const upstream = new UpstreamDns(spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] }));
    await eventually('the upstream resolver listens', () => upstream.#output.startsWith('listening\n'));
    return upstream;
  }

  /** One line per question that reached it: `TAG transport name type`. */
  get questions(): string[] {
    return this.#output.split('\n').slice(1, -1);
  }

  /** Its port is free when this settles. */
  async stop(): Promise<void> {
    this.#child.kill('SIGKILL');
    await eventually(
      'the upstream resolver ends',
      () => this.#child.signalCode !== null || this.#child.exitCode !== null,
    );
  }
}

/** Put before the daemon's command: it sees this text as /etc/resolv.conf, and nobody else does. */
export function withResolvConf(file: string): string[] {
  return ['unshare', '--mount', 'sh', '-c', 'mount --bind "$0" "$(realpath /etc/resolv.conf)" && exec "$@"', file];
}

export type LookupAnswer = string | string[];

/** Asks 127.0.0.11 (or another server) from inside a namespace, through c-ares: each question is TYPE:NAME. */
export async function lookup(
  netnsPath: string,
  questions: readonly string[],
  server = '127.0.0.11',
): Promise<LookupAnswer[]> {
  const command = [process.execPath, `${fixturesDir}/lookup.mjs`, server, ...questions];
  const out = await mustRun('nsenter', [`--net=${netnsPath}`, '--', ...command]);
  return out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as LookupAnswer);
}
