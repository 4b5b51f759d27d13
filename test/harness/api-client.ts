// The Engine API over a unix socket with nothing between: what a test sends is what goes over the wire.
import { request } from 'node:http';
import { timeFactor } from './eventually.ts';

export interface ApiAnswer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
  text: string;
  /** The body as JSON; undefined when it is not JSON. */
  json: unknown;
}

export interface ApiOptions {
  body?: unknown;
  /** Sent as it is, with `Transfer-Encoding: chunked` when it is a stream. */
  raw?: Uint8Array | NodeJS.ReadableStream;
  headers?: Record<string, string>;
  timeoutMs?: number;
}

export class ApiError extends Error {
  readonly status: number;

  constructor(method: string, path: string, answer: ApiAnswer) {
    super(`${method} ${path}: ${answer.status} ${answer.text.slice(0, 500)}`);
    this.status = answer.status;
  }
}

export class ApiClient {
  readonly socketPath: string;

  constructor(socketPath: string) {
    this.socketPath = socketPath;
  }

  /** Resolves whatever the status. */
  send(method: string, path: string, options: ApiOptions = {}): Promise<ApiAnswer> {
    return new Promise((resolve, reject) => {
      const json = options.body === undefined ? undefined : JSON.stringify(options.body);
      const headers: Record<string, string> = { Host: 'tsdocker', ...options.headers };
      if (json !== undefined) {
        headers['Content-Type'] ??= 'application/json';
        headers['Content-Length'] = String(Buffer.byteLength(json));
      }
      if (options.raw instanceof Uint8Array) headers['Content-Length'] = String(options.raw.byteLength);
      const req = request({ socketPath: this.socketPath, method, path, headers, agent: false }, (res) => {
        const chunks: Buffer[] = [];
        res.on('data', (chunk: Buffer) => chunks.push(chunk));
        res.on('error', reject);
        res.on('end', () => {
          const body = Buffer.concat(chunks);
          const text = body.toString();
          resolve({ status: res.statusCode ?? 0, headers: res.headers, body, text, json: parseJson(text) });
        });
      });
      req.setTimeout((options.timeoutMs ?? 30_000) * timeFactor, () =>
        req.destroy(new Error(`${method} ${path}: no answer in time`)),
      );
      req.on('error', reject);
      if (options.raw instanceof Uint8Array) req.end(options.raw);
      else if (options.raw !== undefined) options.raw.pipe(req);
      else req.end(json);
    });
  }

  /** Rejects with ApiError when the status is 400 or more. */
  async call<T = Record<string, unknown>>(method: string, path: string, options: ApiOptions = {}): Promise<T> {
    const answer = await this.send(method, path, options);
    if (answer.status >= 400) throw new ApiError(method, path, answer);
    return answer.json as T;
  }

  get<T = Record<string, unknown>>(path: string): Promise<T> {
    return this.call<T>('GET', path);
  }

  post<T = Record<string, unknown>>(path: string, body?: unknown): Promise<T> {
    return this.call<T>('POST', path, body === undefined ? {} : { body });
  }

  delete(path: string): Promise<unknown> {
    return this.call('DELETE', path);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
