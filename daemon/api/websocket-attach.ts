// GET /containers/{id}/attach/ws: attach for clients that speak WebSocket. Output comes unframed, both streams in one, as docker sends it; what
// the client sends is the container's input. Web pages are kept out where they could come in: see tcp-guard.ts.
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { EngineError } from '../errors/engine-error.ts';
import { checkVersion, commonHeaders, requestedVersion, stripVersion } from './api-version.ts';
import { errorAnswer, errorBody } from './error-status.ts';
import type { Opened, Sessions } from './hijack.ts';
import { endWith, headerLines, statusLine } from './http-server.ts';
import type { ApiLog } from './services.ts';
import { serveStdio } from './stdio-session.ts';
import { WebSocketStream } from './websocket-stream.ts';

const path = /^\/containers\/(?<id>[^/]+(?:\/[^/]+)?)\/attach\/ws\/?$/;
/** RFC 6455, section 1.3. */
const acceptSuffix = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
/** Before, messages were text; and stdin, stdout and stderr were always meant. */
const binarySince = 1028;
const streamsAskedSince = 1042;

/** Opens the container's streams by its name and the request's parameters. */
export type OpenAttach = (id: string, query: URLSearchParams) => Promise<Opened>;

export function wantsWebSocket(request: IncomingMessage): boolean {
  if (request.method !== 'GET' || request.headers.upgrade?.toLowerCase() !== 'websocket') return false;
  return path.test(pathOf(request.url ?? ''));
}

/** Serves it from its headers to its end. Never rejects. */
export async function serveWebSocket(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  context: { open: OpenAttach; sessions: Sessions; log: ApiLog },
): Promise<void> {
  socket.on('error', () => undefined);
  const url = request.url ?? '';
  try {
    checkVersion(url);
    const headers = acceptHeaders(request);
    const version = requestedVersion(url);
    const { attachment, detachKeys } = await context.open(idOf(url), queryOf(url, version));
    if (attachment === undefined) return endWith(socket, 200, '');
    socket.write(`${statusLine(101, 'Switching Protocols')}${headerLines(headers)}\r\n`);
    const { open } = context.sessions;
    const stream = new WebSocketStream(socket, head, version < binarySince);
    open.add(stream);
    stream.once('close', () => open.delete(stream));
    await serveStdio(stream, attachment, { leftover: Buffer.alloc(0), isFramed: false, detachKeys });
  } catch (error) {
    const answer = errorAnswer(error, context.log);
    endWith(socket, answer.status, errorBody(answer.message));
  }
}

function acceptHeaders({ headers }: IncomingMessage): Record<string, string> {
  const key = headers['sec-websocket-key'] ?? '';
  if (headers['sec-websocket-version'] !== '13') {
    throw new EngineError('invalid', 'missing or bad WebSocket version: 13 is spoken');
  }
  if (Buffer.from(key, 'base64').length !== 16) throw new EngineError('invalid', 'missing or bad Sec-WebSocket-Key');
  const accept = createHash('sha1').update(`${key}${acceptSuffix}`).digest('base64');
  // A client that names one means that; of several none is known here.
  const protocol = headers['sec-websocket-protocol'] ?? '';
  return {
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Accept': accept,
    ...(/^[\w.+-]{1,100}$/.test(protocol) ? { 'Sec-WebSocket-Protocol': protocol } : {}),
    ...commonHeaders,
  };
}

function idOf(url: string): string {
  const id = path.exec(pathOf(url))?.groups?.id ?? '';
  try {
    return decodeURIComponent(id);
  } catch {
    throw new EngineError('invalid', `invalid path: ${pathOf(url)}`);
  }
}

function queryOf(url: string, version: number): URLSearchParams {
  const query = new URLSearchParams(url.includes('?') ? url.slice(url.indexOf('?') + 1) : '');
  if (version < streamsAskedSince) for (const name of ['stdin', 'stdout', 'stderr']) query.set(name, '1');
  return query;
}

function pathOf(url: string): string {
  const query = url.indexOf('?');
  return stripVersion(query < 0 ? url : url.slice(0, query));
}
