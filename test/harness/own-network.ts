// A host with neighbours and containers, for tests of the network's kernel part: the test's process moves into a network namespace of its
// own, which plays the host, and makes others from there. Servers and clients are sockets of those namespaces, in this one process.
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { createServer, type Server, Socket } from 'node:net';
import { CLONE } from '../../native-bindings/constants.ts';
import { inNetworkNamespace, unshare } from '../../native-bindings/namespaces.ts';
import {
  AF,
  answerDatagram,
  bindSocket,
  connectSocket,
  listenSocket,
  openSocket,
  receiveDatagram,
  SO,
  SOCK,
  SOL,
  sendBytes,
  setReceiveTimeout,
  setSendTimeout,
  setSocketOption,
} from '../../native-bindings/sockets.ts';

/** The process's network from here on is one of its own, with loopback up. To be called once, before anything has opened a socket. */
export function enterOwnNetwork(): void {
  unshare(CLONE.NEWNET);
  ip('link set lo up');
}

/** ip(8) in the "host". */
export function ip(words: string): string {
  return execFileSync('ip', words.split(' '), { encoding: 'utf8' });
}

export function nft(words: string): string {
  return execFileSync('nft', words.split(' '), { encoding: 'utf8' });
}

/** ip(8) in another namespace of this process. */
export function ipInside(fd: number, words: string): string {
  return execFileSync('nsenter', [`--net=/proc/${process.pid}/fd/${fd}`, 'ip', ...words.split(' ')], {
    encoding: 'utf8',
  });
}

/** An attacker's routing: packets for 127.0.0.1 leave by eth0, to that machine. */
export function sendLoopbackTo(fd: number, gateway: string): void {
  ipInside(fd, 'addr del 127.0.0.1/8 dev lo');
  ipInside(fd, `route add 127.0.0.1/32 via ${gateway} dev eth0`);
  inNetworkNamespace(fd, () => writeFileSync('/proc/sys/net/ipv4/conf/eth0/route_localnet', '1'));
}

/** An empty namespace with loopback up. The caller closes it. */
export function makeNamespace(): number {
  const home = openSync('/proc/thread-self/ns/net', 'r');
  try {
    return inNetworkNamespace(home, () => {
      unshare(CLONE.NEWNET);
      ip('link set lo up');
      return openSync('/proc/thread-self/ns/net', 'r');
    });
  } finally {
    closeSync(home);
  }
}

/** Another machine on a cable of the host: the host's end is `name`. */
export function connectNeighbour(
  name: string,
  hostAddress: string,
  address: string,
  host6?: string,
  own6?: string,
): number {
  const fd = makeNamespace();
  ip(`link add ${name} type veth peer name eth0 netns /proc/${process.pid}/fd/${fd}`);
  ip(`link set ${name} up`);
  ip(`addr add ${hostAddress}/24 dev ${name}`);
  ipInside(fd, 'link set eth0 up');
  ipInside(fd, `addr add ${address}/24 dev eth0`);
  if (host6 !== undefined && own6 !== undefined) {
    ip(`addr add ${host6}/64 dev ${name} nodad`);
    ipInside(fd, `addr add ${own6}/64 dev eth0 nodad`);
  }
  return fd;
}

export interface NamedServer {
  close(): Promise<void>;
}

/** A TCP server in the namespace that tells each client the server's name and the client's address. */
export async function serve(namespace: number, name: string, address: string, port: number): Promise<NamedServer> {
  const fd = inNetworkNamespace(namespace, () => boundSocket(SOCK.STREAM, address, port));
  listenSocket(fd, 128);
  const server: Server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.end(`${name} ${socket.remoteAddress}`);
  });
  await new Promise<void>((resolve) => server.listen({ fd }, resolve));
  return { close: () => new Promise((resolve) => server.close(() => resolve())) };
}

/** What the server says, or the error's name: EINPROGRESS when nobody answers for half a second. */
export async function fetchFrom(namespace: number | undefined, address: string, port: number): Promise<string> {
  const fd = within(namespace, () => openSocket(address.includes(':') ? AF.INET6 : AF.INET, SOCK.STREAM, 0));
  try {
    setSendTimeout(fd, 500);
    connectSocket(fd, { address, port });
  } catch (error) {
    closeSync(fd);
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    // A signal of a child that ended meanwhile.
    return code === 'EINTR' ? fetchFrom(namespace, address, port) : code;
  }
  const socket = new Socket({ fd, readable: true, writable: true });
  const chunks: Buffer[] = [];
  return new Promise((resolve) => {
    socket.setTimeout(3000, () => socket.destroy(new Error('silence')));
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('error', (error) => resolve(error.message));
    socket.on('close', () => resolve(Buffer.concat(chunks).toString()));
  });
}

/** A UDP socket in a namespace, blocking, half a second at most. */
export function datagramSocket(namespace: number | undefined, address: string, port: number): number {
  const fd = within(namespace, () => boundSocket(SOCK.DGRAM, address, port));
  setReceiveTimeout(fd, 500);
  return fd;
}

export function sendDatagram(fd: number, address: string, port: number, text: string): void {
  connectSocket(fd, { address, port });
  sendBytes(fd, Buffer.from(text));
}

/** Waits for a datagram and answers it. undefined when nothing comes. */
export function echoDatagram(fd: number, answer: string): string | undefined {
  const buffer = Buffer.alloc(2048);
  const received = receiveDatagram(fd, buffer);
  if (received === undefined) return undefined;
  answerDatagram(fd, Buffer.from(answer), received.sender);
  return buffer.toString('utf8', 0, received.length);
}

/** undefined when nothing comes. */
export function datagramText(fd: number): string | undefined {
  const buffer = Buffer.alloc(2048);
  const received = receiveDatagram(fd, buffer);
  return received === undefined ? undefined : buffer.toString('utf8', 0, received.length);
}

function within<T>(namespace: number | undefined, work: () => T): T {
  return namespace === undefined ? work() : inNetworkNamespace(namespace, work);
}

function boundSocket(type: number, address: string, port: number): number {
  const isIpv6 = address.includes(':');
  const fd = openSocket(isIpv6 ? AF.INET6 : AF.INET, type, 0);
  if (type === SOCK.STREAM) setSocketOption(fd, SOL.SOCKET, SO.REUSEADDR, 1);
  bindSocket(fd, { address, port });
  return fd;
}
