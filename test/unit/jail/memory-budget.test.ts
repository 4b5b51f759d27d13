import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { PassThrough, Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { constants, gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { decompressed } from '../../../daemon/jail/decoding/decompress.ts';
import { zstdWindowLog } from '../../../daemon/jail/decoding/zstd-window.ts';
import { DecoderBudget, MemoryBudget } from '../../../daemon/jail/memory-budget.ts';

/** Of all threads of this process. */
function childPids(): string[] {
  const tasks = readdirSync('/proc/self/task');
  return tasks.flatMap((task) => readFileSync(`/proc/self/task/${task}/children`, 'latin1').split(' ').filter(Boolean));
}

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

  test('is one for this process and one for programs, and who waits for a program keeps nobody waiting', async () => {
    const budget = new DecoderBudget(10, 20);
    const first = await budget.take({ memoryBytes: 3, programBytes: 20 }, undefined, 2);
    const second = budget.take({ memoryBytes: 5, programBytes: 20 });
    const other = budget.take({ memoryBytes: 5 });
    expect(await isSettled(other)).toBe(true);
    expect(await isSettled(second)).toBe(false);
    (await other)[Symbol.dispose]();
    first[Symbol.dispose]();
    expect(await isSettled(second)).toBe(true);
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
    expect(await decompressed(body)).toMatchObject({ programBytes: 2 ** 27, memoryBytes: 2 << 20 });
    const usual = new PassThrough();
    usual.end(zstd(24, 20 << 20));
    expect(await decompressed(usual)).toMatchObject({ programBytes: 0, memoryBytes: 2 ** 24 + (2 << 20) });
  });
});

describe('a zstd archive with a window of 128 MB', () => {
  const plain = Buffer.alloc(140 << 20, 'abc');
  const params = { [constants.ZSTD_c_windowLog]: 27, [constants.ZSTD_c_compressionLevel]: 1 };
  const packed = zstdCompressSync(plain, { params });
  const open = async (bytes: Buffer) => (await decompressed(Readable.from([bytes], { objectMode: false }))).stream;

  test('is unpacked outside of this process', async () => {
    // A second frame behind it, and bytes that were there before the reader was.
    const stream = await open(Buffer.concat([packed, zstdCompressSync('the end')]));
    const before = process.memoryUsage.rss();
    const [digest, wanted] = [createHash('sha256'), createHash('sha256').update(plain).update('the end')];
    let most = 0;
    for await (const chunk of stream) {
      digest.update(chunk as Buffer);
      most = Math.max(most, process.memoryUsage.rss() - before);
    }
    expect(digest.digest('hex')).toBe(wanted.digest('hex'));
    expect(most).toBeLessThan(80 << 20);
  }, 60_000);

  test('and a damaged one is refused in the words of the decoder', async () => {
    const damaged = Buffer.from(packed);
    damaged.fill(0xff, damaged.length >> 1);
    const read = async () => {
      for await (const chunk of await open(damaged)) expect(chunk).toBeDefined();
    };
    await expect(read()).rejects.toThrow(/^read zstd archive: .*(corrupt|match|checksum)/i);
  });

  test('and its process ends with who reads it', async () => {
    const before = childPids();
    const stream = await open(packed);
    await once(stream, 'readable');
    const [child] = childPids().filter((pid) => !before.includes(pid));
    expect(child).toBeDefined();
    expect(readFileSync(`/proc/${child}/status`, 'utf8')).toMatch(/^Uid:\s+65534\s+65534/m);
    stream.destroy();
    for (let i = 0; i < 100 && childPids().includes(child as string); i++) await sleep(20);
    expect(childPids()).not.toContain(child);
  });
});
