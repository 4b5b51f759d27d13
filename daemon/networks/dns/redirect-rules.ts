// The rules in a container's namespace that make 127.0.0.11:53 reach the engine's sockets, which are on ports that the kernel chose: so port
// 53 stays free for a name server in the container. Ports are rewritten packet by packet; tracking connections, as a redirection by NAT
// does, would cost all traffic of the container. Pure: the bytes of one nftables transaction (nfnetlink, linux/netfilter/nf_tables.h).

const TABLE = 'tsdocker-dns';
const PROTOCOL = { tcp: 6, udp: 17 } as const;
const HOOK = { IN: 1, OUT: 3 } as const;
/** Before connection tracking and after it: a container that tracks its own connections sees the real ports both ways. */
const PRIORITY = { BEFORE_TRACKING: -300, FILTER: 0, LAST: 300 } as const;
const MESSAGE = { NEW_TABLE: 0, DELETE_TABLE: 2, NEW_CHAIN: 3, NEW_RULE: 6 } as const;
const BATCH = { BEGIN: 0x10, END: 0x11 } as const;
const FLAG = { REQUEST: 0x1, ACK: 0x4, EXCLUSIVE: 0x200, CREATE: 0x400, APPEND: 0x800 } as const;
const SUBSYSTEM_NFTABLES = 10;
const FAMILY_IPV4 = 2;
const NESTED = 0x8000;
const REGISTER = 1;

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
 * which saves the kernel a deletion at each start of a container. The last message of the change asks for an acknowledgement.
 */
export function redirectTransaction(request: RedirectRequest, isReplacing: boolean): Buffer {
  const messages = [
    // Deleting what is not there is an error, so that it is made before.
    ...(isReplacing ? [table(MESSAGE.NEW_TABLE, FLAG.CREATE), table(MESSAGE.DELETE_TABLE, 0)] : []),
    table(MESSAGE.NEW_TABLE, FLAG.CREATE | FLAG.EXCLUSIVE),
    chain('in', HOOK.IN, PRIORITY.FILTER),
    chain('out', HOOK.OUT, PRIORITY.BEFORE_TRACKING),
    chain('back', HOOK.OUT, PRIORITY.LAST),
    ...rulesOf('udp', request),
    ...rulesOf('tcp', request),
  ];
  const last = messages.at(-1) as Buffer;
  last.writeUInt16LE(last.readUInt16LE(6) | FLAG.ACK, 6);
  return Buffer.concat([batch(BATCH.BEGIN), ...messages, batch(BATCH.END)]);
}

function rulesOf(protocol: 'udp' | 'tcp', request: RedirectRequest): Buffer[] {
  const real = protocol === 'udp' ? request.udpPort : request.tcpPort;
  const checksumAt = protocol === 'udp' ? 6 : 16;
  const set = (offset: number, port: number) => [value(port16(port)), store(offset, checksumAt)];
  return [
    rule('in', [...addressIs(16, request.address), ...portIs(protocol, 2, real), ...limit(protocol, request)]),
    rule('out', [...addressIs(16, request.address), ...portIs(protocol, 2, request.port), ...set(2, real)]),
    rule('back', [...addressIs(12, request.address), ...portIs(protocol, 0, real), ...set(0, request.port)]),
  ];
}

function batch(type: number): Buffer {
  return netlinkMessage(type, 0, 0, SUBSYSTEM_NFTABLES, []);
}

function message(type: number, flags: number, attributes: Buffer[]): Buffer {
  return netlinkMessage((SUBSYSTEM_NFTABLES << 8) | type, flags, FAMILY_IPV4, 0, attributes);
}

function table(type: number, flags: number): Buffer {
  return message(type, flags, [text(1, TABLE)]);
}

function chain(name: string, hook: number, priority: number): Buffer {
  const attributes = [text(1, TABLE), text(3, name), nest(4, [u32(1, hook), u32(2, priority)]), text(7, 'filter')];
  return message(MESSAGE.NEW_CHAIN, FLAG.CREATE, attributes);
}

function rule(chainName: string, expressions: Buffer[]): Buffer {
  return message(MESSAGE.NEW_RULE, FLAG.CREATE | FLAG.APPEND, [
    text(1, TABLE),
    text(2, chainName),
    nest(4, expressions),
  ]);
}

