import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { constants, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { decompressed } from '../../../daemon/jail/decoding/decompress.ts';
import { ZstdFrames } from '../../../daemon/jail/decoding/zstd-frames.ts';

const contents = [
  Buffer.from('one'),
  Buffer.alloc(0),
  Buffer.alloc(300_000, 'z'),
  Buffer.from(Array.from({ length: 200_000 }, (_, i) => (i * i * 31) >> 5)),
  Buffer.alloc(512, 'end'),
];
const checksummed = { params: { [constants.ZSTD_c_checksumFlag]: 1 } };
const packed = contents.map((content, i) => zstdCompressSync(content, i % 2 === 0 ? {} : checksummed));
/** As zstd:chunked puts its table of contents at the end. */
const skippable = Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 0x28, 0xb5, 0x2f]);
const whole = Buffer.concat([...packed.slice(0, 3), skippable, ...packed.slice(3), skippable]);

function inPieces(bytes: Buffer, size: number): Readable {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size));
  return Readable.from(pieces, { objectMode: false });
}

describe('a zstd file of several frames', () => {
  test.each([1, 7, 1000, 1 << 20])('is read to its end when it comes in pieces of %i bytes', async (size) => {
    const { stream } = await decompressed(inPieces(whole, size));
    expect((await buffer(stream)).equals(Buffer.concat(contents))).toBe(true);
  });

  test.each([1, 7, 1 << 20])('is cut between them, and nowhere else anew, in pieces of %i bytes', async (size) => {
    const pieces: Buffer[] = await inPieces(whole, size).pipe(new ZstdFrames()).toArray();
    expect(Buffer.concat(pieces).equals(whole)).toBe(true);
    if (size > whole.length) expect(pieces).toHaveLength(contents.length + 2);
  });

  test('garbage behind it is an error, as is an end in the middle', async () => {
    for (const broken of [
      Buffer.concat([whole, Buffer.from('garbage')]),
      whole.subarray(0, packed[0]?.length ?? 0).subarray(0, -1),
    ]) {
      const { stream } = await decompressed(inPieces(broken, 1 << 20));
      await expect(buffer(stream)).rejects.toThrow(/zstd/);
    }
  });
});
