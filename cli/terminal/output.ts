// Standard output and error, written by file descriptor: Node's process.stdout costs 2 ms at start, and this waits for slow
// readers without keeping signals from being handled.
import { fstatSync, write, writeSync } from 'node:fs';

/** How long to wait before a full non-blocking pipe is tried again, in milliseconds. */
const retryMs = 2;

export class Output {
  readonly fd: number;
  #queue: Promise<void> = Promise.resolve();
  #terminal: boolean | undefined;

  constructor(fd: number) {
    this.fd = fd;
  }

  get isTerminal(): boolean {
    this.#terminal ??= isTerminal(this.fd);
    return this.#terminal;
  }

  /** For the few lines that a command prints. */
  print(text: string): void {
    let bytes: Buffer = Buffer.from(text);
    while (bytes.length > 0) {
      try {
        bytes = bytes.subarray(writeSync(this.fd, bytes));
      } catch (error) {
        if (errorCode(error) === 'EAGAIN') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, retryMs);
        else throw onWriteError(error);
      }
    }
  }

  line(text: string): void {
    this.print(`${text}\n`);
  }

  /** For streams: resolves when the bytes are written, in the order of the calls. */
  write(bytes: Uint8Array): Promise<void> {
    this.#queue = this.#queue.then(() => this.#writeAll(bytes));
    return this.#queue;
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    for (let rest = bytes; rest.length > 0; ) {
      rest = rest.subarray(await this.#writeSome(rest));
    }
  }

  #writeSome(bytes: Uint8Array): Promise<number> {
    return new Promise((resolve, reject) => {
      const attempt = () =>
        write(this.fd, bytes, (error, count) => {
          if (!error) resolve(count);
          else if (error.code === 'EAGAIN') setTimeout(attempt, retryMs);
          else reject(onWriteError(error));
        });
      attempt();
    });
  }
}

/** A character device with a window size is a terminal; node:tty is loaded only for character devices. */
export function isTerminal(fd: number): boolean {
  try {
    return fstatSync(fd).isCharacterDevice() && process.getBuiltinModule('node:tty').isatty(fd);
  } catch {
    return false;
  }
}

function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** A reader that went away ends the program as SIGPIPE would (Node ignores that signal). */
function onWriteError(error: unknown): unknown {
  if (errorCode(error) === 'EPIPE') process.exit(141);
  return error;
}
