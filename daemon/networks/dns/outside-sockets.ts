// Sockets towards resolvers outside: in the host's namespace for the host's own resolvers (its loopback is there), in the container's for
// those that the container was given, so that its routes and firewall hold for them.
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { closeSync } from 'node:fs';
import { connect, isIPv6, Socket as TcpSocket } from 'node:net';
import { isErrno } from '../../../native-bindings/errno.ts';
import { inNetworkNamespace } from '../../../native-bindings/namespaces.ts';
import { AF, connectSocket, openSocket, SOCK } from '../../../native-bindings/sockets.ts';

export interface OutsideSockets {
  /** Neither bound nor connected. */
  udp(server: string): UdpSocket;
  /** Connecting. */
  tcp(server: string, port: number): TcpSocket;
}

export const hostSockets: OutsideSockets = {
  udp: (server) => createSocket(isIPv6(server) ? 'udp6' : 'udp4'),
  tcp: (server, port) => connect({ host: server, port }),
};

/** `namespace` gives an open descriptor, or -1 when it is closed; sockets that are open do not need it any more. */
export function socketsIn(namespace: () => number): OutsideSockets {
  return {
    udp(server) {
      const isV6 = isIPv6(server);
      const fd = inNetworkNamespace(namespace(), () =>
        openSocket(isV6 ? AF.INET6 : AF.INET, SOCK.DGRAM | SOCK.NONBLOCK, 0),
      );
      return createSocket(isV6 ? 'udp6' : 'udp4').bind({ fd });
    },
    tcp(server, port) {
      const fd = inNetworkNamespace(namespace(), () => connectTcp(server, port));
      return new TcpSocket({ fd });
    },
  };
}

/** On its way: an error of the connection comes with the first read or write. */
function connectTcp(address: string, port: number): number {
  const fd = openSocket(isIPv6(address) ? AF.INET6 : AF.INET, SOCK.STREAM | SOCK.NONBLOCK, 0);
  try {
    connectSocket(fd, { address, port });
  } catch (error) {
    if (isErrno(error, 'EINPROGRESS')) return fd;
    closeSync(fd);
    throw error;
  }
  return fd;
}
