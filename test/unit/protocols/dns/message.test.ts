import { describe, expect, it } from 'vitest';
import {
  answersQuery,
  asUpstreamQuery,
  fitDatagram,
  forClient,
  type Query,
  RCODE,
  readQuery,
  responseCode,
  TYPE,
  writeReply,
} from '../../../../daemon/protocols/dns/message.ts';
import { question } from '../../../harness/dns-messages.ts';

function read(bytes: Buffer): Query {
  const result = readQuery(bytes);
  if (result === undefined || !('query' in result)) throw new Error('no query');
  return result.query;
}

function errorOf(bytes: Buffer): number | undefined {
  const result = readQuery(bytes);
  return result !== undefined && 'reply' in result ? responseCode(result.reply) : undefined;
}

const hex = (...parts: string[]) => Buffer.from(parts.join(''), 'hex');
const aIn = '00010001';

describe('reading a query', () => {
  it('takes the name without case and its last dot, the type, and what EDNS says', () => {
    const query = read(question({ id: 0xabcd, name: 'Web.MyNet', type: TYPE.AAAA, ednsBytes: 1232 }));
    expect(query).toMatchObject({ id: 0xabcd, name: 'web.mynet', type: 28, isInternet: true });
    expect(query).toMatchObject({ udpBytes: 1232, hasEdns: true });
    expect(read(question({ name: 'a' }))).toMatchObject({ udpBytes: 512, hasEdns: false });
  });

  it('limits the datagrams that a client asks for', () => {
    expect(read(question({ name: 'a', ednsBytes: 65535 })).udpBytes).toBe(4096);
    expect(read(question({ name: 'a', ednsBytes: 1 })).udpBytes).toBe(512);
  });

  it('keeps bytes apart that text cannot show: a dot in a label is no dot', () => {
    expect(read(hex('000101000001000000000000', '03612e6200', aIn)).name).toBe('a\\046b');
  });

  it('does not answer answers, and nothing that has no header', () => {
    const answer = question({ name: 'a' });
    answer.writeUInt16BE(0x8180, 2);
    expect(readQuery(answer)).toBeUndefined();
    for (let length = 0; length < 12; length++) {
      expect(readQuery(question({ name: 'a' }).subarray(0, length))).toBeUndefined();
    }
  });

  const opt = '0000290400000000000000';
  it.each([
    ['a pointer to itself', hex('000101000001000000000000', 'c00c', aIn)],
    ['a pointer to the header', hex('000101000001000000000000', 'c000', aIn)],
    ['a label that goes on behind the end', hex('000101000001000000000000', '3f61')],
    ['the reserved label types', hex('000101000001000000000000', '416100', aIn)],
    ['a label of 65 bytes', hex('000101000001000000000000', '41', '61'.repeat(65), '00', aIn)],
    ['a pointer whose bytes could be a label', hex('000101000001000000000000', 'c0', '61'.repeat(192), '00', aIn)],
    ['no question', hex('000101000000000000000000')],
    ['two questions', hex('000101000002000000000000', '016100', aIn, '016200', aIn)],
    ['a name without type and class', hex('000101000001000000000000', '016100')],
    ['a record that is not there', hex('000101000001000000000001', '016100', aIn)],
    ['a thousand records', hex('0001010000010000000003e8', '016100', aIn, opt)],
    ['two OPT records', hex('000101000001000000000002', '016100', aIn, opt, opt)],
    ['an OPT whose data is not there', hex('000101000001000000000001', '016100', aIn, '000029040000000000ffff')],
  ])('says FORMERR to %s', (_, bytes) => {
    expect(errorOf(bytes)).toBe(RCODE.FORMERR);
  });

  it('says FORMERR to a name of more than 255 bytes, not to one of 255', () => {
    const label = 'a'.repeat(63);
    expect(read(question({ name: `${label}.${label}.${label}.${'a'.repeat(61)}` })).name).toHaveLength(253);
    expect(errorOf(question({ name: `${label}.${label}.${label}.${'a'.repeat(62)}` }))).toBe(RCODE.FORMERR);
  });

  it('says NOTIMP to what is no query, BADVERS to an EDNS of the future', () => {
    const update = question({ name: 'a' });
    update.writeUInt16BE(5 << 11, 2);
    expect(errorOf(update)).toBe(RCODE.NOTIMP);
    const future = readQuery(question({ name: 'a', ednsBytes: 512, ednsVersion: 1 }));
    const reply = future !== undefined && 'reply' in future ? future.reply : Buffer.alloc(0);
    expect(responseCode(reply)).toBe(0);
    // The upper eight bits of 16 stand in the OPT record at the end.
    expect(reply.at(-6)).toBe(1);
  });

  it('survives any bytes', () => {
    const base = question({ name: 'web.mynet', ednsBytes: 4096 });
    let state = 12345;
    const next = () => {
      state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
      return state >> 8;
    };
    for (let round = 0; round < 20_000; round++) {
      const bytes = Buffer.from(base);
      for (let n = 0; n < 1 + (next() % 6); n++) bytes[next() % bytes.length] = next();
      const result = readQuery(bytes.subarray(0, next() % (bytes.length + 1)));
      if (result === undefined || !('query' in result)) continue;
      writeReply(result.query, 0, [{ type: 'address', address: '10.0.0.1' }], 1);
    }
  });
});

