import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import {
  closeFrame,
  FrameReader,
  frameHeader,
  opcode,
  WebSocketProtocolError,
} from '../../../../daemon/protocols/websocket/websocket-frames.ts';

const mask = Buffer.from([0x12, 0x34, 0x56, 0x78]);

/** As a client sends it: masked. */
function frame(code: number, payload: Buffer, isLast = true): Buffer {
  const header = frameHeader(code as 1, payload.length);
  header[0] = (isLast ? 0x80 : 0) | code;
  header[1] = (header[1] as number) | 0x80;
  return Buffer.concat([header, mask, payload.map((byte, i) => byte ^ (mask[i % 4] as number))]);
}

function read(chunks: readonly Buffer[]) {
  const data: Buffer[] = [];
  const told: string[] = [];
  const reader = new FrameReader({
    data: (bytes) => data.push(Buffer.from(bytes)),
    ping: (payload) => told.push(`ping ${payload}`),
    close: () => told.push('close'),
  });
  for (const chunk of chunks) reader.push(Buffer.from(chunk));
  return { data: Buffer.concat(data), told };
}

test.each([0, 1, 125, 126, 65_535, 65_536, 200_000])('a message of %i bytes, however it is cut', (length) => {
  const payload = randomBytes(length);
  const bytes = Buffer.concat([frame(opcode.binary, payload), frame(opcode.close, Buffer.from([3, 232]))]);
  expect(read([bytes])).toEqual({ data: payload, told: ['close'] });
  const step = Math.max(1, Math.floor(length / 300));
  const pieces = Array.from({ length: Math.ceil(bytes.length / step) }, (_, i) =>
    bytes.subarray(i * step, (i + 1) * step),
  );
  expect(read(pieces)).toEqual({ data: payload, told: ['close'] });
});

test('the parts of a message, with control frames between them', () => {
  const parts = [
    frame(opcode.text, Buffer.from('one '), false),
    frame(opcode.ping, Buffer.from('x')),
    frame(opcode.continuation, Buffer.from('two '), false),
    frame(opcode.pong, Buffer.from('y')),
    frame(opcode.continuation, Buffer.from('three')),
    frame(opcode.text, Buffer.from('!')),
  ];
  expect(read(parts)).toEqual({ data: Buffer.from('one two three!'), told: ['ping x'] });
});

test.each([
  ['reserved bits', Buffer.from([0xc2, 0x80, 0, 0, 0, 0])],
  ['no mask', Buffer.from([0x82, 0x01, 0x61])],
  ['an unknown opcode', Buffer.from([0x83, 0x80, 0, 0, 0, 0])],
  ['a continuation of nothing', Buffer.from([0x80, 0x80, 0, 0, 0, 0])],
  ['a new message within one', Buffer.concat([frame(1, Buffer.from('a'), false), frame(1, Buffer.from('b'))])],
  ['a ping in parts', Buffer.from([0x09, 0x80, 0, 0, 0, 0])],
  ['a long ping', Buffer.from([0x89, 0xfe, 0, 200])],
  ['a length of 2^63', Buffer.from([0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])],
])('%s is an error of the protocol', (_, bytes) => {
  expect(() => read([bytes])).toThrow(WebSocketProtocolError);
});

test('what a server sends is not masked', () => {
  expect(frameHeader(opcode.binary, 5)).toEqual(Buffer.from([0x82, 5]));
  expect(frameHeader(opcode.binary, 300)).toEqual(Buffer.from([0x82, 126, 1, 44]));
  expect(frameHeader(opcode.binary, 65_536)).toEqual(Buffer.from([0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]));
  expect(closeFrame(1000)).toEqual(Buffer.from([0x88, 2, 3, 232]));
});
