// Attach and exec start: requests after which the connection carries a process's stdio. Clients ask with `Upgrade: tcp` (then this file does
// all of the HTTP, for Node hands over a bare socket before the body) or without (then the route has read the body, and the connection is
// taken over). Both end in the same session.
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Attachment } from '../containers/container-service.ts';
import { EngineError } from '../errors/engine-error.ts';
import { checkVersion, commonHeaders, requestedVersion, stripVersion } from './api-version.ts';
import { errorAnswer, errorBody } from './error-status.ts';
import { headersRead, pythonClient } from './header-read.ts';
import { endWith, headerLines, statusLine, takeOverConnection } from './http-server.ts';
import { parseJson } from './read-body.ts';
import type { ApiLog, ApiServices } from './services.ts';
import { serveStdio } from './stdio-session.ts';
import { streamContentType } from './stream-framing.ts';

/** What a route gives to be hijacked. `attachment` undefined: answer 200 without a session (a detached exec). */
export interface Opened {
  attachment: Attachment | undefined;
  detachKeys: Buffer;
}

export interface HijackTarget {
  /** The path without its version, the id in the group `id`. */
  path: RegExp;
  open: (id: string, query: URLSearchParams, body: unknown, version: number) => Promise<Opened>;
}

const upgradeBodyLimit = 64 * 1024;
const bodyTimeoutMs = 20_000;

export interface Sessions {
  /** In progress, to be cut when the engine stops. */
  readonly open: Set<Duplex>;
  readonly unreadByPeer: ApiServices['unreadByPeer'] | undefined;
}

export function wantsHijack(request: IncomingMessage, targets: readonly HijackTarget[]): boolean {
  if (request.method !== 'POST' || request.headers.upgrade?.toLowerCase() !== 'tcp') return false;
  const path = pathOf(request.url ?? '');
  return targets.some((target) => target.path.test(path));
}

/** Serves an Upgrade from its headers to its end. Never rejects. */
export async function serveUpgrade(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  context: { targets: readonly HijackTarget[]; sessions: Sessions; log: ApiLog },
): Promise<void> {
  socket.on('error', () => undefined);
  const url = request.url ?? '';
  try {
    checkVersion(url);
    const { body, leftover } = await readUpgradeBody(request, socket, head);
    const { target, id } = findTarget(pathOf(url), context.targets);
    const query = new URLSearchParams(url.includes('?') ? url.slice(url.indexOf('?') + 1) : '');
    const version = requestedVersion(url);
    const opened = await target.open(id, query, body, version);
    if (opened.attachment === undefined) return endWith(socket, 200, '');
    const headers = {
      'Content-Type': streamContentType(opened.attachment.tty, version),
      Connection: 'Upgrade',
      Upgrade: 'tcp',
      ...commonHeaders,
    };
    socket.write(`${statusLine(101, 'UPGRADED')}${headerLines(headers)}\r\n`);
    await runSession(socket, opened, opened.attachment, { leftover, request, sessions: context.sessions });
  } catch (error) {
    const answer = errorAnswer(error, context.log);
    endWith(socket, answer.status, answer.status === 304 ? '' : errorBody(answer.message));
  }
}

/** The same for a request that came through a route. Errors of `opened` were answered by the route already. */
export async function serveTakenOver(
  request: FastifyRequest,
  reply: FastifyReply,
  opened: Opened & { attachment: Attachment },
  sessions: Sessions,
): Promise<void> {
  let socket: Duplex;
  try {
    socket = takeOverConnection(request.raw, reply.raw);
  } catch (error) {
    opened.attachment.close();
    throw error;
  }
  reply.hijack();
  const contentType = streamContentType(opened.attachment.tty, requestedVersion(request.originalUrl));
  socket.write(`${statusLine(200, 'OK')}${headerLines({ 'Content-Type': contentType, ...commonHeaders })}\r\n`);
  await runSession(socket, opened, opened.attachment, {
    leftover: Buffer.alloc(0),
    request: request.raw,
    sessions,
  });
}

async function runSession(
  socket: Duplex,
  opened: Opened,
  attachment: Attachment,
  context: { leftover: Buffer; request: IncomingMessage; sessions: Sessions },
): Promise<void> {
  const { open, unreadByPeer } = context.sessions;
  open.add(socket);
  socket.once('close', () => open.delete(socket));
  const isPython = pythonClient.test(context.request.headers['user-agent'] ?? '');
  await serveStdio(socket, attachment, {
    leftover: context.leftover,
    isFramed: !attachment.tty,
    detachKeys: opened.detachKeys,
    ...(isPython ? { mayWrite: () => headersRead(socket, unreadByPeer) } : {}),
  });
}

/** The body is what Content-Length says, from behind the headers on; what follows it is the session's input. */
async function readUpgradeBody(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<{ body: unknown; leftover: Buffer }> {
  if (request.headers['transfer-encoding'] !== undefined) {
    throw new EngineError('invalid', 'a request with an upgrade needs a Content-Length instead of a Transfer-Encoding');
  }
  const length = Number(request.headers['content-length'] ?? 0);
  if (!(length <= upgradeBodyLimit)) {
    throw new EngineError('too-large', `request body is larger than ${upgradeBodyLimit} bytes`);
  }
  const bytes = head.length >= length ? head : await readMore(socket, head, length);
  const body = bytes.subarray(0, length);
  return {
    body: length === 0 ? undefined : parseJson(body, request.headers['content-type'] ?? 'application/json'),
    leftover: bytes.subarray(length),
  };
}

function readMore(socket: Duplex, head: Buffer, length: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks = [head];
    let total = head.length;
    const timer = setTimeout(() => fail('request body did not arrive in time'), bodyTimeoutMs);
    const stop = () => {
      clearTimeout(timer);
      socket.pause();
      socket.off('data', take).off('end', cut).off('close', cut);
    };
    const fail = (message: string) => {
      stop();
      reject(new EngineError('invalid', message));
    };
    const cut = () => fail('request body was cut off');
    const take = (chunk: Buffer) => {
      chunks.push(chunk);
      total += chunk.length;
      if (total < length) return;
      stop();
      resolve(Buffer.concat(chunks));
    };
    socket.on('data', take).on('end', cut).on('close', cut);
  });
}

function findTarget(path: string, targets: readonly HijackTarget[]): { target: HijackTarget; id: string } {
  for (const target of targets) {
    const id = target.path.exec(path)?.groups?.id;
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
