// The daemon's options: dockerd's names, on the command line and as keys of a JSON file. One frozen object comes out.
// A key that is set in both places is refused, as dockerd does: nobody has to know which one wins.
import { readFileSync } from 'node:fs';
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import type { CgroupDriver } from './cgroups/cgroup-manager.ts';
import { EngineError } from './errors/engine-error.ts';
import type { RegistrySideOptions } from './images/open-registry.ts';
import {
  type NetworkDaemonOptions,
  networkFileOptions,
  networkFlags,
  networkOptions,
  parsePoolFlag,
} from './network-options.ts';
import { registryFileOptions, registryFlags, registryOptions } from './registry-options.ts';

const logLevels = ['debug', 'info', 'warn', 'error', 'fatal'] as const;

const FileOptions = Type.Object(
  {
    hosts: Type.Optional(Type.Array(Type.String(), { maxItems: 32 })),
    'data-root': Type.Optional(Type.String()),
    'exec-root': Type.Optional(Type.String()),
    pidfile: Type.Optional(Type.String()),
    'log-level': Type.Optional(Type.Union(logLevels.map((level) => Type.Literal(level)))),
    debug: Type.Optional(Type.Boolean()),
    group: Type.Optional(Type.String()),
    tls: Type.Optional(Type.Boolean()),
    tlsverify: Type.Optional(Type.Boolean()),
    tlscacert: Type.Optional(Type.String()),
    tlscert: Type.Optional(Type.String()),
    tlskey: Type.Optional(Type.String()),
    'log-driver': Type.Optional(Type.String()),
    'log-opts': Type.Optional(Type.Record(Type.String(), Type.String())),
    labels: Type.Optional(Type.Array(Type.String())),
    'default-pids-limit': Type.Optional(Type.Integer({ minimum: 1 })),
    'default-shm-size': Type.Optional(Type.Integer({ minimum: 1 })),
    'cgroup-parent': Type.Optional(Type.String()),
    'exec-opts': Type.Optional(Type.Array(Type.String(), { maxItems: 16 })),
    'live-restore': Type.Optional(Type.Literal(true)),
    ...registryFileOptions,
    ...networkFileOptions,
  },
  { additionalProperties: false },
);
type FileOptions = Static<typeof FileOptions>;
type Key = keyof FileOptions;

export interface DaemonOptions {
  readonly hosts: readonly string[];
  readonly dataRoot: string;
  readonly execRoot: string;
  readonly pidfile: string;
  readonly logLevel: (typeof logLevels)[number];
  readonly isDebug: boolean;
  /** Owner group of unix sockets; the default is used only where the host has it. */
  readonly group: string;
  readonly isGroupAsked: boolean;
  readonly tls?: { readonly verify: boolean; readonly ca?: string; readonly cert?: string; readonly key?: string };
  readonly logDriver: string;
  readonly logOptions: Readonly<Record<string, string>>;
  readonly labels: readonly string[];
  readonly shmSizeBytes: number;
  /** Processes of a container that says nothing of its own. */
  readonly pidsLimit?: number;
  readonly registry: RegistrySideOptions;
  /** The default is the driver's. */
  readonly cgroupParent?: string;
  /** Undefined: systemd's where it runs on cgroup v2. */
  readonly cgroupDriver?: CgroupDriver;
  readonly networks: NetworkDaemonOptions;
}

export type ParsedCommand = { kind: 'run'; options: DaemonOptions } | { kind: 'help' } | { kind: 'version' };

interface Flag {
  key: Key | 'config-file';
  takes: 'text' | 'list' | 'map' | 'boolean' | 'number' | 'count' | 'pools';
  short?: string;
  help: string;
}

const flags: ReadonlyMap<string, Flag> = new Map<string, Flag>([
  ['cgroup-parent', { key: 'cgroup-parent', takes: 'text', help: 'Parent cgroup of all containers' }],
  [
    'config-file',
    { key: 'config-file', takes: 'text', help: `Configuration file (default "${'/etc/tsdocker/daemon.json'}")` },
  ],
  ['data-root', { key: 'data-root', takes: 'text', short: 'g', help: 'Root directory of persistent state' }],
  ['debug', { key: 'debug', takes: 'boolean', short: 'D', help: 'Enable debug mode' }],
  [
    'default-pids-limit',
    { key: 'default-pids-limit', takes: 'number', help: 'Limit of processes for containers that set none' },
  ],
  ['default-shm-size', { key: 'default-shm-size', takes: 'number', help: 'Size of /dev/shm in bytes' }],
  ['exec-opt', { key: 'exec-opts', takes: 'list', help: 'Runtime options: native.cgroupdriver=(cgroupfs|systemd)' }],
  ['exec-root', { key: 'exec-root', takes: 'text', help: 'Root directory of files of running containers' }],
  [
    'group',
    { key: 'group', takes: 'text', short: 'G', help: 'Group of the unix socket (default "tsdocker", if it exists)' },
  ],
  ['host', { key: 'hosts', takes: 'list', short: 'H', help: 'Daemon socket(s) to listen on' }],
  ['label', { key: 'labels', takes: 'list', help: 'Set key=value labels of the daemon' }],
  ['live-restore', { key: 'live-restore', takes: 'boolean', help: 'Containers go on without the daemon (always so)' }],
  ['log-driver', { key: 'log-driver', takes: 'text', help: 'Default driver of container logs' }],
  [
    'log-level',
    { key: 'log-level', takes: 'text', short: 'l', help: 'Level of the daemon log (debug|info|warn|error|fatal)' },
  ],
  ['log-opt', { key: 'log-opts', takes: 'map', help: 'Default log options of containers' }],
  [
    'pidfile',
    { key: 'pidfile', takes: 'text', short: 'p', help: 'Path of the file with the process id of the daemon' },
  ],
  ...networkFlags,
  ['tls', { key: 'tls', takes: 'boolean', help: 'Use TLS; implied by --tlsverify' }],
  ['tlscacert', { key: 'tlscacert', takes: 'text', help: 'Trust certificates signed only by this CA' }],
  ['tlscert', { key: 'tlscert', takes: 'text', help: 'Path of the TLS certificate' }],
  ['tlskey', { key: 'tlskey', takes: 'text', help: 'Path of the TLS key' }],
  ['tlsverify', { key: 'tlsverify', takes: 'boolean', help: 'Use TLS and verify the remote' }],
  ...registryFlags,
]);

