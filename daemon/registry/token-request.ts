// Fetching a bearer token as Docker's registries give it (distribution "spec/auth/token" and "spec/auth/oauth"): with nothing, with a
// password, or with the refresh token of a login. The realm is named by the registry; what it may get is decided here.
import { EngineError } from '../errors/engine-error.ts';
import type { Connections } from './connections.ts';
import { hop, readWhole } from './http-hop.ts';
import { RegistryFailure, shownUrl } from './registry-failure.ts';
import type { Credentials } from './registry-session.ts';

export interface TokenRequest {
  /** `realm` of the challenge. */
  readonly realm: string;
  readonly service: string;
  readonly scopes: readonly string[];
  readonly credentials: Credentials;
  /** Ask for a refresh token as well: a login. */
  readonly wantsRefreshToken: boolean;
  /** The realm may be plain http: the registry that names it is insecure, and so is the realm's host. */
  mayBePlain(host: string): boolean;
}

export interface Token {
  readonly token: string;
  readonly refreshToken: string;
  readonly expiresAtMs: number;
}

const MAX_ANSWER_BYTES = 1024 * 1024;
const MAX_TOKEN_CHARACTERS = 64 * 1024;
const MAX_REDIRECTS = 5;
const CLIENT_ID = 'tsdocker';
/** As the specification says: what tells no time lives a minute. */
const DEFAULT_LIFE_S = 60;

export async function fetchToken(
  connections: Connections,
  request: TokenRequest,
  signal?: AbortSignal,
): Promise<Token> {
  const realm = realmUrl(request);
  const { credentials, service, scopes } = request;
  if (credentials.identityToken !== '') {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      client_id: CLIENT_ID,
      refresh_token: credentials.identityToken,
      service,
    });
    if (scopes.length > 0) form.set('scope', scopes.join(' '));
    return send(connections, 'POST', realm, { 'Content-Type': 'application/x-www-form-urlencoded' }, form, signal);
  }
  if (service !== '') realm.searchParams.set('service', service);
  for (const scope of scopes) realm.searchParams.append('scope', scope);
  const headers: Record<string, string> = {};
  if (request.wantsRefreshToken) {
    realm.searchParams.set('offline_token', 'true');
    realm.searchParams.set('client_id', CLIENT_ID);
  }
  if (credentials.username !== '') {
    realm.searchParams.set('account', credentials.username);
    headers.Authorization = basicHeader(credentials);
  }
  return send(connections, 'GET', realm, headers, undefined, signal);
}

/** RFC 7617. */
export function basicHeader({ username, password }: Credentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

function realmUrl({ realm, mayBePlain }: TokenRequest): URL {
  if (!URL.canParse(realm)) throw new EngineError('system', 'fetch token: the registry names a realm that is no URL');
  const url = new URL(realm);
  if (url.username !== '' || url.password !== '') throw refused(url, 'it holds a user name');
  if (url.protocol === 'https:') return url;
  if (url.protocol !== 'http:') throw refused(url, 'it is not https');
  if (!mayBePlain(url.host)) throw refused(url, 'plain http is only for insecure registries');
  return url;
}

async function send(
  connections: Connections,
  method: 'GET' | 'POST',
  realm: URL,
  headers: Record<string, string>,
  form: URLSearchParams | undefined,
  signal: AbortSignal | undefined,
): Promise<Token> {
  let url = realm;
  for (let redirects = 0; ; redirects++) {
    const isRealm = url.origin === realm.origin;
    const answer = await hop(connections, {
      method,
      url,
      headers: isRealm ? headers : {},
      ...(form === undefined ? {} : { body: Buffer.from(form.toString()) }),
      ...(signal === undefined ? {} : { signal }),
    });
    const { location } = answer.headers;
    if (answer.status >= 301 && answer.status <= 308 && location !== undefined) {
      answer.body.destroy();
      url = redirected(url, location, method, redirects);
      continue;
    }
    const body = await readWhole(answer, MAX_ANSWER_BYTES);
    if (answer.status !== 200) {
      throw RegistryFailure.ofStatus(method, url, answer.status, body, answer.headers['retry-after']);
    }
    return readToken(url, body);
  }
}

/** A form holds a secret: it goes nowhere but to the realm. */
function redirected(url: URL, location: string, method: string, redirects: number): URL {
  if (redirects >= MAX_REDIRECTS) throw RegistryFailure.ofAnswer(method, url, 'too many redirects');
  const next = URL.parse(location, url.href);
  if (next === null || (next.protocol !== 'https:' && next.protocol !== url.protocol)) {
    throw RegistryFailure.ofAnswer(method, url, 'it redirects to where no token can be fetched');
  }
  if (method === 'POST' && next.origin !== url.origin) {
    throw RegistryFailure.ofAnswer(method, url, 'it redirects a refresh token to another host: refused');
  }
  return next;
}

function readToken(url: URL, body: Buffer): Token {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body.toString());
  } catch {
    throw RegistryFailure.ofAnswer('GET', url, 'the token is not JSON');
  }
  const fields = (typeof parsed === 'object' && parsed !== null ? parsed : {}) as Record<string, unknown>;
  const token = fields.token ?? fields.access_token;
  if (typeof token !== 'string' || token === '') throw RegistryFailure.ofAnswer('GET', url, 'it gives no token');
  // A line break in it would be a header of its own.
  if (token.length > MAX_TOKEN_CHARACTERS || !/^[\x21-\x7e]+$/.test(token)) {
    throw RegistryFailure.ofAnswer('GET', url, 'it gives something that cannot be a token');
  }
  const life = typeof fields.expires_in === 'number' && fields.expires_in > 0 ? fields.expires_in : DEFAULT_LIFE_S;
  return {
    token,
    refreshToken: typeof fields.refresh_token === 'string' ? fields.refresh_token : '',
    expiresAtMs: Date.now() + life * 1000,
  };
}

function refused(url: URL, why: string): EngineError {
  return new EngineError('system', `fetch token from ${shownUrl(url)}: refused: ${why}`);
}
