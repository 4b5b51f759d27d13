// Little archives that unpack to much, on a small disk: each ends in a clear error, in bounded memory, gives the disk back, and the daemon
// answers all the while.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import { request } from 'node:http';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { run } from '../harness/containers.ts';
import { eventually } from '../harness/eventually.ts';
import { EvilRegistry, type Reply, reply, when } from '../harness/evil-registry.ts';
import { imageNames, load, pull, watched } from '../harness/image-transfers.ts';
import { residentBytes } from '../harness/ledger.ts';
import {
  busyboxEntries,
  descriptorOf,
  media,
  ociArchive,
  type RawImage,
  type RawLayer,
  rawImage,
  rawLayer,
  sha256,
} from '../harness/raw-image.ts';
import { tarOf } from '../harness/tars.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const dir = mkdtempSync('/tmp/tsdt-bombs-');
const dataRoot = `${dir}/data`;
beforeAll(() => {
  mkdirSync(dataRoot);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m,nr_inodes=20k', 'tsdt', dataRoot]);
});
afterAll(() => {
  execFileSync('umount', ['-l', dataRoot]);
  rmSync(dir, { recursive: true, force: true });
});
const fixture = useDaemon({ image: false, dir });
let registry: EvilRegistry;
let good: RawImage;

beforeAll(async () => {
  registry = await EvilRegistry.start(fixture.daemon.network);
  good = rawImage({ layers: [await rawLayer(busyboxEntries())] });
});
beforeEach(() => registry.reset());
afterEach(async () => {
  for (const name of await imageNames(fixture.daemon))
    await fixture.daemon.api.send('DELETE', `/images/${encodeURIComponent(name)}?force=1`);
});
afterAll(() => registry.close());

const packings = ['gzip', 'zstd'] as const;
type Packing = (typeof packings)[number];
const PIECE_BYTES = 16 << 20;

/** `head`, then so many pieces of one byte value: members of a gzip file, or frames of a zstd file, one after the other. */
function bomb(packing: Packing, head: Buffer, fill: string, pieces: number): Buffer {
  const piece = pack(packing, Buffer.alloc(PIECE_BYTES, fill));
  return Buffer.concat([pack(packing, head), ...Array<Buffer>(pieces).fill(piece)]);
}

const headerOf = (bytes: number) => tarOf([{ name: 'big', data: '', size: bytes }], { end: false });
const pack = (packing: Packing, bytes: Buffer) => (packing === 'gzip' ? gzipSync(bytes) : zstdCompressSync(bytes));
const noSpace = /no space left on device/;

interface Bomb {
  make: (packing: Packing) => Buffer;
  error: RegExp;
}

const bombs: Record<string, Bomb> = {
  'a file that is larger than the disk': {
    make: (packing) => bomb(packing, headerOf(64 * PIECE_BYTES), 'x', 64),
    error: noSpace,
  },
  // Zeros become a hole: all of it is read, and then it is not what the config says.
  'a gigabyte of zeros': { make: (packing) => bomb(packing, headerOf(64 * PIECE_BYTES), '\0', 64), error: /sha256/ },
  'a gigabyte of zeros behind the end': {
    make: (packing) => bomb(packing, tarOf([{ name: 'a', data: 'x' }]), '\0', 64),
    error: /sha256/,
  },
  'more files than the disk has inodes': {
    make: (packing) => pack(packing, tarOf(Array.from({ length: 30_000 }, (_, i) => ({ name: `f${i}`, data: '' })))),
    error: noSpace,
  },
  'an archive that is packed twice': {
    make: (packing) => pack(packing, pack(packing, tarOf([{ name: 'a', data: 'x' }]))),
    error: /tar|archive|EOF/,
  },
  'a hundred thousand empty members': {
    make: (packing) =>
      Buffer.concat([pack(packing, headerOf(9)), ...Array<Buffer>(100_000).fill(pack(packing, Buffer.alloc(0)))]),
    error: /tar|archive|EOF|sha256/,
  },
};

/** Its diff ID is that of nothing: whatever comes out of it is not what was promised. */
function bombLayer(bytes: Buffer, packing: Packing): RawLayer {
  const descriptor = descriptorOf(bytes, `${media.ociLayer}+${packing}`);
  return { tar: Buffer.alloc(0), bytes, descriptor, diffId: sha256('nothing') };
}

