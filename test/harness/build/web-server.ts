// A web server on the loopback of an engine's network namespace, for what a build fetches. It serves the files of a directory as they are.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { NetNamespace } from '../net-namespace.ts';

const script = `const { readFileSync } = require('node:fs');
require('node:http').createServer((request, answer) => {
  const path = new URL(request.url, 'http://x').pathname;
  try { const data = readFileSync(process.argv[1] + path); answer.end(data); }
  catch { answer.statusCode = 404; answer.end('not here'); }
}).listen(Number(process.argv[2]), '127.0.0.1', () => console.log('listens'));`;

let nextPort = 8100;

export class WebServer {
  readonly dir = mkdtempSync('/tmp/tsdt-web-');
  readonly url: string;
  private readonly child: ChildProcess;

  private constructor(network: NetNamespace) {
    const port = nextPort++;
    this.url = `http://127.0.0.1:${port}`;
    const [file = '', ...args] = [...network.wrapper, process.execPath, '-e', script, this.dir, String(port)];
    this.child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  }

  static async start(network: NetNamespace, files: Record<string, string | Buffer>): Promise<WebServer> {
    const server = new WebServer(network);
    for (const [name, data] of Object.entries(files)) server.put(name, data);
    if (server.child.stdout !== null) await once(server.child.stdout, 'data');
    return server;
  }

  put(name: string, data: string | Buffer): void {
    writeFileSync(`${this.dir}/${name}`, data);
  }

  async stop(): Promise<void> {
    const ended = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await ended;
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/**
 * Makes DIR/repo.git, to be cloned by HTTP as plain files: a branch `main` of two commits, the first tagged `first`, the second with
 * `sub/second`; `more` is in both. The commits' ids.
 */
export function gitRepository(dir: string, more: Record<string, string> = {}): string[] {
  const work = `${dir}/work`;
  const identity = ['-c', 'user.name=t', '-c', 'user.email=t@t', '-c', 'init.defaultBranch=main'];
  const git = (...args: string[]) =>
    execFileSync('git', [...identity, '-C', work, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  mkdirSync(work);
  git('init', '-q');
  const commit = (name: string) => {
    writeFileSync(`${work}/${name}`, `${name}\n`);
    git('add', '.');
    git('commit', '-q', '-m', name);
    return git('rev-parse', 'HEAD').trim();
  };
  for (const [name, text] of Object.entries(more)) {
    mkdirSync(dirname(`${work}/${name}`), { recursive: true });
    writeFileSync(`${work}/${name}`, text);
  }
  const first = commit('README');
  git('tag', 'first');
  mkdirSync(`${work}/sub`, { recursive: true });
  const second = commit('sub/second');
  execFileSync('git', ['clone', '-q', '--bare', work, `${dir}/repo.git`], { stdio: 'ignore' });
  execFileSync('git', ['-C', `${dir}/repo.git`, 'update-server-info']);
  rmSync(work, { recursive: true });
  return [first, second];
}
