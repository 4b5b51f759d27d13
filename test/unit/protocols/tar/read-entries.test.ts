// Taking the entries of a tar one after the other.
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readEntries } from '../../../../daemon/protocols/tar/read-entries.ts';

let root = '';
beforeEach(() => {
  root = fs.mkdtempSync(join(tmpdir(), 'tsdocker-read-entries-'));
});
afterEach(() => fs.rmSync(root, { recursive: true }));

/** Tells when all was read. */
async function* pieces(bytes: Buffer, size: number, onEnd = () => {}): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  onEnd();
}

async function collect(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const chunk of chunks) all.push(Buffer.from(chunk));
  return Buffer.concat(all);
}

test.each([100, 512, 1 << 20])('holes of a sparse file are zeros, in pieces of %d bytes', async (size) => {
  const file = fs.openSync(join(root, 'sparse'), 'w');
  fs.writeSync(file, 'begin', 0);
  fs.writeSync(file, 'middle', 300_000);
  fs.ftruncateSync(file, 700_001);
  fs.closeSync(file);
  const tar = execFileSync('tar', ['-cS', '-C', root, 'sparse']);
  expect(tar.length).toBeLessThan(100_000);
  const bodies: Buffer[] = [];
  for await (const entry of readEntries(pieces(tar, size))) bodies.push(await collect(entry.body));
  expect(bodies).toHaveLength(1);
  expect(bodies[0]?.equals(fs.readFileSync(join(root, 'sparse')))).toBe(true);
});

test('what is not read of a body is skipped, and what follows the archive is read out', async () => {
  for (const name of ['a', 'b', 'c']) fs.writeFileSync(join(root, name), name.repeat(5000));
  const tar = Buffer.concat([execFileSync('tar', ['-c', '-C', root, 'a', 'b', 'c']), Buffer.alloc(20_000, 'rest')]);
  let isReadOut = false;
  const seen: string[] = [];
  const chunks = pieces(tar, 700, () => {
    isReadOut = true;
  });
  for await (const { path, body } of readEntries(chunks)) {
    if (path === 'a') {
      for await (const bytes of body) {
        seen.push(`a ${bytes.subarray(0, 3)}`);
        break;
      }
    } else if (path === 'b') seen.push('b');
    else seen.push(`c ${(await collect(body)).length}`);
  }
  expect(seen).toEqual(['a aaa', 'b', 'c 5000']);
  expect(isReadOut).toBe(true);
});

test('an archive that ends in a file is an error where its end should be', async () => {
  fs.writeFileSync(join(root, 'a'), 'a'.repeat(5000));
  const tar = execFileSync('tar', ['-c', '-C', root, 'a']).subarray(0, 3000);
  const read = async () => {
    for await (const { body } of readEntries(pieces(tar, 512))) await collect(body);
  };
  await expect(read()).rejects.toThrow('read tar: unexpected EOF');
});
