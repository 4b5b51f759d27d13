// The expressions that nf_tables rules are made of, each the netlink form of a few words of nft(8). Pure. Registers are counted in words
// of 4 bytes, 0 to 15; a compound key is loaded into words that follow each other.
import { attribute, nested, text, u32Be } from '../netlink/netlink-message.ts';

const FIRST_WORD = 8;
const VERDICT_REGISTER = 0;
const VERDICT = { drop: 0, accept: 1, jump: -3, goto: -4, return: -5 } as const;
const META = { iifname: 6, oifname: 7, nfproto: 15, l4proto: 16 } as const;
const CT = { state: 0, status: 2 } as const;
const BASE = { network: 1, transport: 2 } as const;
const CMP = { equal: 0, unequal: 1 } as const;
const FIB = { ADDRTYPE: 3, DADDR: 2 } as const;
const RTN_LOCAL = 2;
const NAT_DNAT = 1;
const INTERNET_CHECKSUM = 1;
const LIMIT = { packets: 0, over: 1 } as const;
/** ct state and ct status bits. */
export const CT_ESTABLISHED_OR_RELATED = 2 | 4;
export const CT_DNAT = 0x20;
export const NFPROTO = { ipv4: 2, ipv6: 10 } as const;

function expression(name: string, ...attributes: readonly Buffer[]): Buffer {
  return Buffer.concat([text(1, name), nested(2, ...attributes)]);
}

function register(type: number, word: number): Buffer {
  return u32Be(type, FIRST_WORD + word);
}

function data(type: number, value: Uint8Array): Buffer {
  return nested(type, attribute(1, value));
}

export function meta(key: keyof typeof META, word: number): Buffer {
  return expression('meta', register(1, word), u32Be(2, META[key]));
}

export function ct(key: keyof typeof CT, word: number): Buffer {
  return expression('ct', register(1, word), u32Be(2, CT[key]));
}

export function payload(base: keyof typeof BASE, offset: number, length: number, word: number): Buffer {
  return expression('payload', register(1, word), u32Be(2, BASE[base]), u32Be(3, offset), u32Be(4, length));
}

export function equal(word: number, value: Uint8Array): Buffer {
  return expression('cmp', register(1, word), u32Be(2, CMP.equal), data(3, value));
}

/** Puts a value into a register. */
export function value(word: number, bytes: Uint8Array): Buffer {
  return expression('immediate', register(1, word), data(2, bytes));
}

/** Writes a register over bytes of the transport header, and mends the header's checksum, which lies at `checksumAt`. */
export function storeTransport(word: number, offset: number, length: number, checksumAt: number): Buffer {
  const place = [register(5, word), u32Be(2, BASE.transport), u32Be(3, offset), u32Be(4, length)];
  return expression('payload', ...place, u32Be(6, INTERNET_CHECKSUM), u32Be(7, checksumAt));
}

/** Goes on only for packets beyond so many a second, after a burst of as many. */
export function isOverLimit(perSecond: number): Buffer {
  const count = Buffer.alloc(8);
  count.writeBigUInt64BE(BigInt(perSecond));
  const second = Buffer.from([0, 0, 0, 0, 0, 0, 0, 1]);
  const rate = [attribute(1, count), attribute(2, second), u32Be(3, perSecond)];
  return expression('limit', ...rate, u32Be(4, LIMIT.packets), u32Be(5, LIMIT.over));
}

/** Of TCP packets those that begin a connection: SYN without ACK. */
export function beginsConnection(): Buffer[] {
  const [mask, zero] = [Buffer.from([0x12]), Buffer.from([0])];
  return [
    payload('transport', 13, 1, 0),
    expression('bitwise', register(1, 0), register(2, 0), u32Be(3, 1), data(4, mask), data(5, zero)),
    equal(0, Buffer.from([0x02])),
  ];
}

/** True when any bit of `mask` (in host order, as ct loads it) is set. */
export function hasBits(word: number, mask: number): Buffer[] {
  const bits = Buffer.alloc(4);
  bits.writeUInt32LE(mask);
  const zero = Buffer.alloc(4);
  return [
    expression('bitwise', register(1, word), register(2, word), u32Be(3, 4), data(4, bits), data(5, zero)),
    expression('cmp', register(1, word), u32Be(2, CMP.unequal), data(3, zero)),
  ];
}

/** Goes on only for keys of the set; with `into` the map's value is loaded there. */
export function lookup(set: string, word: number, into?: number): Buffer {
  return expression('lookup', text(1, set), register(2, word), ...(into === undefined ? [] : [register(3, into)]));
}

/** The destination is an address of this host. */
export function isLocalDestination(): Buffer[] {
  const local = Buffer.alloc(4);
  local.writeUInt32LE(RTN_LOCAL);
  return [expression('fib', register(1, 0), u32Be(2, FIB.ADDRTYPE), u32Be(3, FIB.DADDR)), equal(0, local)];
}

export function isFamily(family: keyof typeof NFPROTO): Buffer[] {
  return [meta('nfproto', 0), equal(0, Buffer.from([NFPROTO[family]]))];
}

/** The new destination lies at `addressWord`, its port at `portWord`. */
export function dnat(family: keyof typeof NFPROTO, addressWord: number, portWord: number): Buffer {
  return expression(
    'nat',
    u32Be(1, NAT_DNAT),
    u32Be(2, NFPROTO[family]),
    register(3, addressWord),
    register(5, portWord),
  );
}

export function masquerade(): Buffer {
  return expression('masq');
}

export function verdict(word: 'drop' | 'accept' | 'return'): Buffer {
  return verdictOf(u32Be(1, VERDICT[word]));
}

export function toChain(how: 'jump' | 'goto', chain: string): Buffer {
  return verdictOf(u32Be(1, VERDICT[how]), text(2, chain));
}

function verdictOf(...attributes: readonly Buffer[]): Buffer {
  return expression('immediate', u32Be(1, VERDICT_REGISTER), nested(2, nested(2, ...attributes)));
}
