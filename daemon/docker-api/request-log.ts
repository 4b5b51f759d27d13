// What was asked and what became of it, at level debug. Only the path: a query or a body may hold secrets.
import type { IncomingMessage } from 'node:http';
import type { ServerHandlers } from './http/http-server.ts';
import type { ApiLog } from './services.ts';

/** The same handlers; each request is told when its answer, or its session, has ended. */
export function logged(handlers: ServerHandlers, log: ApiLog): ServerHandlers {
  return {
    ...handlers,
    request: (request, response) => {
      const asked = describe(request);
      response.once('close', () => log.debug({ ...asked(), status: response.statusCode }, 'API request'));
      handlers.request(request, response);
    },
    upgrade: (request, socket, head) => {
      const asked = describe(request);
      socket.once('close', () => log.debug(asked(), 'API session ended'));
      handlers.upgrade(request, socket, head);
    },
  };
}

/** Read when the request comes: the router rewrites its URL. */
function describe(request: IncomingMessage): () => { method: string; path: string; ms: number } {
  const { method = '', url = '' } = request;
  const path = url.replace(/\?.*/s, '');
  const at = performance.now();
  return () => ({ method, path, ms: Math.round((performance.now() - at) * 10) / 10 });
}
