// An answer of progress lines (JSON objects ended by CR LF). It begins with the first line: what goes wrong before that is an answer with a
// status of its own, what goes wrong later is the last line.
import type { FastifyReply } from 'fastify';
import type { ProgressMessage } from '../../docker-types/progress.ts';
import type { ProgressSink } from '../../images/progress.ts';
import { clientHasLeft, errorText } from '../error-status.ts';
import { drained } from './body-stream.ts';
import { whenClientLeaves } from './client-leaves.ts';
import { ResponseStream } from './response-stream.ts';

/** Lines that only count bytes are left out while this much waits for the client. */
const MAX_WAITING_BYTES = 256 * 1024;

export class ProgressStream {
  readonly #reply: FastifyReply;
  readonly #alwaysBegins: boolean;
  #stream: ResponseStream | undefined;

  /** `alwaysBegins`: what goes wrong before the first line is a line too, where Docker's clients look for it nowhere else. */
  constructor(reply: FastifyReply, options: { alwaysBegins?: boolean } = {}) {
    this.#reply = reply;
    this.#alwaysBegins = options.alwaysBegins ?? false;
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
      if (this.#stream === undefined && !this.#alwaysBegins) throw error;
      if (this.#stream === undefined) await drained(this.#reply.request.raw);
      const message = errorText(error);
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
