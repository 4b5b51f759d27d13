// The daemon's options: dockerd's names, on the command line and as keys of a JSON file. One frozen object comes out.
// A key that is set in both places is refused, as dockerd does: nobody has to know which one wins.
import { readFileSync } from 'node:fs';
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import type { CgroupDriver } from './cgroups/cgroup-manager.ts';
import { EngineError } from './errors/engine-error.ts';
import type { RegistrySideOptions } from './images/open-registry.ts';
import { type NetworkDaemonOptions, networkFileOptions, networkFlags, networkOptions } from './network-options.ts';
import { boolFlag, integerFlag, listFlag, mapFlag, stringFlag } from './protocols/flags/flag.ts';
import { FlagError, type Parsed, parseFlags } from './protocols/flags/parse.ts';
import { flagUsages } from './protocols/flags/usage.ts';
import { registryFileOptions, registryFlags, registryOptions } from './registry-options.ts';

const defaultConfigFile = '/etc/tsdocker/daemon.json';
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

/** By the key that the same option has in the file. */
const fileFlags = {
  'cgroup-parent': stringFlag('cgroup-parent', 'Parent cgroup of all containers'),
  'data-root': stringFlag('data-root,g', 'Root directory of persistent state'),
  debug: boolFlag('debug,D', 'Enable debug mode'),
  'default-pids-limit': integerFlag('default-pids-limit', 'Limit of processes for containers that set none'),
  'default-shm-size': integerFlag('default-shm-size', 'Size of /dev/shm in bytes'),
  'exec-opts': listFlag('exec-opt', 'Runtime options: native.cgroupdriver=(cgroupfs|systemd)'),
  'exec-root': stringFlag('exec-root', 'Root directory of files of running containers'),
  group: stringFlag('group,G', 'Group of the unix socket (default "tsdocker", if it exists)'),
  hosts: listFlag('host,H', 'Daemon socket(s) to listen on'),
  labels: listFlag('label', 'Set key=value labels of the daemon'),
  'live-restore': boolFlag('live-restore', 'Containers go on without the daemon (always so)'),
  'log-driver': stringFlag('log-driver', 'Default driver of container logs'),
  'log-level': stringFlag('log-level,l', 'Level of the daemon log (debug|info|warn|error|fatal)'),
  'log-opts': mapFlag('log-opt', 'Default log options of containers'),
  pidfile: stringFlag('pidfile,p', 'Path of the file with the process id of the daemon'),
  tls: boolFlag('tls', 'Use TLS; implied by --tlsverify'),
  tlscacert: stringFlag('tlscacert', 'Trust certificates signed only by this CA'),
  tlscert: stringFlag('tlscert', 'Path of the TLS certificate'),
  tlskey: stringFlag('tlskey', 'Path of the TLS key'),
  tlsverify: boolFlag('tlsverify', 'Use TLS and verify the remote'),
  ...networkFlags,
  ...registryFlags,
};
const flags = {
  ...fileFlags,
  configFile: stringFlag('config-file', `Configuration file (default "${defaultConfigFile}")`),
  version: boolFlag('version,v', 'Print version information and quit'),
};

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
  const usages = flagUsages(flags, Number.POSITIVE_INFINITY);
  return `Usage:  tsdockerd [OPTIONS]\n\nA container engine for one Linux host.\n\nOptions:\n${usages}`;
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
  const { values, args, changed, help } = parsedFlags(argv);
  if (help) return { given: {}, command: 'help' };
  if (values.version) return { given: {}, command: 'version' };
  if (args.length > 0) throw new EngineError('invalid', `"tsdockerd" accepts no arguments: "${args[0]}"`);
  const keys = (Object.keys(fileFlags) as (keyof typeof fileFlags)[]).filter((key) => changed.has(flags[key].name));
  return {
    given: check('the command line', Object.fromEntries(keys.map((key) => [key, values[key]]))),
    ...(changed.has(flags.configFile.name) ? { configFile: values.configFile } : {}),
  };
}

function parsedFlags(argv: readonly string[]): Parsed<typeof flags> {
  try {
    return parseFlags(flags, argv, { interspersed: true });
  } catch (error) {
    throw error instanceof FlagError ? new EngineError('invalid', error.message) : error;
  }
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
