// Connections that the kernel tracks (ctnetlink). An address or port that is given to somebody else must not find those of the one
// before: their packets would still go where they went. Finding them means walking the kernel's whole table, which takes it some ten
// milliseconds however few there are: so it is done once for all that have gone in a while, and never while anybody waits.
import { readFileSync } from 'node:fs';
import { AF, addressBytes, IPPROTO, NETLINK } from '../../../native-bindings/sockets.ts';
import {
  attribute,
  attributeList,
  message,
  type NetlinkMessage,
  nested,
  parseAttributes,
  u8,
  u16Be,
  u32,
} from './netlink-message.ts';
import { NetlinkSocket } from './netlink-socket.ts';
import { generic } from './nft-messages.ts';

const SUBSYSTEM = 1 << 8;
const CT = { GET: SUBSYSTEM | 1, DELETE: SUBSYSTEM | 2 } as const;
const CTA = { TUPLE_ORIG: 1, TUPLE_REPLY: 2, ID: 12, ZONE: 18, FILTER: 25 } as const;
const TUPLE = { IP: 1, PROTO: 2 } as const;
const IP = { V4_SRC: 1, V6_SRC: 3 } as const;
const PROTO = { NUM: 1, DST_PORT: 3 } as const;
const FILTER = { ORIG_FLAGS: 1, REPLY_FLAGS: 2 } as const;
/** Which fields of a tuple the kernel compares. */
const FIELD = { IP_SRC: 1 << 0, PROTO_NUM: 1 << 3, PROTO_DST_PORT: 1 << 5 } as const;
const NESTED = 0x8000;
const QUIET_MS = 250;
const LONGEST_WAIT_MS = 2000;
/** Above this the kernel looks for one address at a time, instead of telling us all there is. */
const MANY = 10_000;

export class TrackedConnections {
  readonly #socket = NetlinkSocket.open(NETLINK.NETFILTER);
  readonly #addresses = new Set<string>();
  readonly #ports = new Set<number>();
  #timer: NodeJS.Timeout | undefined;
  #firstAt = 0;
  #isDisposed = false;

  /** All that a container with this address began or answered is removed, soon. */
  forgetAddress(address: string): void {
    this.#addresses.add(addressBytes(address).toString('hex'));
    this.#sweepSoon();
  }

  /** Datagrams to a port of the host from before it was published, which the kernel would go on not to translate. */
  forgetDatagramsTo(port: number): void {
    this.#ports.add(port);
    this.#sweepSoon();
  }

  /** Now, all that is asked for. */
  async sweep(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const addresses = [...this.#addresses];
    const ports = new Set(this.#ports);
    this.#addresses.clear();
    this.#ports.clear();
    const count = trackedCount();
    if (count === 0 || (addresses.length === 0 && ports.size === 0)) return;
    if (count > MANY) {
      for (const address of addresses) {
        await this.#remove(listFrom(address, CTA.TUPLE_ORIG), () => true);
        await this.#remove(listFrom(address, CTA.TUPLE_REPLY), () => true);
      }
      for (const port of ports) await this.#remove(listDatagramsTo(port), () => true);
      return;
    }
    const wanted = new Set(addresses);
    await this.#remove(message(CT.GET, 0, generic(0)), (entry) => isOf(entry, wanted, ports));
  }

  async dispose(): Promise<void> {
    this.#isDisposed = true;
    clearTimeout(this.#timer);
    await this.sweep().catch(() => undefined);
    this.#socket[Symbol.dispose]();
  }

  #sweepSoon(): void {
    if (this.#isDisposed) return;
    if (this.#timer === undefined) this.#firstAt = performance.now();
    else if (performance.now() - this.#firstAt > LONGEST_WAIT_MS) return;
    clearTimeout(this.#timer);
    // What cannot be removed ends by its own time limit.
    this.#timer = setTimeout(() => void this.sweep().catch(() => undefined), QUIET_MS).unref();
  }

  /** One that has ended by itself meanwhile is no error. */
  async #remove(list: Buffer, isMeant: (entry: NetlinkMessage) => boolean): Promise<void> {
    const found = (await this.#socket.dump(list, 'tracked connections')).filter(isMeant);
    if (found.length > 0) await this.#socket.send(found.map(removal));
  }
}

function trackedCount(): number {
  try {
    return Number(readFileSync('/proc/sys/net/netfilter/nf_conntrack_count', 'latin1'));
  } catch {
    return 0;
  }
}

function isOf({ payload }: NetlinkMessage, addresses: ReadonlySet<string>, ports: ReadonlySet<number>): boolean {
  const attributes = parseAttributes(payload.subarray(4));
  const field = (tuple: number, part: number, type: number) => {
    const tupleBytes = attributes.get(tuple);
    const partBytes = tupleBytes === undefined ? undefined : parseAttributes(tupleBytes).get(part);
    return partBytes === undefined ? undefined : parseAttributes(partBytes).get(type);
  };
  for (const tuple of [CTA.TUPLE_ORIG, CTA.TUPLE_REPLY]) {
    const source = field(tuple, TUPLE.IP, IP.V4_SRC) ?? field(tuple, TUPLE.IP, IP.V6_SRC);
    if (source !== undefined && addresses.has(source.toString('hex'))) return true;
  }
  if (field(CTA.TUPLE_ORIG, TUPLE.PROTO, PROTO.NUM)?.readUInt8(0) !== IPPROTO.UDP) return false;
  const port = field(CTA.TUPLE_ORIG, TUPLE.PROTO, PROTO.DST_PORT)?.readUInt16BE(0);
  return port !== undefined && ports.has(port);
}

/** For a dump: connections whose original or answering side comes from the address. */
function listFrom(addressHex: string, tuple: number): Buffer {
  const bytes = Buffer.from(addressHex, 'hex');
  const isV4 = bytes.length === 4;
  const source = nested(tuple, nested(TUPLE.IP, attribute(isV4 ? IP.V4_SRC : IP.V6_SRC, bytes)));
  return message(CT.GET, 0, generic(isV4 ? AF.INET : AF.INET6), source, filter(tuple, FIELD.IP_SRC));
}

function listDatagramsTo(port: number): Buffer {
  const proto = nested(TUPLE.PROTO, u8(PROTO.NUM, IPPROTO.UDP), u16Be(PROTO.DST_PORT, port));
  const fields = FIELD.PROTO_NUM | FIELD.PROTO_DST_PORT;
  return message(CT.GET, 0, generic(AF.INET), nested(CTA.TUPLE_ORIG, proto), filter(CTA.TUPLE_ORIG, fields));
}

function filter(tuple: number, fields: number): Buffer {
  const isOriginal = tuple === CTA.TUPLE_ORIG;
  return nested(
    CTA.FILTER,
    u32(FILTER.ORIG_FLAGS, isOriginal ? fields : 0),
    u32(FILTER.REPLY_FLAGS, isOriginal ? 0 : fields),
  );
}

/** Exactly that one: an id tells it from a later connection with the same addresses. */
function removal({ payload }: NetlinkMessage): Buffer {
  const attributes = attributeList(payload.subarray(4))
    .filter(([type]) => type === CTA.TUPLE_ORIG || type === CTA.ID || type === CTA.ZONE)
    .map(([type, value]) => attribute(type === CTA.TUPLE_ORIG ? type | NESTED : type, value));
  return message(CT.DELETE, 0, payload.subarray(0, 4), ...attributes);
}
