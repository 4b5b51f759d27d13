// Splits docker's multiplexed stream into standard output and error.
import { FormatError } from '../format-error.ts';
import { FRAME_HEADER_BYTES, readFrameHeader } from './frame-header.ts';

export interface StreamSink {
  stdout(bytes: Buffer): Promise<void>;
  stderr(bytes: Buffer): Promise<void>;
}

const maxSystemErrorBytes = 64 * 1024;

/** Feed it the bytes as they come; payloads are passed on without waiting for the end of their frame. */
export class Demultiplexer {
  readonly #sink: StreamSink;
  #header: Buffer = Buffer.alloc(0);
  #stream = 0;
  #remaining = 0;
  #systemError = '';

  constructor(sink: StreamSink) {
    this.#sink = sink;
  }

  async push(bytes: Buffer): Promise<void> {
    let rest = bytes;
    while (rest.length > 0) {
      if (this.#remaining === 0) rest = this.#takeHeader(rest);
      if (this.#remaining === 0) continue;
      const payload = rest.subarray(0, this.#remaining);
      rest = rest.subarray(payload.length);
      this.#remaining -= payload.length;
      await this.#deliver(payload);
    }
  }

  #takeHeader(bytes: Buffer): Buffer {
    const missing = FRAME_HEADER_BYTES - this.#header.length;
    this.#header = Buffer.concat([this.#header, bytes.subarray(0, missing)]);
    if (this.#header.length === FRAME_HEADER_BYTES) {
      const { stream, lengthBytes } = readFrameHeader(this.#header);
      this.#stream = stream;
      this.#remaining = lengthBytes;
      this.#header = Buffer.alloc(0);
      if (this.#stream > 3) throw new FormatError(`Unrecognized input header: ${this.#stream}`);
    }
    return bytes.subarray(missing);
  }

  async #deliver(payload: Buffer): Promise<void> {
    if (payload.length === 0) return;
    if (this.#stream === 2) await this.#sink.stderr(payload);
    else if (this.#stream !== 3) await this.#sink.stdout(payload);
    else {
      this.#systemError = (this.#systemError + payload.toString()).slice(0, maxSystemErrorBytes);
      if (this.#remaining === 0) throw new FormatError(`error from daemon in stream: ${this.#systemError}`);
    }
  }
}