const defaultConfigFile = '/etc/tsdocker/daemon.json';

/** Throws 'invalid' with dockerd's words. `readFile` returns undefined when there is no such file. */
export function parseDaemonOptions(
  argv: readonly string[],
  readFile: (path: string) => string | undefined = readConfigFile,
): ParsedCommand {
  const { given, configFile, command } = parseArguments(argv);
  if (command !== undefined) return { kind: command };
  const text = readFile(configFile ?? defaultConfigFile);
  if (text === undefined && configFile !== undefined) {
    throw new EngineError('invalid', `unable to configure the daemon with file ${configFile}: no such file`);
  }
  const file = text === undefined ? {} : parseFile(configFile ?? defaultConfigFile, text);
  const both = (Object.keys(file) as Key[]).filter((key) => Object.hasOwn(given, key));
  if (both.length > 0) {
    const list = both
      .map((key) => `${key}: (from flag: ${show(given[key])}, from file: ${show(file[key])})`)
      .join(', ');
    throw new EngineError(
      'invalid',
      `unable to configure the daemon with file ${configFile ?? defaultConfigFile}: ` +
        `the following directives are specified both as a flag and in the configuration file: ${list}`,
    );
  }
  return { kind: 'run', options: complete({ ...file, ...given }) };
}

export function optionsHelp(): string {
  const byName = [...flags].sort(([a], [b]) => (a < b ? -1 : 1));
  const lines = byName.map(([name, flag]) => {
    const value =
      flag.takes === 'boolean'
        ? ''
        : flag.takes === 'number'
          ? ' bytes'
          : flag.takes === 'count'
            ? ' int'
            : ` ${flag.takes === 'text' ? 'string' : flag.takes}`;
    const left = `  ${flag.short === undefined ? '    ' : `-${flag.short}, `}--${name}${value}`;
    return `${left.padEnd(38)} ${flag.help}\n`;
  });
  return `Usage:  tsdockerd [OPTIONS]\n\nA container engine for one Linux host.\n\nOptions:\n${lines.join('')}  ${'-v, --version'.padEnd(36)} Print version information and quit\n`;
}

function complete(options: FileOptions): DaemonOptions {
  const execRoot = absolute('exec-root', options['exec-root'] ?? '/run/tsdocker');
  const usesTls = options.tls || options.tlsverify;
  const done: DaemonOptions = {
    hosts: options.hosts ?? [`unix://${execRoot}/tsdocker.sock`],
    dataRoot: absolute('data-root', options['data-root'] ?? '/var/lib/tsdocker'),
    execRoot,
    pidfile: options.pidfile ?? `${execRoot}/tsdocker.pid`,
    logLevel: options.debug ? 'debug' : (options['log-level'] ?? 'info'),
    isDebug: options.debug ?? false,
    group: options.group ?? 'tsdocker',
    isGroupAsked: options.group !== undefined,
    logDriver: options['log-driver'] ?? 'json-file',
    logOptions: options['log-opts'] ?? {},
    labels: options.labels ?? [],
    shmSizeBytes: options['default-shm-size'] ?? 64 * 1024 * 1024,
    ...(options['default-pids-limit'] === undefined ? {} : { pidsLimit: options['default-pids-limit'] }),
    registry: registryOptions(options, process.env),
    ...(options['cgroup-parent'] === undefined ? {} : { cgroupParent: options['cgroup-parent'] }),
    ...cgroupDriver(options['exec-opts'] ?? []),
    networks: networkOptions(options),
    ...(usesTls
      ? {
          tls: Object.freeze({
            verify: options.tlsverify ?? false,
            ...(options.tlscacert ? { ca: options.tlscacert } : {}),
            ...(options.tlscert ? { cert: options.tlscert } : {}),
            ...(options.tlskey ? { key: options.tlskey } : {}),
          }),
        }
      : {}),
  };
  return Object.freeze(done);
}

