// rtnetlink(7) messages about interfaces, and what the kernel says of them. Pure. Interfaces are named, not numbered, where the kernel
// allows it: a number may belong to another interface by the time a message arrives.
import {
  attribute,
  message,
  type NetlinkMessage,
  NLM_F,
  nested,
  parseAttributes,
  stringOf,
  text,
  u8,
  u32,
} from './netlink-message.ts';

export const RTM = {
  NEWLINK: 16,
  DELLINK: 17,
  GETLINK: 18,
  NEWADDR: 20,
  DELADDR: 21,
  GETADDR: 22,
  NEWROUTE: 24,
  DELROUTE: 25,
  GETROUTE: 26,
  DELNEIGH: 29,
} as const;

const IFLA = {
  ADDRESS: 1,
  IFNAME: 3,
  MTU: 4,
  MASTER: 10,
  OPERSTATE: 16,
  LINKINFO: 18,
  IFALIAS: 20,
  AF_SPEC: 26,
  NET_NS_FD: 28,
} as const;
const INFO = { KIND: 1, DATA: 2, SLAVE_KIND: 4, SLAVE_DATA: 5 } as const;
const BRIDGE = { FORWARD_DELAY: 1 } as const;
const BRIDGE_PORT = {
  STATE: 1,
  HAIRPIN: 4,
  LEARNING: 8,
  UNICAST_FLOOD: 9,
  FLUSH: 24,
  MULTICAST_FLOOD: 27,
  BROADCAST_FLOOD: 30,
  ISOLATED: 33,
} as const;
const PORT_DISABLED = 0;
const VETH_PEER = 1;
const AF_INET6 = 10;
const INET6_ADDR_GEN_MODE = 8;
const ADDR_GEN_NONE = 1;
const IFF_UP = 1;
const IF_OPER_UP = 6;

export interface Link {
  index: number;
  name: string;
  isUp: boolean;
  /** And something is at the other end: it passes frames. */
  isRunning: boolean;
  /** Index of the bridge that it is a port of, 0 for none. */
  master: number;
  mtu: number;
  mac: string;
  alias: string;
  /** "bridge", "veth"; "" for what is hardware. */
  kind: string;
}

/** struct ifinfomsg. `isUp` undefined leaves that as it is. */
function linkHeader(isUp?: boolean, index = 0): Buffer {
  const header = Buffer.alloc(16);
  header.writeInt32LE(index, 4);
  if (isUp !== undefined) {
    header.writeUInt32LE(isUp ? IFF_UP : 0, 8);
    header.writeUInt32LE(IFF_UP, 12);
  }
  return header;
}

/** No learning delay for new ports: there are no loops to find, and containers talk at once. */
export function newBridge(name: string, mac: string): Buffer {
  const data = nested(INFO.DATA, u32(BRIDGE.FORWARD_DELAY, 0));
  return message(
    RTM.NEWLINK,
    NLM_F.CREATE | NLM_F.EXCL,
    linkHeader(),
    text(IFLA.IFNAME, name),
    // A given address stays; a bridge without one takes the lowest of its ports, and changes it with them.
    attribute(IFLA.ADDRESS, macBytes(mac)),
    nested(IFLA.LINKINFO, text(INFO.KIND, 'bridge'), data),
  );
}

export interface VethRequest {
  name: string;
  /** Index of the bridge. */
  master: number;
  mtu?: number;
  peer: { namespaceFd: number; name: string; mac: string };
}

/** Both ends at once: one here as a port of the bridge, the other in the namespace under its name there. Down: the first of two that do not know each other yet cannot be up. */
export function newVeth({ name, master, mtu, peer }: VethRequest): Buffer {
  const size = mtu === undefined ? [] : [u32(IFLA.MTU, mtu)];
  const peerPart = attribute(
    VETH_PEER | 0x8000,
    Buffer.concat([
      linkHeader(),
      text(IFLA.IFNAME, peer.name),
      attribute(IFLA.ADDRESS, macBytes(peer.mac)),
      u32(IFLA.NET_NS_FD, peer.namespaceFd),
      ...size,
    ]),
  );
  return message(
    RTM.NEWLINK,
    NLM_F.CREATE | NLM_F.EXCL,
    linkHeader(),
    text(IFLA.IFNAME, name),
    u32(IFLA.MASTER, master),
    ...size,
    nested(IFLA.LINKINFO, text(INFO.KIND, 'veth'), nested(INFO.DATA, peerPart)),
  );
}

