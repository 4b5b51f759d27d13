// Frames of WebSocket (RFC 6455, section 5): what a client sends, read as it comes, and what a server sends. Pure. Messages are not put
// together: for a stream of bytes it does not matter where a message ends, so no message is too long.

export const opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;
export type Opcode = (typeof opcode)[keyof typeof opcode];

/** Status codes of a close frame (section 7.4.1). */
export const closeCode = { normal: 1000, protocolError: 1002 } as const;

const controlLimit = 125;

export class WebSocketProtocolError extends Error {}

/** A frame as a server sends it: whole, not masked. */
export function frameHeader(code: Opcode, length: number): Buffer {
  const first = 0x80 | code;
  if (length < 126) return Buffer.from([first, length]);
  if (length < 65_536) return Buffer.from([first, 126, length >> 8, length & 0xff]);
  const header = Buffer.alloc(10);
  header[0] = first;
  header[1] = 127;
  header.writeBigUInt64BE(BigInt(length), 2);
  return header;
}

export function closeFrame(code: number): Buffer {
  return Buffer.concat([frameHeader(opcode.close, 2), Buffer.from([code >> 8, code & 0xff])]);
}

export interface FrameSink {
  /** A part of a message, text or binary. The memory is the reader's caller's. */
  data(bytes: Buffer): void;
  ping(payload: Buffer): void;
  close(): void;
}

/** What is there of the frame at hand. */
interface Frame {
  code: number;
  mask: Buffer;
  /** Bytes of payload that are still to come, and how many have come: the mask goes on from there. */
  left: number;
  seen: number;
  /** Of a control frame, which is told when it is whole. */
  control: Buffer[] | undefined;
}

/** Holds a header or a control frame at most, whatever comes. Unmasks in place. */
export class FrameReader {
  readonly #sink: FrameSink;
  #pending: Buffer = Buffer.alloc(0);
  #frame: Frame | undefined;
  #isInMessage = false;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Throws WebSocketProtocolError; nothing more may be given then. */
  push(bytes: Buffer): void {
    let rest = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    this.#pending = Buffer.alloc(0);
    for (;;) {
      if (this.#frame === undefined) {
        const header = this.#readHeader(rest);
        if (header === undefined) {
          this.#pending = rest;
          return;
        }
        rest = rest.subarray(header);
      }
      rest = rest.subarray(this.#takePayload(rest));
      if (this.#frame !== undefined) return;
    }
  }

  /** How long the header is; undefined while it is not whole. */
  #readHeader(bytes: Buffer): number | undefined {
    const [first, second] = bytes;
    if (first === undefined || second === undefined) return undefined;
    const code = first & 0x0f;
    const isLast = (first & 0x80) !== 0;
    const isControl = code >= opcode.close;
    if ((first & 0x70) !== 0) throw new WebSocketProtocolError('reserved bits are set');
    if ((second & 0x80) === 0) throw new WebSocketProtocolError('a frame of a client is masked');
    if (!(Object.values(opcode) as number[]).includes(code)) throw new WebSocketProtocolError('unknown opcode');
    if ((code === opcode.continuation) !== this.#isInMessage && !isControl) {
      throw new WebSocketProtocolError('a continuation of nothing, or none of what was begun');
    }
    const short = second & 0x7f;
    const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
    const end = 2 + lengthBytes + 4;
    if (isControl && (!isLast || short > controlLimit))
      throw new WebSocketProtocolError('a control frame is short and whole');
    if (bytes.length < end) return undefined;
    const length =
      lengthBytes === 0 ? short : lengthBytes === 2 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
    if (length > Number.MAX_SAFE_INTEGER) throw new WebSocketProtocolError('a frame of that length cannot be');
    if (!isControl) this.#isInMessage = !isLast;
    const mask = Buffer.from(bytes.subarray(end - 4, end));
    this.#frame = { code, mask, left: length, seen: 0, control: isControl ? [] : undefined };
    return end;
  }

  /** How much of `bytes` belongs to the frame at hand, which ends with its last byte. */
  #takePayload(bytes: Buffer): number {
    const frame = this.#frame;
    if (frame === undefined) return 0;
    const payload = bytes.subarray(0, Math.min(frame.left, bytes.length));
    for (let i = 0; i < payload.length; i++) {
      payload[i] = (payload[i] as number) ^ (frame.mask[(frame.seen + i) % 4] as number);
    }
    frame.left -= payload.length;
    frame.seen = (frame.seen + payload.length) % 4;
    if (frame.left === 0) this.#frame = undefined;
    if (frame.control === undefined) {
      if (payload.length > 0) this.#sink.data(payload);
      return payload.length;
    }
    frame.control.push(Buffer.from(payload));
    if (frame.left === 0) this.#endControl(frame.code, Buffer.concat(frame.control));
    return payload.length;
  }

  #endControl(code: number, payload: Buffer): void {
    if (code === opcode.close) this.#sink.close();
    else if (code === opcode.ping) this.#sink.ping(payload);
  }
}
