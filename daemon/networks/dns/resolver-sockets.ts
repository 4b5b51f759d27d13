// The kernel's side of a container's name server: a UDP and a TCP socket in its namespace and the rules that bring 127.0.0.11:53 to them.
// Synchronous, on the main thread: it is in the namespace for a fraction of a millisecond, and no callback runs meanwhile.
import { closeSync } from 'node:fs';
import { SystemError } from '../../../native-bindings/errno.ts';
import { bindAnyPort } from '../../../native-bindings/inet-sockets.ts';
import { inNetworkNamespace } from '../../../native-bindings/namespaces.ts';
import { commitNftables } from '../../../native-bindings/nfnetlink.ts';
import { DNS_PORT } from './exchange.ts';
import { addressBytes } from './names.ts';
import { type RedirectRequest, redirectTransaction } from './redirect-rules.ts';

/** Where resolv.conf of a container on a user network points to, as with Docker: images name it in their own configuration, too. */
export const RESOLVER_ADDRESS = '127.0.0.11';

const EEXIST = 17;

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
    const udp = bindAnyPort('udp', address);
    try {
      const tcp = bindAnyPort('tcp', address);
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

/** A transaction that fails waits for all processors: which one will do is known beforehand, as a rule. */
function redirect(request: RedirectRequest, isFresh: boolean): void {
  let errno = commitNftables(redirectTransaction(request, !isFresh));
  if (errno === EEXIST) errno = commitNftables(redirectTransaction(request, true));
  if (errno !== 0) throw new SystemError('nftables', errno, { table: 'tsdocker-dns' }, `redirect ${RESOLVER_ADDRESS}`);
}
