// Node streams on one side, chunk ports of the jail on the other, with back-pressure through both.
import { Readable } from 'node:stream';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { ChunkSender, cancelChunks, receiveToKeep } from './jail/chunk-port.ts';

const GATHER_BYTES = 256 * 1024;

/** Feeds a stream into a chunk port. */
export function feedFrom(input: Readable): { port: MessagePort; stop(): void } {
  const { port1, port2 } = new MessageChannel();
  let isOver = false;
  let wake: (() => void) | undefined;
  const stop = (): void => {
    isOver = true;
    wake?.();
  };
  const sender = new ChunkSender(port1, { credit: () => wake?.(), cancel: stop });
  const pump = async (): Promise<void> => {
    try {
      for await (const chunk of gathered(input, (bytes) => sender.take(bytes))) {
        while (!sender.hasCredit && !isOver) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
        if (isOver) return;
        sender.sendOwned(chunk);
      }
      sender.end();
    } catch (error) {
      sender.fail(error instanceof Error ? error.message : String(error));
    }
  };
  void pump();
  return {
    port: port2,
    stop: () => {
      stop();
      input.destroy();
      port1.close();
    },
  };
}

/** Joins small chunks: a message between threads costs more than a copy. What is given owns its memory. */
async function* gathered(input: Readable, take: (bytes: number) => Buffer): AsyncGenerator<Buffer> {
  let buffer = take(GATHER_BYTES);
  let used = 0;
  for await (const piece of input as AsyncIterable<Buffer>) {
    const chunk = Buffer.isBuffer(piece) ? piece : Buffer.from(piece);
    for (let at = 0; at < chunk.length; ) {
      const size = Math.min(GATHER_BYTES - used, chunk.length - at);
      chunk.copy(buffer, used, at, at + size);
      used += size;
      at += size;
      if (used < GATHER_BYTES) continue;
      yield buffer;
      buffer = take(GATHER_BYTES);
      used = 0;
    }
  }
  if (used > 0) yield buffer.subarray(0, used);
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
