// The HTTP servers below the routes: limits, time-outs, what is answered to bytes that are no HTTP, and how a connection stops being HTTP.
import type { IncomingMessage, RequestListener } from 'node:http';
import { createServer, type Server, STATUS_CODES } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { SecureContextOptions } from 'node:tls';
import { commonHeaders } from '../api-version.ts';
import { errorBody } from '../error-status.ts';
import { limitConnections } from './idle-connections.ts';

export interface ServerHandlers {
  request: RequestListener;
  /** Requests whose connection is handed over, with an Upgrade header or without; all other Upgrade headers are ignored. */
  wantsUpgrade: (request: IncomingMessage) => boolean;
  /** `head`: what arrived behind the headers. The socket has no listeners left. */
  upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
}

const connectionLimit = 4096;
const options = {
  // X-Registry-Config and build arguments are long.
  maxHeaderSize: 128 * 1024,
  // A pool of a client may use its connection at any time: closing idle ones would race with that, and is done for want of room only.
  keepAliveTimeout: 0,
  // Uploads and attached sessions last as long as they last; only headers have to come quickly.
  requestTimeout: 0,
  headersTimeout: 20_000,
  connectionsCheckingInterval: 5_000,
  insecureHTTPParser: false,
  noDelay: true,
  keepAlive: true,
};

export interface HeaderTimeout {
  /** How long the headers of a request may take. */
  headersTimeout: number;
  /** How often that is looked at. */
  connectionsCheckingInterval: number;
}

/** With `tls`: mutual TLS only. */
export function createHttpServer(
  given: ServerHandlers,
  tls?: SecureContextOptions,
  timeout?: HeaderTimeout,
  connections: { limit: number } = { limit: connectionLimit },
): Server {
  const handlers = inOriginForm(given);
  const shouldUpgradeCallback = handlers.wantsUpgrade;
  const server =
    tls === undefined
      ? createServer({ ...options, ...timeout, shouldUpgradeCallback }, handlers.request)
      : createTlsServer(
          {
            ...options,
            ...timeout,
            shouldUpgradeCallback,
            ...tls,
            minVersion: 'TLSv1.2',
            requestCert: true,
            rejectUnauthorized: true,
          },
          handlers.request,
        );
  limitConnections(server, tls === undefined ? 'connection' : 'secureConnection', connections.limit);
  server.maxHeadersCount = 100;
  // A client may end its side with its request and still read: answers go on, streams end (see ResponseStream).
  (server as unknown as { httpAllowHalfOpen: boolean }).httpAllowHalfOpen = true;
  server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) =>
    handOver(socket, handlers.wantsUpgrade),
  );
  server.on('clientError', answerBadRequest);
  server.on('upgrade', handlers.upgrade);
  return server;
}

/** A request line may name the server too, as one to a proxy does: `GET http://docker/version`. That name counts then (RFC 9112, section 3.2.2). */
function inOriginForm({ request, wantsUpgrade, upgrade }: ServerHandlers): ServerHandlers {
  const settle = (asked: IncomingMessage): void => {
    const [, host, path] = /^https?:\/\/([^/?#]*)(.*)$/is.exec(asked.url ?? '') ?? [];
    if (host === undefined || path === undefined) return;
    asked.headers.host = host;
    asked.url = path.startsWith('/') ? path : `/${path}`;
  };
  return {
    request: (asked, response) => {
      settle(asked);
      request(asked, response);
    },
    wantsUpgrade: (asked) => {
      settle(asked);
      return wantsUpgrade(asked);
    },
    upgrade,
  };
}

function answerBadRequest(error: NodeJS.ErrnoException, socket: Duplex): void {
  // A spare connection of a client's pool: an answer to nothing would be reported on its user's terminal.
  const isUnused = error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && (socket as Socket).bytesRead === 0;
  if (isUnused || error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const status = error.code === 'HPE_HEADER_OVERFLOW' ? 431 : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
  endWith(socket, status, errorBody(STATUS_CODES[status] ?? 'Bad Request'));
}

/** A whole answer on a bare socket, which ends with it. */
export function endWith(socket: Duplex, status: number, body: string): void {
  const headers = {
    ...commonHeaders,
    ...(body === '' ? {} : { 'Content-Type': 'application/json' }),
    'Content-Length': String(Buffer.byteLength(body)),
    Connection: 'close',
  };
  socket.on('error', () => undefined);
  socket.end(`${statusLine(status, STATUS_CODES[status] ?? '')}${headerLines(headers)}\r\n${body}`);
  // Unread input would turn the end into a reset.
  socket.resume();
}

export function statusLine(status: number, reason: string): string {
  return `HTTP/1.1 ${status} ${reason}\r\n`;
}

export function headerLines(headers: Readonly<Record<string, string>>): string {
  let lines = '';
  for (const name in headers) lines += `${name}: ${headers[name]}\r\n`;
  return lines;
}

/** Of Node's parser of a connection: what it calls when the headers of a request are there. */
interface ConnectionParser {
  onIncoming?: ((request: IncomingMessage, keepsAlive: boolean) => number) | null;
}

/**
 * To the parser only a request with `Connection: Upgrade` is one to hand over. Clients attach with less, and send raw bytes behind the request
 * that must not be taken for the next one: so all that is wanted is marked here, before the parser goes on.
 */
function handOver(socket: Socket, isWanted: ServerHandlers['wantsUpgrade']): void {
  const { parser } = socket as unknown as { parser?: ConnectionParser | null };
  const next = parser?.onIncoming;
  if (parser === undefined || parser === null || typeof next !== 'function') return;
  parser.onIncoming = (request, keepsAlive) => {
    if (isWanted(request)) (request as unknown as { upgrade: boolean }).upgrade = true;
    return next(request, keepsAlive);
  };
}
