import { PassThrough, Writable } from 'node:stream';
import { expect, test } from 'vitest';
import type { OutputChunk } from '../../../daemon/containers/container-service.ts';
import { lineFrames } from '../../../daemon/docker-api/sessions/line-frames.ts';
import {
  type Framing,
  mergesLogFrames,
  pumpOutput,
  streamContentType,
} from '../../../daemon/docker-api/sessions/stream-framing.ts';

type Item = OutputChunk | readonly OutputChunk[];

async function pump(items: Item[], framing: Framing): Promise<{ stream: number; text: string }[]> {
  const sink = new PassThrough({ highWaterMark: 1 << 30 });
  await pumpOutput(
    (async function* () {
      for (const item of items) yield item;
    })(),
    sink,
    framing,
  );
  sink.end();
  const bytes = Buffer.concat(await sink.toArray());
  if (!framing.isFramed) return [{ stream: 0, text: bytes.toString() }];
  const frames = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at + 4);
    expect(bytes.readUIntBE(at + 1, 3)).toBe(0);
    frames.push({ stream: bytes[at] as number, text: bytes.toString('utf8', at + 8, at + 8 + length) });
    at += 8 + length;
  }
  return frames;
}

const chunk = (stream: 1 | 2, text: string): OutputChunk => ({ stream, data: Buffer.from(text) });

test('each chunk is a frame, and a terminal has none', async () => {
  const items = [chunk(1, 'a'), [chunk(2, 'b'), chunk(2, '')], chunk(1, 'c')];
  expect(await pump(items, { isFramed: true, canMerge: false })).toEqual([
    { stream: 1, text: 'a' },
    { stream: 2, text: 'b' },
    { stream: 2, text: '' },
    { stream: 1, text: 'c' },
  ]);
  expect(await pump(items, { isFramed: false, canMerge: true })).toEqual([{ stream: 0, text: 'abc' }]);
});

test('merged frames hold the same bytes in the same order', async () => {
  const items = [chunk(1, 'a'), chunk(1, 'b'), chunk(2, 'c'), chunk(1, 'd')];
  expect(await pump(items, { isFramed: true, canMerge: true })).toEqual([
    { stream: 1, text: 'ab' },
    { stream: 2, text: 'c' },
    { stream: 1, text: 'd' },
  ]);
});

test.each([true, false])('chunks of all sizes come through whole (merging: %s)', async (canMerge) => {
  const items: OutputChunk[] = [];
  for (let i = 0; i < 400; i++) items.push(chunk(i % 3 === 0 ? 2 : 1, String(i % 10).repeat((i * 977) % 40_000)));
  const frames = await pump(items, { isFramed: true, canMerge });
  for (const stream of [1, 2]) {
    const got = frames.filter((frame) => frame.stream === stream).map((frame) => frame.text);
    const sent = items.filter((item) => item.stream === stream).map((item) => item.data.toString());
    expect(got.join('') === sent.join('')).toBe(true);
  }
  if (!canMerge) expect(frames).toHaveLength(items.length);
});

test('the names of stream types depend on terminal and version', () => {
  expect(streamContentType(false, 1042)).toBe('application/vnd.docker.multiplexed-stream');
  expect(streamContentType(false, 1041)).toBe('application/vnd.docker.raw-stream');
  expect(streamContentType(true, 1050)).toBe('application/vnd.docker.raw-stream');
});

test('only clients known to copy get merged frames of logs', () => {
  expect(mergesLogFrames('Docker-Client/28.2.2 (linux)')).toBe(true);
  expect(mergesLogFrames('docker-sdk-python/7.1.0')).toBe(false);
  expect(mergesLogFrames(undefined)).toBe(false);
});

test('each end that a chunk names is a frame on the wire', async () => {
  const data = Buffer.from('one\ntwo\n');
  const parts: Buffer[] = [];
  const sink = new Writable({
    write(part: Buffer, _encoding, done) {
      parts.push(Buffer.from(part));
      done();
    },
  });
  const source = (async function* () {
    yield { stream: 1 as const, data, frameEnds: [4, 8] };
  })();
  await pumpOutput(source, sink, { isFramed: true, canMerge: false });
  expect(Buffer.concat(parts).toString('latin1')).toBe('\x01\0\0\0\0\0\0\x04one\n\x01\0\0\0\0\0\0\x04two\n');
});

test('log frames are lines for other clients: cut, joined across writes, streams apart', async () => {
  const items = [
    chunk(1, 'a\nb\nc'),
    [chunk(2, 'E\n'), chunk(1, 'd\n\n')],
    chunk(1, 'x'.repeat(20_000)),
    chunk(2, 'end'),
  ];
  const frames: { stream: number; text: string }[] = [];
  const source = (async function* () {
    for (const item of items) yield item;
  })();
  for await (const lines of lineFrames(source)) {
    for (const { stream, data, frameEnds } of lines) {
      let start = 0;
      for (const end of frameEnds ?? [data.length]) {
        frames.push({ stream, text: data.toString('utf8', start, end) });
        start = end;
      }
    }
  }
  expect(frames.map(({ stream, text }) => [stream, text.length > 9 ? text.length : text])).toEqual([
    [1, 'a\n'],
    [1, 'b\n'],
    [2, 'E\n'],
    [1, 'cd\n'],
    [1, '\n'],
    [1, 16384],
    [1, 3616],
    [2, 'end'],
  ]);
});
