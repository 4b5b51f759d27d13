// Calls of gRPC over a connection that was something else before: the engine is the client, whoever opened the connection the server.
import http2, { type ClientHttp2Session, type ClientHttp2Stream, type OutgoingHttpHeaders } from 'node:http2';
import type { Duplex as Connection } from 'node:stream';
import { Duplex } from 'node:stream';
import { EngineError } from '../../errors/engine-error.ts';
import { FormatError } from '../../protocols/format-error.ts';
import { decodeStatusText, frameMessage, GRPC_STATUS, GrpcReader } from '../../protocols/grpc/grpc-messages.ts';

/** gRPC's own default. */
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
const MAX_HEADER_BYTES = 16 * 1024;

/** What a server answered instead of what was asked for. */
export class GrpcFailed extends Error {
  /** GRPC_STATUS. */
  readonly status: number;

  constructor(method: string, status: number, message: string) {
    super(`${method}: ${message.slice(0, 1000) || `status ${status}`}`);
    this.name = 'GrpcFailed';
    this.status = status;
  }
}

export interface CallOptions {
  readonly signal?: AbortSignal;
  readonly metadata?: Readonly<Record<string, string | readonly string[]>>;
}

/** A call in both directions: messages to write and to read, an error when it ended with a status that is one. */
export type GrpcCall = Duplex;

export class GrpcConnection {
  readonly #session: ClientHttp2Session;
  readonly closed: Promise<void>;

  /** Takes the connection over, and ends it. */
  constructor(connection: Connection) {
    this.#session = http2.connect('http://session', {
      createConnection: () => connection,
      settings: { enablePush: false, maxHeaderListSize: MAX_HEADER_BYTES },
    });
    // What breaks is told to the calls that go on.
    this.#session.on('error', () => undefined);
    this.closed = new Promise((resolve) => {
      this.#session.once('close', resolve);
      connection.once('close', () => {
        this.#session.destroy();
        resolve();
      });
    });
  }

  get isClosed(): boolean {
    return this.#session.destroyed || this.#session.closed;
  }

  /** One message there, one back. Throws GrpcFailed, 'unavailable' when the connection ends meanwhile, and the signal's reason. */
  async call(method: string, message: Uint8Array, options: CallOptions = {}): Promise<Buffer> {
    const call = this.open(method, options);
    call.end(message);
    let answer: Buffer | undefined;
    for await (const one of call) {
      if (answer !== undefined) throw new GrpcFailed(method, GRPC_STATUS.INTERNAL, 'more than one answer');
      answer = one as Buffer;
    }
    if (answer === undefined) throw new GrpcFailed(method, GRPC_STATUS.INTERNAL, 'no answer');
    return answer;
  }

  open(method: string, { signal, metadata = {} }: CallOptions = {}): GrpcCall {
    signal?.throwIfAborted();
    if (this.isClosed) throw gone();
    const headers: OutgoingHttpHeaders = {
      ':method': 'POST',
      ':path': method,
      'content-type': 'application/grpc+proto',
      te: 'trailers',
    };
    for (const [name, value] of Object.entries(metadata))
      headers[name] = typeof value === 'string' ? value : [...value];
    const stream = this.#session.request(headers, { endStream: false });
    return new Call(method, stream, signal);
  }

  close(): void {
    this.#session.destroy();
  }
}

class Call extends Duplex {
  readonly #method: string;
  readonly #stream: ClientHttp2Stream;
  readonly #reader = new GrpcReader(MAX_MESSAGE_BYTES);
  readonly #signal: AbortSignal | undefined;
  #status: { code: number; message: string } | undefined;

  constructor(method: string, stream: ClientHttp2Stream, signal: AbortSignal | undefined) {
    super({ readableObjectMode: true, writableObjectMode: true, readableHighWaterMark: 16, writableHighWaterMark: 16 });
    this.#method = method;
    this.#stream = stream;
    this.#signal = signal;
    // Whoever reads or writes is told; when nobody does any more, it is nobody's concern.
    this.on('error', () => undefined);
    signal?.addEventListener('abort', this.#abort, { once: true });
    stream.on('response', (headers) => this.#head(headers));
    stream.on('trailers', (trailers) => this.#readStatus(trailers));
    stream.on('data', (piece: Buffer) => this.#data(piece));
    stream.on('end', () => this.#end());
    stream.on('error', (error) => this.destroy(new EngineError('unavailable', gone().message, { cause: error })));
    stream.on('close', () => {
      if (!this.readableEnded && this.#status === undefined) this.destroy(gone());
    });
  }

  override _write(message: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    if (this.#stream.write(frameMessage(message))) done();
    else this.#stream.once('drain', () => done());
  }

  override _final(done: () => void): void {
    this.#stream.end();
    done();
  }

  override _read(): void {
    this.#stream.resume();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#signal?.removeEventListener('abort', this.#abort);
    if (!this.#stream.closed) this.#stream.close(http2.constants.NGHTTP2_CANCEL);
    done(error);
  }

  readonly #abort = (): void => {
    const reason: unknown = this.#signal?.reason;
    this.destroy(reason instanceof Error ? reason : new Error('cancelled'));
  };

  #head(headers: http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader): void {
    const status = headers[':status'];
    if (status !== 200) this.#fail(GRPC_STATUS.UNKNOWN, `it answered with the HTTP status ${status ?? '?'}`);
    else this.#readStatus(headers);
  }

  #readStatus(headers: http2.IncomingHttpHeaders): void {
    const code = headers['grpc-status'];
    if (code === undefined) return;
    this.#status = { code: Number(code), message: decodeStatusText(String(headers['grpc-message'] ?? '')) };
  }

  #data(piece: Buffer): void {
    try {
      for (const message of this.#reader.read(piece)) if (!this.push(message)) this.#stream.pause();
    } catch (error) {
      this.#fail(GRPC_STATUS.INTERNAL, error instanceof FormatError ? error.message : String(error));
    }
  }

  #end(): void {
    // The connection has ended, and not the answer.
    if (this.#status === undefined && (this.#stream.aborted || this.#stream.session?.destroyed !== false)) {
      this.destroy(gone());
      return;
    }
    const { code, message } = this.#status ?? { code: GRPC_STATUS.UNAVAILABLE, message: 'it ended without a status' };
    if (code === GRPC_STATUS.OK) this.push(null);
    else this.#fail(code, message);
  }

  #fail(code: number, message: string): void {
    this.destroy(new GrpcFailed(this.#method, code, message));
  }
}

function gone(): EngineError {
  return new EngineError('unavailable', 'ask the client: its session has ended');
}
