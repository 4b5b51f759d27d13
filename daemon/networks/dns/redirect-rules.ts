// The rules in a container's namespace that make 127.0.0.11:53 reach the engine's sockets, which are on ports that the kernel chose: so port
// 53 stays free for a name server in the container. Ports are rewritten packet by packet; tracking connections, as a redirection by NAT
// does, would cost all traffic of the container. Pure.
import { be16, NLM_F, numberMessage } from '../../protocols/netlink/netlink-message.ts';
import * as nft from '../../protocols/nftables/nft-expressions.ts';
import { deleteTable, HOOK, newChain, newRule, newTable, transaction } from '../../protocols/nftables/nft-messages.ts';

const TABLE = 'tsdocker-dns';
const PROTOCOL = { udp: { number: 17, checksumAt: 6 }, tcp: { number: 6, checksumAt: 16 } } as const;
const SOURCE = { address: 12, port: 0 } as const;
const DESTINATION = { address: 16, port: 2 } as const;
/** Before connection tracking and after it: a container that tracks its own connections sees the real ports both ways. */
const PRIORITY = { beforeTracking: -300, filter: 0, last: 300 } as const;

export interface RedirectRequest {
  /** The 4 bytes of the name server's address. */
  address: Uint8Array;
  port: number;
  /** Where the engine's sockets are, at the same address. */
  udpPort: number;
  tcpPort: number;
  /** Beyond these nothing gets to the sockets: the sender's kernel time is spent, not the daemon's. Datagrams, and new connections. */
  datagramsPerSecond: number;
  connectionsPerSecond: number;
}

/**
 * `isReplacing` puts the rules in the place of those that an earlier daemon may have made; without it they must not be there (EEXIST),
 * which saves the kernel a deletion at each start of a container.
 */
export function redirectTransaction(request: RedirectRequest, isReplacing: boolean): Buffer[] {
  const table = () => newTable(TABLE, 'names of containers');
  const made = table();
  numberMessage(made, 0, NLM_F.EXCL);
  const chain = (name: string, hook: number, priority: number) =>
    newChain(TABLE, name, { type: 'filter', hook, priority });
  return transaction([
    // Deleting what is not there is an error, so that it is made before.
    ...(isReplacing ? [table(), deleteTable(TABLE)] : []),
    made,
    chain('in', HOOK.INPUT, PRIORITY.filter),
    chain('out', HOOK.OUTPUT, PRIORITY.beforeTracking),
    chain('back', HOOK.OUTPUT, PRIORITY.last),
    ...rulesOf('udp', request),
    ...rulesOf('tcp', request),
  ]);
}

function rulesOf(protocol: 'udp' | 'tcp', request: RedirectRequest): Buffer[] {
  const real = protocol === 'udp' ? request.udpPort : request.tcpPort;
  const perSecond = protocol === 'udp' ? request.datagramsPerSecond : request.connectionsPerSecond;
  const match = (end: { address: number; port: number }, port: number) => [
    ...nft.isFamily('ipv4'),
    nft.payload('network', end.address, 4, 0),
    nft.equal(0, request.address),
    nft.meta('l4proto', 0),
    nft.equal(0, Buffer.from([PROTOCOL[protocol].number])),
    nft.payload('transport', end.port, 2, 0),
    nft.equal(0, be16(port)),
  ];
  const rewrite = (end: { port: number }, port: number) => [
    nft.value(0, be16(port)),
    nft.storeTransport(0, end.port, 2, PROTOCOL[protocol].checksumAt),
  ];
  const limited = [
    ...(protocol === 'tcp' ? nft.beginsConnection() : []),
    nft.isOverLimit(perSecond),
    nft.verdict('drop'),
  ];
  return [
    newRule(TABLE, 'in', [...match(DESTINATION, real), ...limited]),
    newRule(TABLE, 'out', [...match(DESTINATION, request.port), ...rewrite(DESTINATION, real)]),
    newRule(TABLE, 'back', [...match(SOURCE, real), ...rewrite(SOURCE, request.port)]),
  ];
}
