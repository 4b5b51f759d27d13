// Options of log drivers: those that every driver has, and how their values are read.
import { EngineError } from '../../errors/engine-error.ts';
import { parseSizeBytes } from '../../protocols/units/size.ts';

/** The cache is docker's for drivers that cannot be read: those here can. */
const commonKeys = ['mode', 'max-buffer-size', 'cache-disabled', 'cache-max-size', 'cache-max-file', 'cache-compress'];

/**
 * Nothing of a container ever waits for its log here (a full disk drops records), so both modes are kept, and any buffer's size. Throws
 * 'invalid'.
 */
export function checkCommonOptions(options: ReadonlyMap<string, string>): void {
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

/** Throws 'invalid' for the first option that is neither every driver's nor one of `known`. */
export function checkKeys(driver: string, options: ReadonlyMap<string, string>, known: readonly string[]): void {
  for (const key of options.keys()) {
    if (commonKeys.includes(key) || known.includes(key)) continue;
    throw new EngineError('invalid', `unknown log opt '${key}' for ${driver} log driver`);
  }
}

function bytesOf(text: string): number | undefined {
  try {
    const bytes = parseSizeBytes(text);
    return Number.isSafeInteger(bytes) ? bytes : undefined;
  } catch {
    return undefined;
  }
}

/** Bytes; undefined when nothing is said. Throws 'invalid'. */
export function parseSize(key: string, text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  const bytes = bytesOf(text);
  if (bytes === undefined) throw new EngineError('invalid', `invalid value for "${key}": ${text}`);
  if (bytes === 0) throw new EngineError('invalid', `invalid value for "${key}": it must be a positive number`);
  return bytes;
}

/** 1 to 1000; undefined when nothing is said. Throws 'invalid'. */
export function parseCount(key: string, text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  const count = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (count < 1 || count > 1000) throw new EngineError('invalid', `invalid value for "${key}": ${text}: 1 to 1000`);
  return count;
}

/** Between commas. */
export function words(text: string | undefined): string[] {
  return (text ?? '').split(',').filter((word) => word !== '');
}
