// Requests to one endpoint: its base URL, redirects, credentials (to that endpoint and nobody else), repeated when the failure may pass.
import { pipeline } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { createGunzip } from 'node:zlib';
import type { Authorizer } from './authorizer.ts';
import type { Connections } from './connections.ts';
import { type HopAnswer, type HopRequest, hop, readWhole } from './http-hop.ts';
import { RegistryFailure, shownUrl } from './registry-failure.ts';
import type { Endpoint, RegistrySettings } from './registry-settings.ts';

export interface RegistryRequest {
  method: HopRequest['method'];
  /** Below the endpoint's base, "/v2/…"; or a whole URL that the endpoint gave (an upload's Location). */
  path: string | URL;
  headers?: Record<string, string>;
  body?: HopRequest['body'];
  /** Statuses that are an answer; all others are a failure. */
  accept: readonly number[];
  /** 1: never repeated, because the body is gone. */
  attempts?: number;
  idleMs?: number;
  signal?: AbortSignal;
}

const MAX_REDIRECTS = 8;
const MAX_ERROR_BYTES = 64 * 1024;
const MAX_PAUSE_MS = 30_000;
/** How long it is remembered that an insecure registry speaks no TLS. */
const PLAIN_KNOWN_MS = 60_000;

/** Which insecure hosts speak plain http; shared by all sessions of a daemon. */
export type PlainHosts = Map<string, number>;

export class RegistryHttp {
  readonly endpoint: Endpoint;
  readonly #connections: Connections;
  readonly #settings: RegistrySettings;
  readonly #authorizer: Authorizer;
  readonly #plainHosts: PlainHosts;

  constructor(
    endpoint: Endpoint,
    parts: { connections: Connections; settings: RegistrySettings; authorizer: Authorizer; plainHosts: PlainHosts },
  ) {
    this.endpoint = endpoint;
    this.#connections = parts.connections;
    this.#settings = parts.settings;
    this.#authorizer = parts.authorizer;
    this.#plainHosts = parts.plainHosts;
  }

  get authorizer(): Authorizer {
    return this.#authorizer;
  }

