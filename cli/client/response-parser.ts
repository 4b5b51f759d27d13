// Incremental parser of HTTP/1.1 responses. It exists because node:http alone doubles this program's start-up time, while one
// server's answers need little of it. It knows nothing of sockets.
import { CliError } from '../errors.ts';

export interface ResponseHead {
  status: number;
  reason: string;
  /** Names in lower case; repeated headers joined by ", ". */
  headers: Map<string, string>;
}

export interface ResponseEvents {
  head(head: ResponseHead): void;
  data(chunk: Buffer): void;
  end(): void;
}

const maxHeadBytes = 128 * 1024;
const maxChunkLineBytes = 1024;

type State = 'head' | 'fixed' | 'until-close' | 'chunk-size' | 'chunk-data' | 'chunk-end' | 'trailer' | 'done';

export class ResponseParser {
  readonly #events: ResponseEvents;
  readonly #hasBody: boolean;
  #state: State = 'head';
  #buffer: Buffer = Buffer.alloc(0);
  /** Bytes still to come of the body or of the chunk. */
  #remaining = 0;

  /** `hasBody`: false for the answer to a HEAD request. */
  constructor(events: ResponseEvents, hasBody: boolean) {
    this.#events = events;
    this.#hasBody = hasBody;
  }

  get isDone(): boolean {
    return this.#state === 'done';
  }

  /** What came behind the response: the first bytes of a hijacked stream. */
  takeRest(): Buffer {
    const rest = this.#buffer;
    this.#buffer = Buffer.alloc(0);
    return rest;
  }

  push(bytes: Buffer): void {
    this.#buffer = this.#buffer.length === 0 ? bytes : Buffer.concat([this.#buffer, bytes]);
    while (this.#step());
  }

  /** The connection ended. Throws when the response is not whole. */
  finish(): void {
    if (this.#state === 'until-close') this.#end();
    else if (this.#state !== 'done') throw new CliError('error during connect: unexpected EOF');
  }

  /** One transition; false when more bytes are needed. */
  #step(): boolean {
    switch (this.#state) {
      case 'head':
        return this.#head();
      case 'fixed':
      case 'chunk-data':
        return this.#data();
      case 'until-close':
        if (this.#buffer.length > 0) this.#events.data(this.takeRest());
        return false;
      case 'chunk-size':
        return this.#chunkSize();
      case 'chunk-end':
        return this.#line((line) => {
          if (line !== '') throw malformed('chunk without an end');
          this.#state = 'chunk-size';
        });
      case 'trailer':
        return this.#line((line) => {
          if (line === '') this.#end();
        });
      case 'done':
        return false;
    }
  }

  #head(): boolean {
    const end = this.#buffer.indexOf('\r\n\r\n');
    if (end < 0) {
      if (this.#buffer.length > maxHeadBytes) throw malformed('headers too large');
      return false;
    }
    const head = parseHead(this.#buffer.toString('latin1', 0, end));
    this.#buffer = this.#buffer.subarray(end + 4);
    // 1xx other than an upgrade only announces the real answer.
    if (head.status < 200 && head.status !== 101) return true;
    this.#state = this.#bodyState(head);
    this.#events.head(head);
    if (this.#state === 'fixed' && this.#remaining === 0) this.#end();
    return !this.isDone;
  }

  #bodyState(head: ResponseHead): State {
    this.#remaining = 0;
    if (!this.#hasBody || head.status === 101 || head.status === 204 || head.status === 304) return 'fixed';
    if (/\bchunked$/i.test(head.headers.get('transfer-encoding') ?? '')) return 'chunk-size';
    const length = head.headers.get('content-length');
    if (length === undefined) return 'until-close';
    if (!/^\d{1,15}$/.test(length)) throw malformed('content length');
    this.#remaining = Number(length);
    return 'fixed';
  }

  #data(): boolean {
    if (this.#buffer.length === 0) return false;
    const chunk = this.#buffer.subarray(0, this.#remaining);
    this.#buffer = this.#buffer.subarray(chunk.length);
    this.#remaining -= chunk.length;
    if (chunk.length > 0) this.#events.data(chunk);
    if (this.#remaining > 0) return false;
    if (this.#state === 'chunk-data') this.#state = 'chunk-end';
    else this.#end();
    return !this.isDone;
  }

  #chunkSize(): boolean {
    return this.#line((line) => {
      const size = /^([0-9a-fA-F]{1,12})\s*(;.*)?$/.exec(line)?.[1];
      if (size === undefined) throw malformed('chunk size');
      this.#remaining = Number.parseInt(size, 16);
      this.#state = this.#remaining === 0 ? 'trailer' : 'chunk-data';
    });
  }

  #line(use: (line: string) => void): boolean {
    const end = this.#buffer.indexOf('\r\n');
    if (end < 0) {
      if (this.#buffer.length > maxChunkLineBytes) throw malformed('line too long');
      return false;
    }
    const line = this.#buffer.toString('latin1', 0, end);
    this.#buffer = this.#buffer.subarray(end + 2);
    use(line);
    return !this.isDone;
  }

  #end(): void {
    this.#state = 'done';
    this.#events.end();
  }
}

function parseHead(text: string): ResponseHead {
  const [first = '', ...lines] = text.split('\r\n');
  const status = /^HTTP\/1\.[01] (\d{3})(?: (.*))?$/.exec(first);
  if (!status) throw malformed('status line');
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon <= 0) throw malformed('header line');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return { status: Number(status[1]), reason: status[2] ?? '', headers };
}

function malformed(what: string): CliError {
  return new CliError(`error during connect: malformed HTTP response: ${what}`);
}
