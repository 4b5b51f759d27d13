// What POST /build is given, Docker's parameters and ours, as the builder's own request.
import type { IncomingHttpHeaders } from 'node:http';
import { type Static, Type } from '@sinclair/typebox';
import type {
  BuildCall,
  BuildRequest,
  CacheDestination,
  CacheSourceChoice,
  ContextChoice,
} from '../../build/build-request.ts';
import type { Entitlement, ExecSettings } from '../../build/steps/step.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { hostPlatform, parsePlatform } from '../../images/documents/platform.ts';
import { parseTarget } from '../../images/image-names.ts';
import type { Credentials } from '../../registry/registry-session.ts';
import { parseExtraHost } from '../../spec/docker/parse-names.ts';
import { parseNetworkMode } from '../../spec/docker/parse-network-mode.ts';
import { parseUlimits } from '../../spec/docker/parse-rights.ts';
import { parseSecurityOptions } from '../../spec/docker/security-options.ts';
import { flag, integer, list, text } from './query.ts';
import { credentialsOf } from './registry-auth.ts';

export const buildQuery = Type.Object({
  dockerfile: text('Path of the Dockerfile in the context'),
  t: list('Name of the image, name:tag'),
  remote: text('URL of a git repository, an archive or a Dockerfile, instead of the body'),
  q: flag('Tell only the image’s id'),
  nocache: flag('Run all steps anew'),
  nocachefilter: list('Ours: a stage of which all steps are run anew'),
  cachefrom: text('JSON array of images (or type=…,key=value) whose results may be used'),
  cacheto: text('Ours: JSON array of type=…,key=value: where results go'),
  pull: text('Anything: look for newer images in their registries'),
  rm: flag('Docker’s intermediate containers: there are none', true),
  forcerm: flag('As rm'),
  memory: integer('Bytes for each step'),
  memswap: integer('Bytes of memory and swap; -1: no limit'),
  cpushares: integer('Relative weight'),
  cpusetcpus: text('0-3, 0,1'),
  cpusetmems: text('0-3, 0,1'),
  cpuperiod: integer('Microseconds'),
  cpuquota: integer('Microseconds in each period'),
  buildargs: text('JSON object of texts, or null for one that is taken away'),
  shmsize: integer('Bytes of /dev/shm'),
  squash: flag('Not there'),
  labels: text('JSON object of texts'),
  annotations: text('Ours: JSON object of texts, for the manifest'),
  networkmode: text('default, none, host, or a network'),
  extrahosts: list('name:address for each step'),
  ulimits: text('JSON array of {Name, Soft, Hard}'),
  platform: text('os[/arch[/variant]], several with commas'),
  target: text('The stage to build'),
  allow: list('Ours: network.host, security.insecure'),
  outputs: text('JSON array of {Type, Attrs}'),
  version: text('1: this builder’s classic stream. 2 is BuildKit’s protocol'),
  session: text('Of POST /session: for secrets, ssh and credentials'),
  buildid: text('For POST /build/cancel'),
  cgroupparent: text('Where the steps’ control groups go'),
  securityopt: text('JSON array of Docker’s words of --security-opt'),
  context: text('Ours: the kept directory that the body brings up to date'),
  contexts: text('Ours: JSON object, named contexts'),
  call: text('Ours: build, check, outline, targets'),
  events: flag('Ours: tell events instead of the classic stream'),
  keepfailed: flag('Ours: make an image of a step that failed, as it stood'),
});

export type BuildQuery = Static<typeof buildQuery>;

/** All of a request but what its body, its client and its stream bring. */
export type BuildParameters = Omit<
  BuildRequest,
  'client' | 'signal' | 'tell' | 'outputs' | 'cacheTo' | 'dockerfileText'
> & {
  readonly cacheTo: readonly Omit<CacheDestination, 'sink'>[];
  readonly outputs: readonly {
    readonly type: BuildRequest['outputs'][number]['type'];
    readonly attributes: Record<string, string>;
  }[];
};

/** Throws EngineError in Docker's words. */
export function buildParameters(query: BuildQuery, headers: IncomingHttpHeaders): BuildParameters {
  if (query.squash) throw new EngineError('invalid', 'squash is only supported with experimental mode');
  if (query.version === '2')
    throw new EngineError('not-implemented', 'build: version=2 (BuildKit’s own protocol) is not there yet');
  const tags = query.t.filter((name) => name !== '');
  for (const tag of tags) checkTag(tag);
  const registries = registryConfig(headers);
  return {
    call: callOf(query.call),
    context: query.remote ? { kind: 'remote', url: query.remote } : { kind: 'client', name: 'context' },
    dockerfile: query.dockerfile ?? '',
    namedContexts: new Map(
      [...texts('contexts', query.contexts)].map(([name, value]) => [name, namedContext(name, value ?? '')]),
    ),
    target: query.target ?? '',
    buildArgs: texts('buildargs', query.buildargs),
    labels: requiredTexts('labels', query.labels),
    annotations: requiredTexts('annotations', query.annotations),
    tags,
    platforms: platformsOf(query.platform),
    ignoresCache: query.nocache,
    ignoresCacheOf: query.nocachefilter.flatMap((names) => names.split(',')).filter((name) => name !== ''),
    pulls: query.pull !== undefined && !/^(?:|0|no|false|none)$/i.test(query.pull),
    cacheFrom: jsonList('cachefrom', query.cachefrom).map(cacheSource),
    cacheTo: jsonList('cacheto', query.cacheto).map(cacheDestination),
    outputs: outputsOf(query.outputs),
    exec: execSettings(query),
    auth: (host) => registries(host),
    keepsFailed: query.keepfailed,
  };
}

