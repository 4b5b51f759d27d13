// The user's client configuration, docker's ~/.docker/config.json: what of it changes this program's behaviour. What is wrong in it is told
// and left out: a command that needs none of it works all the same.
import { readFileSync } from 'node:fs';
import { systemReason } from './options/variables.ts';

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
  networksFormat?: string;
  volumesFormat?: string;
  /** The context in use when neither a flag nor the environment chooses a daemon. */
  currentContext?: string;
  /** Sent with every request. */
  HttpHeaders?: Record<string, string>;
  /** By host address, `default` for all others. */
  proxies?: Record<string, ProxySettings>;
  /** Nothing of the file could be read, credentials neither. */
  isDamaged?: true;
}

const limitBytes = 1 << 20;
const textKeys = [
  'detachKeys',
  'psFormat',
  'imagesFormat',
  'statsFormat',
  'networksFormat',
  'volumesFormat',
  'currentContext',
] as const;

/** An absent file is an empty configuration. `warn` is told what is wrong, in a sentence without the file's content: it holds secrets. */
export function readConfigFile(directory: string, warn: (message: string) => void): ConfigFile {
  const path = `${directory}/config.json`;
  const damaged = (what: string): ConfigFile => {
    warn(what);
    return { isDamaged: true };
  };
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') return {};
    return damaged(`Error loading config file: open ${path}: ${systemReason(error)}`);
  }
  const about = (what: string) => `Error parsing config file (${path}): ${what}`;
  if (text.length > limitBytes) return damaged(about(`larger than ${limitBytes} bytes`));
  let parsed: unknown;
  try {
    parsed = parseConfigText(text);
  } catch (error) {
    return damaged(about(error instanceof Error ? error.message : String(error)));
  }
  return pick(parsed as Record<string, unknown>, (what) => warn(about(what)));
}

/** Throws an Error that says what is wrong and shows nothing of the text. An empty file and `null` are an empty object. */
export function parseConfigText(text: string): Record<string, unknown> {
  if (text.trim() === '') return {};
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    const where = /\(line \d+ column \d+\)|Unexpected end/.exec(String(error))?.[0] ?? '';
    if (text.startsWith('\ufeff')) throw new Error('it begins with a byte order mark, which JSON does not have');
    throw new Error(`not valid JSON${where === 'Unexpected end' ? ': it ends too early' : where && ` ${where}`}`);
  }
  if (typeof parsed !== 'object' || Array.isArray(parsed)) throw new Error('not a JSON object');
  return (parsed ?? {}) as Record<string, unknown>;
}

function pick(parsed: Record<string, unknown>, warn: (what: string) => void): ConfigFile {
  const config: ConfigFile = {};
  for (const key of textKeys) {
    const value = parsed[key];
    if (typeof value === 'string') config[key] = value;
    else if (value !== undefined && value !== null) warn(`${key} is not a text: left out`);
  }
  const headers = texts(parsed.HttpHeaders);
  if (headers !== undefined) config.HttpHeaders = headers;
  else if (parsed.HttpHeaders !== undefined && parsed.HttpHeaders !== null) warn('HttpHeaders are not texts: left out');
  const { proxies } = parsed;
  if (typeof proxies === 'object' && proxies !== null) config.proxies = proxies as Record<string, ProxySettings>;
  return config;
}

function texts(value: unknown): Record<string, string> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const entries = Object.entries(value);
  return entries.every(([, item]) => typeof item === 'string')
    ? (Object.fromEntries(entries) as Record<string, string>)
    : undefined;
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
