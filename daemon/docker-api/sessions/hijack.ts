// Requests after which the connection is no longer HTTP's (attach, exec start): Node hands over a bare socket right behind the headers, so that
// nothing that follows, be it the body, input or the client's end, is taken for HTTP. This file finds whose the request is, and who speaks the
// protocol that its client names; what is said after that is theirs.
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { EngineError } from '../../errors/engine-error.ts';
import { checkVersion, requestedVersion, stripVersion } from '../api-version.ts';
import { errorAnswer, errorBody } from '../error-status.ts';
import { endWith } from '../http/http-server.ts';
import type { ApiLog, ApiServices } from '../services.ts';
import { readHijackBody } from './hijack-body.ts';

/** A request whose connection was handed over. */
export interface HijackRequest {
  /** The group `id` of the target's path; "" when it has none. */
  id: string;
  query: URLSearchParams;
  /** undefined when there is none, or none is wanted. */
  body: unknown;
  version: number;
  request: IncomingMessage;
  socket: Duplex;
  /** What arrived behind the request already. */
  leftover: Buffer;
  sessions: Sessions;
}

/** Answers the request, then speaks the protocol to its end. What it throws before it has answered becomes the answer. */
export type UpgradeHandler = (request: HijackRequest) => Promise<void>;

export interface UpgradeTable {
  /** By the protocol that the client names in `Upgrade`, in lower case. */
  readonly protocols: Readonly<Record<string, UpgradeHandler>>;
  /** For a client that names none, and for one that names another. */
  readonly none: UpgradeHandler;
  readonly other: UpgradeHandler;
}

export interface HijackTarget {
  method: 'POST' | 'GET';
  /** The path without its version. */
  path: RegExp;
  /** A JSON body belongs to the request; else one that comes is passed over. */
  hasBody?: boolean;
  upgrades: UpgradeTable;
}

export interface Sessions {
  /** In progress, to be cut when the engine stops. */
  readonly open: Set<Duplex>;
  readonly unreadByPeer: ApiServices['unreadByPeer'] | undefined;
}

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
    const { body, leftover } = await readHijackBody(request, socket, head, target.hasBody ?? false);
    const query = new URLSearchParams(url.includes('?') ? url.slice(url.indexOf('?') + 1) : '');
    const version = requestedVersion(url);
    const handler = handlerOf(request.headers.upgrade, target.upgrades);
    await handler({ id, query, body, version, request, socket, leftover, sessions: context.sessions });
  } catch (error) {
    const answer = errorAnswer(error, context.log);
    endWith(socket, answer.status, answer.status === 304 ? '' : errorBody(answer.message));
  }
}

function handlerOf(upgrade: string | undefined, { protocols, none, other }: UpgradeTable): UpgradeHandler {
  if (upgrade === undefined) return none;
  const protocol = upgrade.toLowerCase();
  return Object.hasOwn(protocols, protocol) ? (protocols[protocol] ?? other) : other;
}

function findTarget(
  method: string,
  path: string,
  targets: readonly HijackTarget[],
): { target: HijackTarget; id: string } {
  for (const target of targets) {
    const match = target.method === method ? target.path.exec(path) : null;
    if (match === null) continue;
    try {
      return { target, id: decodeURIComponent(match.groups?.id ?? '') };
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
