// rtnetlink(7) messages about addresses, routes and neighbours, and what the kernel says of them. Pure.
import { addressBytes, addressText, FAMILY } from '../addresses/address-bytes.ts';
import { RTM } from './link-messages.ts';
import { attribute, message, type NetlinkMessage, NLM_F, parseAttributes, u32 } from './netlink-message.ts';

const IFA = { ADDRESS: 1, LOCAL: 2, BROADCAST: 4, FLAGS: 8 } as const;
/** The address is used at once: nobody else can have one that the engine gave out. */
const IFA_F_NODAD = 2;
const RTA = { DST: 1, OIF: 4, GATEWAY: 5 } as const;
const NDA_DST = 1;
const TABLE_MAIN = 254;
const TABLE_LOCAL = 255;
const PROTOCOL_STATIC = 4;
const TYPE_UNICAST = 1;
const SCOPE_LINK = 253;

export interface AssignedAddress {
  index: number;
  address: string;
  prefix: number;
  scope: number;
}

export interface Route {
  destination: string;
  prefix: number;
  /** Index of the interface it leaves by, 0 for none. */
  index: number;
  table: number;
  type: number;
}

/** An interface's address with the route to its network. */
export function addAddress(index: number, address: string, prefix: number): Buffer {
  const bytes = addressBytes(address);
  const own = [attribute(IFA.LOCAL, bytes), attribute(IFA.ADDRESS, bytes)];
  if (bytes.length === 4 && prefix < 31) own.push(attribute(IFA.BROADCAST, broadcast(bytes, prefix)));
  if (bytes.length === 16) own.push(u32(IFA.FLAGS, IFA_F_NODAD));
  return message(RTM.NEWADDR, NLM_F.CREATE | NLM_F.REPLACE, addressHeader(bytes, index, prefix), ...own);
}

export function removeAddress(index: number, address: string, prefix: number): Buffer {
  const bytes = addressBytes(address);
  return message(RTM.DELADDR, 0, addressHeader(bytes, index, prefix), attribute(IFA.LOCAL, bytes));
}

export function listAddresses(): Buffer {
  return message(RTM.GETADDR, 0, Buffer.alloc(8));
}

export function parseAddress({ payload }: NetlinkMessage): AssignedAddress {
  const attributes = parseAttributes(payload.subarray(8));
  const bytes = attributes.get(IFA.LOCAL) ?? attributes.get(IFA.ADDRESS) ?? Buffer.alloc(4);
  return {
    index: payload.readUInt32LE(4),
    address: addressText(bytes),
    prefix: payload.readUInt8(1),
    scope: payload.readUInt8(3),
  };
}

/** Replaces the route of the same metric. */
export function setDefaultRoute(index: number, gateway: string): Buffer {
  const bytes = addressBytes(gateway);
  return message(
    RTM.NEWROUTE,
    NLM_F.CREATE | NLM_F.REPLACE,
    routeHeader(bytes),
    attribute(RTA.GATEWAY, bytes),
    u32(RTA.OIF, index),
  );
}

/** To a gateway of another network than the interface's (a gateway outside of the subnet). */
export function addLinkRoute(index: number, destination: string): Buffer {
  const bytes = addressBytes(destination);
  const header = routeHeader(bytes, bytes.length * 8, SCOPE_LINK);
  return message(RTM.NEWROUTE, NLM_F.CREATE | NLM_F.REPLACE, header, attribute(RTA.DST, bytes), u32(RTA.OIF, index));
}

/** Whatever gateway it has. */
export function removeDefaultRoute(family: 4 | 6): Buffer {
  return message(RTM.DELROUTE, 0, routeHeader(Buffer.alloc(family === 4 ? 4 : 16)));
}

export function listRoutes(family: 4 | 6): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt8(family === 4 ? FAMILY.INET : FAMILY.INET6, 0);
  return message(RTM.GETROUTE, 0, header);
}

export function parseRoute({ payload }: NetlinkMessage): Route {
  const attributes = parseAttributes(payload.subarray(12));
  const length = payload.readUInt8(0) === FAMILY.INET ? 4 : 16;
  const table = attributes.get(15)?.readUInt32LE(0) ?? payload.readUInt8(4);
  return {
    destination: addressText(attributes.get(RTA.DST) ?? Buffer.alloc(length)),
    prefix: payload.readUInt8(1),
    index: attributes.get(RTA.OIF)?.readUInt32LE(0) ?? 0,
    table,
    type: payload.readUInt8(7),
  };
}

/** A route to a network that the host reaches: not a single local address, not the way to everywhere. */
export function isNetworkRoute({ prefix, table, type }: Route): boolean {
  return table !== TABLE_LOCAL && type === TYPE_UNICAST && prefix > 0;
}

/** Whether the address is in the network that the route leads to. */
export function isInside(address: string, { destination, prefix }: Pick<Route, 'destination' | 'prefix'>): boolean {
  const bytes = addressBytes(address);
  const network = addressBytes(destination);
  if (bytes.length !== network.length) return false;
  return bytes.every((byte, index) => {
    const bits = Math.min(8, Math.max(0, prefix - index * 8));
    const mask = (0xff00 >> bits) & 0xff;
    return (byte & mask) === ((network[index] ?? 0) & mask);
  });
}

/** What is known of the machine behind an address is forgotten. */
export function removeNeighbour(index: number, address: string): Buffer {
  const bytes = addressBytes(address);
  const header = Buffer.alloc(12);
  header.writeUInt8(bytes.length === 4 ? FAMILY.INET : FAMILY.INET6, 0);
  header.writeInt32LE(index, 4);
  return message(RTM.DELNEIGH, 0, header, attribute(NDA_DST, bytes));
}

/** struct ifaddrmsg. */
function addressHeader(bytes: Buffer, index: number, prefix: number): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt8(bytes.length === 4 ? FAMILY.INET : FAMILY.INET6, 0);
  header.writeUInt8(prefix, 1);
  header.writeUInt32LE(index, 4);
  return header;
}

/** struct rtmsg. */
function routeHeader(bytes: Buffer, prefix = 0, scope = 0): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt8(bytes.length === 4 ? FAMILY.INET : FAMILY.INET6, 0);
  header.writeUInt8(prefix, 1);
  header.writeUInt8(TABLE_MAIN, 4);
  header.writeUInt8(PROTOCOL_STATIC, 5);
  header.writeUInt8(scope, 6);
  header.writeUInt8(TYPE_UNICAST, 7);
  return header;
}

function broadcast(bytes: Buffer, prefix: number): Buffer {
  const host = prefix === 0 ? 0xffffffff : 2 ** (32 - prefix) - 1;
  const result = Buffer.alloc(4);
  result.writeUInt32BE((bytes.readUInt32BE(0) | host) >>> 0);
  return result;
}
