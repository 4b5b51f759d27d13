// DNS messages (RFC 1035, 4.1; RFC 6891): reading a query, writing an answer, and matching what an upstream server sends to what it was
// asked. Only headers, questions and EDNS are understood: answers of other servers are passed on as the bytes that they are.
import { randomInt } from 'node:crypto';
import { addressBytes } from '../addresses/address-bytes.ts';
import { readName, skipName, writeName } from './names.ts';

export const TYPE = { A: 1, PTR: 12, AAAA: 28, OPT: 41, ANY: 255 } as const;
export const RCODE = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5, BADVERS: 16 } as const;
const CLASS = { IN: 1, ANY: 255 } as const;
const FLAG = {
  QR: 0x8000,
  OPCODE: 0x7800,
  AA: 0x0400,
  TC: 0x0200,
  RD: 0x0100,
  RA: 0x0080,
  CD: 0x0010,
  RCODE: 0x000f,
} as const;

const HEADER_BYTES = 12;
/** What a client without EDNS can take in a datagram (RFC 1035, 4.2.1). */
const PLAIN_UDP_BYTES = 512;
/** What the engine says it can take; also the most that it sends in one datagram. */
const EDNS_UDP_BYTES = 4096;
/** A query carries at most an OPT and a signature behind its question. */
const MAX_QUERY_RECORDS = 4;
/** A pointer to the name of the question, which lies directly behind the header. */
const QUESTION_NAME = 0xc00c;

export interface Query {
  bytes: Buffer;
  id: number;
  flags: number;
  /** Lower case, without the last dot; "" is the root. */
  name: string;
  type: number;
  isInternet: boolean;
  /** Offset behind the question. */
  questionEnd: number;
  /** Most bytes that the client takes in a datagram. */
  udpBytes: number;
  hasEdns: boolean;
}

/** `reply`: the message is no query that can be answered, but its sender is told so. `undefined`: not even that (too short, an answer). */
export type ReadQuery = { query: Query } | { reply: Buffer } | undefined;

export function readQuery(bytes: Buffer): ReadQuery {
  if (bytes.length < HEADER_BYTES) return undefined;
  const flags = bytes.readUInt16BE(2);
  if ((flags & FLAG.QR) !== 0) return undefined;
  if ((flags & FLAG.OPCODE) !== 0) return { reply: bareReply(bytes, RCODE.NOTIMP) };
  const name = bytes.readUInt16BE(4) === 1 ? readName(bytes, HEADER_BYTES) : undefined;
  if (name === undefined || name.end + 4 > bytes.length) return { reply: bareReply(bytes, RCODE.FORMERR) };
  const questionEnd = name.end + 4;
  const edns = readEdns(bytes, questionEnd);
  if (edns === 'malformed') return { reply: bareReply(bytes, RCODE.FORMERR) };
  const classNumber = bytes.readUInt16BE(name.end + 2);
  const query: Query = {
    bytes,
    id: bytes.readUInt16BE(0),
    flags,
    name: name.text,
    type: bytes.readUInt16BE(name.end),
    isInternet: classNumber === CLASS.IN || classNumber === CLASS.ANY,
    questionEnd,
    udpBytes: Math.min(EDNS_UDP_BYTES, Math.max(PLAIN_UDP_BYTES, edns?.udpBytes ?? 0)),
    hasEdns: edns !== undefined,
  };
  return edns !== undefined && edns.version > 0 ? { reply: writeReply(query, RCODE.BADVERS, []) } : { query };
}

/** The OPT record among what follows the question (RFC 6891, 6.1). Everything has to be whole, and there may be only one. */
function readEdns(bytes: Buffer, start: number): { udpBytes: number; version: number } | 'malformed' | undefined {
  const count = bytes.readUInt16BE(6) + bytes.readUInt16BE(8) + bytes.readUInt16BE(10);
  if (count > MAX_QUERY_RECORDS) return 'malformed';
  let found: { udpBytes: number; version: number } | undefined;
  let at = start;
  for (let i = 0; i < count; i++) {
    const fixed = skipName(bytes, at);
    if (fixed < 0 || fixed + 10 > bytes.length) return 'malformed';
    if (bytes.readUInt16BE(fixed) === TYPE.OPT) {
      if (found !== undefined || bytes[at] !== 0) return 'malformed';
      found = { udpBytes: bytes.readUInt16BE(fixed + 2), version: bytes.readUInt8(fixed + 5) };
    }
    at = fixed + 10 + bytes.readUInt16BE(fixed + 8);
    if (at > bytes.length) return 'malformed';
  }
  return found;
}