describe('a reply', () => {
  it('repeats the question as it was written, with the flags of a resolver', () => {
    const query = read(question({ id: 7, name: 'WeB', type: TYPE.A }));
    const reply = writeReply(query, RCODE.NOERROR, [{ type: 'address', address: '172.18.0.2' }], 600);
    const record = ['c00c', aIn, '00000258', '0004', 'ac120002'];
    expect(reply).toEqual(hex('000781800001000100000000', '0357654200', aIn, ...record));
  });

  it('carries IPv6 addresses and names', () => {
    const query = read(question({ name: 'a', type: TYPE.AAAA }));
    const answers = [{ type: 'address', address: 'fd00:1::2' } as const, { type: 'name', name: 'web.net' } as const];
    const reply = writeReply(query, 0, answers, 600);
    expect(reply.includes(hex('001c0001000002580010', 'fd000001000000000000000000000002'))).toBe(true);
    expect(reply.includes(hex('000c0001000002580009', '0377656203', '6e657400'))).toBe(true);
  });

  it('that does not fit becomes a short one that asks for TCP', () => {
    const many = Array.from({ length: 60 }, (_, i) => ({ type: 'address' as const, address: `10.0.0.${i}` }));
    const query = read(question({ name: 'many', type: TYPE.A }));
    const whole = writeReply(query, 0, many, 600);
    expect(whole.length).toBeGreaterThan(512);
    const short = fitDatagram(query, whole);
    expect(short.length).toBe(query.questionEnd);
    expect(short.readUInt16BE(2) & 0x0200).toBe(0x0200);
    expect(short.readUInt16BE(6)).toBe(0);
    const wide = read(question({ name: 'many', type: TYPE.A, ednsBytes: 4096 }));
    expect(fitDatagram(wide, writeReply(wide, 0, many, 600)).length).toBeGreaterThan(900);
  });
});

describe('an answer of an upstream server', () => {
  const query = read(question({ id: 1, name: 'example.org', type: TYPE.A }));
  const asked = asUpstreamQuery(query);
  const answer = (change: (bytes: Buffer) => void = () => {}) => {
    const record = { type: 'address', address: '192.0.2.1' } as const;
    const bytes = writeReply({ ...query, bytes: asked, id: asked.readUInt16BE(0) }, 0, [record], 5);
    change(bytes);
    return bytes;
  };
  const isTaken = (bytes: Buffer) => answersQuery(asked, query.questionEnd, bytes);

  it('is taken when number and question are those that were asked, whatever the case', () => {
    expect(isTaken(answer())).toBe(true);
    expect(isTaken(answer((bytes) => bytes.write('EXAMPLE', 13)))).toBe(true);
    expect(forClient(query, answer()).readUInt16BE(0)).toBe(1);
  });

  it.each<[string, (bytes: Buffer) => void]>([
    ['another number', (bytes) => bytes.writeUInt16BE((asked.readUInt16BE(0) + 1) & 0xffff, 0)],
    ['another name', (bytes) => bytes.write('exemple', 13)],
    ['another type', (bytes) => bytes.writeUInt16BE(28, query.questionEnd - 4)],
    ['the mark of a query', (bytes) => bytes.writeUInt16BE(0x0100, 2)],
    ['answers, but no question', (bytes) => bytes.writeUInt16BE(0, 4)],
  ])('is not taken with %s', (_, change) => {
    expect(isTaken(answer(change))).toBe(false);
  });

  it('may lack the question when it says no more than an error', () => {
    const refusal = Buffer.alloc(12);
    asked.copy(refusal, 0, 0, 2);
    refusal.writeUInt16BE(0x8005, 2);
    expect(isTaken(refusal)).toBe(true);
  });

  it('has a number that differs from question to question', () => {
    const numbers = new Set(Array.from({ length: 50 }, () => asUpstreamQuery(query).readUInt16BE(0)));
    expect(numbers.size).toBeGreaterThan(40);
  });
});
