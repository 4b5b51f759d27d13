// Sockets that node cannot make: netlink, sockets of another network namespace (made inside `inNetworkNamespace`), and listening sockets that
// are handed to another process. Every fd that is returned is close-on-exec and belongs to the caller.
import { isIP } from 'node:net';
import { addressOf, keepAlive, nativeFunction } from './call.ts';
import { ERRNO } from './errno.ts';
import { syscall, systemError, trySyscall } from './libc.ts';
import { openLibrary } from './load.ts';

export const AF = { UNIX: 1, INET: 2, INET6: 10, NETLINK: 16 } as const;
export const SOCK = { STREAM: 1, DGRAM: 2, RAW: 3, SEQPACKET: 5, NONBLOCK: 0o4000, CLOEXEC: 0o2000000 } as const;
export const IPPROTO = { IP: 0, TCP: 6, UDP: 17, IPV6: 41, SCTP: 132 } as const;
export const SOL = { SOCKET: 1, NETLINK: 270 } as const;
export const SO = { REUSEADDR: 2, RCVBUF: 8, RCVTIMEO: 20, SNDTIMEO: 21, RCVBUFFORCE: 33 } as const;
export const IPV6_V6ONLY = 26;
export const NETLINK = { ROUTE: 0, NETFILTER: 12, CAP_ACK: 10, EXT_ACK: 11, GET_STRICT_CHK: 12 } as const;
export const MSG = { PEEK: 2, TRUNC: 0x20, DONTWAIT: 0x40, NOSIGNAL: 0x4000 } as const;

const inetPton = nativeFunction(openLibrary(null), 'inet_pton');
const SCM_RIGHTS = 1;
const SIOCGIFINDEX = 0x8933;
const SIOCOUTQ = 0x5411;
const SOCKADDR_BYTES = 28;
const UNIX_PATH_MAX = 107;

export interface SocketAddress {
  address: string;
  port: number;
}

/** socket(2). `type` is SOCK.*; close-on-exec is always added. */
export function openSocket(family: number, type: number, protocol: number): number {
  return syscall('socket', [family, type | SOCK.CLOEXEC, protocol], () => ({
    args: { family, type, protocol },
    operand: `family ${family} type ${type} protocol ${protocol}`,
  }));
}

