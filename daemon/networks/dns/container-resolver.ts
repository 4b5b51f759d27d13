// The name server of one container: reads questions from its two sockets, answers from the directory or asks outside. Whatever the
// container sends, the daemon's time and memory for it are bounded, and other containers are served in between.
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { closeSync } from 'node:fs';
import { createServer, type Server, type Socket as TcpSocket } from 'node:net';
import { fitDatagram, type Query, RCODE, readQuery, writeReply } from '../../protocols/dns/message.ts';
import { firstMessage, type Transport, withLength } from './exchange.ts';
import type { ResolverSockets } from './resolver-sockets.ts';

/** A query is a question and an OPT record: more is no query. */
const MAX_QUERY_BYTES = 4096;
const MAX_CONNECTIONS = 32;
const IDLE_CONNECTION_MS = 10_000;

export interface ContainerResolverOptions {
  sockets: ResolverSockets;
  /** The reply to a whole query; undefined: none is sent. Must not reject. */
  answer(query: Query, transport: Transport): Buffer | Promise<Buffer>;
  /** Also asked for malformed messages. false: the message is dropped unread. */
  mayRead(): boolean;
  onError(error: unknown): void;
}

export class ContainerResolver implements Disposable {
  readonly #options: ContainerResolverOptions;
  #attaching: NodeJS.Immediate | undefined;
  #udp: UdpSocket | undefined;
  #tcp: Server | undefined;
  readonly #connections = new Set<TcpSocket>();
  #isClosed = false;

  /** The kernel queues what comes before the sockets are read, so that is left for after the container's start. */
  constructor(options: ContainerResolverOptions) {
    this.#options = options;
    this.#attaching = setImmediate(() => this.#attach());
  }

  #attach(): void {
    this.#attaching = undefined;
    const { sockets, onError } = this.#options;
    this.#udp = createSocket('udp4');
    this.#udp.on('error', onError);
    this.#udp.on('message', (bytes, from) => this.#datagram(bytes, from));
    this.#udp.bind({ fd: sockets.udpFd });
    this.#tcp = createServer((connection) => this.#connection(connection));
    this.#tcp.maxConnections = MAX_CONNECTIONS;
    this.#tcp.on('error', onError);
    this.#tcp.listen({ fd: sockets.tcpFd });
  }

  #datagram(bytes: Buffer, from: RemoteInfo): void {
    // With a raw socket anybody can send from port 0, which nothing can be sent to: node throws.
    if (from.port === 0 || bytes.length > MAX_QUERY_BYTES || !this.#options.mayRead()) return;
    const read = readQuery(bytes);
    if (read === undefined) return;
    if ('reply' in read) {
      this.#send(read.reply, from);
      return;
    }
    const { query } = read;
    const reply = this.#options.answer(query, 'udp');
    if (reply instanceof Promise) void reply.then((later) => this.#send(fitDatagram(query, later), from));
    else this.#send(fitDatagram(query, reply), from);
  }

  #send(reply: Buffer, to: RemoteInfo): void {
    // The asking socket may be gone; that is told to nobody, as with any datagram.
    if (!this.#isClosed) this.#udp?.send(reply, to.port, to.address, () => {});
  }

  #connection(connection: TcpSocket): void {
    this.#connections.add(connection);
    connection.setTimeout(IDLE_CONNECTION_MS, () => connection.destroy());
    connection.on('error', () => connection.destroy());
    connection.on('close', () => this.#connections.delete(connection));
    void this.#serve(connection).catch(() => connection.destroy());
  }

  /** One query after the other: nothing more is read while one is answered. */
  async #serve(connection: TcpSocket): Promise<void> {
    let received: Buffer = Buffer.alloc(0);
    for await (const chunk of connection) {
      received = Buffer.concat([received, chunk as Buffer]);
      for (;;) {
        if (received.length >= 2 && received.readUInt16BE(0) > MAX_QUERY_BYTES) return;
        const message = firstMessage(received);
        if (message === undefined) break;
        received = received.subarray(message.length + 2);
        if (!this.#options.mayRead()) return;
        const read = readQuery(message);
        if (read === undefined) return;
        const reply = 'reply' in read ? read.reply : await this.#options.answer(read.query, 'tcp');
        if (!connection.writable) return;
        // Who does not read is not read from either: the answers would pile up here.
        if (!connection.write(withLength(reply))) await once(connection, 'drain');
      }
    }
  }

  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#attaching !== undefined) {
      clearImmediate(this.#attaching);
      closeSync(this.#options.sockets.udpFd);
      closeSync(this.#options.sockets.tcpFd);
      return;
    }
    this.#udp?.close();
    this.#tcp?.close();
    for (const connection of this.#connections) connection.destroy();
  }
}

/** For a question that nobody could be asked about. */
export function noAnswer(query: Query, reason: 'overload' | 'unreachable'): Buffer {
  return writeReply(query, reason === 'overload' ? RCODE.REFUSED : RCODE.SERVFAIL, []);
}
