// Checks of single values, made before a request is sent. Docker's rules and words.
import { cut } from './csv.ts';
import { isIpAddress } from './ports.ts';

export function validateAttach(text: string): string {
  const stream = text.toLowerCase();
  if (!['stdin', 'stdout', 'stderr'].includes(stream)) throw new Error('valid streams are STDIN, STDOUT and STDERR');
  return stream;
}

export function validateIp(text: string): string {
  const address = text.trim();
  if (!isIpAddress(address)) throw new Error(`IP address is not correctly formatted: ${text}`);
  return address;
}

export function validateDnsSearch(text: string): string {
  const domain = text.trim();
  if (domain === '.') return domain;
  const name = domain.replace(/\.$/, '');
  const isName = /^[a-zA-Z0-9_]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_])?(\.[a-zA-Z0-9_]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_])?)*$/;
  if (name.length > 254 || !/[a-zA-Z]/.test(name) || !isName.test(name))
    throw new Error(`${text} is not a valid domain`);
  return domain;
}

/** `name:ip` or `name=ip`, as `name:ip`. */
export function validateExtraHost(text: string): string {
  const separator = text.includes('=') ? '=' : ':';
  const [name, value] = cut(text, separator);
  if (value === undefined || name === '') throw new Error(`bad format for add-host: ${JSON.stringify(text)}`);
  const address = /^\[.*\]$/.test(value) ? value.slice(1, -1) : value;
  if (address !== 'host-gateway' && !isIpAddress(address)) {
    throw new Error(`invalid IP address in add-host: ${JSON.stringify(address)}`);
  }
  return `${name}:${address}`;
}

export function validateLink(text: string): string {
  if (text === '') throw new Error('empty string specified for links');
  if (text.split(':').length > 2) throw new Error(`bad format for links: ${text}`);
  return text;
}

const sysctlNames = ['kernel.msgmax', 'kernel.msgmnb', 'kernel.msgmni', 'kernel.sem', 'kernel.shmall', 'kernel.shmmax'];
const moreSysctlNames = ['kernel.shmmni', 'kernel.shm_rmid_forced'];

export function validateSysctl(text: string): string {
  const [name, value] = cut(text, '=');
  const isAllowed =
    [...sysctlNames, ...moreSysctlNames].includes(name) || name.startsWith('net.') || name.startsWith('fs.mqueue.');
  if (value === undefined || !isAllowed) throw new Error(`sysctl '${text}' is not allowed`);
  return text;
}

const ulimitNames = [
  'core',
  'cpu',
  'data',
  'fsize',
  'locks',
  'memlock',
  'msgqueue',
  'nice',
  'nofile',
  'nproc',
  'rss',
  'rtprio',
  'rttime',
  'sigpending',
  'stack',
];

export interface Ulimit {
  Name: string;
  Hard: number;
  Soft: number;
}

/** `name=soft[:hard]`; -1 is unlimited. */
export function parseUlimit(text: string): Ulimit {
  const [Name, values] = cut(text, '=');
  if (values === undefined) throw new Error(`invalid ulimit argument: ${text}`);
  if (!ulimitNames.includes(Name)) throw new Error(`invalid ulimit type: ${Name}`);
  const limits = values.split(':');
  if (limits.length > 2) {
    throw new Error(`too many limit value arguments - ${values}, can only have up to two, \`soft[:hard]\``);
  }
  const [Soft = 0, Hard = Soft] = limits.map((limit) => {
    if (!/^[+-]?\d{1,19}$/.test(limit))
      throw new Error(`strconv.ParseInt: parsing ${JSON.stringify(limit)}: invalid syntax`);
    return Number(limit);
  });
  if (Hard !== -1 && (Soft === -1 || Soft > Hard)) {
    const shown = Soft === -1 ? `soft: -1 (unlimited), hard: ${Hard}` : `${Soft} > ${Hard}`;
    throw new Error(`ulimit soft limit must be less than or equal to hard limit: ${shown}`);
  }
  return { Name, Hard, Soft };
}

export interface RestartPolicy {
  Name: string;
  MaximumRetryCount: number;
}

/** `on-failure:3`. Which names exist is the daemon's to say. */
export function parseRestartPolicy(text: string): RestartPolicy {
  if (text === '') return { Name: '', MaximumRetryCount: 0 };
  const [Name, count] = cut(text, ':');
  if (Name === '') throw new Error('invalid restart policy format: no policy provided before colon');
  if (count === undefined || count === '') return { Name, MaximumRetryCount: 0 };
  if (!/^[+-]?\d{1,9}$/.test(count)) {
    throw new Error('invalid restart policy format: maximum retry count must be an integer');
  }
  return { Name, MaximumRetryCount: Number(count) };
}

/** `key=value` texts as an object; a bare key has an empty value. */
export function toMap(texts: readonly string[]): Record<string, string> {
  const map: Record<string, string> = Object.create(null);
  for (const text of texts) {
    const [key, value = ''] = cut(text, '=');
    map[key] = value;
  }
  return map;
}
