// The archive of a context, as it goes to the daemon.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { contextFiles } from '../../../../cli/build/context-files.ts';
import { packContext } from '../../../../cli/build/pack-context.ts';

let top: string;
let root: string;

beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'tsdocker-pack-'));
  root = join(top, 'context');
  mkdirSync(join(root, 'a'), { recursive: true });
});

afterEach(() => rmSync(top, { recursive: true, force: true }));

const files = () =>
  [...contextFiles({ kind: 'directory', root, dockerfile: 'Dockerfile', ignore: undefined, extra: [] })].filter(
    ({ entry }) => entry.kind === 'file',
  );

async function piecesOf(given: ReturnType<typeof files>): Promise<Buffer[]> {
  const pieces: Buffer[] = [];
  for await (const piece of packContext(given)) pieces.push(piece);
  return pieces;
}

function unpacked(pieces: readonly Buffer[]): string {
  const to = join(top, 'to');
  mkdirSync(to);
  execFileSync('tar', ['-xf', '-', '-C', to], { input: Buffer.concat(pieces) });
  return to;
}

test('files of every size arrive as they are', async () => {
  const sizes = [0, 1, 511, 512, 513, 256 * 1024 - 512, 256 * 1024, 256 * 1024 + 1, 1_000_000];
  for (const size of sizes) writeFileSync(join(root, 'a', `${size}`), Buffer.alloc(size, `${size},`));
  const to = unpacked(await piecesOf(files()));
  for (const size of sizes)
    expect(readFileSync(join(to, 'a', `${size}`)).equals(Buffer.alloc(size, `${size},`)), `${size} bytes`).toBe(true);
});

test('many small files go in few pieces', async () => {
  for (let n = 0; n < 300; n++) writeFileSync(join(root, 'a', `${n}`), `${n}`);
  const pieces = await piecesOf(files());
  const bytes = pieces.reduce((sum, { length }) => sum + length, 0);
  expect(pieces.length).toBe(Math.ceil(bytes / (256 * 1024)));
});

test('the archive stays whole when a file is shorter by now', async () => {
  writeFileSync(join(root, 'a', 'first'), 'x'.repeat(300_000));
  writeFileSync(join(root, 'a', 'second'), 'whole');
  const listed = files();
  truncateSync(join(root, 'a', 'first'), 10);
  const to = unpacked(await piecesOf(listed));
  const first = readFileSync(join(to, 'a', 'first'));
  expect(first.equals(Buffer.concat([Buffer.alloc(10, 'x'), Buffer.alloc(299_990)]))).toBe(true);
  expect(readFileSync(join(to, 'a', 'second'), 'utf8')).toBe('whole');
});

test('a pipe in the place of a file keeps nobody waiting', async () => {
  writeFileSync(join(root, 'a', 'f'), 'file');
  const listed = files();
  rmSync(join(root, 'a', 'f'));
  execFileSync('mkfifo', [join(root, 'a', 'f')]);
  const to = unpacked(await piecesOf(listed));
  expect(readFileSync(join(to, 'a', 'f'))).toEqual(Buffer.alloc(4));
});