/** bind(2) to an IPv4 or IPv6 address; the scope of a link-local address is its `%` part as a number. */
export function bindSocket(fd: number, { address, port }: SocketAddress): void {
  const sockaddr = encodeSocketAddress({ address, port });
  syscall('bind', [fd, sockaddr, sockaddr.length], () => ({
    args: { fd, address, port },
    operand: isIP(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`,
  }));
}

/** bind(2) of a unix socket to a path. The name of a directory may be longer than the 107 bytes: then go by /proc/self/fd. */
export function bindUnixSocket(fd: number, path: string): void {
  const sockaddr = encodeUnixAddress(path);
  syscall('bind', [fd, sockaddr, sockaddr.length], () => ({ args: { fd, path } }));
}

/** connect(2) of a unix socket, which never waits unless the listener's queue is full. */
export function connectUnixSocket(fd: number, path: string): void {
  const sockaddr = encodeUnixAddress(path);
  syscall('connect', [fd, sockaddr, sockaddr.length], () => ({ args: { fd, path } }));
}

/** connect(2) to an IPv4 or IPv6 address. A blocking socket waits as long as SO_SNDTIMEO says (`setSendTimeout`), then EINPROGRESS. */
export function connectSocket(fd: number, { address, port }: SocketAddress): void {
  const sockaddr = encodeSocketAddress({ address, port });
  syscall('connect', [fd, sockaddr, sockaddr.length], () => ({
    args: { fd, address, port },
    operand: isIP(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`,
  }));
}

/** SO_SNDTIMEO, which also limits connect(2). */
export function setSendTimeout(fd: number, timeoutMs: number): void {
  setTimeoutOption(fd, SO.SNDTIMEO, timeoutMs);
}

/** SO_RCVTIMEO. */
export function setReceiveTimeout(fd: number, timeoutMs: number): void {
  setTimeoutOption(fd, SO.RCVTIMEO, timeoutMs);
}

function setTimeoutOption(fd: number, option: number, timeoutMs: number): void {
  const timeval = Buffer.alloc(16);
  timeval.writeBigInt64LE(BigInt(Math.floor(timeoutMs / 1000)), 0);
  timeval.writeBigInt64LE(BigInt((timeoutMs % 1000) * 1000), 8);
  syscall('setsockopt', [fd, SOL.SOCKET, option, timeval, timeval.length], () => ({
    args: { fd, option, timeoutMs },
    operand: `time limit ${option} of fd ${fd}`,
  }));
}

export function listenSocket(fd: number, backlog: number): void {
  syscall('listen', [fd, backlog], () => ({ args: { fd, backlog }, operand: `on fd ${fd}` }));
}

/** The port that a bound socket has: what port 0 became. */
export function boundPort(fd: number): number {
  const sockaddr = Buffer.alloc(SOCKADDR_BYTES);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(sockaddr.length);
  syscall('getsockname', [fd, sockaddr, length], () => ({ args: { fd }, operand: `of fd ${fd}` }));
  return sockaddr.readUInt16BE(2);
}

/** setsockopt(2) of an option whose value is an int. */
export function setSocketOption(fd: number, level: number, option: number, value: number): void {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  syscall('setsockopt', [fd, level, option, bytes, bytes.length], () => ({
    args: { fd, level, option, value },
    operand: `option ${option} of level ${level} on fd ${fd}`,
  }));
}

/** netdevice(7), SIOCGIFINDEX: of an interface in the network namespace that the socket (of any kind) was made in. */
export function interfaceIndex(fd: number, name: string): number {
  const request = Buffer.alloc(40);
  request.write(name, 0, 15);
  syscall('ioctl', [fd, SIOCGIFINDEX, request], () => ({ args: { fd, name }, operand: `SIOCGIFINDEX of ${name}` }));
  return request.readInt32LE(16);
}

/** sendto(2) without an address: a netlink message goes to the kernel, others to whom the socket is connected. */
export function sendBytes(fd: number, bytes: Uint8Array, flags = 0): number {
  return syscall('sendto', [fd, bytes, bytes.byteLength, flags, null, 0], () => ({
    args: { fd, bytes: bytes.byteLength, flags },
    operand: `${bytes.byteLength} bytes on fd ${fd}`,
  }));
}

/** recvfrom(2): the number of bytes, or undefined when nothing is there and `flags` has MSG.DONTWAIT. With MSG.TRUNC it may exceed the buffer. */
export function receiveBytes(fd: number, buffer: Uint8Array, flags = 0): number | undefined {
  for (;;) {
    const length = trySyscall('recvfrom', fd, buffer, buffer.byteLength, flags, null, null);
    if (length >= 0) return length;
    if (length === -ERRNO.EAGAIN) return undefined;
    if (length !== -ERRNO.EINTR) {
      throw systemError('recvfrom', -length, { args: { fd, flags }, operand: `on fd ${fd}` });
    }
  }
}

/** recvfrom(2) of a datagram with its sender, to be given to `answerDatagram`. undefined when none came within SO_RCVTIMEO. */
export function receiveDatagram(fd: number, buffer: Uint8Array): { length: number; sender: Uint8Array } | undefined {
  const sender = Buffer.alloc(SOCKADDR_BYTES);
  const senderLength = Buffer.alloc(4);
  senderLength.writeUInt32LE(sender.length);
  const length = trySyscall('recvfrom', fd, buffer, buffer.byteLength, 0, sender, senderLength);
  if (length === -ERRNO.EAGAIN) return undefined;
  if (length < 0) throw systemError('recvfrom', -length, { args: { fd }, operand: `on fd ${fd}` });
  return { length, sender: sender.subarray(0, senderLength.readUInt32LE(0)) };
}

/** sendto(2) to whom `receiveDatagram` named. */
export function answerDatagram(fd: number, bytes: Uint8Array, sender: Uint8Array): void {
  syscall('sendto', [fd, bytes, bytes.byteLength, 0, sender, sender.byteLength], () => ({
    args: { fd, bytes: bytes.byteLength },
    operand: `${bytes.byteLength} bytes on fd ${fd}`,
  }));
}

/** sendmsg(2) with SCM_RIGHTS: the peer of a unix socket gets copies of the descriptors with the bytes, of which there must be one at least. */
export function sendDescriptors(fd: number, bytes: Uint8Array, descriptors: readonly number[]): void {
  const iov = Buffer.alloc(16);
  iov.writeBigUInt64LE(addressOf(bytes), 0);
  iov.writeBigUInt64LE(BigInt(bytes.byteLength), 8);
  // struct cmsghdr is 16 bytes; its length is without the padding behind the last int.
  const control = Buffer.alloc(16 + Math.ceil(descriptors.length / 2) * 8);
  control.writeBigUInt64LE(BigInt(16 + descriptors.length * 4), 0);
  control.writeInt32LE(SOL.SOCKET, 8);
  control.writeInt32LE(SCM_RIGHTS, 12);
  for (const [index, descriptor] of descriptors.entries()) control.writeInt32LE(descriptor, 16 + index * 4);
  const header = Buffer.alloc(56);
  header.writeBigUInt64LE(addressOf(iov), 16);
  header.writeBigUInt64LE(1n, 24);
  if (descriptors.length > 0) {
    header.writeBigUInt64LE(addressOf(control), 32);
    header.writeBigUInt64LE(BigInt(control.length), 40);
  }
  const sent = trySyscall('sendmsg', fd, header, MSG.NOSIGNAL);
  keepAlive(bytes, iov, control);
  if (sent === bytes.byteLength) return;
  throw systemError('sendmsg', sent < 0 ? -sent : ERRNO.EMSGSIZE, {
    args: { fd, descriptors: descriptors.length },
    operand: `${descriptors.length} descriptors on fd ${fd}`,
  });
}

function encodeUnixAddress(path: string): Buffer {
  const bytes = Buffer.from(path);
  if (bytes.length > UNIX_PATH_MAX) throw new RangeError(`${JSON.stringify(path)} is too long for a unix socket`);
  const sockaddr = Buffer.alloc(2 + bytes.length + 1);
  sockaddr.writeUInt16LE(AF.UNIX, 0);
  bytes.copy(sockaddr, 2);
  return sockaddr;
}

function encodeSocketAddress({ address, port }: SocketAddress): Buffer {
  const [text = '', scope = ''] = address.split('%');
  const family = isIP(text);
  const sockaddr = Buffer.alloc(family === 6 ? SOCKADDR_BYTES : 16);
  sockaddr.writeUInt16LE(family === 6 ? AF.INET6 : AF.INET, 0);
  sockaddr.writeUInt16BE(port, 2);
  const into = sockaddr.subarray(family === 6 ? 8 : 4);
  if ((inetPton([sockaddr.readUInt16LE(0), text, into]) | 0) !== 1) {
    throw new TypeError(`${JSON.stringify(text)} is no IP address`);
  }
  if (family === 6 && scope !== '') sockaddr.writeUInt32LE(Number(scope), 24);
  return sockaddr;
}

/** Of a unix socket: more than 0 while the peer has not read all that was written to it (unix(7), SIOCOUTQ). */
export function unreadByPeer(fd: number): number {
  const bytes = Buffer.alloc(4);
  syscall('ioctl', [fd, SIOCOUTQ, bytes], () => ({ args: { fd }, operand: `SIOCOUTQ of fd ${fd}` }));
  return bytes.readInt32LE(0);
}
