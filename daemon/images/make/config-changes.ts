// `docker commit -c` and `docker import -c`: Dockerfile instructions that change an image's config and nothing else.
import type { ContainerConfig, HealthConfig } from '../../docker-types/container-config.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { parseDurationNs } from '../../protocols/units/go-duration.ts';
import { expandWord, splitWords, type Variables } from './change-words.ts';

const MAX_CHANGES = 1000;
const MAX_CHANGE_BYTES = 64 * 1024;

interface State {
  config: ContainerConfig;
  isCmdSet: boolean;
}

type Apply = (state: State, args: string, expand: (word: string) => string) => void;

const instructions: ReadonlyMap<string, Apply> = new Map<string, Apply>([
  ['CMD', applyCmd],
  ['ENTRYPOINT', applyEntrypoint],
  ['ENV', applyEnv],
  ['EXPOSE', applyExpose],
  ['HEALTHCHECK', applyHealthcheck],
  ['LABEL', applyLabel],
  ['ONBUILD', applyOnbuild],
  ['STOPSIGNAL', applyStopSignal],
  [
    'USER',
    ({ config }, args, expand) => {
      config.User = expand(one('USER', args));
    },
  ],
  ['VOLUME', applyVolume],
  ['WORKDIR', applyWorkdir],
]);

/** A copy of the config with the instructions applied. Throws EngineError 'invalid' for what is no such instruction or is malformed. */
export function applyChanges(config: ContainerConfig, changes: readonly string[]): ContainerConfig {
  const state: State = { config: structuredClone(config), isCmdSet: false };
  const lines = changes.flatMap((change) => change.split(/(?<!\\)\n/)).map((line) => line.replace(/\\\n/g, '').trim());
  if (lines.length > MAX_CHANGES) throw new EngineError('invalid', `more than ${MAX_CHANGES} changes`);
  for (const line of lines) {
    if (line === '' || line.startsWith('#')) continue;
    if (Buffer.byteLength(line) > MAX_CHANGE_BYTES)
      throw new EngineError('invalid', `a change has more than ${MAX_CHANGE_BYTES} bytes`);
    const [, word, args] = /^(\S+)\s*(.*)$/s.exec(line) as unknown as [string, string, string];
    const name = word.toUpperCase();
    const apply = instructions.get(name);
    if (apply === undefined) throw new EngineError('invalid', `${name} is not a valid change command`);
    if (line.includes('\0')) throw new EngineError('invalid', `${name}: the argument holds a NUL`);
    const variables = variablesOf(state.config);
    apply(state, args, (text) => expandWord(text, variables));
  }
  return state.config;
}

function applyCmd(state: State, args: string): void {
  state.config.Cmd = commandOf(state.config, args);
  state.isCmdSet = true;
}

function applyEntrypoint(state: State, args: string): void {
  state.config.Entrypoint = commandOf(state.config, args);
  if (!state.isCmdSet) state.config.Cmd = null;
}

function applyEnv({ config }: State, args: string, expand: (word: string) => string): void {
  const env = [...(config.Env ?? [])];
  for (const [key, value] of pairsOf('ENV', args, expand)) {
    const at = env.findIndex((item) => item === key || item.startsWith(`${key}=`));
    if (at < 0) env.push(`${key}=${value}`);
    else env[at] = `${key}=${value}`;
  }
  config.Env = env;
}

function applyLabel({ config }: State, args: string, expand: (word: string) => string): void {
  config.Labels = Object.fromEntries([...Object.entries(config.Labels ?? {}), ...pairsOf('LABEL', args, expand)]);
}

function applyExpose({ config }: State, args: string, expand: (word: string) => string): void {
  const ports = splitWords(args).map(expand);
  if (ports.length === 0) throw missing('EXPOSE');
  const exposed = { ...config.ExposedPorts };
  for (const port of ports) {
    const [, first, last, protocol = 'tcp'] = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/i.exec(port) ?? [];
    const [from, to] = [Number(first), Number(last ?? first)];
    if (first === undefined || from > to || to > 65535)
      throw new EngineError('invalid', `invalid containerPort: ${port}`);
    for (let number = from; number <= to; number++) exposed[`${number}/${protocol.toLowerCase()}`] = {};
  }
  config.ExposedPorts = exposed;
}

function applyVolume({ config }: State, args: string, expand: (word: string) => string): void {
  const paths = jsonList(args) ?? splitWords(args).map(expand);
  if (paths.length === 0) throw missing('VOLUME');
  if (paths.some((path) => path.trim() === ''))
    throw new EngineError('invalid', 'VOLUME specified can not be an empty string');
  config.Volumes = { ...config.Volumes, ...Object.fromEntries(paths.map((path) => [path.trim(), {}])) };
}

