// How gRPC puts messages into an HTTP/2 stream (grpc/doc/PROTOCOL-HTTP2.md): five bytes before each, statuses in trailers.
import { FormatError } from '../format-error.ts';

const HEAD_BYTES = 5;

/** https://grpc.io/docs/guides/status-codes */
export const GRPC_STATUS = {
  OK: 0,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  NOT_FOUND: 5,
  RESOURCE_EXHAUSTED: 8,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
} as const;

export function frameMessage(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(HEAD_BYTES + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, HEAD_BYTES);
  return frame;
}

/** Messages out of bytes that come in any pieces. */
export class GrpcReader {
  readonly #maxBytes: number;
  #parts: Buffer[] = [];
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The messages that are whole now. Throws FormatError for one that is too long, or packed: nobody was asked to pack. */
  *read(piece: Buffer): Generator<Buffer> {
    this.#parts.push(piece);
    this.#bytes += piece.length;
    for (;;) {
      if (this.#bytes < HEAD_BYTES) return;
      const head = this.#joined(HEAD_BYTES);
      const length = head.readUInt32BE(1);
      if (head[0] !== 0) throw new FormatError('read message: it is packed');
      if (length > this.#maxBytes)
        throw new FormatError(`read message: it has ${length} bytes, more than ${this.#maxBytes}`);
      if (this.#bytes < HEAD_BYTES + length) return;
      const all = this.#joined(HEAD_BYTES + length);
      this.#parts = [all.subarray(HEAD_BYTES + length)];
      this.#bytes -= HEAD_BYTES + length;
      yield all.subarray(HEAD_BYTES, HEAD_BYTES + length);
    }
  }

  /** Throws FormatError when the stream ended in the middle of a message. */
  end(): void {
    if (this.#bytes > 0) throw new FormatError('read message: it was cut off');
  }

  /** One piece with at least so many bytes, which are there. */
  #joined(wanted: number): Buffer {
    const [first] = this.#parts;
    if (first !== undefined && first.length >= wanted) return first;
    const all = Buffer.concat(this.#parts);
    this.#parts = [all];
    return all;
  }
}

/** `grpc-message`: percent-encoded UTF-8. */
export function encodeStatusText(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replace(/%20/g, ' ');
}

export function decodeStatusText(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
