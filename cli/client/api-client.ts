// The Engine API as the commands call it: versioned paths, JSON, errors in docker's words, hijacked streams.
import { connect, type Socket } from 'node:net';
import { ApiError, CliError, ConnectionError, messageOf } from '../errors.ts';
import type { Body } from './body.ts';
import { type Endpoint, parseEndpoint } from './endpoint.ts';
import { exchange, type RequestBody, type WireRequest, type WireResponse } from './exchange.ts';
import type { TlsFiles } from './tls-files.ts';

export const clientApiVersion = '1.51';
export const userAgent = 'tsdocker-cli/0.1 (linux)';

/** Undefined values are left out; a list repeats its key. */
export type Query = Record<string, string | number | boolean | readonly string[] | undefined>;

export interface RequestOptions {
  query?: Query;
  /** A plain object is sent as JSON. */
  json?: unknown;
  body?: RequestBody;
  headers?: Record<string, string>;
}

export interface Hijacked {
  socket: Socket;
  mediaType: string;
  /** The first bytes of the stream, if they came with the head. */
  rest: Buffer;
}

export interface ApiClientOptions {
  host: string;
  tls: TlsFiles | undefined;
  /** Spoken whatever the daemon says; undefined: the newest that both know. */
  version?: string | undefined;
  /** Sent with every request, beside this client's own. */
  headers?: Readonly<Record<string, string>>;
  /** Called when nobody listens; may start a daemon and answer true: then the call is tried once more. */
  onRefused(): Promise<boolean>;
}

const maxErrorBytes = 64 * 1024;

export class ApiClient {
  readonly host: string;
  readonly #options: ApiClientOptions;
  #endpoint: Endpoint | undefined;
  #version = clientApiVersion;
  #idle: Socket[] = [];
  #negotiated = false;
  #isFixed = false;

  constructor(options: ApiClientOptions) {
    this.host = options.host;
    this.#options = options;
    if (options.version !== undefined) {
      this.#version = options.version;
      this.#isFixed = true;
    }
  }

  /** The version spoken with this daemon, as far as it is known. */
  get version(): string {
    return this.#version;
  }

  async get<T>(path: string, query: Query = {}): Promise<T> {
    return readJson<T>(await this.request('GET', path, { query }));
  }

  async getText(path: string, query: Query = {}): Promise<string> {
    return (await (await this.request('GET', path, { query })).body.bytes()).toString();
  }

  async post<T = unknown>(path: string, options: RequestOptions = {}): Promise<T> {
    return readJson<T>(await this.request('POST', path, options));
  }

  async delete<T = unknown>(path: string, query: Query = {}): Promise<T> {
    return readJson<T>(await this.request('DELETE', path, { query }));
  }

