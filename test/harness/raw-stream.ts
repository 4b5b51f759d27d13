// A hijacked connection: what attach and exec become after their 101 (or 200). Reads what comes, writes what is asked, can half-close.
import { connect, type Socket } from 'node:net';
import { eventually } from './eventually.ts';
import { type Frame, splitFrames } from './frames.ts';

export interface Hijacked {
  status: number;
  head: string;
  stream: RawStream;
}

export class RawStream {
  readonly socket: Socket;
  private chunks: Buffer[] = [];
  isEnded = false;
  error: Error | undefined;

  constructor(socket: Socket, first: Buffer) {
    this.socket = socket;
    if (first.length > 0) this.chunks.push(first);
    socket.on('data', (chunk: Buffer) => this.chunks.push(chunk));
    socket.on('end', () => {
      this.isEnded = true;
    });
    socket.on('close', () => {
      this.isEnded = true;
    });
    socket.on('error', (error) => {
      this.error = error;
    });
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  get text(): string {
    return this.bytes.toString();
  }

  get frames(): Frame[] {
    return splitFrames(this.bytes).frames;
  }

  /** The payloads of one stream of the framed output. */
  of(stream: 1 | 2): string {
    return Buffer.concat(this.frames.filter((f) => f.stream === stream).map((f) => f.data)).toString();
  }

  write(data: string | Uint8Array): void {
    this.socket.write(data);
  }

  /** FIN towards the daemon; reading goes on. */
  halfClose(): void {
    this.socket.end();
  }

  close(): void {
    this.socket.destroy();
  }

  async until(what: string, isThere: (stream: RawStream) => boolean, timeoutMs = 10_000): Promise<void> {
    await eventually(`${what} (got ${JSON.stringify(this.text.slice(-500))})`, () => isThere(this), {
      timeoutMs,
    }).catch((error: unknown) => {
      throw new Error(`${what}: got ${JSON.stringify(this.text.slice(-1000))}`, { cause: error });
    });
  }

  ended(timeoutMs = 10_000): Promise<void> {
    return this.until('the stream ends', (s) => s.isEnded, timeoutMs);
  }
}

/** Sends a request as raw bytes and resolves when the head of its answer is there. */
export function hijack(
  socketPath: string,
  path: string,
  options: { body?: unknown; upgrade?: boolean; headers?: Record<string, string>; after?: string } = {},
): Promise<Hijacked> {
  const body = options.body === undefined ? '' : JSON.stringify(options.body);
  const headers: Record<string, string> = {
    Host: 'tsdocker',
    'Content-Length': String(Buffer.byteLength(body)),
    ...(body === '' ? {} : { 'Content-Type': 'application/json' }),
    ...(options.upgrade === false ? {} : { Connection: 'Upgrade', Upgrade: 'tcp' }),
    ...options.headers,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return new Promise((resolve, reject) => {
    const socket = connect({ path: socketPath, allowHalfOpen: true });
    let received = Buffer.alloc(0);
    const onData = (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      const end = received.indexOf('\r\n\r\n');
      if (end < 0) return;
      socket.off('data', onData);
      socket.off('error', reject);
      const head = received.subarray(0, end).toString();
      const status = Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]);
      resolve({ status, head, stream: new RawStream(socket, received.subarray(end + 4)) });
    };
    socket.on('data', onData);
    socket.on('error', reject);
    socket.on('connect', () => {
      socket.write(`POST ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}${options.after ?? ''}`);
    });
    socket.setTimeout(60_000, () => socket.destroy(new Error(`POST ${path}: silent for a minute`)));
  });
}
