// ctnetlink: asking for connections that the kernel tracks, reading them and removing them (linux/netfilter/nfnetlink_conntrack.h). Pure.
import { FAMILY } from '../addresses/address-bytes.ts';
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
import { generic } from './nfnetlink.ts';

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
const UDP = 17;

/** Whether the connection began at one of the addresses (in hexadecimal) or was answered by it, or goes to one of the ports by UDP. */
export function isTracked(
  { payload }: NetlinkMessage,
  addresses: ReadonlySet<string>,
  ports: ReadonlySet<number>,
): boolean {
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
  if (field(CTA.TUPLE_ORIG, TUPLE.PROTO, PROTO.NUM)?.readUInt8(0) !== UDP) return false;
  const port = field(CTA.TUPLE_ORIG, TUPLE.PROTO, PROTO.DST_PORT)?.readUInt16BE(0);
  return port !== undefined && ports.has(port);
}

/** For a dump: all. */
export function listTracked(): Buffer {
  return message(CT.GET, 0, generic(0));
}

/** For a dump: connections whose original or answering side comes from the address (in hexadecimal). */
export function listTrackedFrom(addressHex: string, side: 'original' | 'reply'): Buffer {
  const tuple = side === 'original' ? CTA.TUPLE_ORIG : CTA.TUPLE_REPLY;
  const bytes = Buffer.from(addressHex, 'hex');
  const isV4 = bytes.length === 4;
  const source = nested(tuple, nested(TUPLE.IP, attribute(isV4 ? IP.V4_SRC : IP.V6_SRC, bytes)));
  return message(CT.GET, 0, generic(isV4 ? FAMILY.INET : FAMILY.INET6), source, filter(tuple, FIELD.IP_SRC));
}

/** For a dump: datagrams to a port, by IPv4. */
export function listDatagramsTo(port: number): Buffer {
  const proto = nested(TUPLE.PROTO, u8(PROTO.NUM, UDP), u16Be(PROTO.DST_PORT, port));
  const fields = FIELD.PROTO_NUM | FIELD.PROTO_DST_PORT;
  return message(CT.GET, 0, generic(FAMILY.INET), nested(CTA.TUPLE_ORIG, proto), filter(CTA.TUPLE_ORIG, fields));
}

function filter(tuple: number, fields: number): Buffer {
  const isOriginal = tuple === CTA.TUPLE_ORIG;
  return nested(
    CTA.FILTER,
    u32(FILTER.ORIG_FLAGS, isOriginal ? fields : 0),
    u32(FILTER.REPLY_FLAGS, isOriginal ? 0 : fields),
  );
}

/** Removes exactly that one: an id tells it from a later connection with the same addresses. */
export function removeTracked({ payload }: NetlinkMessage): Buffer {
  const attributes = attributeList(payload.subarray(4))
    .filter(([type]) => type === CTA.TUPLE_ORIG || type === CTA.ID || type === CTA.ZONE)
    .map(([type, value]) => attribute(type === CTA.TUPLE_ORIG ? type | NESTED : type, value));
  return message(CT.DELETE, 0, payload.subarray(0, 4), ...attributes);
}
