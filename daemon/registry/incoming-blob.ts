// A blob while it comes: it can be read from its beginning while its end is still on the way.
import { Readable } from 'node:stream';
import type { BlobWriter } from '../content/blob-writer.ts';
import type { Descriptor } from '../content/digest.ts';
import { GarbageMeter } from '../jail/garbage-meter.ts';

const READ_BYTES = 256 * 1024;

export class IncomingBlob {
  readonly blob: Descriptor;
  readonly writer: BlobWriter;
  /** What an earlier pull had left of it. */
  readonly resumedBytes: number;
  /** Resolves when it is whole and verified. */
  readonly done: Promise<void>;
  readonly #readers = new Set<() => void>();
  readonly #onClose: () => void;
  #failure: Error | undefined;

  /** `download` is called once, with what to call after each piece that was written. */
  constructor(
    blob: Descriptor,
    writer: BlobWriter,
    download: (onGrowth: () => void) => Promise<void>,
    onClose: () => void,
  ) {
    this.blob = blob;
    this.writer = writer;
    this.resumedBytes = writer.offset;
    this.#onClose = onClose;
    this.done = download(() => this.#wake());
    this.done.then(
      () => this.#wake(),
      (error: unknown) => {
        this.#failure = error instanceof Error ? error : new Error(String(error));
        this.#wake();
      },
    );
  }

  /** All of its bytes; destroyed with the download's error. `onRead` is told how far reading has come. */
  follow(onRead: (position: number) => void): Readable {
    const meter = new GarbageMeter();
    let position = 0;
    let wake: (() => void) | undefined;
    const growth = (): void => {
      const go = wake;
      wake = undefined;
      go?.();
    };
    const next = async (): Promise<Buffer | null> => {
      for (;;) {
        if (this.#failure !== undefined) throw this.#failure;
        if (position >= this.blob.size) return null;
        const buffer = Buffer.allocUnsafe(READ_BYTES);
        const count = await this.writer.read(buffer, position);
        position += count;
        onRead(position);
        meter.count(count);
        if (count > 0) return buffer.subarray(0, count);
        await new Promise<void>((resolve) => {
          wake = resolve;
          // It may have grown, or failed, while it was read.
          if (this.writer.offset > position || this.#failure !== undefined) growth();
        });
        if (stream.destroyed) return null;
      }
    };
    const stream = new Readable({
      highWaterMark: READ_BYTES,
      read: () => {
        next().then(
          (bytes) => stream.push(bytes),
          (error: Error) => stream.destroy(error),
        );
      },
      destroy: (error, done) => {
        this.#readers.delete(growth);
        growth();
        done(error);
      },
    });
    this.#readers.add(growth);
    return stream;
  }

  async close(): Promise<void> {
    await this.done.catch(() => undefined);
    // Closing the file waits for a thread, and holding on to the blob meanwhile would be too long: whoever removes the image as soon as the
    // pull is answered would leave the blob behind.
    this.#onClose();
    await this.writer[Symbol.asyncDispose]();
  }

  #wake(): void {
    for (const wake of [...this.#readers]) wake();
  }
}
