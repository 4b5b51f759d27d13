// HostConfig.LogConfig: which drivers and options there are. Everything is kept by the monitor in one format of its own, rotated by
// size; the driver's name decides only whether `logs` may read it. What is shown of labels and variables: log-details.ts.
import { RE2JS } from 're2js';
import type { HostConfig } from '../docker-types/host-config.ts';
import { EngineError } from '../errors/engine-error.ts';
import { checkTag } from './log-details.ts';

export interface LogOptions {
  /** false with driver "none": attach works, logs does not. */
  isReadable: boolean;
  /** Bytes per file. */
  maxBytes: number;
  maxFiles: number;
  /** Labels and variables whose values `logs --details` shows: by name, or by a pattern of the name. */
  labels: readonly string[];
  env: readonly string[];
  labelsPattern?: RE2JS;
  envPattern?: RE2JS;
  /** A template that `logs --details` shows filled in. */
  tag: string;
  /** For who makes the container. */
  warnings: readonly string[];
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
/** The cache is docker's for drivers that cannot be read: those here can. */
const anyDriver = ['mode', 'max-buffer-size', 'cache-disabled', 'cache-max-size', 'cache-max-file', 'cache-compress'];
const ofDriver: Readonly<Record<string, readonly string[]>> = {
  'json-file': ['max-size', 'max-file', 'compress', 'labels', 'labels-regex', 'env', 'env-regex', 'tag'],
  local: ['max-size', 'max-file', 'compress'],
};
const defaultMaxBytes = 10 * 1024 * 1024;
const defaultMaxFiles = 3;
/** A file holds a record at least: less would cut each line into pieces. */
const leastMaxBytes = 1024;
const patternLimit = 1000;
const empty = { labels: [], env: [], tag: '', warnings: [] };
/** Attached clients read what driver "none" keeps: two small files. */
const unreadable: LogOptions = { isReadable: false, maxBytes: 1024 * 1024, maxFiles: 2, ...empty };

/** Throws 'invalid' or 'not-implemented'. */
export function parseLogConfig(config: HostConfig['LogConfig']): LogOptions {
  const driver = config?.Type || 'json-file';
  if (dockerDrivers.has(driver)) {
    throw new EngineError('not-implemented', `log driver "${driver}" is not there yet: use json-file, local or none`);
  }
  if (!drivers.has(driver)) throw new EngineError('invalid', `logger: no log driver named '${driver}' is registered`);
  const options = new Map(Object.entries(config?.Config ?? {}));
  checkMode(options);
  // Docker takes whatever is said of a log that is not kept.
  if (driver === 'none') return unreadable;
  for (const key of options.keys()) {
    if (anyDriver.includes(key) || ofDriver[driver]?.includes(key)) continue;
    throw new EngineError('invalid', `unknown log opt '${key}' for ${driver} log driver`);
  }
  const tag = options.get('tag') ?? '';
  checkTag(tag);
  const labelsPattern = parsePattern('labels-regex', options.get('labels-regex'));
  const envPattern = parsePattern('env-regex', options.get('env-regex'));
  return {
    isReadable: true,
    maxBytes: parseSize('max-size', options.get('max-size')),
    maxFiles: parseCount(options.get('max-file')),
    labels: words(options.get('labels')),
    env: words(options.get('env')),
    ...(labelsPattern === undefined ? {} : { labelsPattern }),
    ...(envPattern === undefined ? {} : { envPattern }),
    tag,
    warnings: checkCompress(driver, options),
  };
}

/** Nothing of a container ever waits for its log here (a full disk drops records), so both modes are kept, and any buffer's size. */
function checkMode(options: ReadonlyMap<string, string>): void {
  const mode = options.get('mode') ?? '';
  if (!['', 'blocking', 'non-blocking'].includes(mode)) {
    throw new EngineError('invalid', `logger: logging mode not supported: ${mode}`);
  }
  const size = options.get('max-buffer-size');
  if (size === undefined) return;
  if (mode !== 'non-blocking') {
    throw new EngineError('invalid', "logger: max-buffer-size option is only supported with 'mode=non-blocking'");
  }
  if (bytesOf(size) === undefined) {
    throw new EngineError('invalid', `error parsing option max-buffer-size: invalid size: '${size}'`);
  }
}

/** Rotated files are not packed: who asks for it is told. In docker's legal combinations only. */
function checkCompress(driver: string, options: ReadonlyMap<string, string>): string[] {
  const value = options.get('compress');
  if (value === undefined) return [];
  if (/^(?:0|f|false)$/i.test(value)) return [];
  if (!/^(?:1|t|true)$/i.test(value)) throw new EngineError('invalid', `invalid value for "compress": ${value}`);
  const hasFiles = Number(options.get('max-file') ?? (driver === 'local' ? 5 : 1)) >= 2;
  if (!hasFiles || (driver === 'json-file' && !options.has('max-size'))) {
    throw new EngineError('invalid', 'compress cannot be true when max-file is less than 2 or max-size is not set');
  }
  return ['log opt compress: rotated files are kept as they are, within max-size and max-file'];
}

function parsePattern(key: string, text: string | undefined): RE2JS | undefined {
  if (text === undefined || text === '') return undefined;
  if (text.length > patternLimit) throw new EngineError('invalid', `invalid value for "${key}": too long`);
  try {
    return RE2JS.compile(text);
  } catch (error) {
    throw new EngineError('invalid', `invalid value for "${key}": ${(error as Error).message}`);
  }
}

const units = 'kmgtp';

function bytesOf(text: string): number | undefined {
  const match = /^(\d{1,12}(?:\.\d{1,6})?)\s?([kmgtp]?)(?:i?b)?$/i.exec(text);
  if (match === null) return undefined;
  const power = match[2] ? units.indexOf(match[2].toLowerCase()) + 1 : 0;
  const bytes = Math.floor(Number(match[1]) * 1024 ** power);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

function parseSize(key: string, text: string | undefined): number {
  if (text === undefined || text === '') return defaultMaxBytes;
  const bytes = bytesOf(text);
  if (bytes === undefined) throw new EngineError('invalid', `invalid value for "${key}": ${text}`);
  if (bytes === 0) throw new EngineError('invalid', `invalid value for "${key}": it must be a positive number`);
  return Math.max(bytes, leastMaxBytes);
}

function parseCount(text: string | undefined): number {
  if (text === undefined || text === '') return defaultMaxFiles;
  const count = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (count < 1 || count > 1000) throw new EngineError('invalid', `invalid value for "max-file": ${text}: 1 to 1000`);
  return count;
}

function words(text: string | undefined): string[] {
  return (text ?? '').split(',').filter((word) => word !== '');
}
