// Attach and exec start: requests after which the connection carries a process's stdio. This file does all of their HTTP, whether the client
// asks with `Upgrade: tcp`, with a WebSocket or without a word: Node hands over a bare socket right behind the headers, so that nothing that
// follows, be it the body, input or the client's end, is taken for HTTP.
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Attachment } from '../containers/container-service.ts';
import { EngineError } from '../errors/engine-error.ts';
import { checkVersion, commonHeaders, requestedVersion, stripVersion } from './api-version.ts';
import { errorAnswer, errorBody } from './error-status.ts';
import { headersRead, pythonClient } from './header-read.ts';
import { readHijackBody } from './hijack-body.ts';
import { endWith, headerLines, statusLine } from './http-server.ts';
import type { ApiLog, ApiServices } from './services.ts';
import { serveStdio } from './stdio-session.ts';
import { streamContentType } from './stream-framing.ts';
import { acceptWebSocket } from './websocket-accept.ts';
import { WebSocketStream } from './websocket-stream.ts';

/** What a route gives to be hijacked. `attachment` undefined: answer 200 without a session (a detached exec). */
export interface Opened {
  attachment: Attachment | undefined;
  detachKeys: Buffer;
  /** Frames tell stdout and stderr apart; when absent: unless the process has a terminal. */
  isFramed?: boolean;
}

export interface HijackTarget {
  method: 'POST' | 'GET';
  /** The path without its version, the id in the group `id`. */
  path: RegExp;
  /** The session goes over a WebSocket, and only so. */
  isWebSocket?: boolean;
  /** A JSON body belongs to the request; else one that comes is passed over. */
  hasBody?: boolean;
  open: (id: string, query: URLSearchParams, body: unknown, version: number) => Promise<Opened>;
}

export interface Sessions {
  /** In progress, to be cut when the engine stops. */
  readonly open: Set<Duplex>;
  readonly unreadByPeer: ApiServices['unreadByPeer'] | undefined;
}

/** Before, the messages of a WebSocket were text. */
const binarySince = 1028;

interface Context {
  targets: readonly HijackTarget[];
  sessions: Sessions;
  log: ApiLog;
}

/** Where the requests that reach a route's own handler go: only a Node that does not hand over connections makes them. */
export function notHandedOver(): never {
  throw new EngineError('not-implemented', 'attach without an upgrade: ask for "Connection: Upgrade", "Upgrade: tcp"');
}

export function wantsHijack(request: IncomingMessage, targets: readonly HijackTarget[]): boolean {
  const { method } = request;
  if (method !== 'POST' && method !== 'GET') return false;
  const path = pathOf(request.url ?? '');
  return targets.some((target) => target.method === method && target.path.test(path));
}

/** Serves such a request from behind its headers to its end. Never rejects. */
export async function serveHijack(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  context: Context,
): Promise<void> {
  socket.on('error', () => undefined);
  const url = request.url ?? '';
  try {
    checkVersion(url);
    const { target, id } = findTarget(request.method ?? '', pathOf(url), context.targets);
    const accept = target.isWebSocket ? acceptWebSocket(request.headers) : undefined;
    const { body, leftover } = await readHijackBody(request, socket, head, target.hasBody ?? false);
    const query = new URLSearchParams(url.includes('?') ? url.slice(url.indexOf('?') + 1) : '');
    const version = requestedVersion(url);
    const opened = await target.open(id, query, body, version);
    if (opened.attachment === undefined) return endWith(socket, 200, '');
    const session = { ...opened, attachment: opened.attachment, leftover, request, sessions: context.sessions };
    if (accept !== undefined) {
      socket.write(`${statusLine(101, 'Switching Protocols')}${headerLines(accept)}\r\n`);
      // Both streams as they are: the messages of a WebSocket say nothing of their stream.
      const stream = new WebSocketStream(socket, leftover, version < binarySince);
      return await runSession(stream, { ...session, leftover: Buffer.alloc(0), isFramed: false });
    }
    const isFramed = opened.isFramed ?? !opened.attachment.tty;
    if (request.headers.upgrade?.toLowerCase() === 'tcp') {
      // The newer name of the stream goes with an upgrade only, as with Docker.
      const type = { 'Content-Type': streamContentType(!isFramed, version), Connection: 'Upgrade', Upgrade: 'tcp' };
      socket.write(`${statusLine(101, 'UPGRADED')}${headerLines({ ...type, ...commonHeaders })}\r\n`);
    } else {
      const type = { 'Content-Type': streamContentType(true, version) };
      socket.write(`${statusLine(200, 'OK')}${headerLines({ ...type, ...commonHeaders })}\r\n`);
    }
    await runSession(socket, { ...session, isFramed });
  } catch (error) {
    const answer = errorAnswer(error, context.log);
    endWith(socket, answer.status, answer.status === 304 ? '' : errorBody(answer.message));
  }
}

interface Session {
  attachment: Attachment;
  detachKeys: Buffer;
  isFramed: boolean;
  leftover: Buffer;
  request: IncomingMessage;
  sessions: Sessions;
}

async function runSession(socket: Duplex, session: Session): Promise<void> {
  const { attachment, detachKeys, isFramed, leftover, request } = session;
  const { open, unreadByPeer } = session.sessions;
  open.add(socket);
  socket.once('close', () => open.delete(socket));
  const isPython = pythonClient.test(request.headers['user-agent'] ?? '');
  await serveStdio(socket, attachment, {
    leftover,
    isFramed,
    detachKeys,
    ...(isPython ? { mayWrite: () => headersRead(socket, unreadByPeer) } : {}),
  });
}

function findTarget(
  method: string,
  path: string,
  targets: readonly HijackTarget[],
): { target: HijackTarget; id: string } {
  for (const target of targets) {
    const id = target.method === method ? target.path.exec(path)?.groups?.id : undefined;
    if (id === undefined) continue;
    try {
      return { target, id: decodeURIComponent(id) };
    } catch {
      throw new EngineError('invalid', `invalid path: ${path}`);
    }
  }
  throw new EngineError('not-found', 'page not found');
}

function pathOf(url: string): string {
  const query = url.indexOf('?');
  return stripVersion(query < 0 ? url : url.slice(0, query));
}
