// A registry that does what a test tells it, on loopback of the daemon's network namespace, with a second port as "another host". It keeps
// every request with its headers: what a client gave away is read from here.
import { closeSync, openSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { inNetworkNamespace } from '../../native-bindings/namespaces.ts';
import type { NetNamespace } from './net-namespace.ts';
import { media, type RawImage, sha256 } from './raw-image.ts';

export interface SeenRequest {
  /** Which of the two ports was asked. */
  host: 'registry' | 'other';
  method: string;
  /** Path and query. */
  url: string;
  headers: IncomingMessage['headers'];
}

/** Takes a request over completely. */
export type Reply = (response: ServerResponse, request: IncomingMessage) => void;
/** The first rule that answers takes the request; else the registry serves what it holds. */
export type Rule = (request: SeenRequest) => Reply | undefined;

type Content = { bytes: Buffer; mediaType: string };

export class EvilRegistry {
  readonly seen: SeenRequest[] = [];
  rules: Rule[] = [];
  readonly #servers: Server[] = [];
  /** By `REPOSITORY/manifests/REF` and `REPOSITORY/blobs/DIGEST`. */
  readonly #content = new Map<string, Content>();

  static async start(network: NetNamespace): Promise<EvilRegistry> {
    const registry = new EvilRegistry();
    const fd = openSync(network.path, 'r');
    try {
      for (const host of ['registry', 'other'] as const) await registry.#listen(host, fd);
    } finally {
      closeSync(fd);
    }
    return registry;
  }

  /** As it stands in references: `127.0.0.1:PORT`. */
  get host(): string {
    return this.#address(0);
  }

  get otherHost(): string {
    return this.#address(1);
  }

  async close(): Promise<void> {
    for (const server of this.#servers) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  /** Forgets rules, content and requests. */
  reset(): void {
    this.rules = [];
    this.seen.length = 0;
    this.#content.clear();
  }

  /** Holds the image under NAME:TAG; the reference to pull. */
  hold(image: RawImage, name: string, tag = 'latest'): string {
    const { manifest, mediaType, config, layers } = image;
    this.holdManifest(name, tag, manifest, mediaType);
    for (const bytes of [config, ...layers.map((layer) => layer.bytes)]) this.holdBlob(name, bytes);
    return `${this.host}/${name}:${tag}`;
  }

  holdManifest(name: string, tag: string, bytes: Buffer, mediaType: string): void {
    for (const reference of [tag, sha256(bytes)]) {
      this.#content.set(`${name}/manifests/${reference}`, { bytes, mediaType });
    }
  }

  /** `digest` may be that of other bytes. */
  holdBlob(name: string, bytes: Buffer, digest = sha256(bytes)): void {
    this.#content.set(`${name}/blobs/${digest}`, { bytes, mediaType: 'application/octet-stream' });
  }

  /** Requests for anything whose path has this in it. */
  requests(part: string, host?: SeenRequest['host']): SeenRequest[] {
    return this.seen.filter((request) => request.url.includes(part) && (host === undefined || request.host === host));
  }

  async #listen(host: SeenRequest['host'], fd: number): Promise<void> {
    const server = createServer((request, response) => this.#answer(host, request, response));
    // Listening on a port alone makes the socket at once, before the namespace is left again.
    inNetworkNamespace(fd, () => server.listen(0));
    if (!server.listening) await new Promise((resolve) => server.once('listening', resolve));
    this.#servers.push(server);
  }

  #address(index: number): string {
    const address = this.#servers[index]?.address();
    if (typeof address !== 'object' || address === null) throw new Error('the registry does not listen');
    return `127.0.0.1:${address.port}`;
  }

  #answer(host: SeenRequest['host'], request: IncomingMessage, response: ServerResponse): void {
    const { method = '', url = '', headers } = request;
    const seen = { host, method, url, headers };
    this.seen.push(seen);
    request.on('error', () => {});
    response.on('error', () => {});
    for (const rule of this.rules) {
      const reply = rule(seen);
      if (reply) {
        reply(response, request);
        return;
      }
    }
    this.#serve(seen, response);
  }

  #serve({ method, url, headers }: SeenRequest, response: ServerResponse): void {
    if (/^\/v2\/?$/.test(url)) {
      response.writeHead(200, { 'Docker-Distribution-Api-Version': 'registry/2.0' }).end('{}');
      return;
    }
    const held = this.#content.get(decodeURIComponent(url).replace(/^\/v2\//, ''));
    if (held === undefined || !['GET', 'HEAD'].includes(method)) {
      const code = url.includes('/blobs/') ? 'BLOB_UNKNOWN' : 'MANIFEST_UNKNOWN';
      response.writeHead(404, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify({ errors: [{ code, message: 'not here' }] }));
      return;
    }
    const { bytes, mediaType } = held;
    const from = Number(/^bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0);
    const part = bytes.subarray(from);
    response.writeHead(from > 0 ? 206 : 200, {
      'Content-Type': mediaType,
      'Content-Length': part.length,
      ...(from > 0 ? { 'Content-Range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {}),
      ...(mediaType === 'application/octet-stream' ? {} : { 'Docker-Content-Digest': sha256(bytes) }),
    });
    response.end(method === 'HEAD' ? undefined : part);
  }
}

/** For requests with this in their path, the nth time (from 1) or every time. */
export function when(part: string | RegExp, reply: Reply, times = Number.POSITIVE_INFINITY): Rule {
  let left = times;
  return ({ url }) => {
    const matches = typeof part === 'string' ? url.includes(part) : part.test(url);
    if (!matches || left <= 0) return undefined;
    left--;
    return reply;
  };
}

export const reply = {
  bytes:
    (bytes: Buffer | string, headers: Record<string, string | number> = {}, status = 200): Reply =>
    (response) => {
      response.writeHead(status, {
        'Content-Type': media.ociManifest,
        'Content-Length': Buffer.byteLength(bytes),
        ...headers,
      });
      response.end(bytes);
    },
  status:
    (status: number, headers: Record<string, string> = {}, body = ''): Reply =>
    (response) => {
      response.writeHead(status, headers).end(body);
    },
  redirect:
    (location: string, status = 307): Reply =>
    (response) => {
      response.writeHead(status, { Location: location }).end();
    },
  reset: (): Reply => (_, request) => request.socket.resetAndDestroy(),
  /** Says the whole length, sends a part, and closes. */
  truncated:
    (bytes: Buffer, at = bytes.length >> 1): Reply =>
    (response, request) => {
      response.writeHead(200, { 'Content-Length': bytes.length });
      response.write(bytes.subarray(0, at), () => request.socket.destroy());
    },
  /** Sends the same bytes until the other side goes. */
  endless:
    (chunk: Buffer, headers: Record<string, string> = {}, status = 200): Reply =>
    (response, request) => {
      if (!response.headersSent) response.writeHead(status, headers);
      const more = () => {
        // One piece a turn: a socket that is gone takes writes for ever.
        if (request.socket.destroyed) return;
        if (response.write(chunk)) setImmediate(more);
        else response.once('drain', more);
      };
      more();
    },
  /** Headers, and then nothing. */
  stalled:
    (length: number): Reply =>
    (response) => {
      response.writeHead(200, { 'Content-Length': length });
      response.flushHeaders();
    },
};
