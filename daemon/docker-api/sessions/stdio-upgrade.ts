// How a connection becomes a process's stdio: with an upgrade, without a word, or over a WebSocket.
import type { Duplex } from 'node:stream';
import type { Attachment } from '../../containers/container-service.ts';
import { commonHeaders } from '../api-version.ts';
import { headersRead, pythonClient } from '../http/header-read.ts';
import { endWith, headerLines, statusLine } from '../http/http-server.ts';
import type { HijackRequest, UpgradeHandler, UpgradeTable } from './hijack.ts';
import { serveStdio } from './stdio-session.ts';
import { streamContentType } from './stream-framing.ts';
import { acceptWebSocket } from './websocket-accept.ts';
import { WebSocketStream } from './websocket-stream.ts';

/** What a route gives to be connected. `attachment` undefined: answer 200 without a session (a detached exec). */
export interface Opened {
  attachment: Attachment | undefined;
  detachKeys: Buffer;
  /** Frames tell stdout and stderr apart; when absent: unless the process has a terminal. */
  isFramed?: boolean;
}

export type OpenStdio = (request: HijackRequest) => Promise<Opened>;

/** Before, the messages of a WebSocket were text. */
const binarySince = 1028;

/** Whatever a client names in `Upgrade` is answered with `tcp`, as by dockerd (28.5): that it names something is all that counts. */
export function stdioUpgrades(open: OpenStdio): UpgradeTable {
  const upgraded: UpgradeHandler = (request) =>
    connect(open, request, (isFramed) => {
      // The newer name of the stream goes with an upgrade only, as with Docker.
      const type = streamContentType(!isFramed, request.version);
      const headers = { 'Content-Type': type, Connection: 'Upgrade', Upgrade: 'tcp', ...commonHeaders };
      return `${statusLine(101, 'UPGRADED')}${headerLines(headers)}\r\n`;
    });
  const plain: UpgradeHandler = (request) =>
    connect(open, request, () => {
      const headers = { 'Content-Type': streamContentType(true, request.version), ...commonHeaders };
      return `${statusLine(200, 'OK')}${headerLines(headers)}\r\n`;
    });
  return { protocols: { tcp: upgraded }, none: plain, other: upgraded };
}

/** The session goes over a WebSocket, and only so. */
export function webSocketUpgrades(open: OpenStdio): UpgradeTable {
  const handler: UpgradeHandler = async (request) => {
    const accept = acceptWebSocket(request.request.headers);
    const { socket, leftover, version } = request;
    const { attachment, detachKeys } = await open(request);
    if (attachment === undefined) return endWith(socket, 200, '');
    socket.write(`${statusLine(101, 'Switching Protocols')}${headerLines(accept)}\r\n`);
    // Both streams as they are: the messages of a WebSocket say nothing of their stream.
    const stream = new WebSocketStream(socket, leftover, version < binarySince);
    await runSession(stream, { ...request, leftover: Buffer.alloc(0) }, { attachment, detachKeys, isFramed: false });
  };
  // The handshake says what is missing.
  return { protocols: { websocket: handler }, none: handler, other: handler };
}

async function connect(open: OpenStdio, request: HijackRequest, head: (isFramed: boolean) => string): Promise<void> {
  const { attachment, detachKeys, isFramed = !attachment?.tty } = await open(request);
  if (attachment === undefined) return endWith(request.socket, 200, '');
  request.socket.write(head(isFramed));
  await runSession(request.socket, request, { attachment, detachKeys, isFramed });
}

async function runSession(
  socket: Duplex,
  { leftover, request, sessions }: HijackRequest,
  { attachment, detachKeys, isFramed }: { attachment: Attachment; detachKeys: Buffer; isFramed: boolean },
): Promise<void> {
  sessions.open.add(socket);
  socket.once('close', () => sessions.open.delete(socket));
  const isPython = pythonClient.test(request.headers['user-agent'] ?? '');
  await serveStdio(socket, attachment, {
    leftover,
    isFramed,
    detachKeys,
    ...(isPython ? { mayWrite: () => headersRead(socket, sessions.unreadByPeer) } : {}),
  });
}
