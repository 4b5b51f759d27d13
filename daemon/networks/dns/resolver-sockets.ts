// The kernel's side of a container's name server: a UDP and a TCP socket in its namespace and the rules that bring 127.0.0.11:53 to them.
// Synchronous, on the main thread: it is in the namespace for a fraction of a millisecond, and no callback runs meanwhile.
import { closeSync } from 'node:fs';
import { isErrno } from '../../../native-bindings/errno.ts';
import { inNetworkNamespace } from '../../../native-bindings/namespaces.ts';
import {
  AF,
  bindSocket,
  boundPort,
  IPPROTO,
  NETLINK,
  openSocket,
  SOCK,
  setSocketOption,
} from '../../../native-bindings/sockets.ts';
import { addressBytes } from '../../protocols/addresses/address-bytes.ts';
import { NetlinkSocket } from '../kernel/netlink-socket.ts';
import { DNS_PORT } from './exchange.ts';
import { type RedirectRequest, redirectTransaction } from './redirect-rules.ts';

/** Where resolv.conf of a container on a user network points to, as with Docker: images name it in their own configuration, too. */
export const RESOLVER_ADDRESS = '127.0.0.11';

const IP_FREEBIND = 15;

/** Bound; the TCP socket does not listen yet. The caller owns both. */
export interface ResolverSockets {
  udpFd: number;
  tcpFd: number;
}

export interface ResolverSocketOptions {
  /** The namespace was never used: no rules of an earlier daemon are in it. */
  isFresh: boolean;
  datagramsPerSecond: number;
  connectionsPerSecond: number;
}

export function openResolverSockets(namespaceFd: number, options: ResolverSocketOptions): ResolverSockets {
  const { isFresh, ...limits } = options;
  const address = addressBytes(RESOLVER_ADDRESS);
  return inNetworkNamespace(namespaceFd, () => {
    const udp = bindAnyPort(SOCK.DGRAM);
    try {
      const tcp = bindAnyPort(SOCK.STREAM);
      try {
        redirect({ address, port: DNS_PORT, udpPort: udp.port, tcpPort: tcp.port, ...limits }, isFresh);
        return { udpFd: udp.fd, tcpFd: tcp.fd };
      } catch (error) {
        closeSync(tcp.fd);
        throw error;
      }
    } catch (error) {
      closeSync(udp.fd);
      throw error;
    }
  });
}

/** On a port that the kernel chooses. The address need not be there yet: loopback may still be down. */
function bindAnyPort(type: number): { fd: number; port: number } {
  const fd = openSocket(AF.INET, type | SOCK.NONBLOCK, 0);
  try {
    setSocketOption(fd, IPPROTO.IP, IP_FREEBIND, 1);
    bindSocket(fd, { address: RESOLVER_ADDRESS, port: 0 });
    return { fd, port: boundPort(fd) };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** A transaction that fails waits for all processors: which one will do is known beforehand, as a rule. */
function redirect(request: RedirectRequest, isFresh: boolean): void {
  using socket = NetlinkSocket.open(NETLINK.NETFILTER);
  const commit = (isReplacing: boolean) =>
    socket.requestNow(redirectTransaction(request, isReplacing), `redirect ${RESOLVER_ADDRESS}`);
  try {
    commit(!isFresh);
  } catch (error) {
    if (!isFresh || !isErrno(error, 'EEXIST')) throw error;
    commit(true);
  }
}