/** The address at an offset of the IPv4 header: 12 is the source, 16 the destination. */
function addressIs(offset: number, address: Uint8Array): Buffer[] {
  return [load('network', offset, 4), equals(address)];
}

/** The port at an offset of the transport header: 0 is the source, 2 the destination. */
function portIs(protocol: 'udp' | 'tcp', offset: number, port: number): Buffer[] {
  const metaProtocol = 16;
  return [
    expression('meta', [u32(1, REGISTER), u32(2, metaProtocol)]),
    equals(Buffer.of(PROTOCOL[protocol])),
    load('transport', offset, 2),
    equals(port16(port)),
  ];
}

/** Drops what is over the limit; of TCP only first packets count (SYN without ACK). */
function limit(protocol: 'udp' | 'tcp', request: RedirectRequest): Buffer[] {
  const perSecond = protocol === 'udp' ? request.datagramsPerSecond : request.connectionsPerSecond;
  const isOver = 1;
  const synAndAck = Buffer.of(0x12);
  const firstOnly = [
    load('transport', 13, 1),
    expression('bitwise', [
      ...[u32(1, REGISTER), u32(2, REGISTER), u32(3, 1)],
      ...[nest(4, [attribute(1, synAndAck)]), nest(5, [attribute(1, Buffer.of(0))])],
    ]),
    equals(Buffer.of(0x02)),
  ];
  return [
    ...(protocol === 'tcp' ? firstOnly : []),
    expression('limit', [u64(1, perSecond), u64(2, 1), u32(3, perSecond), u32(4, 0), u32(5, isOver)]),
    // Register 0 is the verdict; 0 says drop.
    expression('immediate', [u32(1, 0), nest(2, [nest(2, [u32(1, 0)])])]),
  ];
}

function load(header: 'network' | 'transport', offset: number, length: number): Buffer {
  return expression('payload', [
    u32(1, REGISTER),
    u32(2, header === 'network' ? 1 : 2),
    u32(3, offset),
    u32(4, length),
  ]);
}

/** Two bytes of the transport header, with its checksum. */
function store(offset: number, checksumAt: number): Buffer {
  const internetChecksum = 1;
  const place = [u32(5, REGISTER), u32(2, 2), u32(3, offset), u32(4, 2)];
  return expression('payload', [...place, u32(6, internetChecksum), u32(7, checksumAt)]);
}

function equals(bytes: Uint8Array): Buffer {
  return expression('cmp', [u32(1, REGISTER), u32(2, 0), nest(3, [attribute(1, bytes)])]);
}

function value(bytes: Uint8Array): Buffer {
  return expression('immediate', [u32(1, REGISTER), nest(2, [attribute(1, bytes)])]);
}

function expression(name: string, attributes: Buffer[]): Buffer {
  return nest(1, [text(1, name), nest(2, attributes)]);
}

function port16(port: number): Buffer {
  return Buffer.of(port >> 8, port & 0xff);
}

function netlinkMessage(type: number, flags: number, family: number, resource: number, attributes: Buffer[]): Buffer {
  const header = Buffer.alloc(20);
  const body = Buffer.concat(attributes);
  header.writeUInt32LE(header.length + body.length, 0);
  header.writeUInt16LE(type, 4);
  header.writeUInt16LE(FLAG.REQUEST | flags, 6);
  header.writeUInt8(family, 16);
  header.writeUInt16BE(resource, 18);
  return Buffer.concat([header, body]);
}

function attribute(type: number, data: Uint8Array): Buffer {
  const length = 4 + data.length;
  const bytes = Buffer.alloc((length + 3) & ~3);
  bytes.writeUInt16LE(length, 0);
  bytes.writeUInt16LE(type, 2);
  bytes.set(data, 4);
  return bytes;
}

function nest(type: number, attributes: Buffer[]): Buffer {
  return attribute(type | NESTED, Buffer.concat(attributes));
}

function text(type: number, words: string): Buffer {
  return attribute(type, Buffer.from(`${words}\0`));
}

/** Numbers in nftables' attributes are big endian. */
function u32(type: number, number: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(number | 0);
  return attribute(type, bytes);
}

function u64(type: number, number: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(number));
  return attribute(type, bytes);
}
