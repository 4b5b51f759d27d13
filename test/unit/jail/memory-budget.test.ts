import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { constants, gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { decompressed } from '../../../daemon/jail/decoding/decompress.ts';
import { zstdWindowLog } from '../../../daemon/jail/decoding/zstd-window.ts';
import { MemoryBudget } from '../../../daemon/jail/memory-budget.ts';

async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  return Promise.race([promise.then(() => true), sleep(20, false)]);
}

describe('a budget of memory', () => {
  test('is given in the order of asking, and what is too large alone', async () => {
    const budget = new MemoryBudget(10);
    const [first, second] = [await budget.take(6), await budget.take(4)];
    const large = budget.take(50);
    const small = budget.take(1);
    first[Symbol.dispose]();
    expect(await isSettled(large)).toBe(false);
    expect(await isSettled(small), 'it came later').toBe(false);
    second[Symbol.dispose]();
    const held = await large;
    expect(await isSettled(small)).toBe(false);
    held[Symbol.dispose]();
    held[Symbol.dispose]();
    (await small)[Symbol.dispose]();
    expect(await isSettled(budget.take(10))).toBe(true);
  });

  test('is not waited for when whoever asked has gone', async () => {
    const budget = new MemoryBudget(10);
    const all = await budget.take(10);
    const gone = new AbortController();
    const waiting = budget.take(10, gone.signal);
    const next = budget.take(1);
    gone.abort(new Error('left'));
    await expect(waiting).rejects.toThrow('left');
    all[Symbol.dispose]();
    expect(await isSettled(next)).toBe(true);
  });
});

describe('an archive that waits for its turn', () => {
  const gzip = gzipSync(Buffer.alloc(100_000, 'x'));

  test.each([
    ['packed', gzip],
    ['plain', Buffer.alloc(1000, 'x')],
  ])('and breaks meanwhile, %s, fails its reader, and nobody else', async (_, bytes) => {
    const body = new PassThrough();
    body.on('error', () => undefined);
    body.write(bytes.subarray(0, 50));
    const source = await decompressed(body);
    body.destroy(new Error('cut off'));
    await sleep(5);
    expect(source.signal?.aborted).toBe(true);
    const read = (async () => {
      for await (const chunk of source.stream) expect(chunk).toBeUndefined();
    })();
    await expect(read).rejects.toThrow('cut off');
    await expect(decompressed(body)).rejects.toThrow('cut off');
  });

  test('says how much memory it will take', async () => {
    const zstd = (windowLog: number, bytes = 1 << 20) => {
      const params = { [constants.ZSTD_c_windowLog]: windowLog, [constants.ZSTD_c_contentSizeFlag]: 0 };
      return zstdCompressSync(Buffer.alloc(bytes), { params });
    };
    expect(zstdWindowLog(zstd(20))).toBe(23);
    expect(zstdWindowLog(zstd(27, 130 << 20))).toBe(27);
    const body = new PassThrough();
    body.end(zstd(27, 130 << 20));
    expect((await decompressed(body)).memoryBytes).toBeGreaterThan(2 ** 27);
  });
});