/** Docker's only runtime option, with its words. */
function cgroupDriver(execOptions: readonly string[]): { cgroupDriver?: CgroupDriver } {
  let found: { cgroupDriver?: CgroupDriver } = {};
  for (const option of execOptions) {
    const at = option.indexOf('=');
    const [key, value] = [option.slice(0, at).trim().toLowerCase(), option.slice(at + 1)];
    if (at < 1 || key !== 'native.cgroupdriver') throw new EngineError('invalid', `invalid exec-opt: ${option}`);
    if (value !== 'cgroupfs' && value !== 'systemd') {
      throw new EngineError('invalid', `native.cgroupdriver option ${value} not supported: use cgroupfs or systemd`);
    }
    found = { cgroupDriver: value };
  }
  return found;
}

interface Arguments {
  given: FileOptions;
  configFile?: string;
  command?: 'help' | 'version';
}

function parseArguments(argv: readonly string[]): Arguments {
  const collected = new Map<string, string[]>();
  const queue = [...argv];
  for (let arg = queue.shift(); arg !== undefined; arg = queue.shift()) {
    if (arg === '--help' || arg === '-h') return { given: {}, command: 'help' };
    if (arg === '--version' || arg === '-v') return { given: {}, command: 'version' };
    const { name, flag, value } = matchFlag(arg);
    const taken = value ?? (flag.takes === 'boolean' ? 'true' : queue.shift());
    if (taken === undefined) throw new EngineError('invalid', `flag needs an argument: ${arg}`);
    collected.set(name, [...(collected.get(name) ?? []), taken]);
  }
  const raw: Record<string, unknown> = {};
  let configFile: string | undefined;
  for (const [name, values] of collected) {
    const flag = flags.get(name) as Flag;
    const last = values.at(-1) ?? '';
    if (flag.key === 'config-file') configFile = last;
    else raw[flag.key] = convert(name, flag, values, last);
  }
  return { given: check('the command line', raw), ...(configFile === undefined ? {} : { configFile }) };
}

function matchFlag(arg: string): { name: string; flag: Flag; value?: string } {
  const long = /^--([a-z][a-z-]*)(?:=([\s\S]*))?$/.exec(arg);
  const short = long === null ? /^-([A-Za-z])=?([\s\S]*)$/.exec(arg) : null;
  for (const [name, flag] of flags) {
    if (long !== null && name === long[1]) return { name, flag, ...(long[2] === undefined ? {} : { value: long[2] }) };
    if (short !== null && flag.short === short[1]) return { name, flag, ...(short[2] ? { value: short[2] } : {}) };
  }
  if (!arg.startsWith('-')) throw new EngineError('invalid', `"tsdockerd" accepts no arguments: "${arg}"`);
  if (long !== null) throw new EngineError('invalid', `unknown flag: --${long[1]}`);
  throw new EngineError('invalid', `unknown shorthand flag: '${arg[1] ?? ''}' in ${arg}`);
}

function convert(name: string, flag: Flag, values: readonly string[], last: string): unknown {
  if (flag.takes === 'list') return values;
  if (flag.takes === 'number' || flag.takes === 'count') return Number(last);
  if (flag.takes === 'pools') return values.map(parsePoolFlag);
  if (flag.takes === 'map') {
    return Object.fromEntries(
      values.map((value) => {
        const at = value.indexOf('=');
        if (at < 1) throw new EngineError('invalid', `invalid argument "${value}" for "--${name}": expected key=value`);
        return [value.slice(0, at), value.slice(at + 1)];
      }),
    );
  }
  if (flag.takes === 'boolean') {
    if (/^(1|t|true)$/i.test(last)) return true;
    if (/^(0|f|false)$/i.test(last)) return false;
    throw new EngineError('invalid', `invalid argument "${last}" for "--${name}": expected true or false`);
  }
  return last;
}

function parseFile(path: string, text: string): FileOptions {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new EngineError('invalid', `unable to configure the daemon with file ${path}: ${(error as Error).message}`);
  }
  return check(`file ${path}`, parsed);
}

function check(where: string, value: unknown): FileOptions {
  if (Value.Check(FileOptions, value)) return value;
  const [first] = Value.Errors(FileOptions, value);
  const key = first?.path.split('/')[1] ?? '';
  const unknown = first?.message === 'Unexpected property';
  throw new EngineError(
    'invalid',
    `unable to configure the daemon with ${where}: ` +
      (unknown ? `the following directives don't match any configuration option: ${key}` : `${key}: ${first?.message}`),
  );
}

function absolute(key: string, path: string): string {
  if (!path.startsWith('/')) throw new EngineError('invalid', `${key} "${path}": it has to be an absolute path`);
  return path.replace(/\/+$/, '') || '/';
}

function show(value: unknown): string {
  return Array.isArray(value) ? `[${value.join(' ')}]` : String(value);
}

function readConfigFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new EngineError('invalid', `unable to configure the daemon with file ${path}`, { cause: error });
  }
}
