// Bytes between threads over a MessagePort, with back-pressure: the receiver grants credits, the sender spends one per chunk. Chunks are
// handed over, not copied. Both ends are only callbacks, so that a jailed thread can wait without anything asynchronous of its own.
import type { MessagePort } from 'node:worker_threads';
import { EngineError } from '../../errors/engine-error.ts';

/** Chunks on the way. With half a megabyte each, a stream holds two. */
const WINDOW = 4;

type ToReceiver = { data: Uint8Array<ArrayBuffer> } | { end: true } | { failed: string };
type ToSender = { credit: number } | { cancel: true };

export interface ChunkHandlers {
  /** False: the next credit waits for `later`. */
  chunk(bytes: Buffer): boolean;
  end(): void;
  /** The other side could not go on. */
  failed(error: Error): void;
}

/**
 * Receives. A chunk's credit goes back once its handler returned; when the handler returns false, only with `later`'s callback.
 * Errors of the handlers are the caller's business.
 */
export function receiveChunks(
  port: MessagePort,
  handlers: ChunkHandlers,
  later?: (grantNow: () => void) => void,
): void {
  let owed = 0;
  port.on('message', (message: ToReceiver) => {
    if ('data' in message) {
      const { data } = message;
      const goesOn = handlers.chunk(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
      owed++;
      const pay = (): void => {
        if (owed > 0) grant(port, owed);
        owed = 0;
      };
      if (goesOn === false && later !== undefined) later(pay);
      else pay();
    } else if ('end' in message) handlers.end();
    else handlers.failed(new EngineError('invalid', message.failed));
  });
  grant(port, WINDOW);
}

/** Tells the sender that nobody listens any more. */
export function cancelChunks(port: MessagePort): void {
  port.postMessage({ cancel: true } satisfies ToSender);
}

function grant(port: MessagePort, credit: number): void {
  port.postMessage({ credit } satisfies ToSender);
}

/** Sends. `onCredit` is called whenever there is something to spend; `onCancel` when the receiver has gone. */
export class ChunkSender {
  readonly #port: MessagePort;
  #credit = 0;

  constructor(port: MessagePort, on: { credit(): void; cancel(): void }) {
    this.#port = port;
    port.on('message', (message: ToSender) => {
      if ('cancel' in message) return on.cancel();
      this.#credit += message.credit;
      on.credit();
    });
  }

  get hasCredit(): boolean {
    return this.#credit > 0;
  }

  /** Hands the bytes over: the buffer is empty afterwards when it owned its memory, and was copied when it did not. */
  send(bytes: Buffer): void {
    this.#credit--;
    const data = ownBytes(bytes);
    this.#port.postMessage({ data } satisfies ToReceiver, [data.buffer]);
  }

  end(): void {
    this.#port.postMessage({ end: true } satisfies ToReceiver);
  }

  fail(message: string): void {
    this.#port.postMessage({ failed: message } satisfies ToReceiver);
  }
}

function ownBytes(bytes: Buffer): Uint8Array<ArrayBuffer> {
  const { buffer, byteOffset, byteLength } = bytes;
  const isOwner = buffer instanceof ArrayBuffer && byteOffset === 0 && byteLength === buffer.byteLength;
  return isOwner ? new Uint8Array(buffer) : Uint8Array.from(bytes);
}
