// Something that builds images: the engine under test by POST /build, or, to hold the tests themselves against it, a dockerd with BuildKit.
import { rmSync } from 'node:fs';
import { cliEnv, cliPath } from '../clis.ts';
import { type Body, run, type Served } from '../containers.ts';
import type { NetNamespace } from '../net-namespace.ts';
import { type CommandOptions, type CommandResult, runCommand } from '../run-command.ts';
import type { TestDaemon } from '../test-daemon.ts';
import { type BuildFiles, contextDir, contextTar } from './build-files.ts';
import { type Built, readBuildStream } from './build-stream.ts';

/** In the words of docker's API where both have one. */
export interface BuildOptions {
  dockerfile?: string;
  tags?: readonly string[];
  target?: string;
  /** null: the value is the client's own, or none. */
  buildArgs?: Record<string, string | null>;
  labels?: Record<string, string>;
  noCache?: boolean;
  networkMode?: string;
  platform?: string;
  cacheFrom?: readonly string[];
  extraHosts?: readonly string[];
  /** Bytes. */
  shmSize?: number;
}

export interface BuildEngine extends Served {
  readonly isReference: boolean;
  /** Where its steps that are on the host's network are, and it itself. */
  readonly network: NetNamespace;
  importTar(tar: Uint8Array, name: string): Promise<unknown>;
  /** Resolves for a failed build too. */
  tryBuild(files: BuildFiles, options?: BuildOptions): Promise<Built>;
  /** `tsdocker build ARGS DIR`, or what it is to be compared with. */
  buildCommand(files: BuildFiles, args: readonly string[], options?: CommandOptions): Promise<CommandResult>;
}

/** Rejects when the build fails. */
export async function build(engine: BuildEngine, files: BuildFiles, options: BuildOptions = {}): Promise<Built> {
  const built = await engine.tryBuild(files, options);
  if (built.error !== undefined) throw new Error(`the build failed: ${built.error}\n${built.output}`);
  return built;
}

/** As build, of a Dockerfile alone; the image's id. */
export async function imageOf(
  engine: BuildEngine,
  dockerfile: string,
  files: BuildFiles = {},
  options: BuildOptions = {},
): Promise<string> {
  return (await build(engine, { Dockerfile: dockerfile, ...files }, options)).id;
}

/** What fails a build that must fail. */
export async function failureOf(
  engine: BuildEngine,
  files: BuildFiles,
  options: BuildOptions = {},
): Promise<Built & { error: string }> {
  const built = await engine.tryBuild(files, options);
  if (built.error === undefined) throw new Error(`the build did not fail: ${built.id}`);
  return { ...built, error: built.error };
}

/** Standard output of a container of the image: of its own command, or of this one. Rejects when its status is not 0. */
export async function outputOf(engine: BuildEngine, image: string, body: Body = {}): Promise<string> {
  const result = await run(engine, [], { Cmd: null, HostConfig: { NetworkMode: 'none' }, ...body, Image: image });
  if (result.code !== 0) throw new Error(`${image}: status ${result.code}: ${result.stderr}${result.stdout}`);
  return result.stdout;
}

/** The engine under test, by the one door that every client without buildx uses. */
export class OwnBuilder implements BuildEngine {
  readonly isReference = false;
  readonly daemon: TestDaemon;

  constructor(daemon: TestDaemon) {
    this.daemon = daemon;
  }

  get api() {
    return this.daemon.api;
  }

  get network() {
    return this.daemon.network;
  }

  importTar(tar: Uint8Array, name: string): Promise<string> {
    return this.daemon.importTar(tar, name);
  }

  async tryBuild(files: BuildFiles, options: BuildOptions = {}): Promise<Built> {
    return this.send(contextTar(files), queryOf(options));
  }

  /** The body as it is, for contexts that no client would send. */
  async send(raw: Uint8Array | NodeJS.ReadableStream, query: URLSearchParams): Promise<Built> {
    const headers = { 'Content-Type': 'application/x-tar' };
    const answer = await this.api.send('POST', `/build?${query}`, { raw, headers, timeoutMs: 120_000 });
    if (answer.status !== 200) {
      const json = answer.json;
      const message = typeof json === 'object' && json !== null && 'message' in json ? json.message : answer.text;
      return { id: '', output: '', steps: [], error: String(message), code: undefined, messages: [] };
    }
    return readBuildStream(answer.text);
  }

  async buildCommand(files: BuildFiles, args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    const dir = await contextDir(files);
    try {
      const env = { ...cliEnv(this.daemon), ...options.env };
      return await runCommand(cliPath('tsdocker'), ['build', ...args, dir], { timeoutMs: 120_000, ...options, env });
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  }
}

export function queryOf(options: BuildOptions): URLSearchParams {
  const query = new URLSearchParams();
  const set = (name: string, value: string | undefined) => {
    if (value !== undefined) query.append(name, value);
  };
  const json = (value: unknown) => (value === undefined ? undefined : JSON.stringify(value));
  set('dockerfile', options.dockerfile);
  for (const tag of options.tags ?? []) query.append('t', tag);
  set('target', options.target);
  set('buildargs', json(options.buildArgs));
  set('labels', json(options.labels));
  set('nocache', options.noCache === true ? '1' : undefined);
  set('networkmode', options.networkMode);
  set('platform', options.platform);
  set('cachefrom', json(options.cacheFrom));
  for (const host of options.extraHosts ?? []) query.append('extrahosts', host);
  set('shmsize', options.shmSize === undefined ? undefined : String(options.shmSize));
  return query;
}
