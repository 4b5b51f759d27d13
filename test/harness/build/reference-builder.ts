// A dockerd with BuildKit, driven by buildx, as one more engine for the tests of builds: what it does is what they expect.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { ApiClient } from '../api-client.ts';
import { dockerPath } from '../clis.ts';
import { busyboxTar } from '../fixtures.ts';
import { NetNamespace } from '../net-namespace.ts';
import { findCommand } from '../paths.ts';
import { ReferenceDockerd } from '../reference-dockerd.ts';
import { type CommandOptions, type CommandResult, runCommand } from '../run-command.ts';
import type { BuildEngine, BuildOptions } from './build-engine.ts';
import { type BuildFiles, contextDir } from './build-files.ts';
import { type Built, readBuildkitProgress } from './build-stream.ts';

/** Debian puts it there, beside a docker that is installed or only unpacked. */
export function buildxDir(): string | undefined {
  if (dockerPath === undefined) return undefined;
  const dir = `${dirname(dockerPath)}/../libexec/docker/cli-plugins`;
  return findIn(dir, 'docker-buildx') ? dir : undefined;
}

function findIn(dir: string, name: string): boolean {
  try {
    return readFileSync(`${dir}/${name}`).length > 0;
  } catch {
    return false;
  }
}

export class ReferenceBuilder implements BuildEngine {
  readonly isReference = true;
  readonly api: ApiClient;
  private readonly dockerd: ReferenceDockerd;
  readonly network: NetNamespace;
  private readonly isOwnNetwork: boolean;
  private count = 0;

  private constructor(dockerd: ReferenceDockerd, network: NetNamespace, isOwnNetwork: boolean) {
    this.dockerd = dockerd;
    this.network = network;
    this.isOwnNetwork = isOwnNetwork;
    this.api = new ApiClient(`${dockerd.dir}/d.sock`);
    mkdirSync(`${dockerd.dir}/config`, { recursive: true });
    writeFileSync(`${dockerd.dir}/config/config.json`, JSON.stringify({ cliPluginsExtraDirs: [buildxDir() ?? ''] }));
  }

  /** With `busybox` imported, as TestDaemon has it. */
  static async start(network?: NetNamespace): Promise<ReferenceBuilder> {
    const own = network ?? NetNamespace.make();
    const dockerd = await ReferenceDockerd.start(own, { bridgeAddress: '172.31.252.1/24' });
    const builder = new ReferenceBuilder(dockerd, own, network === undefined);
    const path = 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
    await builder.importTar(readFileSync(busyboxTar()), 'busybox', ['CMD ["sh"]', path]);
    return builder;
  }

  get host(): string {
    return this.dockerd.host;
  }

  async importTar(tar: Uint8Array, name: string, changes: readonly string[] = []): Promise<void> {
    const query = new URLSearchParams({ fromSrc: '-', repo: name, tag: 'latest' });
    for (const change of changes) query.append('changes', change);
    const headers = { 'Content-Type': 'application/x-tar' };
    const answer = await this.api.send('POST', `/images/create?${query}`, { raw: tar, headers, timeoutMs: 120_000 });
    if (answer.status !== 200) throw new Error(`import ${name}: ${answer.text}`);
  }

  async tryBuild(files: BuildFiles, options: BuildOptions = {}): Promise<Built> {
    const idFile = `${this.dockerd.dir}/id-${this.count++}`;
    const result = await this.buildCommand(files, ['--progress=rawjson', '--iidfile', idFile, ...flagsOf(options)]);
    const told = readBuildkitProgress(result.stderr);
    if (result.code === 0) return { id: readFileSync(idFile, 'utf8').trim(), ...told, error: undefined };
    return { id: '', ...told, error: told.error ?? result.stderr.slice(-500) };
  }

  async buildCommand(files: BuildFiles, args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    const dir = await contextDir(files);
    try {
      // With -f relative to the context, as the API has it.
      const env = { DOCKER_HOST: this.host, DOCKER_CONFIG: `${this.dockerd.dir}/config`, ...options.env };
      const all = ['buildx', 'build', ...args, '.'];
      return await runCommand(dockerPath ?? 'docker', all, { timeoutMs: 120_000, cwd: dir, ...options, env });
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  }

  async dispose(): Promise<void> {
    await this.dockerd.stop();
    if (this.isOwnNetwork) this.network.close();
  }
}

export function hasReferenceBuilder(): boolean {
  return findCommand('dockerd') !== undefined && findCommand('iptables') !== undefined && buildxDir() !== undefined;
}

function flagsOf(options: BuildOptions): string[] {
  const flag = (name: string, value: string | undefined) => (value === undefined ? [] : [name, value]);
  const pairs = (name: string, values: Record<string, string | null> = {}) =>
    Object.entries(values).flatMap(([key, value]) => [name, value === null ? key : `${key}=${value}`]);
  return [
    ...flag('-f', options.dockerfile),
    ...(options.tags ?? []).flatMap((tag) => ['-t', tag]),
    ...flag('--target', options.target),
    ...pairs('--build-arg', options.buildArgs),
    ...pairs('--label', options.labels),
    ...(options.noCache === true ? ['--no-cache'] : []),
    ...flag('--network', options.networkMode),
    ...flag('--platform', options.platform),
    ...(options.cacheFrom ?? []).flatMap((name) => ['--cache-from', name]),
    ...(options.extraHosts ?? []).flatMap((host) => ['--add-host', host]),
    ...flag('--shm-size', options.shmSize?.toString()),
  ];
}