const unpacking = () => readdirSync(`${dataRoot}/staging`);

async function expectRefused(work: () => ReturnType<typeof pull>, error: RegExp): Promise<void> {
  const { daemon } = fixture;
  const before = statfsSync(dataRoot);
  const seen = await watched(daemon, work());
  expect(seen.result.error, seen.result.text.slice(-500)).toMatch(error);
  expect(seen.result.error).not.toMatch(/internal error/);
  expect(seen.grownBytes).toBeLessThan(200 << 20);
  expect(seen.pingMs).toBeLessThan(100 * seen.usualMs);
  expect(await imageNames(daemon)).toEqual([]);
  await eventually('what was unpacked is gone', () => unpacking().length === 0);
  // The database may have grown a little.
  await eventually('the disk is as free as before', () => {
    const { bavail, ffree } = statfsSync(dataRoot);
    return bavail > before.bavail - 512 && ffree > before.ffree - 200;
  });
}

async function expectGood(): Promise<void> {
  const reference = registry.hold(good, 'good');
  expect((await pull(fixture.daemon, reference)).error).toBeUndefined();
  const { stdout } = await run(fixture.daemon, ['/bin/busybox', 'cat', '/hello'], { Image: reference });
  expect(stdout).toBe('hello world\n');
}

describe.each(packings)('as a layer, %s', (packing) => {
  const made = new Map<string, Buffer>();
  const bytesOf = (name: string) => {
    const bytes = made.get(name) ?? (bombs[name] as Bomb).make(packing);
    made.set(name, bytes);
    return bytes;
  };
  afterAll(() => made.clear());

  const table = Object.keys(bombs).flatMap((name) => (['pull', 'load'] as const).map((way) => [name, way] as const));
  test.each(table)('%s, by %s', async (name, way) => {
    const image = rawImage({ layers: [bombLayer(bytesOf(name), packing)] });
    const work = () =>
      way === 'load'
        ? load(fixture.daemon, ociArchive(image, 'docker.io/library/evil:latest'))
        : pull(fixture.daemon, registry.hold(image, 'evil'));
    await expectRefused(work, (bombs[name] as Bomb).error);
    await expectGood();
  });

  test('the archive itself, by load', async () => {
    const archive = bomb(packing, headerOf(64 * PIECE_BYTES), '\0', 64);
    await expectRefused(() => load(fixture.daemon, archive), noSpace);
    await expectGood();
  });
});

test('one that never ends goes when its client goes', async () => {
  const { daemon } = fixture;
  const head = tarOf([{ name: 'big', data: '', size: 0, pax: { size: '4000000000000' } }], { end: false });
  const layer = bombLayer(gzipSync(head), 'gzip');
  const image = rawImage({ layers: [{ ...layer, descriptor: { ...layer.descriptor, size: 2 ** 40 } }] });
  const reference = registry.hold(image, 'evil');
  const piece = gzipSync(Buffer.alloc(PIECE_BYTES));
  let isLeft = false;
  const endless: Reply = (response, request) => {
    request.socket.once('close', () => {
      isLeft = true;
    });
    // The first piece is the tar's beginning.
    response.writeHead(200).write(layer.bytes);
    reply.endless(piece)(response, request);
  };
  registry.rules = [when(layer.descriptor.digest, endless)];
  const before = residentBytes(daemon.pid);
  const query = new URLSearchParams({ fromImage: reference });
  const client = request({ socketPath: daemon.socketPath, method: 'POST', path: `/images/create?${query}` });
  client.on('error', () => {}).on('response', (answer) => answer.on('error', () => {}).resume());
  client.end();
  const big = () => unpacking().some((name) => existsSync(`${dataRoot}/staging/${name}/fs/big`));
  await eventually('it is unpacked', big);
  client.destroy();
  await eventually('the download ends', () => isLeft);
  await eventually('what was unpacked is gone', () => unpacking().length === 0);
  expect(residentBytes(daemon.pid) - before).toBeLessThan(200 << 20);
  expect((await daemon.api.send('GET', '/_ping')).status).toBe(200);
  expect(await imageNames(daemon)).toEqual([]);
  await expectGood();
});
