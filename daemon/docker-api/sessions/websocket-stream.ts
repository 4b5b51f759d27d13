// A WebSocket's connection as a stream of bytes: what is written goes out as messages, what the client's messages hold is read. Either side's
// close frame ends it in the order that RFC 6455 wants: answered, then the connection's end.
import { Duplex } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import {
  closeCode,
  closeFrame,
  FrameReader,
  frameHeader,
  type Opcode,
  opcode,
  WebSocketProtocolError,
} from '../../protocols/websocket/websocket-frames.ts';

type Done = (error?: Error | null) => void;

/** Written bytes that a message holds at the most: a client has each message whole in its memory. */
const messageLimit = 64 * 1024;

export class WebSocketStream extends Duplex {
  readonly #socket: Duplex;
  readonly #reader: FrameReader;
  /** Text messages hold whole characters (section 8.1). */
  readonly #text: StringDecoder | undefined;
  #hasSentClose = false;
  #isClosedByPeer = false;

  /** `head`: what came behind the handshake. `isText`: what is written are text messages, for clients that know no others. */
  constructor(socket: Duplex, head: Buffer, isText: boolean) {
    super({ allowHalfOpen: true });
    this.#socket = socket;
    this.#text = isText ? new StringDecoder('utf8') : undefined;
    this.#reader = new FrameReader({
      data: (bytes) => {
        if (!this.#isClosedByPeer && !this.push(bytes)) socket.pause();
      },
      // One answer for all that came meanwhile is enough (section 5.5.3): whoever does not read fills no memory here.
      ping: (payload) => {
        if (!this.#hasSentClose && socket.writable && !socket.writableNeedDrain) this.#send(opcode.pong, payload);
      },
      close: () => this.#closedByPeer(),
    });
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('end', () => this.push(null));
    socket.on('error', (error) => this.destroy(error));
    socket.on('close', () => this.destroy());
    if (head.length > 0) this.#take(head);
    // Its end may have come together with the handshake.
    if (socket.readableEnded && !this.#isClosedByPeer) this.push(null);
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    const bytes = this.#text === undefined ? chunk : Buffer.from(this.#text.write(chunk));
    const code = this.#text === undefined ? opcode.binary : opcode.text;
    if (this.#hasSentClose || this.#socket.destroyed || bytes.length === 0) {
      done();
      return;
    }
    for (let at = 0; at < bytes.length; at += messageLimit) {
      const isLast = at + messageLimit >= bytes.length;
      // Only then is the memory the writer's again. What went wrong is told by the connection's end.
      this.#send(code, bytes.subarray(at, at + messageLimit), isLast ? () => done() : undefined);
    }
  }

  override _final(done: Done): void {
    this.#sendClose(closeCode.normal);
    this.#socket.end(() => done());
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#socket.destroy();
    done(error);
  }

  #take(chunk: Buffer): void {
    if (this.#isClosedByPeer) return;
    try {
      this.#reader.push(chunk);
    } catch (error) {
      if (!(error instanceof WebSocketProtocolError)) throw error;
      this.#sendClose(closeCode.protocolError);
      this.#closedByPeer();
    }
  }

  /** It takes nothing more, so whatever is still to be written is for nobody. */
  #closedByPeer(): void {
    this.#isClosedByPeer = true;
    this.#sendClose(closeCode.normal);
    this.push(null);
    this.#socket.end(() => this.destroy());
  }

  #sendClose(code: number): void {
    if (this.#hasSentClose || this.#socket.destroyed || this.#socket.writableEnded) return;
    this.#hasSentClose = true;
    this.#socket.write(closeFrame(code));
  }

  #send(code: Opcode, payload: Buffer, sent?: () => void): void {
    this.#socket.cork();
    this.#socket.write(frameHeader(code, payload.length));
    this.#socket.write(payload, sent);
    this.#socket.uncork();
  }
}
