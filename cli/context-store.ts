// Docker's contexts, as its client keeps them: contexts/meta/<sha256 of the name>/meta.json says where a daemon is. They are read, never
// written.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import type { TlsFiles } from './client/tls-files.ts';
import { CliError } from './errors.ts';
import { systemReason } from './options/variables.ts';

export interface Context {
  name: string;
  host: string;
  tls: TlsFiles | undefined;
}

const limitBytes = 1 << 20;

/** Throws CliError when there is no such context, or when it names no daemon. */
export function readContext(configDirectory: string, name: string): Context {
  const fail = (why: string) =>
    new CliError(`Failed to initialize: unable to resolve tsdocker endpoint: context ${JSON.stringify(name)}: ${why}`);
  const id = createHash('sha256').update(name).digest('hex');
  const path = `${configDirectory}/contexts/meta/${id}/meta.json`;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw fail(`context not found: open ${path}: ${systemReason(error)}`);
  }
  const endpoint = text.length > limitBytes ? undefined : dockerEndpoint(text);
  if (endpoint === undefined) throw fail(`${path} names no daemon (Endpoints.docker.Host)`);
  const tlsDirectory = `${configDirectory}/contexts/tls/${id}/docker`;
  const verify = !endpoint.skipsVerification;
  const tls = {
    ca: `${tlsDirectory}/ca.pem`,
    cert: `${tlsDirectory}/cert.pem`,
    key: `${tlsDirectory}/key.pem`,
    verify,
  };
  return { name, host: endpoint.host, tls: !verify || existsSync(tlsDirectory) ? tls : undefined };
}

function dockerEndpoint(text: string): { host: string; skipsVerification: boolean } | undefined {
  try {
    const meta = JSON.parse(text) as { Endpoints?: { docker?: { Host?: unknown; SkipTLSVerify?: unknown } } } | null;
    const { Host, SkipTLSVerify } = meta?.Endpoints?.docker ?? {};
    return typeof Host === 'string' && Host !== ''
      ? { host: Host, skipsVerification: SkipTLSVerify === true }
      : undefined;
  } catch {
    return undefined;
  }
}
