// Internet sockets that have to be made at a certain moment: in another network namespace, by a thread that leaves it at once. Node takes
// them over by their descriptors. IPv4 and IPv6; nothing here waits.
import { closeSync } from 'node:fs';
import { syscall, systemError, trySyscall } from './libc.ts';

const AF = { INET: 2, INET6: 10 } as const;
const SOCK = { STREAM: 1, DGRAM: 2, NONBLOCK: 0o4000, CLOEXEC: 0o2000000 } as const;
const SOL_IP = 0;
const IP_FREEBIND = 15;
const EINPROGRESS = 115;

export type InetSocketKind = 'udp' | 'tcp';

/** A socket that does not block, in the calling thread's network namespace. */
export function openInetSocket(kind: InetSocketKind, family: 'ipv4' | 'ipv6'): number {
  const type = (kind === 'udp' ? SOCK.DGRAM : SOCK.STREAM) | SOCK.NONBLOCK | SOCK.CLOEXEC;
  const domain = family === 'ipv4' ? AF.INET : AF.INET6;
  return syscall('socket', [domain, type, 0], () => ({ args: { family, kind }, operand: `${family} ${kind}` }));
}

export interface BoundSocket {
  fd: number;
  port: number;
}

/** A socket at an IPv4 address (4 bytes) and a port that the kernel chooses; the address need not be there yet. It does not listen. */
export function bindAnyPort(kind: InetSocketKind, address: Uint8Array): BoundSocket {
  const fd = openInetSocket(kind, 'ipv4');
  const describe = () => ({ args: { fd }, operand: `${kind} ${address.join('.')}` });
  try {
    const on = Buffer.alloc(4);
    on.writeInt32LE(1);
    syscall('setsockopt', [fd, SOL_IP, IP_FREEBIND, on, on.length], describe);
    const name = socketAddress(address, 0);
    syscall('bind', [fd, name, name.length], describe);
    const length = Buffer.alloc(4);
    length.writeInt32LE(name.length);
    syscall('getsockname', [fd, name, length], describe);
    return { fd, port: name.readUInt16BE(2) };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** A TCP socket on its way to an address of 4 or 16 bytes: an error of the connection comes with the first read or write. */
export function connectTcp(address: Uint8Array, port: number): number {
  const fd = openInetSocket('tcp', address.length === 4 ? 'ipv4' : 'ipv6');
  const name = socketAddress(address, port);
  const result = trySyscall('connect', fd, name, name.length);
  if (result >= 0 || result === -EINPROGRESS) return fd;
  closeSync(fd);
  throw systemError('connect', -result, { args: { port }, operand: `port ${port}` });
}

/** struct sockaddr_in (ip(7)) or sockaddr_in6 (ipv6(7)). */
function socketAddress(address: Uint8Array, port: number): Buffer {
  const isV4 = address.length === 4;
  const bytes = Buffer.alloc(isV4 ? 16 : 28);
  bytes.writeUInt16LE(isV4 ? AF.INET : AF.INET6, 0);
  bytes.writeUInt16BE(port, 2);
  bytes.set(address, isV4 ? 4 : 8);
  return bytes;
}