  /** Resolves with an answer of `accept`, its body unread. Throws RegistryFailure. */
  async send(request: RegistryRequest): Promise<HopAnswer> {
    const attempts = request.attempts ?? this.#settings.options.maxAttempts;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#sendOnce(request);
      } catch (error) {
        const isLast = attempt >= attempts || !(error instanceof RegistryFailure) || !error.isTransient;
        if (isLast || request.signal?.aborted) throw error;
        await this.pause(attempt, error.retryAfterS, request.signal);
      }
    }
  }

  /** Between attempts: doubling, or as long as the registry asks. */
  async pause(attempt: number, retryAfterS: number | undefined, signal?: AbortSignal): Promise<void> {
    const { retryPauseMs } = this.#settings.options;
    const pause = retryAfterS === undefined ? retryPauseMs * 2 ** (attempt - 1) : retryAfterS * 1000;
    await sleep(Math.min(pause, MAX_PAUSE_MS), undefined, { ...(signal === undefined ? {} : { signal }) });
  }

  async #sendOnce(request: RegistryRequest): Promise<HopAnswer> {
    if (request.path instanceof URL) return this.#authorized(request, request.path);
    const secure = new URL(this.endpoint.baseUrl + request.path);
    if (!this.endpoint.isInsecure || secure.protocol === 'http:') return this.#authorized(request, secure);
    const plain = new URL(secure);
    plain.protocol = 'http:';
    const known = this.#plainHosts.get(secure.host);
    if (known !== undefined && known + PLAIN_KNOWN_MS > Date.now()) return this.#authorized(request, plain);
    try {
      return await this.#authorized(request, secure);
    } catch (error) {
      if (!(error instanceof RegistryFailure) || !error.isNoTls || !isReplayable(request)) throw error;
      const answer = await this.#authorized(request, plain);
      this.#plainHosts.set(secure.host, Date.now());
      return answer;
    }
  }

  async #authorized(request: RegistryRequest, url: URL): Promise<HopAnswer> {
    const base = new URL(this.endpoint.baseUrl);
    this.#connections.trust(base);
    for (let isRepeated = false; ; isRepeated = true) {
      const used = await this.#authorizer.header(request.signal);
      const answer = await this.#follow(request, url, used);
      if (request.accept.includes(answer.status)) return answer;
      const wantsLogin = answer.status === 401 && isReplayable(request) && this.#isOwn(answer.url);
      const body = await readWhole(answer, MAX_ERROR_BYTES, 10_000).catch(() => Buffer.alloc(0));
      if (wantsLogin && this.#authorizer.learn(answer.headers['www-authenticate'], used, isRepeated)) continue;
      throw RegistryFailure.ofStatus(request.method, answer.url, answer.status, body, answer.headers['retry-after']);
    }
  }

  async #follow(request: RegistryRequest, start: URL, authorization: string | undefined): Promise<HopAnswer> {
    const { method, body, signal, idleMs } = request;
    let url = start;
    for (let redirects = 0; ; redirects++) {
      const isOwn = this.#isOwn(url);
      const answer = await hop(this.#connections, {
        method,
        url,
        headers: {
          ...request.headers,
          ...(isOwn && authorization !== undefined ? { Authorization: authorization } : {}),
        },
        ...(body === undefined ? {} : { body }),
        ...(signal === undefined ? {} : { signal }),
        ...(idleMs === undefined ? {} : { idleMs }),
      });
      const isRedirect = [301, 302, 303, 307, 308].includes(answer.status);
      if (!isRedirect || (method !== 'GET' && method !== 'HEAD'))
        return method === 'HEAD' ? answer : decodedAnswer(answer);
      answer.body.destroy();
      if (redirects >= MAX_REDIRECTS) throw RegistryFailure.ofAnswer(method, url, 'too many redirects');
      url = this.#redirected(url, answer.headers.location);
    }
  }

  #redirected(from: URL, location: string | undefined): URL {
    const next = location === undefined ? null : URL.parse(location, from.href);
    if (next === null || !/^https?:$/.test(next.protocol)) {
      throw RegistryFailure.ofAnswer('GET', from, 'it redirects to what is no http or https URL');
    }
    const isDowngrade =
      from.protocol === 'https:' && next.protocol === 'http:' && !this.#settings.isInsecure(next.host);
    if (isDowngrade)
      throw RegistryFailure.ofAnswer('GET', from, `it redirects from https to ${shownUrl(next)}: refused`);
    next.username = '';
    next.password = '';
    return next;
  }

  /** Same host and port, and the endpoint's scheme or, for an insecure one, the plain one. */
  #isOwn(url: URL): boolean {
    const base = new URL(this.endpoint.baseUrl);
    if (url.protocol === base.protocol) return url.host === base.host;
    const plain = new URL(base);
    plain.protocol = 'http:';
    return this.endpoint.isInsecure && url.origin === plain.origin;
  }
}

function isReplayable({ body }: RegistryRequest): boolean {
  return body === undefined || body instanceof Uint8Array;
}

/** It was not asked for, but some put gzip around everything: a digest is of what is inside. Part of a packed answer is of no use. */
function decodedAnswer(answer: HopAnswer): HopAnswer {
  const { 'content-encoding': encoding, 'content-length': _length, ...headers } = answer.headers;
  if (encoding === undefined || encoding === '' || encoding === 'identity') return answer;
  if (/^(?:x-)?gzip$/i.test(encoding) && answer.status !== 206) {
    const body = createGunzip();
    // Whoever reads it is told; when nobody does any more, it is nobody's concern.
    body.on('error', () => undefined);
    pipeline(answer.body, body, () => undefined);
    return { ...answer, headers, body };
  }
  answer.body.destroy();
  throw RegistryFailure.ofAnswer(
    'GET',
    answer.url,
    `it is encoded as ${encoding.slice(0, 40)}, which was not asked for`,
  );
}