function execSettings(query: BuildQuery): ExecSettings {
  const { memory = 0, memswap = 0, shmsize = 0 } = query;
  if (memory !== 0 && memory < 6 * 1024 * 1024) throw new EngineError('invalid', 'Minimum memory limit allowed is 6MB');
  if (shmsize < 0) throw new EngineError('invalid', 'SHM size can not be less than 0');
  return {
    memoryBytes: memory,
    memorySwapBytes: memswap,
    cpuShares: query.cpushares ?? 0,
    cpuPeriodUs: query.cpuperiod ?? 0,
    cpuQuotaUs: query.cpuquota ?? 0,
    cpusetCpus: query.cpusetcpus ?? '',
    cpusetMems: query.cpusetmems ?? '',
    shmBytes: shmsize,
    rlimits: parseUlimits(jsonList('ulimits', query.ulimits).map(ulimitOf)),
    extraHosts: query.extrahosts.flatMap(extraHostsOf).map(parseExtraHost),
    network: parseNetworkMode(query.networkmode ?? ''),
    cgroupParent: query.cgroupparent ?? '',
    security: securityOf(jsonList('securityopt', query.securityopt)),
    entitlements: query.allow.map(entitlementOf),
  };
}

function entitlementOf(name: string): Entitlement {
  if (name === 'network.host' || name === 'security.insecure') return name;
  throw new EngineError('invalid', `allow: "${name}" is none of network.host, security.insecure`);
}

function securityOf(words: readonly unknown[]): ExecSettings['security'] {
  const texts = words.map((word) => {
    if (typeof word !== 'string') throw notReadable('securityopt');
    return word;
  });
  const { noNewPrivileges, seccomp, writableCgroups, systemPathsUnconfined } = parseSecurityOptions(texts);
  return {
    ...{ noNewPrivileges, seccomp },
    hasWritableCgroups: writableCgroups,
    hasOpenSystemPaths: systemPathsUnconfined,
  };
}

function checkTag(name: string): void {
  try {
    parseTarget(name, '');
  } catch (error) {
    throw new EngineError('invalid', `invalid argument "${name}" for t: ${(error as Error).message}`, { cause: error });
  }
}

/** Docker's clients send several in one, with commas. */
function extraHostsOf(value: string): string[] {
  return value.split(',').filter((entry) => entry !== '');
}

function ulimitOf(value: unknown): { Name: string; Soft: number; Hard: number } {
  const { Name, Soft, Hard } = (value ?? {}) as Record<string, unknown>;
  if (typeof Name !== 'string' || !Number.isSafeInteger(Soft) || !Number.isSafeInteger(Hard))
    throw notReadable('ulimits');
  return { Name, Soft: Number(Soft), Hard: Number(Hard) };
}

function callOf(value: string | undefined): BuildCall {
  if (value === undefined || value === '' || value === 'build') return 'build';
  if (value === 'check' || value === 'lint') return 'check';
  if (value === 'outline' || value === 'targets') return value;
  throw new EngineError('invalid', `call: "${value}" is none of build, check, outline, targets`);
}

function platformsOf(value: string | undefined): BuildParameters['platforms'] {
  const names = (value ?? '').split(',').filter((name) => name !== '');
  return names.map((name) => {
    const { os, architecture, variant } = parsePlatform(
      name === 'local' ? `linux/${hostPlatform().architecture}` : name,
    );
    return { os, architecture, ...(variant ? { variant } : {}) };
  });
}

