// The client's ssh agent as a socket that programs of the host find by its path.
import { chmodSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { pipeline } from 'node:stream';
import type { ClientServices } from '../steps/step.ts';

/** Listens at `path`, where nothing is yet, until it is disposed; each connection is one to the client's agent. */
export async function openAgentSocket(
  path: string,
  connect: () => ReturnType<ClientServices['sshAgent']>,
): Promise<Disposable> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket)).on('error', () => undefined);
    connect().then(
      (agent) => {
        if (agent === undefined || socket.destroyed) {
          agent?.destroy();
          socket.destroy();
        } else pipeline(socket, agent, socket, () => undefined);
      },
      () => socket.destroy(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  // One that cannot be accepted is only that one's matter.
  server.on('error', () => undefined);
  chmodSync(path, 0o600);
  return {
    [Symbol.dispose]: () => {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}
