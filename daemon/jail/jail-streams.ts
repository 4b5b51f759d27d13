// Node streams on one side, chunk ports of the jail on the other, with back-pressure through both.
import { Readable } from 'node:stream';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { ChunkSender, cancelChunks, receiveToKeep } from './chunk-port.ts';
import type { ByteSource } from './decoding/decompress.ts';
import { GarbageMeter } from './garbage-meter.ts';

const GATHER_BYTES = 256 * 1024;

/** Feeds bytes into a chunk port. Small pieces are joined: a message between threads costs more than a copy. */
export function feedFrom(source: ByteSource): { port: MessagePort; stop(): void } {
  // Its decoder is made now, which may fail: there must be nothing to close then.
  const { stream } = source;
  const { port1, port2 } = new MessageChannel();
  const feeder = new Feeder(source, stream, port1);
  return { port: port2, stop: () => feeder.stop() };
}

class Feeder {
  readonly #source: ByteSource;
  readonly #port: MessagePort;
  readonly #sender: ChunkSender;
  /** Full ones that wait for credit. */
  readonly #full: Buffer[] = [];
  #buffer: Buffer;
  #used = 0;
  #isOver = false;
  #isAtEnd = false;
  readonly #garbage = new GarbageMeter();

  constructor(source: ByteSource, stream: Readable, port: MessagePort) {
    this.#source = source;
    this.#port = port;
    this.#sender = new ChunkSender(port, { credit: () => this.#flush(), cancel: () => this.#leave() });
    this.#buffer = this.#sender.take(GATHER_BYTES);
    stream.on('data', this.#onData).once('end', this.#onEnd).once('error', this.#onError).once('close', this.#onClose);
  }

  stop(): void {
    this.#leave();
    this.#port.close();
  }

  readonly #onData = (piece: Buffer | string): void => {
    const chunk = Buffer.isBuffer(piece) ? piece : Buffer.from(piece);
    this.#garbage.count(chunk.length);
    for (let at = 0; at < chunk.length; ) {
      const count = chunk.copy(this.#buffer, this.#used, at);
      this.#used += count;
      at += count;
      if (this.#used < GATHER_BYTES) continue;
      this.#full.push(this.#buffer);
      this.#buffer = this.#sender.take(GATHER_BYTES);
      this.#used = 0;
    }
    if (this.#full.length > 0) this.#flush();
  };

  readonly #onEnd = (): void => {
    this.#isAtEnd = true;
    if (this.#used > 0) this.#full.push(this.#buffer.subarray(0, this.#used));
    this.#flush();
  };

  readonly #onError = (error: Error): void => {
    if (!this.#isOver) this.#sender.fail(error.message);
    this.#leave();
  };

  readonly #onClose = (): void => {
    if (!this.#isAtEnd) this.#onError(new Error('the stream was closed before its end'));
  };

  #flush(): void {
    if (this.#isOver) return;
    while (this.#full.length > 0 && this.#sender.hasCredit) this.#sender.sendOwned(this.#full.shift() as Buffer);
    if (this.#full.length > 0) this.#source.stream.pause();
    else if (this.#isAtEnd) {
      this.#sender.end();
      this.#leave();
    } else if (this.#source.stream.isPaused()) this.#source.stream.resume();
  }

  #leave(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#source.stream
      .off('data', this.#onData)
      .off('end', this.#onEnd)
      .off('error', this.#onError)
      .off('close', this.#onClose);
    this.#source.release();
  }
}

/** The reading end of a chunk port as a stream: at most the port's window is ever in memory. */
export function readableOf(port: MessagePort): Readable {
  let goOn: (() => void) | undefined;
  const tar = new Readable({
    highWaterMark: GATHER_BYTES,
    read: () => {
      const go = goOn;
      goOn = undefined;
      go?.();
    },
    destroy: (error, done) => {
      cancelChunks(port);
      port.close();
      done(error);
    },
  });
  const handlers = {
    chunk: (bytes: Buffer) => tar.push(bytes),
    end: () => {
      tar.push(null);
    },
    failed: (error: Error) => {
      tar.destroy(error);
    },
  };
  receiveToKeep(port, handlers, (go) => {
    goOn = go;
  });
  return tar;
}
