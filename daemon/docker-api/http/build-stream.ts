// The answer of a build: lines (JSON objects ended by CR LF), the first of which begins it. A build never waits for its client: who writes what can
// be left out asks first whether the client takes it.
import type { FastifyReply } from 'fastify';
import { ResponseStream } from './response-stream.ts';

/** More than this does not wait for the client, but for lines that cannot be left out. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;

export class BuildStream {
  readonly #reply: FastifyReply;
  #stream: ResponseStream | undefined;
  #onRoom: () => void = () => undefined;

  constructor(reply: FastifyReply) {
    this.#reply = reply;
  }

  get isBegun(): boolean {
    return this.#stream !== undefined;
  }

  get hasRoom(): boolean {
    return this.#stream === undefined || this.#stream.raw.writableLength <= MAX_WAITING_BYTES;
  }

  /** `listener` is called when the client has taken all that waited for it. */
  onRoom(listener: () => void): void {
    this.#onRoom = listener;
  }

  begin(): ResponseStream {
    if (this.#stream === undefined) {
      this.#stream = new ResponseStream(this.#reply, 'application/json');
      this.#stream.raw.on('drain', () => this.#onRoom());
    }
    return this.#stream;
  }

  write(line: object): void {
    const { raw } = this.begin();
    if (!raw.destroyed && !raw.writableEnded) raw.write(`${JSON.stringify(line)}\r\n`);
  }

  end(): void {
    this.begin().end();
  }
}
