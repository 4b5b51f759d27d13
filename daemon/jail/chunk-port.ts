// Bytes between threads over a MessagePort, with back-pressure: the receiver grants credits, the sender spends one per chunk. Chunks are
// handed over, not copied. Both ends are only callbacks, so that a jailed thread can wait without anything asynchronous of its own.
import type { MessagePort } from 'node:worker_threads';
import { EngineError } from '../errors/engine-error.ts';

/** Chunks on the way. With half a megabyte each, a stream holds two. */
const WINDOW = 4;

type ToReceiver = { data: Uint8Array<ArrayBuffer> } | { end: true } | { failed: string };
type ToSender = { credit: number; used?: ArrayBuffer[] } | { cancel: true };

export interface ChunkHandlers {
  /** The bytes are only there until it returns. */
  chunk(bytes: Buffer): void;
  end(): void;
  /** The other side could not go on. */
  failed(error: Error): void;
}

/**
 * Receives. Once the handler has returned, the chunk's credit goes back, and its memory with it, to be filled again. Errors of the handlers
 * are the caller's business.
 */
export function receiveChunks(port: MessagePort, handlers: ChunkHandlers): void {
  receive(port, handlers, (bytes) => {
    handlers.chunk(bytes);
    grant(port, 1, [bytes.buffer as ArrayBuffer]);
  });
}

/** Receives chunks that the handler keeps. While it returns false credits are saved up; `onWait` gets the function that gives them back. */
export function receiveToKeep(
  port: MessagePort,
  handlers: Omit<ChunkHandlers, 'chunk'> & { chunk(bytes: Buffer): boolean },
  onWait: (goOn: () => void) => void,
): void {
  let owed = 0;
  const pay = (): void => {
    if (owed > 0) grant(port, owed);
    owed = 0;
  };
  receive(port, handlers, (bytes) => {
    owed++;
    if (handlers.chunk(bytes)) pay();
    else onWait(pay);
  });
}

function receive(port: MessagePort, handlers: Omit<ChunkHandlers, 'chunk'>, onChunk: (bytes: Buffer) => void): void {
  port.on('message', (message: ToReceiver) => {
    if ('data' in message) {
      const { data } = message;
      onChunk(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
    } else if ('end' in message) handlers.end();
    else handlers.failed(new EngineError('invalid', message.failed));
  });
  grant(port, WINDOW);
}

/** Tells the sender that nobody listens any more. */
export function cancelChunks(port: MessagePort): void {
  port.postMessage({ cancel: true } satisfies ToSender);
}

function grant(port: MessagePort, credit: number, used: ArrayBuffer[] = []): void {
  port.postMessage({ credit, used } satisfies ToSender, used);
}

/** Sends. `onCredit` is called whenever there is something to spend; `onCancel` when the receiver has gone. */
export class ChunkSender {
  readonly #port: MessagePort;
  readonly #spare: ArrayBuffer[] = [];
  #credit = 0;

  constructor(port: MessagePort, on: { credit(): void; cancel(): void }) {
    this.#port = port;
    port.on('message', (message: ToSender) => {
      if ('cancel' in message) {
        on.cancel();
        return;
      }
      this.#credit += message.credit;
      if (message.used !== undefined && this.#spare.length < WINDOW) this.#spare.push(...message.used);
      on.credit();
    });
  }

  get hasCredit(): boolean {
    return this.#credit > 0;
  }

  /** Memory for a chunk of these bytes: what came back from the receiver when that is large enough. Its content is not cleared. */
  take(bytes: number): Buffer {
    const spare = this.#spare.pop();
    if (spare !== undefined && spare.byteLength >= bytes) return Buffer.from(spare, 0, bytes);
    return Buffer.allocUnsafeSlow(bytes);
  }

  /** Hands the bytes over with their memory, which must be theirs alone from the start of it: from `take` or an own allocation. */
  sendOwned(bytes: Buffer): void {
    this.#credit--;
    const buffer = bytes.buffer as ArrayBuffer;
    this.#port.postMessage({ data: new Uint8Array(buffer, bytes.byteOffset, bytes.byteLength) } satisfies ToReceiver, [
      buffer,
    ]);
  }

  end(): void {
    this.#port.postMessage({ end: true } satisfies ToReceiver);
  }

  fail(message: string): void {
    this.#port.postMessage({ failed: message } satisfies ToReceiver);
  }
}
