// TLS material for one registry, in Docker's layout: <certs.d>/<host[:port]>/*.crt are authorities beside the system's, NAME.cert and
// NAME.key are a client certificate. Read anew for each session, so that a changed file counts at once.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { getCACertificates } from 'node:tls';
import { isErrno } from '../../native-bindings/errno.ts';
import { EngineError } from '../errors/engine-error.ts';

export interface TlsMaterial {
  ca: string[];
  cert?: string[];
  key?: string[];
}

const MAX_FILES = 64;

/** Throws 'invalid' for a certificate without its key and the reverse. */
export function tlsMaterial(certsDirectory: string, host: string): TlsMaterial {
  const directory = join(certsDirectory, host);
  const names = namesIn(directory);
  const read = (name: string) => readFileSync(join(directory, name), 'utf8');
  const certs = names.filter((name) => name.endsWith('.cert'));
  const keys = names.filter((name) => name.endsWith('.key'));
  for (const name of certs) requirePair(directory, keys, name, name.replace(/cert$/, 'key'));
  for (const name of keys) requirePair(directory, certs, name, name.replace(/key$/, 'cert'));
  const ca = [...systemAuthorities(), ...names.filter((name) => name.endsWith('.crt')).map(read)];
  if (certs.length === 0) return { ca };
  return { ca, cert: certs.map(read), key: certs.map((name) => read(name.replace(/cert$/, 'key'))) };
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).sort().slice(0, MAX_FILES);
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return [];
    throw new EngineError('system', `read ${directory}`, { cause: error });
  }
}

function requirePair(directory: string, present: readonly string[], name: string, other: string): void {
  if (present.includes(other)) return;
  throw new EngineError('invalid', `missing ${other} for ${name} in ${directory}: a client certificate needs both`);
}

/** The host's own; those that come with Node where the host has none. */
function systemAuthorities(): string[] {
  const system = getCACertificates('system');
  return system.length > 0 ? system : getCACertificates('bundled');
}
