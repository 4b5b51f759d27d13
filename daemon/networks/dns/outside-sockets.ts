// Sockets towards resolvers outside: in the host's namespace for the host's own resolvers (its loopback is there), in the container's for
// those that the container was given, so that its routes and firewall hold for them.
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { connect, isIPv6, Socket as TcpSocket } from 'node:net';
import { connectTcp, openInetSocket } from '../../../native-bindings/inet-sockets.ts';
import { inNetworkNamespace } from '../../../native-bindings/namespaces.ts';
import { addressBytes } from './names.ts';

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
      const fd = inNetworkNamespace(namespace(), () => openInetSocket('udp', isV6 ? 'ipv6' : 'ipv4'));
      return createSocket(isV6 ? 'udp6' : 'udp4').bind({ fd });
    },
    tcp(server, port) {
      const fd = inNetworkNamespace(namespace(), () => connectTcp(addressBytes(server), port));
      return new TcpSocket({ fd });
    },
  };
}
