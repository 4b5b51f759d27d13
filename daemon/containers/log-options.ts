// HostConfig.LogConfig: which drivers and options there are. Everything is kept by the monitor in one format of its own, rotated by
// size; the driver's name decides only whether `logs` may read it.
import type { HostConfig } from '../api/types/host-config.ts';
import { EngineError } from '../errors/engine-error.ts';

export interface LogOptions {
  /** false with driver "none": attach works, logs does not. */
  isReadable: boolean;
  /** Bytes per file. */
  maxBytes: number;
  maxFiles: number;
  /** Labels and variables whose values `logs --details` shows. */
  labels: readonly string[];
  env: readonly string[];
}

const drivers: ReadonlySet<string> = new Set(['json-file', 'local', 'none']);
const dockerDrivers: ReadonlySet<string> = new Set([
  'journald',
  'syslog',
  'fluentd',
  'gelf',
  'awslogs',
  'gcplogs',
  'splunk',
  'etwlogs',
]);
const laterOptions: ReadonlySet<string> = new Set([
  'compress',
  'tag',
  'mode',
  'max-buffer-size',
  'labels-regex',
  'env-regex',
]);
const defaultMaxBytes = 10 * 1024 * 1024;
const defaultMaxFiles = 3;
/** Attached clients read what driver "none" keeps: two small files. */
const unreadable: LogOptions = { isReadable: false, maxBytes: 1024 * 1024, maxFiles: 2, labels: [], env: [] };

/** Throws 'invalid' or 'not-implemented'. */
export function parseLogConfig(config: HostConfig['LogConfig']): LogOptions {
  const driver = config?.Type || 'json-file';
  if (dockerDrivers.has(driver)) {
    throw new EngineError('not-implemented', `log driver "${driver}" is not there yet: use json-file, local or none`);
  }
  if (!drivers.has(driver)) throw new EngineError('invalid', `logger: no log driver named '${driver}' is registered`);
  const options = new Map(Object.entries(config?.Config ?? {}));
  if (driver === 'none') {
    const [first] = options.keys();
    if (first !== undefined) throw new EngineError('invalid', `unknown log opt '${first}' for none log driver`);
    return unreadable;
  }
  for (const key of options.keys()) {
    if (laterOptions.has(key)) {
      throw new EngineError(
        'not-implemented',
        `log opt "${key}" is not there yet: max-size, max-file, labels and env are`,
      );
    }
    if (!['max-size', 'max-file', 'labels', 'env'].includes(key)) {
      throw new EngineError('invalid', `unknown log opt '${key}' for ${driver} log driver`);
    }
  }
  return {
    isReadable: true,
    maxBytes: parseSize(options.get('max-size')),
    maxFiles: parseCount(options.get('max-file')),
    labels: words(options.get('labels')),
    env: words(options.get('env')),
  };
}

function parseSize(text: string | undefined): number {
  if (text === undefined) return defaultMaxBytes;
  const match = /^(\d{1,12})\s?([kmgt]?)(?:i?b)?$/i.exec(text);
  const power = 'kmgt'.indexOf((match?.[2] ?? '').toLowerCase()) + 1;
  const bytes = match === null ? Number.NaN : Number(match[1]) * 1024 ** (match[2] ? power : 0);
  if (!Number.isSafeInteger(bytes)) throw new EngineError('invalid', `invalid value for "max-size": ${text}`);
  if (bytes < 4096) throw new EngineError('invalid', `invalid value for "max-size": ${text}: at least 4k`);
  return bytes;
}

function parseCount(text: string | undefined): number {
  if (text === undefined) return defaultMaxFiles;
  const count = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (count < 1 || count > 1000) throw new EngineError('invalid', `invalid value for "max-file": ${text}: 1 to 1000`);
  return count;
}

function words(text: string | undefined): string[] {
  return (text ?? '').split(',').filter((word) => word !== '');
}

/** The `k=v,k2=v2` that --details puts before a line: sorted, escaped as in a URL. */
export function logDetails(
  options: LogOptions,
  config: { Labels: Readonly<Record<string, string>>; Env: readonly string[] },
): string {
  const found: [string, string][] = [];
  for (const key of options.labels) if (Object.hasOwn(config.Labels, key)) found.push([key, config.Labels[key] ?? '']);
  for (const key of options.env) {
    const entry = config.Env.find((item) => item.startsWith(`${key}=`));
    if (entry !== undefined) found.push([key, entry.slice(key.length + 1)]);
  }
  const urlText = (text: string) => encodeURIComponent(text).replace(/%20/g, '+');
  return found
    .map(([key, value]) => `${urlText(key)}=${urlText(value)}`)
    .sort()
    .join(',');
}
