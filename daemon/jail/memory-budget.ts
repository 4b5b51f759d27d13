// Memory that many share: who wants some waits until it is free, in the order of asking.
import { EngineError } from '../errors/engine-error.ts';

const WAIT_MS = 60_000;

interface Waiting {
  readonly bytes: number;
  give(): void;
}

export class MemoryBudget {
  readonly #totalBytes: number;
  readonly #waiting: Waiting[] = [];
  #usedBytes = 0;

  constructor(totalBytes: number) {
    this.#totalBytes = totalBytes;
  }

  /**
   * Resolves when there is room; it is taken until the result is disposed. Who wants more than there is gets it when nobody else has any. Throws
   * 'unavailable' after a minute, and the signal's reason.
   */
  async take(bytes: number, signal?: AbortSignal): Promise<Disposable> {
    signal?.throwIfAborted();
    if (this.#waiting.length > 0 || !this.#fits(bytes)) await this.#turn(bytes, signal);
    else this.#usedBytes += bytes;
    let isTaken = true;
    return {
      [Symbol.dispose]: () => {
        if (!isTaken) return;
        isTaken = false;
        this.#usedBytes -= bytes;
        this.#serve();
      },
    };
  }

  #fits(bytes: number): boolean {
    return this.#usedBytes === 0 || this.#usedBytes + bytes <= this.#totalBytes;
  }

  #turn(bytes: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
      };
      const waiting: Waiting = {
        bytes,
        give: () => {
          settle();
          resolve();
        },
      };
      const leave = (error: unknown): void => {
        settle();
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(error);
        // It may have stood before others that fit.
        this.#serve();
      };
      const abort = (): void => leave(signal?.reason);
      const timer = setTimeout(
        () => leave(new EngineError('unavailable', 'too many archive operations at once: try again')),
        WAIT_MS,
      );
      signal?.addEventListener('abort', abort, { once: true });
      this.#waiting.push(waiting);
    });
  }

  #serve(): void {
    for (let next = this.#waiting[0]; next !== undefined && this.#fits(next.bytes); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#usedBytes += next.bytes;
      next.give();
    }
  }
}

/** Of those that decode archives, for each place that they do it in. */
export class DecoderBudget {
  readonly #here: MemoryBudget;
  readonly #programs: MemoryBudget;

  constructor(hereBytes: number, programsBytes: number) {
    this.#here = new MemoryBudget(hereBytes);
    this.#programs = new MemoryBudget(programsBytes);
  }

  /** What a source takes, and `moreBytes` in this process. Programs are waited for first: those that have one wait for nobody who waits for one. */
  async take(
    { memoryBytes, programBytes = 0 }: { memoryBytes: number; programBytes?: number },
    signal?: AbortSignal,
    moreBytes = 0,
  ): Promise<Disposable> {
    using taken = new DisposableStack();
    if (programBytes > 0) taken.use(await this.#programs.take(programBytes, signal));
    if (memoryBytes + moreBytes > 0) taken.use(await this.#here.take(memoryBytes + moreBytes, signal));
    return taken.move();
  }
}
