// On TCP a web page can make a browser send requests here (DNS rebinding, cross-site posts). Browsers say so in headers; such requests are
// refused before any route sees them. Unix sockets are out of a browser's reach.
import type { IncomingMessage } from 'node:http';
import { errorBody } from '../error-status.ts';
import { endWith, type ServerHandlers } from './http-server.ts';

export function guardTcp(handlers: ServerHandlers, name: string): ServerHandlers {
  const allowed = new Set(['localhost', '127.0.0.1', '::1', name.toLowerCase()]);
  return {
    request: (request, response) => {
      const why = refusal(request, allowed);
      if (why === undefined) return handlers.request(request, response);
      response.writeHead(403, { 'Content-Type': 'application/json', Connection: 'close' }).end(errorBody(why));
    },
    wantsUpgrade: handlers.wantsUpgrade,
    upgrade: (request, socket, head) => {
      const why = refusal(request, allowed);
      if (why === undefined) handlers.upgrade(request, socket, head);
      else endWith(socket, 403, errorBody(why));
    },
  };
}

/** `allowed`: the names of this daemon. A wildcard address allows every literal address, never another name. */
export function refusal(request: Pick<IncomingMessage, 'headers'>, allowed: ReadonlySet<string>): string | undefined {
  const { host = '', origin } = request.headers;
  if (origin !== undefined) return 'requests from web pages are refused';
  const site = request.headers['sec-fetch-site'];
  if (site !== undefined && site !== 'none') return 'requests from web pages are refused';
  const name = host
    .replace(/:\d+$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase();
  const isAddress = /^[\d.]+$/.test(name) || name.includes(':');
  if (allowed.has(name) || ((allowed.has('0.0.0.0') || allowed.has('::')) && isAddress)) return undefined;
  return `host "${name}" is not a name of this daemon`;
}
