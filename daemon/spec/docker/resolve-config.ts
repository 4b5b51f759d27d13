// A container's config out of what the client sent and what the image says: Docker's rules of precedence, and its refusals.
import type { ContainerConfig, HealthConfig, ResolvedConfig } from '../../docker-types/container-config.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { parseSignal } from '../signals.ts';

type EmptyMap = Record<string, Record<string, never>>;

/** `image` is the image's Config (may be empty). Throws 'invalid' with docker's words. */
export function resolveConfig(asked: ContainerConfig, image: ContainerConfig): ResolvedConfig {
  const askedEntrypoint = toList(asked.Entrypoint);
  const askedCmd = toList(asked.Cmd);
  const inheritsEntrypoint = askedEntrypoint === null;
  const resetsEntrypoint = askedEntrypoint?.length === 1 && askedEntrypoint[0] === '';
  const entrypoint = inheritsEntrypoint ? toList(image.Entrypoint) : resetsEntrypoint ? null : askedEntrypoint;
  // An entrypoint of one's own drops the image's command, which was written for the image's entrypoint.
  const cmd = isEmpty(askedCmd) && isEmpty(askedEntrypoint) ? toList(image.Cmd) : askedCmd;
  if (isEmpty(entrypoint) && isEmpty(cmd)) throw new EngineError('invalid', 'no command specified');

  const stopSignal = asked.StopSignal || image.StopSignal;
  const healthcheck = mergeHealth(asked.Healthcheck, image.Healthcheck);
  const exposed = union(image.ExposedPorts, asked.ExposedPorts);
  const config: ResolvedConfig = {
    Hostname: asked.Hostname ?? '',
    Domainname: asked.Domainname ?? '',
    User: asked.User || image.User || '',
    AttachStdin: asked.AttachStdin ?? false,
    AttachStdout: asked.AttachStdout ?? false,
    AttachStderr: asked.AttachStderr ?? false,
    Tty: asked.Tty ?? false,
    OpenStdin: asked.OpenStdin ?? false,
    StdinOnce: asked.StdinOnce ?? false,
    Env: mergeEnv(image.Env ?? [], asked.Env ?? []),
    Cmd: isEmpty(cmd) ? null : cmd,
    Image: asked.Image ?? '',
    Volumes: union(image.Volumes, asked.Volumes),
    WorkingDir: asked.WorkingDir || image.WorkingDir || '',
    Entrypoint: isEmpty(entrypoint) ? null : entrypoint,
    OnBuild: asked.OnBuild ?? null,
    Labels: mergeLabels(image.Labels, asked.Labels),
    ...(exposed === null ? {} : { ExposedPorts: exposed }),
    ...(healthcheck === undefined ? {} : { Healthcheck: healthcheck }),
    ...(asked.NetworkDisabled ? { NetworkDisabled: true } : {}),
    ...(asked.MacAddress ? { MacAddress: asked.MacAddress } : {}),
    ...(stopSignal ? { StopSignal: stopSignal } : {}),
    ...(typeof asked.StopTimeout === 'number' ? { StopTimeout: asked.StopTimeout } : {}),
    ...(asked.Shell ? { Shell: asked.Shell } : {}),
  };
  checkConfig(config);
  return config;
}

function toList(value: string | string[] | null | undefined): string[] | null {
  if (value === null || value === undefined) return null;
  return typeof value === 'string' ? [value] : value;
}

function isEmpty(list: readonly string[] | null): boolean {
  return list === null || list.length === 0;
}

function union(image: EmptyMap | null | undefined, asked: EmptyMap | null | undefined): EmptyMap | null {
  const ofImage = Object.keys(image ?? {});
  const ofAsked = Object.keys(asked ?? {});
  if (ofImage.length + ofAsked.length === 0) return null;
  // One of them is nearly always empty, and the other may name each of 65,535 ports.
  if (ofImage.length === 0) return asked ?? null;
  if (ofAsked.length === 0) return image ?? null;
  return Object.fromEntries([...ofImage, ...ofAsked].map((key) => [key, {}]));
}