export interface LinkChange {
  isUp?: boolean;
  mtu?: number;
  alias?: string;
  /** Index of a bridge; 0 takes it off. */
  master?: number;
  /** The kernel gives it no link-local address of its own accord. */
  hasNoAutomaticAddress?: boolean;
  /** Only for ports of a bridge. */
  port?: { isIsolated: boolean; isHairpin: boolean };
}

export function changeLink(name: string, change: LinkChange): Buffer {
  const { mtu, alias, master, port } = change;
  const attributes = [text(IFLA.IFNAME, name)];
  if (mtu !== undefined) attributes.push(u32(IFLA.MTU, mtu));
  if (alias !== undefined) attributes.push(text(IFLA.IFALIAS, alias));
  if (master !== undefined) attributes.push(u32(IFLA.MASTER, master));
  if (change.hasNoAutomaticAddress === true) {
    attributes.push(nested(IFLA.AF_SPEC, nested(AF_INET6, u8(INET6_ADDR_GEN_MODE, ADDR_GEN_NONE))));
  }
  if (port !== undefined) {
    const data = nested(
      INFO.SLAVE_DATA,
      u8(BRIDGE_PORT.ISOLATED, port.isIsolated ? 1 : 0),
      u8(BRIDGE_PORT.HAIRPIN, port.isHairpin ? 1 : 0),
    );
    attributes.push(nested(IFLA.LINKINFO, text(INFO.SLAVE_KIND, 'bridge'), data));
  }
  return message(RTM.NEWLINK, 0, linkHeader(change.isUp), ...attributes);
}

/**
 * The port of a bridge passes nothing any more, and what the bridge learnt from it is forgotten: at once, where removal takes its time.
 * The state alone would not do: the kernel enables a port when it hears of its carrier, which may be later than this.
 */
export function silencePort(name: string): Buffer {
  const data = nested(
    INFO.SLAVE_DATA,
    u8(BRIDGE_PORT.STATE, PORT_DISABLED),
    u8(BRIDGE_PORT.LEARNING, 0),
    u8(BRIDGE_PORT.UNICAST_FLOOD, 0),
    u8(BRIDGE_PORT.MULTICAST_FLOOD, 0),
    u8(BRIDGE_PORT.BROADCAST_FLOOD, 0),
    attribute(BRIDGE_PORT.FLUSH, Buffer.alloc(0)),
  );
  return message(
    RTM.NEWLINK,
    0,
    linkHeader(),
    text(IFLA.IFNAME, name),
    nested(IFLA.LINKINFO, text(INFO.SLAVE_KIND, 'bridge'), data),
  );
}

export function removeLink(name: string): Buffer {
  return message(RTM.DELLINK, 0, linkHeader(), text(IFLA.IFNAME, name));
}

/** All links of the namespace. */
export function listLinks(): Buffer {
  return message(RTM.GETLINK, 0, linkHeader());
}

export function getLink(name: string): Buffer {
  return message(RTM.GETLINK, 0, linkHeader(), text(IFLA.IFNAME, name));
}

export function parseLink({ payload }: NetlinkMessage): Link {
  const attributes = parseAttributes(payload.subarray(16));
  const info = attributes.get(IFLA.LINKINFO);
  const kind = info === undefined ? undefined : parseAttributes(info).get(INFO.KIND);
  const value = (type: number) => attributes.get(type);
  return {
    index: payload.readInt32LE(4),
    isUp: (payload.readUInt32LE(8) & IFF_UP) !== 0,
    isRunning: value(IFLA.OPERSTATE)?.readUInt8(0) === IF_OPER_UP,
    name: stringOf(value(IFLA.IFNAME) ?? Buffer.alloc(0)),
    master: value(IFLA.MASTER)?.readUInt32LE(0) ?? 0,
    mtu: value(IFLA.MTU)?.readUInt32LE(0) ?? 0,
    mac: [...(value(IFLA.ADDRESS) ?? [])].map((byte) => byte.toString(16).padStart(2, '0')).join(':'),
    alias: stringOf(value(IFLA.IFALIAS) ?? Buffer.alloc(0)),
    kind: kind === undefined ? '' : stringOf(kind),
  };
}

/** Throws TypeError for what is no address of six bytes. */
function macBytes(mac: string): Buffer {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(mac)) throw new TypeError(`${JSON.stringify(mac)} is no MAC address`);
  return Buffer.from(mac.replaceAll(':', ''), 'hex');
}