  /** Fails with ApiError for every status from 400 on. */
  async request(method: WireRequest['method'], path: string, options: RequestOptions = {}): Promise<WireResponse> {
    // A stream cannot be sent twice, so the version is settled before it.
    if (options.body !== undefined && typeof options.body !== 'string') await this.ping();
    for (;;) {
      const response = await this.#send(this.#wireRequest(method, path, options));
      if (response.status < 400) return response;
      const error = await readError(response);
      if (!this.#downgrade(response, error)) throw error;
    }
  }

  /** Takes the connection over after a 101. */
  async hijack(path: string, options: RequestOptions = {}): Promise<Hijacked> {
    const headers = { Connection: 'Upgrade', Upgrade: 'tcp', ...options.headers };
    const response = await this.request('POST', path, { ...options, headers });
    if (response.status !== 101) {
      response.socket.destroy();
      throw new CliError(`unable to upgrade to tcp, received ${response.status}`);
    }
    return {
      socket: response.socket,
      mediaType: response.headers.get('content-type') ?? '',
      rest: response.takeRest(),
    };
  }

  /** Headers of /_ping; settles the API version. */
  async ping(): Promise<Map<string, string>> {
    const headers = { ...this.#options.headers, 'User-Agent': userAgent };
    const response = await this.#send({ method: 'GET', target: '/_ping', headers });
    await response.body.bytes();
    this.#useServerVersion(response.headers.get('api-version'));
    this.#negotiated = true;
    return response.headers;
  }

  close(): void {
    for (const socket of this.#idle) socket.destroy();
    this.#idle = [];
  }

  #wireRequest(method: WireRequest['method'], path: string, options: RequestOptions): WireRequest {
    const headers: Record<string, string> = {
      ...this.#options.headers,
      'User-Agent': userAgent,
      ...options.headers,
    };
    let body = options.body;
    if (options.json !== undefined) {
      headers['Content-Type'] = 'application/json';
      body = JSON.stringify(options.json);
    } else if (body !== undefined && !headers['Content-Type']) {
      headers['Content-Type'] = 'application/x-tar';
    }
    return { method, target: `/v${this.#version}${path}${queryString(options.query ?? {})}`, headers, body };
  }

  /** True when the daemon is older than this client and the request should be sent again in its version. */
  #downgrade(response: WireResponse, error: ApiError): boolean {
    // The answer to a HEAD has no words: a lower version in its headers says enough.
    if (this.#negotiated || error.httpStatus !== 400) return false;
    this.#negotiated = true;
    return this.#useServerVersion(
      response.headers.get('api-version') ?? /supported API version is ([\d.]+)/.exec(error.detail)?.[1],
    );
  }

  #useServerVersion(version: string | undefined): boolean {
    if (this.#isFixed || version === undefined || !/^1\.\d{1,3}$/.test(version)) return false;
    if (Number(version.slice(2)) >= Number(this.#version.slice(2))) return false;
    this.#version = version;
    return true;
  }

  async #send(request: WireRequest): Promise<WireResponse> {
    const reused = this.#takeIdle();
    const socket = reused ?? (await this.#connect());
    return exchange(socket, request, () => this.#idle.push(socket));
  }

  #takeIdle(): Socket | undefined {
    for (;;) {
      const socket = this.#idle.pop();
      if (!socket || (!socket.destroyed && socket.readable && socket.writable)) return socket;
      socket.destroy();
    }
  }

  async #connect(): Promise<Socket> {
    this.#endpoint ??= parseEndpoint(this.#options.host, this.#options.tls !== undefined);
    try {
      return await open(this.#endpoint, this.#options.tls);
    } catch (error) {
      if (isRefused(error) && (await this.#options.onRefused())) return open(this.#endpoint, this.#options.tls);
      throw connectionError(this.#options.host, error);
    }
  }
}

/** Path segments of a user's words: a name can never become a second path. */
export function segment(name: string): string {
  return encodeURIComponent(name);
}

function queryString(query: Query): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value === undefined) continue;
    if (typeof value === 'object') for (const item of value) params.append(key, item);
    else params.append(key, typeof value === 'boolean' ? (value ? '1' : '0') : String(value));
  }
  const text = params.toString();
  return text === '' ? '' : `?${text}`;
}

async function readJson<T>(response: WireResponse): Promise<T> {
  const bytes = await response.body.bytes();
  if (bytes.length === 0) return undefined as T;
  try {
    // The daemon's schemas are what T says; this end trusts the API's types.
    return JSON.parse(bytes.toString()) as T;
  } catch (error) {
    throw new CliError(`Error reading remote response: ${messageOf(error)}`);
  }
}

async function readError(response: WireResponse): Promise<ApiError> {
  const text = await readLimited(response.body, maxErrorBytes);
  let detail = text.trim();
  if (response.headers.get('content-type')?.startsWith('application/json')) {
    try {
      const parsed: unknown = JSON.parse(text);
      if (typeof parsed === 'object' && parsed !== null && 'message' in parsed) detail = String(parsed.message);
    } catch {
      // The raw text is the best there is.
    }
  }
  return new ApiError(response.status, detail || response.reason || `status ${response.status}`);
}

async function readLimited(body: Body, limit: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > limit) break;
  }
  return Buffer.concat(chunks).toString('utf8', 0, limit);
}

function open(endpoint: Endpoint, tls: TlsFiles | undefined): Promise<Socket> {
  if (endpoint.kind === 'tcp' && tls) return import('./tls-connection.ts').then((m) => m.openTls(endpoint, tls));
  return new Promise((resolve, reject) => {
    // Half-open: end of input and end of output are two things in an attached stream.
    const socket =
      endpoint.kind === 'unix'
        ? connect({ path: endpoint.path, allowHalfOpen: true })
        : connect({ host: endpoint.host, port: endpoint.port, allowHalfOpen: true, noDelay: true });
    socket.once('error', reject);
    socket.once('connect', () => {
      // An idle connection may break at any time; the next use notices.
      socket.off('error', reject).on('error', () => {});
      resolve(socket);
    });
  });
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}

function isRefused(error: unknown): boolean {
  return ['ENOENT', 'ECONNREFUSED'].includes(codeOf(error) ?? '');
}

function connectionError(host: string, error: unknown): Error {
  if (error instanceof CliError) return error;
  if (isRefused(error)) {
    return new ConnectionError(`Cannot connect to the tsdocker daemon at ${host}. Is the tsdocker daemon running?`);
  }
  if (['EACCES', 'EPERM'].includes(codeOf(error) ?? '')) {
    return new ConnectionError(
      `permission denied while trying to connect to the tsdocker daemon socket at ${host}: be root or a member of the socket's group`,
    );
  }
  return new ConnectionError(`error during connect: ${host}: ${messageOf(error)}`);
}
