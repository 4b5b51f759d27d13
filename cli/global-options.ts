// The options in front of the command, and what the environment says when they are not given.
import { homedir } from 'node:os';
import { CliError } from './errors.ts';
import { boolFlag, type FlagValues, listFlag, stringFlag } from './flags/flag.ts';

const home = homedir();

export const globalFlags = {
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

export interface TlsFiles {
  ca: string;
  cert: string;
  key: string;
  verify: boolean;
}

export interface GlobalOptions {
  host: string;
  /** Nobody chose the host: a daemon may be started there. */
  isDefaultHost: boolean;
  configDirectory: string;
  debug: boolean;
  tls: TlsFiles | undefined;
}

const logLevels = ['trace', 'debug', 'info', 'warn', 'warning', 'error', 'fatal', 'panic'];

export function resolveGlobalOptions(
  flags: FlagValues<typeof globalFlags>,
  changed: ReadonlySet<string>,
  env: NodeJS.ProcessEnv,
): GlobalOptions {
  if (!logLevels.includes(flags.logLevel.toLowerCase())) {
    throw new CliError(`Unable to parse logging level: ${flags.logLevel}`);
  }
  if (flags.host.length > 1)
    throw new CliError('Failed to initialize: unable to resolve tsdocker endpoint: Specify only one -H');
  const host = flags.host[0] || env.DOCKER_HOST || defaultHost;
  const verify = changed.has('tlsverify') ? flags.tlsverify : Boolean(env.DOCKER_TLS_VERIFY);
  const certs = env.DOCKER_CERT_PATH;
  const file = (name: 'tlscacert' | 'tlscert' | 'tlskey', base: string) =>
    certs && !changed.has(name) ? `${certs}/${base}` : flags[name];
  return {
    host,
    isDefaultHost: host === defaultHost,
    configDirectory: changed.has('config') ? flags.config : env.DOCKER_CONFIG || flags.config,
    debug: flags.debug || ['debug', 'trace'].includes(flags.logLevel),
    tls:
      flags.tls || verify
        ? {
            ca: file('tlscacert', 'ca.pem'),
            cert: file('tlscert', 'cert.pem'),
            key: file('tlskey', 'key.pem'),
            verify,
          }
        : undefined,
  };
}
