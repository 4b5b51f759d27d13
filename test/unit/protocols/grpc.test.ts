// Protocol buffers and gRPC's messages as bytes.
import { describe, expect, test } from 'vitest';
import {
  decodeFilePacket,
  encodeFilePacket,
  type FilePacket,
  kindOfGoMode,
  permissionsOfGoMode,
} from '../../../daemon/protocols/grpc/file-sync-messages.ts';
import {
  decodeStatusText,
  encodeStatusText,
  frameMessage,
  GrpcReader,
} from '../../../daemon/protocols/grpc/grpc-messages.ts';
import { ProtobufMessage, readFields, writeMessage } from '../../../daemon/protocols/grpc/protobuf.ts';
import {
  bytesMessage,
  credentialsMessage,
  idMessage,
  tokenAnswerMessage,
  tokenQuestionMessage,
} from '../../../daemon/protocols/grpc/session-messages.ts';

describe('protocol buffers', () => {
  test('the example of the encoding’s description', () => {
    expect(writeMessage({ 1: 150 }).toString('hex')).toBe('089601');
    expect(writeMessage({ 2: 'testing' }).toString('hex')).toBe('120774657374696e67');
    expect([...readFields(Buffer.from('089601120774657374696e67', 'hex'))]).toEqual([
      { number: 1, value: 150n },
      { number: 2, value: Buffer.from('testing') },
    ]);
  });

  test('there and back', () => {
    const message = new ProtobufMessage(
      writeMessage({ 1: -1n, 2: 'ä', 3: ['a', '', 'b'], 15: 2 ** 31, 16: 0, 2047: 'x' }),
    );
    expect(message.integer(1)).toBe(-1n);
    expect(message.text(2)).toBe('ä');
    expect(message.texts(3)).toEqual(['a', '', 'b']);
    expect(message.count(15)).toBe(2 ** 31);
    expect(message.has(16)).toBe(false);
    expect(message.count(16)).toBe(0);
    expect(message.text(2047)).toBe('x');
    expect(() => message.text(1)).toThrow(/no protocol buffer/);
    expect(() => message.integer(2)).toThrow(/no protocol buffer/);
  });

  test('fixed numbers, and fields that nobody knows', () => {
    expect([...readFields(Buffer.from('0d010000000901000000000000801205', 'hex').subarray(0, 14))]).toEqual([
      { number: 1, value: 1n },
      { number: 1, value: 0x8000000000000001n },
    ]);
  });

  test.each([
    '08',
    '0880',
    '12ff',
    '1202aa',
    '00',
    '0b',
    '0d0000',
    '09000000',
    '08ffffffffffffffffffff01',
    '12ffffffffffffffffff01',
  ])('%s is none', (hex) => {
    expect(() => [...readFields(Buffer.from(hex, 'hex'))]).toThrow(/no protocol buffer/);
  });

  test('millions of fields are refused', () => {
    expect(() => [...readFields(Buffer.alloc(400_002, Buffer.from([8, 1])))]).toThrow(/no protocol buffer/);
  });
});

describe('messages', () => {
  test('of a session', () => {
    expect(idMessage.decode(idMessage.encode('a'))).toBe('a');
    expect(bytesMessage.decode(bytesMessage.encode(Buffer.from([0, 255])))).toEqual(Buffer.from([0, 255]));
    const credentials = { username: 'u', secret: 's' };
    expect(credentialsMessage.decode(credentialsMessage.encode(credentials))).toEqual(credentials);
    const question = { clientId: 'c', host: 'h', realm: 'r', service: 's', scopes: ['a', 'b'] };
    expect(tokenQuestionMessage.decode(tokenQuestionMessage.encode(question))).toEqual(question);
    const answer = { token: 't', expiresInSeconds: 60, issuedAtSeconds: 1_700_000_000 };
    expect(tokenAnswerMessage.decode(tokenAnswerMessage.encode(answer))).toEqual(answer);
  });

  const stat = { path: 'a/b', mode: 0o644, uid: 1, gid: 2, sizeBytes: 2n ** 40n, mtimeNs: -5n, linkName: 'x' };
  const packets: FilePacket[] = [
    { kind: 'stat', stat },
    { kind: 'stat', stat: undefined },
    { kind: 'request', id: 0 },
    { kind: 'data', id: 7, data: Buffer.from('x') },
    { kind: 'end' },
    { kind: 'error', message: 'no' },
  ];
  test.each(packets)('of a transfer: $kind', (packet) => {
    expect(decodeFilePacket(encodeFilePacket(packet))).toEqual(packet);
  });

  test('Go’s modes', () => {
    expect([0o644, 2 ** 31 + 0o755, 2 ** 27 + 0o777, 2 ** 26, 2 ** 25, 2 ** 24].map(kindOfGoMode)).toEqual([
      'file',
      'directory',
      'symlink',
      'device',
      'fifo',
      'socket',
    ]);
    expect(permissionsOfGoMode(2 ** 31 + 2 ** 23 + 2 ** 22 + 2 ** 20 + 0o755)).toBe(0o7755);
  });
});

describe('frames', () => {
  test('in any pieces', () => {
    const frames = Buffer.concat(['', 'a', 'x'.repeat(1000)].map((text) => frameMessage(Buffer.from(text))));
    for (const size of [1, 3, 7, 500, 5000]) {
      const reader = new GrpcReader(1000);
      const seen: string[] = [];
      for (let at = 0; at < frames.length; at += size)
        for (const message of reader.read(frames.subarray(at, at + size))) seen.push(message.toString());
      reader.end();
      expect(seen.map((text) => text.length)).toEqual([0, 1, 1000]);
    }
  });

  test('too long, packed, cut off', () => {
    expect(() => [...new GrpcReader(10).read(frameMessage(Buffer.alloc(11)).subarray(0, 5))]).toThrow(/more than 10/);
    expect(() => [...new GrpcReader(10).read(Buffer.from([1, 0, 0, 0, 0]))]).toThrow(/packed/);
    const reader = new GrpcReader(10);
    expect([...reader.read(Buffer.from([0, 0, 0]))]).toEqual([]);
    expect(() => reader.end()).toThrow(/cut off/);
  });

  test('what a status says', () => {
    for (const text of ['plain words', 'ä %', 'a\nb']) {
      expect(encodeStatusText(text)).toMatch(/^[\x20-\x7e]*$/);
      expect(decodeStatusText(encodeStatusText(text))).toBe(text);
    }
    expect(decodeStatusText('100%')).toBe('100%');
  });
});
