// nf_tables over nfnetlink: tables, chains, sets, elements, and transactions of them. Pure. Everything is of the family inet, which
// sees IPv4 and IPv6. Numbers are those of linux/netfilter/nf_tables.h; integers are big-endian on the wire.
import {
  attribute,
  message,
  NLM_F,
  nested,
  parseAttributes,
  stringOf,
  text,
  u32Be,
} from '../netlink/netlink-message.ts';
import { generic } from '../netlink/nfnetlink.ts';

const SUBSYSTEM = 10;
const BATCH = { BEGIN: 16, END: 17, GENERATION: 1 } as const;
export const NFT_MSG = {
  NEWTABLE: 0,
  GETTABLE: 1,
  DELTABLE: 2,
  NEWCHAIN: 3,
  GETCHAIN: 4,
  NEWRULE: 6,
  GETRULE: 7,
  DELRULE: 8,
  NEWSET: 9,
  NEWSETELEM: 12,
  GETSETELEM: 13,
  DELSETELEM: 14,
  NEWGEN: 15,
  GETGEN: 16,
} as const;
export const FAMILY = { INET: 1, IPV4: 2, IPV6: 10 } as const;
export const HOOK = { PREROUTING: 0, INPUT: 1, FORWARD: 2, OUTPUT: 3, POSTROUTING: 4 } as const;

/** Types that nft(8) shows values as; in a compound key each takes six bits. */
const DATATYPE = { ipv4: 7, ipv6: 8, protocol: 12, port: 13, interface: 41 } as const;
/** In bytes, padded to whole registers of 4. */
const WIDTH = { ipv4: 4, ipv6: 16, protocol: 4, port: 4, interface: 16 } as const;
export type FieldType = keyof typeof DATATYPE;

const SET_IS_MAP = 8;
const COMMENT = 0;
/** libnftnl's user data: key byte order, 4 bytes, host order. */
const KEY_IN_HOST_ORDER = Buffer.from([0, 4, 1, 0, 0, 0]);
const COMMENT_MAX_BYTES = 120;

/** `priority` is the order among the hook's chains; lower comes first. */
export interface BaseChain {
  type: 'filter' | 'nat';
  hook: number;
  priority: number;
}

export interface SetShape {
  name: string;
  key: readonly FieldType[];
  /** Makes it a map. */
  value?: readonly FieldType[];
}

export interface Element {
  key: Buffer;
  value?: Buffer;
  /** Shown by nft(8): whose it is. */
  comment?: string;
}

/**
 * Messages that the kernel takes all or none. With `generation` only if nobody has changed any rule since that generation: else the
 * answer is ERESTART.
 */
export function transaction(messages: readonly Buffer[], generation?: number): Buffer[] {
  const expected = generation === undefined ? [] : [u32Be(BATCH.GENERATION, generation)];
  return [
    message(BATCH.BEGIN, 0, generic(0, SUBSYSTEM), ...expected),
    ...messages,
    message(BATCH.END, 0, generic(0, SUBSYSTEM)),
  ];
}

export function newTable(table: string, comment: string): Buffer {
  return nft(NFT_MSG.NEWTABLE, NLM_F.CREATE, text(1, table), attribute(6, commentBytes(comment)));
}

export function deleteTable(table: string): Buffer {
  return nft(NFT_MSG.DELTABLE, 0, text(1, table));
}

export function getTable(table: string): Buffer {
  return nft(NFT_MSG.GETTABLE, 0, text(1, table));
}

export function newChain(table: string, name: string, base?: BaseChain): Buffer {
  const hooked =
    base === undefined
      ? []
      : [nested(4, u32Be(1, base.hook), u32Be(2, base.priority)), u32Be(5, 1), text(7, base.type)];
  return nft(NFT_MSG.NEWCHAIN, NLM_F.CREATE, text(1, table), text(3, name), ...hooked);
}

/** Appended to the chain. `expressions` from nft-expressions.ts. */
export function newRule(table: string, chain: string, expressions: readonly Buffer[]): Buffer {
  return nft(
    NFT_MSG.NEWRULE,
    NLM_F.CREATE | NLM_F.APPEND,
    text(1, table),
    text(2, chain),
    nested(4, ...expressions.map((expression) => nested(1, expression))),
  );
}

/** At the beginning of a chain that may be somebody else's; the comment says whose rule it is. */
export function insertRule(
  table: string,
  chain: string,
  expressions: readonly Buffer[],
  comment: string,
  family: number,
): Buffer {
  return message(
    (SUBSYSTEM << 8) | NFT_MSG.NEWRULE,
    NLM_F.CREATE,
    generic(family),
    text(1, table),
    text(2, chain),
    nested(4, ...expressions.map((expression) => nested(1, expression))),
    attribute(7, commentBytes(comment)),
  );
}

