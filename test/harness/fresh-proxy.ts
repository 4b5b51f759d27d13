// The only way out of a system's network namespace: a proxy for apt and npm that lets through the hosts it was given and notes all others.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { NetNamespace } from './net-namespace.ts';

const port = 3128;

/** Inside: hands each connection to the unix socket outside, which namespaces do not keep apart. */
const insideScript = `const net = require('node:net');
  net.createServer((from) => { const to = net.connect(process.argv[1]); from.pipe(to).pipe(from);
    from.on('error', () => to.destroy()); to.on('error', () => from.destroy()); })
    .listen(${port}, '127.0.0.1', () => console.log('listens'));`;

export class FreshProxy {
  readonly url = `http://127.0.0.1:${port}`;
  /** Host names that were asked for and refused. */
  readonly refused: string[] = [];
  readonly #hosts: ReadonlySet<string>;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #inside: ChildProcess | undefined;

  private constructor(hosts: readonly string[]) {
    this.#hosts = new Set(hosts);
    this.#server = createServer((from, to) => this.#forward(from, to));
    this.#server.on('connect', (from, socket: Socket, head: Buffer) => this.#tunnel(from, socket, head));
    this.#server.on('connection', (socket) => this.#keep(socket));
  }

  static async start(network: NetNamespace, socketPath: string, hosts: readonly string[]): Promise<FreshProxy> {
    const proxy = new FreshProxy(hosts);
    proxy.#server.listen(socketPath);
    await once(proxy.#server, 'listening');
    const [file = '', ...args] = [...network.wrapper, process.execPath, '-e', insideScript, socketPath];
    proxy.#inside = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(proxy.#inside.stdout as NonNullable<ChildProcess['stdout']>, 'data');
    return proxy;
  }

  close(): void {
    this.#inside?.kill('SIGKILL');
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #mayPass(host: string): boolean {
    if (this.#hosts.has(host)) return true;
    this.refused.push(host);
    return false;
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
  }

  #tunnel(from: IncomingMessage, socket: Socket, head: Buffer): void {
    const { hostname, port: number } = new URL(`http://${from.url}`);
    if (!this.#mayPass(hostname)) return void socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
    const to = connect(Number(number || 443), hostname, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      to.write(head);
      socket.pipe(to).pipe(socket);
    });
    this.#keep(to);
    to.on('error', () => socket.destroy());
    socket.on('close', () => to.destroy());
  }

  #forward(from: IncomingMessage, to: ServerResponse): void {
    const url = new URL(from.url ?? '', 'http://nowhere');
    if (!this.#mayPass(url.hostname)) return void to.writeHead(403).end();
    const asked = request(url, { method: from.method ?? 'GET', headers: from.headers }, (answer) => {
      to.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(to);
    });
    asked.on('error', () => to.destroy());
    from.pipe(asked);
  }
}
