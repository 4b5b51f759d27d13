// A limit on connections that idle ones give way to: clients' pools may keep theirs for as long as there is room, and nobody is locked out by
// connections that do nothing. Only when all are busy a new one is turned away.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** `event` is the server's for a connection that is ready for requests. */
export function limitConnections(server: Server, event: 'connection' | 'secureConnection', limit: number): void {
  const all = new Set<Socket>();
  /** In the order in which they became idle. */
  const idle = new Set<Socket>();
  server.on(event, (socket: Socket) => {
    all.add(socket);
    socket.once('close', () => {
      all.delete(socket);
      idle.delete(socket);
    });
    if (all.size > limit) {
      const [longest = socket] = idle;
      longest.destroy();
    }
    if (!socket.destroyed) idle.add(socket);
  });
  server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    idle.delete(socket);
    response.once('close', () => {
      if (all.has(socket) && !socket.destroyed) idle.add(socket);
    });
  });
  server.on('upgrade', ({ socket }: IncomingMessage) => idle.delete(socket));
}
