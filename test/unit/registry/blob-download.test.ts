// Downloading a blob that breaks: from a session that gives what a test says, into a real file.
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { BlobWriter } from '../../../daemon/content/blob-writer.ts';
import { downloadBlob } from '../../../daemon/registry/blob-download.ts';

const bytes = randomBytes(300_000);
const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tsdt-download-'));
  path = join(directory, 'blob');
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Gives the pieces of each request in turn; an Error at the end breaks the connection. */
async function download(replies: ((offset: number) => (Buffer | Error)[])[], hasRanges = true): Promise<number[]> {
  const offsets: number[] = [];
  await using writer = await BlobWriter.open(digest, path, bytes.length);
  await downloadBlob({
    session: {
      blob: async (_, options) => {
        const offset = options?.offset ?? 0;
        offsets.push(offset);
        const pieces = replies.shift()?.(offset) ?? [];
        const stream = Readable.from(
          (async function* () {
            for (const piece of pieces) {
              if (piece instanceof Error) throw piece;
              yield piece;
            }
          })(),
        );
        return { stream, offset: hasRanges ? offset : 0, sizeBytes: bytes.length };
      },
    },
    blob: { mediaType: '', digest, size: bytes.length },
    writer,
    maxAttempts: 3,
    retryPauseMs: 1,
    onState: () => undefined,
    onGrowth: () => undefined,
    signal: new AbortController().signal,
  });
  return offsets;
}

const reset = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });

test('goes on where the connection broke', async () => {
  const offsets = await download([(at) => [bytes.subarray(at, 100_000), reset], (at) => [bytes.subarray(at)]]);
  expect(offsets).toEqual([0, 100_000]);
  expect(readFileSync(path)).toEqual(bytes);
});

test('goes on with what an earlier process left', async () => {
  writeFileSync(path, bytes.subarray(0, 123_456));
  expect(await download([(at) => [bytes.subarray(at)]])).toEqual([123_456]);
  expect(readFileSync(path)).toEqual(bytes);
});

test('a registry without ranges sends all of it again, and nothing is doubled', async () => {
  const offsets = await download([() => [bytes.subarray(0, 50_000), reset], () => [bytes]], false);
  expect(offsets).toEqual([0, 50_000]);
  expect(readFileSync(path)).toEqual(bytes);
});

test('gives up after as many attempts as it may, and keeps what came', async () => {
  const break1 = () => [reset];
  await expect(download([(at) => [bytes.subarray(at, 1000), reset], break1, break1, break1])).rejects.toThrow(
    'ECONNRESET',
  );
  expect(readFileSync(path)).toEqual(bytes.subarray(0, 1000));
});

test('other bytes than the digest’s are thrown away', async () => {
  await expect(download([() => [randomBytes(bytes.length)]])).rejects.toThrow(`verify ${digest}`);
  expect(existsSync(path)).toBe(false);
});

test('more bytes than the manifest says are not written', async () => {
  await expect(download([() => [bytes, bytes]])).rejects.toThrow('more than the 300000 bytes');
});
