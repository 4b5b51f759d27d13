// A connection that has become a container's stdin, stdout and stderr (attach, exec), until the output or the client ends.
// INVARIANT: the client's half-close ends its input only; the connection is closed by our FIN after the last byte of output, and unread input
// is taken off the socket until then: a unix socket closed with unread bytes makes the peer see ECONNRESET instead of the end.
import type { Duplex } from 'node:stream';
import type { Attachment } from '../../containers/container-service.ts';
import { DetachScanner } from '../../protocols/streams/detach-keys.ts';
import { pumpOutput } from './stream-framing.ts';

/** How long a client may keep the connection open after the end. */
const lingerMs = 10_000;

export interface SessionOptions {
  /** Bytes that arrived behind the request already: the first of stdin. */
  leftover: Buffer;
  isFramed: boolean;
  /** Looked for in the input of a terminal. */
  detachKeys: Buffer;
  /** Settles when the first output may be written. */
  mayWrite?: () => Promise<void>;
}

/** Resolves when the output has ended and is written. Never rejects: errors of either side end the session. */
export async function serveStdio(socket: Duplex, attachment: Attachment, options: SessionOptions): Promise<void> {
  socket.once('close', () => attachment.close());
  if (socket.destroyed) attachment.close();
  takeInput(socket, attachment, options);
  try {
    await options.mayWrite?.();
    await pumpOutput(attachment.output, socket, { isFramed: options.isFramed, canMerge: true });
  } catch (error) {
    socket.destroy(error as Error);
  } finally {
    attachment.close();
    socket.end();
    const linger = setTimeout(() => socket.destroy(), lingerMs);
    linger.unref();
    socket.once('close', () => clearTimeout(linger));
  }
}

function takeInput(socket: Duplex, attachment: Attachment, options: SessionOptions): void {
  const { stdin } = attachment;
  const scanner = attachment.tty ? new DetachScanner(options.detachKeys) : undefined;
  let isOpen = stdin !== undefined;
  const feed = async (bytes: Buffer): Promise<void> => {
    if (!isOpen || stdin === undefined) return;
    const { pass, isDetached } = scanner === undefined ? { pass: bytes, isDetached: false } : scanner.scan(bytes);
    try {
      if (pass.length > 0) await stdin.write(pass);
    } catch {
      // The process has gone; its output ends the session. What the client still sends is dropped.
      isOpen = false;
    }
    if (isDetached) {
      isOpen = false;
      attachment.close();
    }
  };
  let pending: Promise<void> = options.leftover.length > 0 ? feed(options.leftover) : Promise.resolve();
  socket.on('data', (chunk: Buffer) => {
    if (!isOpen) return;
    socket.pause();
    pending = pending.then(() => feed(chunk)).then(() => void socket.resume());
  });
  const endInput = () => {
    pending = pending.then(async () => {
      if (!isOpen || stdin === undefined) return;
      isOpen = false;
      await stdin.end().catch(() => undefined);
    });
  };
  socket.on('end', endInput);
  // The client's end may have come with its request, while there was no session yet.
  if (socket.readableEnded) endInput();
  socket.on('error', () => undefined);
  socket.resume();
}