/** The image's variables first, those that are set anew left out; then the asked ones. `K` without `=` takes K away at start. */
function mergeEnv(image: readonly string[], asked: readonly string[]): string[] {
  const names = new Set(asked.map(envName));
  return [...asked, ...image.filter((entry) => !names.has(envName(entry)))];
}

function envName(entry: string): string {
  const at = entry.indexOf('=');
  return at < 0 ? entry : entry.slice(0, at);
}

function mergeLabels(
  image: Record<string, string> | null | undefined,
  asked: Record<string, string> | null | undefined,
): Record<string, string> {
  // Nobody changes what the image says, and it may have very many.
  if (image && Object.keys(asked ?? {}).length === 0) return image;
  // fromEntries defines own properties, so that a label named __proto__ is only a label.
  return Object.fromEntries([...Object.entries(image ?? {}), ...Object.entries(asked ?? {})]);
}

function mergeHealth(
  asked: HealthConfig | null | undefined,
  image: HealthConfig | null | undefined,
): HealthConfig | undefined {
  if (!asked) return image ?? undefined;
  if (!image) return asked;
  return {
    Test: asked.Test !== undefined && asked.Test !== null && asked.Test.length > 0 ? asked.Test : (image.Test ?? null),
    Interval: asked.Interval || image.Interval || 0,
    Timeout: asked.Timeout || image.Timeout || 0,
    StartPeriod: asked.StartPeriod || image.StartPeriod || 0,
    StartInterval: asked.StartInterval || image.StartInterval || 0,
    Retries: asked.Retries || image.Retries || 0,
  };
}

function checkConfig(config: ResolvedConfig): void {
  if (config.WorkingDir !== '' && !config.WorkingDir.startsWith('/')) {
    throw new EngineError(
      'invalid',
      `the working directory '${config.WorkingDir}' is invalid, it needs to be an absolute path`,
    );
  }
  for (const entry of config.Env) {
    if (entry.startsWith('=') || entry === '')
      throw new EngineError('invalid', `invalid environment variable: ${entry}`);
  }
  if (config.StopSignal !== undefined) parseSignal(config.StopSignal);
  checkUtsName('hostname', config.Hostname);
  checkUtsName('domain name', config.Domainname);
  const texts = [
    config.User,
    config.WorkingDir,
    ...config.Env,
    ...(config.Cmd ?? []),
    ...(config.Entrypoint ?? []),
    ...(config.Healthcheck?.Test ?? []),
  ];
  if (texts.some((text) => text.includes('\0'))) {
    throw new EngineError('invalid', 'invalid container config: no value may contain a NUL byte');
  }
  checkHealth(config.Healthcheck);
}

/** What the kernel takes (__NEW_UTS_LEN), and what is no line of its own in a hosts file. */
function checkUtsName(what: string, name: string): void {
  if (Buffer.byteLength(name) > 64) throw new EngineError('invalid', `invalid ${what}: ${name}: longer than 64 bytes`);
  if (/\p{Cc}/u.test(name)) {
    throw new EngineError('invalid', `invalid ${what}: ${JSON.stringify(name)}: it has control characters`);
  }
}

/** Throws 'invalid' for a check that cannot be. */
export function checkHealth(health: HealthConfig | undefined): void {
  if (health === undefined) return;
  const durations: [string, number | undefined][] = [
    ['Interval', health.Interval],
    ['Timeout', health.Timeout],
    ['StartPeriod', health.StartPeriod],
    ['StartInterval', health.StartInterval],
  ];
  for (const [name, ns] of durations) {
    if (ns !== undefined && ns !== 0 && ns < 1_000_000) {
      throw new EngineError('invalid', `${name} in Healthcheck cannot be less than 1ms`);
    }
  }
  if (health.Retries !== undefined && health.Retries < 0) {
    throw new EngineError('invalid', 'Retries in Healthcheck cannot be negative');
  }
}
