// What one endpoint is told about who asks. It learns from the first 401 how the endpoint wants to be asked, and keeps tokens until shortly
// before they end. Its header goes to that endpoint only: registry-http.ts sees to it.
import { EngineError } from '../errors/engine-error.ts';
import { type Challenge, parseChallenges } from './challenge.ts';
import type { Connections } from './connections.ts';
import { type Credentials, noCredentials } from './registry-session.ts';
import { basicHeader, fetchToken, type Token } from './token-request.ts';

export interface AuthorizerOptions {
  readonly connections: Connections;
  readonly credentials: Credentials;
  /** "repository:library/busybox:pull"; none for a login. */
  readonly scopes: readonly string[];
  readonly isLogin?: boolean;
  /** Whether a realm on this host may be asked over plain http. */
  mayBePlain(host: string): boolean;
}

/** A token that ends sooner is not used any more. */
const MARGIN_MS = 5000;

export class Authorizer {
  readonly #options: AuthorizerOptions;
  readonly #scopes: Set<string>;
  #bearer: Challenge | undefined;
  #token: Token | undefined;
  #fetching: Promise<Token> | undefined;
  #isBasic = false;

  constructor(options: AuthorizerOptions) {
    this.#options = options;
    this.#scopes = new Set(options.scopes);
  }

  /** Of the token that a login got. */
  get refreshToken(): string {
    return this.#token?.refreshToken ?? '';
  }

  /** Rights that later requests need, beside those from the start. */
  addScope(scope: string): void {
    if (this.#scopes.has(scope)) return;
    this.#scopes.add(scope);
    this.#token = undefined;
  }

  /** The Authorization header; undefined while nothing is known. */
  async header(signal?: AbortSignal): Promise<string | undefined> {
    const { credentials } = this.#options;
    if (credentials.registryToken !== '') return `Bearer ${headerSafe(credentials.registryToken)}`;
    if (this.#isBasic) return basicHeader(credentials);
    if (this.#bearer === undefined) return undefined;
    if (this.#token === undefined || this.#token.expiresAtMs - MARGIN_MS < Date.now()) {
      // Downloads in parallel need one token, not one each.
      this.#fetching ??= this.#fetch(this.#bearer, signal).finally(() => {
        this.#fetching = undefined;
      });
      this.#token = await this.#fetching;
    }
    return `Bearer ${this.#token.token}`;
  }

  /** After a 401 for a request that was sent with `used`. True: asking again may help. */
  learn(wwwAuthenticate: string | undefined, used: string | undefined, isRepeated: boolean): boolean {
    const { credentials } = this.#options;
    if (credentials.registryToken !== '') return false;
    const challenges = parseChallenges(wwwAuthenticate);
    const bearer = challenges.find(({ scheme, parameters }) => scheme === 'bearer' && parameters.has('realm'));
    if (bearer !== undefined) {
      if (isRepeated) return false;
      this.#bearer = bearer;
      // Another request may have got a new token meanwhile.
      if (this.#token !== undefined && used === `Bearer ${this.#token.token}`) this.#token = undefined;
      return true;
    }
    if (!challenges.some(({ scheme }) => scheme === 'basic')) return false;
    if (credentials.username === '' || used !== undefined) return false;
    this.#isBasic = true;
    return true;
  }

  #fetch(challenge: Challenge, signal?: AbortSignal): Promise<Token> {
    const { connections, credentials, isLogin, mayBePlain } = this.#options;
    return fetchToken(
      connections,
      {
        realm: challenge.parameters.get('realm') ?? '',
        service: challenge.parameters.get('service') ?? '',
        scopes: [...this.#scopes],
        credentials: credentials ?? noCredentials,
        wantsRefreshToken: isLogin ?? false,
        mayBePlain,
      },
      signal,
    );
  }
}

function headerSafe(token: string): string {
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new EngineError('invalid', 'registry token: it holds characters that no token has');
}
