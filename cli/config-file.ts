// The user's client configuration, docker's ~/.docker/config.json: what of it changes this program's behaviour.
import { readFileSync } from 'node:fs';
import { CliError, messageOf } from './errors.ts';

export interface ProxySettings {
  httpProxy?: string;
  httpsProxy?: string;
  noProxy?: string;
  ftpProxy?: string;
  allProxy?: string;
}

export interface ConfigFile {
  detachKeys?: string;
  psFormat?: string;
  imagesFormat?: string;
  statsFormat?: string;
  /** By host address, `default` for all others. */
  proxies?: Record<string, ProxySettings>;
}

const limitBytes = 1 << 20;

/** An absent file is an empty configuration. */
export function readConfigFile(directory: string): ConfigFile {
  const path = `${directory}/config.json`;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return {};
  }
  if (text.length > limitBytes) throw new CliError(`${path}: larger than ${limitBytes} bytes`);
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw new Error('not an object');
    return pick(parsed as Record<string, unknown>);
  } catch (error) {
    throw new CliError(`read ${path}: ${messageOf(error)}`);
  }
}

function pick(parsed: Record<string, unknown>): ConfigFile {
  const config: ConfigFile = {};
  for (const key of ['detachKeys', 'psFormat', 'imagesFormat', 'statsFormat'] as const) {
    const value = parsed[key];
    if (typeof value === 'string') config[key] = value;
  }
  const proxies = parsed.proxies;
  if (typeof proxies === 'object' && proxies !== null) config.proxies = proxies as Record<string, ProxySettings>;
  return config;
}

const proxyVariables: [keyof ProxySettings, string][] = [
  ['httpProxy', 'HTTP_PROXY'],
  ['httpsProxy', 'HTTPS_PROXY'],
  ['noProxy', 'NO_PROXY'],
  ['ftpProxy', 'FTP_PROXY'],
  ['allProxy', 'ALL_PROXY'],
];

/** The variables a new container gets from the proxy settings, those already given in `environment` excepted. */
export function proxyEnvironment(config: ConfigFile, host: string, environment: readonly string[]): string[] {
  const settings = config.proxies?.[host] ?? config.proxies?.default;
  if (!settings) return [];
  const given = new Set(environment.map((entry) => entry.split('=', 1)[0]));
  const result: string[] = [];
  for (const [key, name] of proxyVariables) {
    const value = settings[key];
    if (typeof value !== 'string' || value === '') continue;
    for (const variable of [name, name.toLowerCase()]) {
      if (!given.has(variable)) result.push(`${variable}=${value}`);
    }
  }
  return result;
}
