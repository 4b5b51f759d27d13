// docker-py reads a session past the buffer of its HTTP parser: bytes that it gets together with the headers are lost to it. So for such
// clients the first output waits until they have read the headers, which a unix socket can tell.
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

export const pythonClient = /docker-sdk-python|docker-py|docker-compose\/1/;

const LOOK_MS = 2;
/** Whoever stands still longer has other troubles. */
const LIMIT_MS = 2000;
/** Over TCP nobody knows what the other side has read. */
const PAUSE_MS = 40;

/** Resolves when what was written has been read, or the limit is over. `unreadByPeer` is of ApiServices. */
export async function headersRead(socket: Duplex, unreadByPeer?: (fd: number) => number): Promise<void> {
  const fd = unixDescriptor(socket);
  if (fd === undefined || unreadByPeer === undefined) {
    await sleep(PAUSE_MS);
    return;
  }
  const end = performance.now() + LIMIT_MS;
  while (performance.now() < end && !socket.destroyed) {
    if (socket.writableLength === 0 && unreadByPeer(fd) === 0) return;
    await sleep(LOOK_MS);
  }
}

function unixDescriptor(socket: Duplex): number | undefined {
  if (!(socket instanceof Socket) || socket.remoteAddress !== undefined) return undefined;
  const { _handle: handle } = socket as unknown as { _handle?: { fd?: number } };
  return handle?.fd !== undefined && handle.fd >= 0 ? handle.fd : undefined;
}
