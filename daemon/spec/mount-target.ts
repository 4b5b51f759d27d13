// Where in a container something may be mounted: the rules that -v, --mount, --tmpfs and an image's VOLUME share.
import path from 'node:path';
import { EngineError } from '../errors/engine-error.ts';

const MAX_PATH_BYTES = 4095;

/** Below /proc only what lxcfs and its kin provide may be covered: anything else could make the engine's own checks lie. */
const PROC_TARGETS: ReadonlySet<string> = new Set(
  [
    'cpuinfo',
    'diskstats',
    'meminfo',
    'stat',
    'swaps',
    'uptime',
    'loadavg',
    'slabinfo',
    'net/dev',
    'sys/kernel/ns_last_pid',
    'sys/crypto/fips_enabled',
  ].map((name) => `/proc/${name}`),
);

/** Returns the clean path. Throws 'invalid' in docker's words. `bindSource` is the host path of a bind. */
export function checkTarget(target: string, bindSource?: string): string {
  if (!target.startsWith('/')) {
    throw new EngineError('invalid', `invalid mount path: '${target}' mount path must be absolute`);
  }
  checkLength(target);
  const clean = cleanPath(target);
  if (clean === '/') throw new EngineError('invalid', "invalid specification: destination can't be '/'");
  const isProcItself = clean === '/proc' && bindSource !== undefined && cleanPath(bindSource) === '/proc';
  const isInProc = clean === '/proc' || clean.startsWith('/proc/');
  if (isInProc && !isProcItself && !(bindSource !== undefined && PROC_TARGETS.has(clean))) {
    throw new EngineError('invalid', `"${clean}" cannot be mounted because it is inside /proc`);
  }
  return clean;
}

export function checkLength(text: string): void {
  if (!text.includes('\0') && Buffer.byteLength(text) <= MAX_PATH_BYTES) return;
  throw new EngineError('invalid', `invalid mount path: '${text}' is too long or contains a NUL character`);
}

/** No `.`, `..`, double or trailing slashes. */
export function cleanPath(text: string): string {
  const clean = path.posix.normalize(text);
  return clean.length > 1 && clean.endsWith('/') ? clean.slice(0, -1) : clean;
}

/** A path that stays below where it starts, whatever the files there are: no leading slash, no way up. */
export function isLocalPath(text: string): boolean {
  if (text === '' || text.startsWith('/') || text.includes('\0') || Buffer.byteLength(text) > MAX_PATH_BYTES)
    return false;
  const clean = cleanPath(text);
  return clean !== '..' && !clean.startsWith('../');
}
