// A scripted Engine API on a unix socket, and the command line run against it as a process of its own.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface SeenRequest {
  method: string;
  /** Without the version. */
  path: string;
  version: string;
  query: URLSearchParams;
  body: string;
  headers: Record<string, string>;
}

type Handler = (request: SeenRequest, response: ServerResponse) => void;
type UpgradeHandler = (request: SeenRequest, socket: Socket) => void;

export class FakeDaemon {
  readonly seen: SeenRequest[] = [];
  readonly directory = mkdtempSync(join(tmpdir(), 'tsdocker-cli-fake-'));
  readonly socketPath = join(this.directory, 'd.sock');
  readonly #server: Server;
  readonly #handlers = new Map<string, Handler>();
  #onUpgrade: UpgradeHandler = (_, socket) => socket.destroy();

  constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response));
    this.#server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
      // A client that gave up cuts the connection: that is not this side's failure.
      socket.on('error', () => {});
      const seen = this.#record(request, head.toString());
      this.#onUpgrade(seen, socket);
    });
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(this.socketPath, resolve));
    return this;
  }

  /** `route` is `METHOD /path`; `*` stands for one part of the path. */
  on(route: string, handler: Handler): this {
    this.#handlers.set(route, handler);
    return this;
  }

  json(route: string, status: number, body: unknown): this {
    return this.on(route, (_, response) => {
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(body === null ? '' : JSON.stringify(body));
    });
  }

  onUpgrade(handler: UpgradeHandler): this {
    this.#onUpgrade = handler;
    return this;
  }

  requests(): string[] {
    return this.seen.map(({ method, path }) => `${method} ${path}`);
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  #record(request: IncomingMessage, body: string): SeenRequest {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const match = /^\/v([\d.]+)(\/.*)$/.exec(url.pathname);
    const seen: SeenRequest = {
      method: request.method ?? '',
      path: match?.[2] ?? url.pathname,
      version: match?.[1] ?? '',
      query: url.searchParams,
      body,
      headers: request.headers as Record<string, string>,
    };
    this.seen.push(seen);
    return seen;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const seen = this.#record(request, body);
    const handler = [...this.#handlers].find(([route]) => matches(route, `${seen.method} ${seen.path}`))?.[1];
    if (handler) handler(seen, response);
    else response.writeHead(404, { 'Content-Type': 'application/json' }).end('{"message":"page not found"}');
  }
}

function matches(route: string, actual: string): boolean {
  const expected = route.split('/');
  const parts = actual.split('/');
  return expected.length === parts.length && expected.every((part, i) => part === '*' || part === parts[i]);
}

export interface CliResult {
  status: number | null;
  stdout: string;
  stderr: string;
}

const main = fileURLToPath(new URL('../../../../cli/main.ts', import.meta.url));
/** Without it every one of some two hundred processes strips and compiles the sources again: five times the processor time. */
const compileCache = fileURLToPath(new URL('../../../../build/compile-cache', import.meta.url));

export function runCli(
  daemon: FakeDaemon,
  args: readonly string[],
  options: { stdin?: string; env?: Record<string, string>; isHostGiven?: boolean } = {},
): Promise<CliResult> {
  const host = (options.isHostGiven ?? true) ? ['-H', `unix://${daemon.socketPath}`] : [];
  const child = spawn(process.execPath, ['--', main, ...host, ...args], {
    env: { PATH: process.env.PATH, HOME: daemon.directory, NODE_COMPILE_CACHE: compileCache, ...options.env },
    stdio: 'pipe',
    timeout: 15_000,
  });
  child.stdin.end(options.stdin ?? '');
  const result: CliResult = { status: null, stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => {
    result.stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    result.stderr += chunk;
  });
  return new Promise((resolve) => {
    child.on('close', (status) => resolve({ ...result, status }));
  });
}

export function frame(stream: 1 | 2, text: string): Buffer {
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(Buffer.byteLength(text), 4);
  return Buffer.concat([header, Buffer.from(text)]);
}

export const upgraded =
  'HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n';
