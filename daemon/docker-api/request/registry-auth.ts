// X-Registry-Auth: who asks a registry, as base64url JSON, in each request. Docker's clients send it in several spellings, and what cannot be
// read counts as nobody.
import type { IncomingHttpHeaders } from 'node:http';
import { type Credentials, noCredentials } from '../../registry/registry-session.ts';

export function registryAuth(headers: IncomingHttpHeaders): Credentials {
  const header = headers['x-registry-auth'];
  if (typeof header !== 'string' || header === '') return noCredentials;
  try {
    return credentialsOf(JSON.parse(Buffer.from(header, 'base64url').toString()));
  } catch {
    return noCredentials;
  }
}

/** Of an AuthConfig as Docker's clients have it; what is not text is not there. */
export function credentialsOf(value: unknown): Credentials {
  const fields = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  const text = (name: string): string => {
    const field = fields[name];
    return typeof field === 'string' ? field : '';
  };
  const given = { username: text('username'), password: text('password') };
  if (given.username === '' && text('auth') !== '') {
    const both = Buffer.from(text('auth'), 'base64').toString();
    const colon = both.indexOf(':');
    if (colon > 0) Object.assign(given, { username: both.slice(0, colon), password: both.slice(colon + 1) });
  }
  return { ...given, identityToken: text('identitytoken'), registryToken: text('registrytoken') };
}
