// A real dockerd beside the engine under test, in the same network namespace, without networks of its own unless it is to build.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { ApiClient } from './api-client.ts';
import { dockerPath } from './clis.ts';
import { eventually } from './eventually.ts';
import type { NetNamespace } from './net-namespace.ts';
import { mustRun } from './run-command.ts';

export class ReferenceDockerd {
  readonly dir = mkdtempSync('/tmp/tsdt-dockerd-');
  readonly host = `unix://${this.dir}/d.sock`;
  private readonly child: ChildProcess;

  private constructor(network: NetNamespace, options: { bridgeAddress?: string }) {
    const log = openSync(`${this.dir}/log`, 'a');
    const bridge = ['--bridge', 'none', '--iptables=false', '--ip-forward=false'];
    const args = [
      ...['-H', this.host, '--data-root', `${this.dir}/data`, '--exec-root', `${this.dir}/exec`],
      ...['--pidfile', `${this.dir}/pid`, '--config-file', `${this.dir}/empty.json`],
      ...(options.bridgeAddress === undefined ? bridge : [`--bip=${options.bridgeAddress}`]),
    ];
    writeFileSync(`${this.dir}/empty.json`, '{}');
    const [file = '', ...before] = network.wrapper;
    this.child = spawn(file, [...before, 'dockerd', ...args], { stdio: ['ignore', log, log] });
  }

  /** `bridgeAddress`: of its bridge, with the prefix's length; by default it has none. */
  static async start(network: NetNamespace, options: { bridgeAddress?: string } = {}): Promise<ReferenceDockerd> {
    const dockerd = new ReferenceDockerd(network, options);
    const api = new ApiClient(`${dockerd.dir}/d.sock`);
    await eventually(
      'dockerd answers',
      async () => {
        if (dockerd.child.exitCode !== null) throw new Error(readFileSync(`${dockerd.dir}/log`, 'utf8').slice(-1000));
        return (await api.send('GET', '/_ping')).status === 200;
      },
      { timeoutMs: 40_000, everyMs: 100 },
    );
    return dockerd;
  }

  /** The docker command line against it; what it printed. */
  docker(...args: string[]): Promise<string> {
    const env = { DOCKER_HOST: this.host, DOCKER_CONFIG: this.dir };
    return mustRun(dockerPath ?? 'docker', args, { env, timeoutMs: 60_000 });
  }

  async stop(): Promise<void> {
    this.child.kill('SIGTERM');
    await eventually('dockerd ends', () => this.child.exitCode !== null || this.child.signalCode !== null, {
      timeoutMs: 30_000,
    });
    // It leaves the namespace of a container on the host's network mounted.
    for (const [, path = ''] of readFileSync('/proc/self/mountinfo', 'utf8').matchAll(/^\S+ \S+ \S+ \S+ (\S+)/gm)) {
      if (path.startsWith(`${this.dir}/`)) execFileSync('umount', ['-l', path]);
    }
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 3 });
  }
}
