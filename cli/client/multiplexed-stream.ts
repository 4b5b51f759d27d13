// Splits docker's multiplexed stream into standard output and error: 8 bytes (stream, 0, 0, 0, length u32be), then the payload.
import { CliError } from '../errors.ts';

export interface StreamSink {
  stdout(bytes: Buffer): Promise<void>;
  stderr(bytes: Buffer): Promise<void>;
}

const headerBytes = 8;
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
    const missing = headerBytes - this.#header.length;
    this.#header = Buffer.concat([this.#header, bytes.subarray(0, missing)]);
    if (this.#header.length === headerBytes) {
      this.#stream = this.#header[0] ?? 0;
      this.#remaining = this.#header.readUInt32BE(4);
      this.#header = Buffer.alloc(0);
      if (this.#stream > 3) throw new CliError(`Unrecognized input header: ${this.#stream}`);
    }
    return bytes.subarray(missing);
  }

  async #deliver(payload: Buffer): Promise<void> {
    if (payload.length === 0) return;
    if (this.#stream === 2) await this.#sink.stderr(payload);
    else if (this.#stream !== 3) await this.#sink.stdout(payload);
    else {
      this.#systemError = (this.#systemError + payload.toString()).slice(0, maxSystemErrorBytes);
      if (this.#remaining === 0) throw new CliError(`error from daemon in stream: ${this.#systemError}`);
    }
  }
}
