// "json-file" and "local": the monitor's own files are the log, rotated by size. The names are docker's, the format is the same for both.
import { EngineError } from '../../errors/engine-error.ts';
import { openLogReader } from '../reader/log-reader.ts';
import { noDetails, parseDetails } from './log-details.ts';
import type { ContainerLog, LogDriver } from './log-driver.ts';
import { checkKeys, parseCount, parseSize } from './log-options.ts';
import { packRotated } from './pack-rotated.ts';

const fileOptions = ['max-size', 'max-file', 'compress'];
const detailOptions = ['labels', 'labels-regex', 'env', 'env-regex', 'tag'];
/** Docker's, by which it decides whether `compress` is legal. */
const dockerMaxFiles = { 'json-file': 1, local: 5 } as const;

const defaultMaxBytes = 10 * 1024 * 1024;
const defaultMaxFiles = 3;
/** A file holds a record at least: less would cut each line into pieces. */
const leastMaxBytes = 1024;

export const jsonFileDriver = fileDriver('json-file');
export const localDriver = fileDriver('local');

function fileDriver(name: 'json-file' | 'local'): LogDriver {
  const hasDetails = name === 'json-file';
  return {
    name,
    configure(options): ContainerLog {
      checkKeys(name, options, hasDetails ? [...fileOptions, ...detailOptions] : fileOptions);
      const details = hasDetails ? parseDetails(options) : noDetails;
      const maxFiles = parseCount('max-file', options.get('max-file')) ?? defaultMaxFiles;
      const maxBytes = Math.max(parseSize('max-size', options.get('max-size')) ?? defaultMaxBytes, leastMaxBytes);
      const isPacked = parseCompress(name, options);
      return {
        limits: { maxBytes, maxFiles },
        warnings: [],
        details,
        openReader: ({ directory }, reading) => openLogReader(directory, reading),
        ...(isPacked ? { follow: (run) => packRotated(run, maxFiles) } : {}),
      };
    },
  };
}

/** Throws 'invalid'; only docker's combinations are legal. */
function parseCompress(name: keyof typeof dockerMaxFiles, options: ReadonlyMap<string, string>): boolean {
  const value = options.get('compress');
  if (value === undefined) return false;
  if (/^(?:0|f|false)$/i.test(value)) return false;
  if (!/^(?:1|t|true)$/i.test(value)) throw new EngineError('invalid', `invalid value for "compress": ${value}`);
  const hasFiles = Number(options.get('max-file') ?? dockerMaxFiles[name]) >= 2;
  if (!hasFiles || (name === 'json-file' && !options.has('max-size'))) {
    throw new EngineError('invalid', 'compress cannot be true when max-file is less than 2 or max-size is not set');
  }
  return true;
}