/** A header alone, for a message whose question cannot be repeated. */
function bareReply(bytes: Buffer, rcode: number): Buffer {
  const reply = Buffer.alloc(HEADER_BYTES);
  bytes.copy(reply, 0, 0, 2);
  reply.writeUInt16BE((bytes.readUInt16BE(2) & (FLAG.OPCODE | FLAG.RD)) | FLAG.QR | FLAG.RA | rcode, 2);
  return reply;
}

export type Answer = { type: 'address'; address: string } | { type: 'name'; name: string };

/** Answers of the engine itself. Names that fit into no domain name are left out. */
export function writeReply(query: Query, rcode: number, answers: readonly Answer[], ttlSeconds = 0): Buffer {
  const records = answers.flatMap((answer) => writeRecord(answer, ttlSeconds) ?? []);
  const flags = (query.flags & (FLAG.RD | FLAG.CD)) | FLAG.QR | FLAG.RA | (rcode & FLAG.RCODE);
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(query.id, 0);
  header.writeUInt16BE(flags, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(records.length, 6);
  header.writeUInt16BE(query.hasEdns ? 1 : 0, 10);
  const question = query.bytes.subarray(HEADER_BYTES, query.questionEnd);
  return Buffer.concat([header, question, ...records, ...(query.hasEdns ? [writeOpt(rcode)] : [])]);
}

function writeRecord(answer: Answer, ttlSeconds: number): Buffer | undefined {
  const data = answer.type === 'name' ? writeName(answer.name) : addressBytes(answer.address);
  if (data === undefined) return undefined;
  const fixed = Buffer.alloc(12);
  fixed.writeUInt16BE(QUESTION_NAME, 0);
  fixed.writeUInt16BE(answer.type === 'name' ? TYPE.PTR : data.length === 4 ? TYPE.A : TYPE.AAAA, 2);
  fixed.writeUInt16BE(CLASS.IN, 4);
  fixed.writeUInt32BE(ttlSeconds, 6);
  fixed.writeUInt16BE(data.length, 10);
  return Buffer.concat([fixed, data]);
}

function writeOpt(rcode: number): Buffer {
  const opt = Buffer.alloc(11);
  opt.writeUInt16BE(TYPE.OPT, 1);
  opt.writeUInt16BE(EDNS_UDP_BYTES, 3);
  opt.writeUInt8(rcode >> 4, 5);
  return opt;
}

/** What goes into one datagram: the message, or its header and question with the mark that makes the client ask again over TCP. */
export function fitDatagram(query: Query, reply: Buffer): Buffer {
  if (reply.length <= query.udpBytes) return reply;
  const short = writeReply(query, responseCode(reply), []);
  short.writeUInt16BE(short.readUInt16BE(2) | FLAG.TC, 2);
  return short;
}

/** The query for an upstream server: the client's bytes under a number that nobody can guess. */
export function asUpstreamQuery(query: Query): Buffer {
  const bytes = Buffer.from(query.bytes);
  bytes.writeUInt16BE(randomInt(0x10000), 0);
  return bytes;
}

/**
 * Whether a message answers the question that was asked: same number, same question (letters may differ in case). Servers that could not
 * read a query answer without its question; such a message may only carry an error.
 */
export function answersQuery(asked: Buffer, questionEnd: number, message: Buffer): boolean {
  if (message.length < HEADER_BYTES || message.readUInt16BE(0) !== asked.readUInt16BE(0)) return false;
  const flags = message.readUInt16BE(2);
  if ((flags & FLAG.QR) === 0 || (flags & FLAG.OPCODE) !== 0) return false;
  if (message.readUInt16BE(4) === 0) return (flags & FLAG.RCODE) !== 0 && message.readUInt16BE(6) === 0;
  if (message.readUInt16BE(4) !== 1 || message.length < questionEnd) return false;
  const name = readName(message, HEADER_BYTES);
  if (name === undefined || name.end + 4 !== questionEnd) return false;
  const expected = readName(asked, HEADER_BYTES);
  return (
    name.text === expected?.text &&
    message.subarray(name.end, questionEnd).equals(asked.subarray(name.end, questionEnd))
  );
}

/** The message under the number that the client gave its query. */
export function forClient(query: Query, message: Buffer): Buffer {
  const bytes = Buffer.from(message);
  bytes.writeUInt16BE(query.id, 0);
  return bytes;
}

/** Without the bits that EDNS adds. */
export function responseCode(message: Buffer): number {
  return message.readUInt16BE(2) & FLAG.RCODE;
}
