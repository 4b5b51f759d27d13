// The options in front of the command, and what the environment says when they are not given.
import { homedir } from 'node:os';
import { boolFlag, type FlagValues, listFlag, stringFlag } from '../daemon/protocols/flags/flag.ts';
import type { TlsFiles } from './client/tls-files.ts';
import type { ConfigFile } from './config-file.ts';
import { readContext } from './context-store.ts';
import { CliError } from './errors.ts';

const home = homedir();

export const globalFlags = {
  context: stringFlag(
    'context,c',
    'Name of the context to use to connect to the daemon (overrides DOCKER_HOST env var and the default context)',
  ),
  config: stringFlag('config', 'Location of client config files', { initial: `${home}/.docker` }),
  debug: boolFlag('debug,D', 'Enable debug mode'),
  host: listFlag('host,H', 'Daemon socket to connect to'),
  logLevel: stringFlag('log-level,l', 'Set the logging level ("debug", "info", "warn", "error", "fatal")', {
    initial: 'info',
  }),
  tls: boolFlag('tls', 'Use TLS; implied by --tlsverify'),
  tlscacert: stringFlag('tlscacert', 'Trust certs signed only by this CA', { initial: `${home}/.docker/ca.pem` }),
  tlscert: stringFlag('tlscert', 'Path to TLS certificate file', { initial: `${home}/.docker/cert.pem` }),
  tlskey: stringFlag('tlskey', 'Path to TLS key file', { initial: `${home}/.docker/key.pem` }),
  tlsverify: boolFlag('tlsverify', 'Use TLS and verify the remote'),
  version: boolFlag('version,v', 'Print version information and quit'),
};

export const defaultHost = 'unix:///run/tsdocker/tsdocker.sock';

export interface GlobalOptions {
  host: string;
  /** Nobody chose the host: a daemon may be started there. */
  isDefaultHost: boolean;
  /** Docker's word for what chose the daemon: `default` for all but a context. */
  context: string;
  /** Undefined: as agreed with the daemon. */
  apiVersion: string | undefined;
  configDirectory: string;
  debug: boolean;
  tls: TlsFiles | undefined;
}

const logLevels = ['trace', 'debug', 'info', 'warn', 'warning', 'error', 'fatal', 'panic'];

type Flags = FlagValues<typeof globalFlags>;

export function configDirectoryOf(flags: Flags, changed: ReadonlySet<string>, env: NodeJS.ProcessEnv): string {
  return changed.has('config') ? flags.config : env.DOCKER_CONFIG || flags.config;
}

export function resolveGlobalOptions(
  flags: Flags,
  changed: ReadonlySet<string>,
  env: NodeJS.ProcessEnv,
  config: ConfigFile,
): GlobalOptions {
  if (!logLevels.includes(flags.logLevel.toLowerCase())) {
    throw new CliError(`Unable to parse logging level: ${flags.logLevel}`);
  }
  if (flags.host.length > 1)
    throw new CliError('Failed to initialize: unable to resolve tsdocker endpoint: Specify only one -H');
  const configDirectory = configDirectoryOf(flags, changed, env);
  const contextName = chosenContext(flags, env, config);
  const context = contextName === 'default' ? undefined : readContext(configDirectory, contextName);
  const host = context?.host ?? (flags.host[0] || (flags.context ? '' : env.DOCKER_HOST) || defaultHost);
  const verify = changed.has('tlsverify') ? flags.tlsverify : Boolean(env.DOCKER_TLS_VERIFY);
  const certs = env.DOCKER_CERT_PATH;
  const file = (name: 'tlscacert' | 'tlscert' | 'tlskey', base: string) =>
    certs && !changed.has(name) ? `${certs}/${base}` : flags[name];
  return {
    host,
    isDefaultHost: context === undefined && host === defaultHost,
    context: contextName,
    apiVersion: apiVersionOf(env.DOCKER_API_VERSION),
    configDirectory,
    debug: flags.debug || ['debug', 'trace'].includes(flags.logLevel),
    tls:
      context !== undefined
        ? context.tls
        : flags.tls || verify
          ? {
              ca: file('tlscacert', 'ca.pem'),
              cert: file('tlscert', 'cert.pem'),
              key: file('tlskey', 'key.pem'),
              verify,
            }
          : undefined,
  };
}

/** As docker: a flag, DOCKER_HOST, DOCKER_CONTEXT, the configuration. */
function chosenContext(flags: Flags, env: NodeJS.ProcessEnv, config: ConfigFile): string {
  if (flags.context && flags.host.length > 0) {
    throw new CliError('conflicting options: cannot specify both --host and --context');
  }
  if (flags.context) return flags.context;
  if (flags.host.length > 0 || env.DOCKER_HOST) return 'default';
  return env.DOCKER_CONTEXT || config.currentContext || 'default';
}

function apiVersionOf(text: string | undefined): string | undefined {
  if (!text) return undefined;
  const version = /^v?(\d{1,3}\.\d{1,3})$/.exec(text)?.[1];
  if (version === undefined) throw new CliError(`DOCKER_API_VERSION is no version of the API: ${JSON.stringify(text)}`);
  return version;
}