export function deleteRule(table: string, chain: string, handle: Buffer, family: number): Buffer {
  const type = (SUBSYSTEM << 8) | NFT_MSG.DELRULE;
  return message(type, 0, generic(family), text(1, table), text(2, chain), attribute(3, handle));
}

export interface Rule {
  chain: string;
  handle: Buffer;
  comment: string;
}

export function parseRule(payload: Buffer): Rule {
  const attributes = parseAttributes(payload.subarray(4));
  const comment = attributes.get(7);
  return {
    chain: stringOf(attributes.get(2) ?? Buffer.alloc(0)),
    handle: attributes.get(3) ?? Buffer.alloc(8),
    comment: comment === undefined || comment[0] !== COMMENT ? '' : stringOf(comment.subarray(2)),
  };
}

/** Answers ENOENT where there is none. */
export function getChain(table: string, chain: string, family: number = FAMILY.INET): Buffer {
  return message((SUBSYSTEM << 8) | NFT_MSG.GETCHAIN, 0, generic(family), text(1, table), text(3, chain));
}

/** For a dump of the rules of a table (of all chains without `chain`). */
export function listRules(table: string, family: number = FAMILY.INET, chain?: string): Buffer {
  const only = chain === undefined ? [] : [text(2, chain)];
  return message((SUBSYSTEM << 8) | NFT_MSG.GETRULE, 0, generic(family), text(1, table), ...only);
}

/** `id` tells sets of one transaction apart. */
export function newSet(table: string, { name, key, value }: SetShape, id: number): Buffer {
  const mapped = value === undefined ? [] : [u32Be(6, datatype(value)), u32Be(7, width(value))];
  return nft(
    NFT_MSG.NEWSET,
    NLM_F.CREATE,
    text(1, table),
    text(2, name),
    u32Be(3, value === undefined ? 0 : SET_IS_MAP),
    u32Be(4, datatype(key)),
    u32Be(5, width(key)),
    ...mapped,
    u32Be(10, id),
    // Interface names are in the host's order as numbers are: nft(8) needs to be told for a key of nothing else.
    ...(key.length === 1 && key[0] === 'interface' ? [attribute(13, KEY_IN_HOST_ORDER)] : []),
  );
}

/** An element that is there already with the same value is none more. */
export function addElements(table: string, set: string, elements: readonly Element[]): Buffer {
  return nft(NFT_MSG.NEWSETELEM, NLM_F.CREATE, ...elementList(table, set, elements));
}

/** One that is missing fails the transaction. */
export function deleteElements(table: string, set: string, elements: readonly Element[]): Buffer {
  return nft(
    NFT_MSG.DELSETELEM,
    0,
    ...elementList(
      table,
      set,
      elements.map(({ key }) => ({ key })),
    ),
  );
}

export function listElements(table: string, set: string): Buffer {
  return nft(NFT_MSG.GETSETELEM, 0, text(1, table), text(2, set));
}

export function getGeneration(): Buffer {
  return message((SUBSYSTEM << 8) | NFT_MSG.GETGEN, 0, generic(0));
}

/** Of the answer to getGeneration. */
export function parseGeneration(payload: Buffer): number {
  return payload.readUInt32BE(4 + 4);
}

function elementList(table: string, set: string, elements: readonly Element[]): Buffer[] {
  const list = elements.map(({ key, value, comment }) =>
    nested(
      1,
      nested(1, attribute(1, key)),
      ...(value === undefined ? [] : [nested(2, attribute(1, value))]),
      ...(comment === undefined ? [] : [attribute(6, commentBytes(comment))]),
    ),
  );
  return [text(1, table), text(2, set), nested(3, ...list)];
}

function nft(type: number, flags: number, ...attributes: readonly Buffer[]): Buffer {
  return message((SUBSYSTEM << 8) | type, flags, generic(FAMILY.INET), ...attributes);
}

/** An interface's name as a register holds it. */
export function interfaceKey(name: string): Buffer {
  const key = Buffer.alloc(WIDTH.interface);
  key.write(name, 0, WIDTH.interface - 1);
  return key;
}

function datatype(fields: readonly FieldType[]): number {
  return fields.reduce((all, field) => (all << 6) | DATATYPE[field], 0);
}

export function width(fields: readonly FieldType[]): number {
  return fields.reduce((all, field) => all + WIDTH[field], 0);
}

/** libnftnl's user data: type, length, text with its NUL. */
function commentBytes(comment: string): Buffer {
  const words = Buffer.from(`${comment.slice(0, COMMENT_MAX_BYTES)}\0`);
  return Buffer.concat([Buffer.from([COMMENT, words.length]), words]);
}