function applyWorkdir({ config }: State, args: string, expand: (word: string) => string): void {
  const path = expand(one('WORKDIR', args));
  const parts: string[] = [];
  for (const part of (path.startsWith('/') ? path : `${config.WorkingDir ?? ''}/${path}`).split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  config.WorkingDir = `/${parts.join('/')}`;
}

function applyStopSignal({ config }: State, args: string, expand: (word: string) => string): void {
  const signal = expand(one('STOPSIGNAL', args));
  if (!/^(\d{1,2}|(SIG)?[A-Z][A-Z0-9]{1,11}([+-]\d{1,2})?)$/i.test(signal))
    throw new EngineError('invalid', `Invalid signal: ${signal}`);
  config.StopSignal = signal;
}

function applyOnbuild({ config }: State, args: string): void {
  const trigger = /^\S+/.exec(args)?.[0].toUpperCase();
  if (trigger === undefined) throw missing('ONBUILD');
  if (trigger === 'ONBUILD') throw new EngineError('invalid', "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  if (trigger === 'MAINTAINER' || trigger === 'FROM')
    throw new EngineError('invalid', `${trigger} isn't allowed as an ONBUILD trigger`);
  config.OnBuild = [...(config.OnBuild ?? []), args];
}

function applyHealthcheck({ config }: State, args: string): void {
  const health: HealthConfig = {};
  let rest = args;
  for (let flag = /^--([a-z-]+)=(\S+)\s*/.exec(rest); flag !== null; flag = /^--([a-z-]+)=(\S+)\s*/.exec(rest)) {
    const [whole, name, value] = flag as unknown as [string, string, string];
    rest = rest.slice(whole.length);
    if (name === 'interval') health.Interval = durationNs(name, value);
    else if (name === 'timeout') health.Timeout = durationNs(name, value);
    else if (name === 'start-period') health.StartPeriod = durationNs(name, value);
    else if (name === 'start-interval') health.StartInterval = durationNs(name, value);
    else if (name === 'retries' && /^\d{1,6}$/.test(value)) health.Retries = Number(value);
    else throw new EngineError('invalid', `HEALTHCHECK: invalid flag --${name}=${value}`);
  }
  const [, kind = '', command = ''] = /^(\S*)\s*(.*)$/s.exec(rest) ?? [];
  if (kind.toUpperCase() === 'NONE') {
    if (command !== '') throw new EngineError('invalid', 'HEALTHCHECK NONE takes no arguments');
    health.Test = ['NONE'];
  } else if (kind.toUpperCase() === 'CMD') {
    const list = jsonList(command);
    if (command === '') throw new EngineError('invalid', 'Missing command after HEALTHCHECK CMD');
    health.Test = list === undefined ? ['CMD-SHELL', command] : ['CMD', ...list];
  } else if (kind === '') throw missing('HEALTHCHECK');
  else throw new EngineError('invalid', `Unknown type ${JSON.stringify(kind)} in HEALTHCHECK (try CMD)`);
  config.Healthcheck = health;
}

/** A JSON list is a command as it is; anything else is for the shell. */
function commandOf(config: ContainerConfig, args: string): string[] | null {
  const list = jsonList(args);
  if (list !== undefined) return list.length === 0 ? null : list;
  if (args === '') return null;
  return [...(config.Shell ?? ['/bin/sh', '-c']), args];
}

function jsonList(args: string): string[] | undefined {
  if (!args.startsWith('[')) return undefined;
  try {
    const value: unknown = JSON.parse(args);
    return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : undefined;
  } catch {
    return undefined;
  }
}

/** `KEY=value KEY2="a b"`, or the old `KEY the rest`. */
function pairsOf(name: string, args: string, expand: (word: string) => string): [string, string][] {
  const words = splitWords(args);
  const [first] = words;
  if (first === undefined) throw missing(name);
  if (!first.includes('=')) {
    const rest = args.trim().slice(first.length).trim();
    if (rest === '') throw new EngineError('invalid', `${name} must have two arguments`);
    return [[expand(first), name === 'ENV' ? expand(rest) : expandWord(rest, new Map())]];
  }
  return words.map((word) => {
    const at = word.indexOf('=');
    if (at < 0)
      throw new EngineError(
        'invalid',
        `Syntax error - can't find = in ${JSON.stringify(word)}. Must be of the form: name=value`,
      );
    const key = expand(word.slice(0, at));
    if (key === '') throw new EngineError('invalid', `${name} names can not be blank`);
    return [key, expand(word.slice(at + 1))];
  });
}

function one(name: string, args: string): string {
  if (args === '') throw new EngineError('invalid', `${name} requires exactly one argument`);
  return args;
}

function missing(name: string): EngineError {
  return new EngineError('invalid', `${name} requires at least one argument`);
}

function durationNs(name: string, value: string): number {
  const ns = parsedDuration(value);
  if (ns !== 0 && ns < 1e6)
    throw new EngineError('invalid', `Interval ${JSON.stringify(name)} cannot be less than 1ms`);
  return ns;
}

function parsedDuration(value: string): number {
  try {
    return parseDurationNs(value);
  } catch (error) {
    throw new EngineError('invalid', (error as Error).message);
  }
}

function variablesOf(config: ContainerConfig): Variables {
  return new Map(
    (config.Env ?? []).map((item) => {
      const at = item.indexOf('=');
      return at < 0 ? [item, ''] : [item.slice(0, at), item.slice(at + 1)];
    }),
  );
}
