// An answer of progress lines (JSON objects ended by CR LF). It begins with the first line: what goes wrong before that is an answer with a
// status of its own, what goes wrong later is the last line.
import type { FastifyReply } from 'fastify';
import type { ProgressSink } from '../images/progress.ts';
import { whenClientLeaves } from './client-leaves.ts';
import { clientHasLeft } from './error-status.ts';
import { ResponseStream } from './response-stream.ts';
import type { ProgressMessage } from './types/progress.ts';

/** Lines that only count bytes are left out while this much waits for the client. */
const MAX_WAITING_BYTES = 256 * 1024;

export class ProgressStream {
  readonly #reply: FastifyReply;
  #stream: ResponseStream | undefined;

  constructor(reply: FastifyReply) {
    this.#reply = reply;
  }

  /** `signal` tells the work that the client has gone. */
  async run(work: (tell: ProgressSink, signal: AbortSignal) => Promise<void>): Promise<void> {
    const cancel = new AbortController();
    const { raw } = this.#reply;
    whenClientLeaves(raw, () => {
      if (!raw.writableEnded) cancel.abort(clientHasLeft());
    });
    try {
      await work((message) => this.#tell(message), cancel.signal);
    } catch (error) {
      if (this.#stream === undefined) throw error;
      const message = error instanceof Error ? error.message : String(error);
      this.#tell({ errorDetail: { message }, error: message });
    }
    this.#open().end();
  }

  #tell(message: ProgressMessage): void {
    const { raw } = this.#open();
    const onlyCounts = message.progressDetail?.current !== undefined;
    if (raw.destroyed || (onlyCounts && raw.writableLength > MAX_WAITING_BYTES)) return;
    raw.write(`${JSON.stringify(message)}\r\n`);
  }

  #open(): ResponseStream {
    this.#stream ??= new ResponseStream(this.#reply, 'application/json');
    return this.#stream;
  }
}
