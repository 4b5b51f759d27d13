// A client's ssh agent in a step: a socket that only the step sees. Each connection to it is one to the client.
import { chmodSync, chownSync, closeSync, constants, openSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { AT, OPEN_TREE } from '../../../../native-bindings/constants.ts';
import { openTree } from '../../../../native-bindings/mount-api.ts';
import { EngineError } from '../../../errors/engine-error.ts';
import type { SshMount } from '../../graph/operation.ts';
import type { ClientServices } from '../step.ts';

/** Of one mount at one time: an agent has few callers. */
const maxConnections = 64;

export interface SshRelay {
  /** A detached mount of the socket; the caller closes it. */
  hold(): number;
  close(): void;
}

/** undefined: the client forwards none, and need not. Throws 'not-found' in BuildKit's words. The socket lies in `directory`, as number `n`. */
export async function openSshRelay(
  client: Pick<ClientServices, 'sshAgent'>,
  directory: string,
  { id, isOptional, mode, uid, gid }: SshMount,
  n: number,
): Promise<SshRelay | undefined> {
  const first = await client.sshAgent(id);
  if (first === undefined) {
    if (isOptional) return undefined;
    throw new EngineError('not-found', `unset ssh forward key ${id}`);
  }
  first.destroy();
  const name = `ssh.${n}`;
  const connections = new Set<Socket>();
  // Half open: one whose caller is gone keeps its place until the client has answered, so that the limit is one of questions too.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    connections.add(socket);
    socket.on('error', () => socket.destroy()).once('close', () => connections.delete(socket));
    client.sshAgent(id).then(
      (agent) => (agent === undefined ? socket.destroy() : relayBetween(socket, agent)),
      () => socket.destroy(),
    );
  });
  server.maxConnections = maxConnections;
  await listen(server, directory, name);
  const path = join(directory, name);
  try {
    chownSync(path, uid, gid);
    chmodSync(path, mode);
  } catch (error) {
    server.close();
    throw error;
  }
  return {
    hold: () => openTree(AT.FDCWD, path, OPEN_TREE.CLONE),
    close: () => {
      server.close();
      for (const socket of connections) socket.destroy();
    },
  };
}

/** By a descriptor of the directory: the path of a socket has at most 107 bytes (unix(7)). A connection that cannot be accepted is only that one's matter. */
async function listen(server: Server, directory: string, name: string): Promise<void> {
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(`/proc/self/fd/${fd}/${name}`, () => {
        server.removeListener('error', reject).on('error', () => undefined);
        resolve();
      });
    });
  } finally {
    closeSync(fd);
  }
}

function relayBetween(socket: Socket, agent: Duplex): void {
  if (socket.destroyed) {
    agent.destroy();
    return;
  }
  const end = (): void => {
    socket.destroy();
    agent.destroy();
  };
  socket.once('error', end).once('close', end);
  agent.once('error', end).once('close', end);
  socket.pipe(agent).pipe(socket);
}