/** "docker-image://a", a URL, "oci-layout://name@digest", or a directory of the client under that name. */
function namedContext(name: string, value: string): ContextChoice {
  if (value.startsWith('docker-image://')) return { kind: 'image', reference: value.slice('docker-image://'.length) };
  if (value.startsWith('oci-layout://')) {
    const [path = '', digest = ''] = value.slice('oci-layout://'.length).split('@');
    return { kind: 'oci-layout', name: path, digest };
  }
  if (/^(?:https?|git|ssh):\/\/|^git@|^github\.com\//.test(value)) return { kind: 'remote', url: value };
  if (value.startsWith('local:')) return { kind: 'client', name: value.slice('local:'.length) };
  throw new EngineError('invalid', `build context ${name}: "${value.slice(0, 200)}" is no image, URL or directory`);
}

/** A name alone is an image's; "local:name" as the `src` of a local one is a directory that was sent. */
function cacheSource(value: unknown): CacheSourceChoice {
  if (typeof value === 'string' && value !== '' && !value.includes('='))
    return { type: 'image', attributes: { ref: value } };
  const { type, attributes } = cacheAttributes('cachefrom', value);
  if (type === 'registry') return { type, attributes };
  if (type === 'local') {
    const { src = '' } = attributes;
    return { type, attributes, ...(src.startsWith('local:') ? { directory: src.slice('local:'.length) } : {}) };
  }
  throw new EngineError('not-implemented', `cachefrom: a cache of type ${type} is not there`);
}

function cacheDestination(value: unknown): Omit<CacheDestination, 'sink'> {
  const { type, attributes } = cacheAttributes('cacheto', value);
  if (type === 'registry' || type === 'local' || type === 'inline') return { type, attributes };
  throw new EngineError('not-implemented', `cacheto: a cache of type ${type} is not there`);
}

/** "type=registry,ref=a:b" */
function cacheAttributes(parameter: string, value: unknown): { type: string; attributes: Record<string, string> } {
  if (typeof value !== 'string') throw notReadable(parameter);
  const attributes: Record<string, string> = Object.create(null);
  for (const field of value.split(',')) {
    const equals = field.indexOf('=');
    if (equals <= 0) throw new EngineError('invalid', `${parameter}: "${field}" is not key=value`);
    attributes[field.slice(0, equals).trim().toLowerCase()] = field.slice(equals + 1);
  }
  const { type = 'registry', ...rest } = attributes;
  return { type: type.slice(0, 100), attributes: rest };
}

function outputsOf(value: string | undefined): BuildParameters['outputs'] {
  const outputs = jsonList('outputs', value).map((item) => {
    const { Type: type, Attrs: attributes } = (item ?? {}) as Record<string, unknown>;
    const fields = Object.entries((attributes ?? {}) as Record<string, unknown>);
    if (typeof type !== 'string' || !fields.every(([, field]) => typeof field === 'string'))
      throw notReadable('outputs');
    return { type: outputType(type), attributes: Object.fromEntries(fields) as Record<string, string> };
  });
  return outputs.length > 0 ? outputs : [{ type: 'image', attributes: {} }];
}

function outputType(type: string): BuildParameters['outputs'][number]['type'] {
  if (type === 'image' || type === 'moby' || type === '') return 'image';
  if (type === 'local' || type === 'tar' || type === 'oci' || type === 'docker') return type;
  throw new EngineError('not-implemented', `outputs: an output of type ${type} is not there`);
}

/** JSON object of texts; null is "taken away". */
function texts(parameter: string, value: string | undefined): Map<string, string | undefined> {
  if (value === undefined || value === '' || value === 'null') return new Map();
  const parsed = json(parameter, value);
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw notReadable(parameter);
  return new Map(
    Object.entries(parsed).map(([name, field]) => {
      if (typeof field !== 'string' && field !== null) throw notReadable(parameter);
      return [name, field ?? undefined];
    }),
  );
}

function requiredTexts(parameter: string, value: string | undefined): Map<string, string> {
  return new Map([...texts(parameter, value)].map(([name, field]) => [name, field ?? '']));
}

function jsonList(parameter: string, value: string | undefined): unknown[] {
  if (value === undefined || value === '' || value === 'null') return [];
  const parsed = json(parameter, value);
  if (!Array.isArray(parsed)) throw notReadable(parameter);
  return parsed;
}

function json(parameter: string, value: string): unknown {
  try {
    return JSON.parse(value);
  } catch (error) {
    throw notReadable(parameter, error);
  }
}

function notReadable(parameter: string, cause?: unknown): EngineError {
  return new EngineError('invalid', `build parameter ${parameter} cannot be read`, { cause });
}

/** X-Registry-Config: credentials for each host; what cannot be read counts as none. */
function registryConfig(headers: IncomingHttpHeaders): (host: string) => Credentials {
  const header = headers['x-registry-config'];
  const byHost = new Map<string, unknown>();
  if (typeof header === 'string' && header !== '') {
    try {
      const parsed: unknown = JSON.parse(Buffer.from(header, 'base64url').toString());
      if (typeof parsed === 'object' && parsed !== null)
        for (const [server, value] of Object.entries(parsed)) byHost.set(hostOf(server), value);
    } catch {
      // As with X-Registry-Auth.
    }
  }
  return (host) =>
    credentialsOf(byHost.get(host) ?? (host === 'docker.io' ? byHost.get('index.docker.io') : undefined));
}

/** Docker's clients have URLs as keys, too. */
function hostOf(server: string): string {
  return server.replace(/^https?:\/\//, '').split('/')[0] ?? '';
}
