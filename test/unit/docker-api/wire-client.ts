// A server on a socket of its own, and a client that sees raw bytes: for rules that an HTTP library would hide.
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApiServer } from '../../../daemon/docker-api/api-server.ts';
import { type FakeServices, fakeServices } from './fake-services.ts';

export interface WireServer extends FakeServices, AsyncDisposable {
  path: string;
  api: ApiServer;
}

export async function startWireServer(): Promise<WireServer> {
  const fake = fakeServices();
  const directory = mkdtempSync(join(tmpdir(), 'tsd-api-'));
  const path = join(directory, 'd.sock');
  const api = await ApiServer.build(fake.services);
  await api.listen([`unix://${path}`], {});
  return {
    ...fake,
    path,
    api,
    [Symbol.asyncDispose]: async () => {
      await api.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

export class WireClient {
  readonly socket: Socket;
  #received = Buffer.alloc(0);
  #ended = false;
  #error: Error | undefined;
  #wake: () => void = () => undefined;

  constructor(path: string) {
    this.socket = connect({ path, allowHalfOpen: true });
    this.socket.on('data', (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake();
    });
    this.socket.on('end', () => {
      this.#ended = true;
      this.#wake();
    });
    this.socket.on('error', (error) => {
      this.#error = error;
      this.#wake();
    });
  }

  get text(): string {
    return this.#received.toString('latin1');
  }

  get error(): Error | undefined {
    return this.#error;
  }

  write(text: string): this {
    this.socket.write(text, 'latin1');
    return this;
  }

  /** Waits for it in what has come since the connection began. */
  async until(what: string | RegExp | 'end', timeoutMs = 3000): Promise<string> {
    const isThere = () =>
      what === 'end' ? this.#ended : typeof what === 'string' ? this.text.includes(what) : what.test(this.text);
    const deadline = Date.now() + timeoutMs;
    while (!isThere()) {
      const left = deadline - Date.now();
      if (left <= 0 || this.#error)
        throw new Error(`no ${what} in ${JSON.stringify(this.text)} (${this.#error?.message})`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return this.text;
  }

  /** What is behind the headers. */
  get body(): string {
    return this.text.slice(this.text.indexOf('\r\n\r\n') + 4);
  }

  close(): void {
    this.socket.destroy();
  }
}

export function request(method: string, url: string, headers: Record<string, string> = {}, body = ''): string {
  const lines = Object.entries({ Host: 'x', ...(body ? { 'Content-Length': String(body.length) } : {}), ...headers });
  return `${method} ${url} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`;
}

export const upgrade = { Connection: 'Upgrade', Upgrade: 'tcp' };
