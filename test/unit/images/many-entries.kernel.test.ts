// Containers that made very many files: what is done with them takes its time, but not the daemon's memory.
import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TarEntry } from '../../../daemon/protocols/tar/tar-entry.ts';
import { TarReader } from '../../../daemon/protocols/tar/tar-reader.ts';
import { SmallDisk } from '../jail/many-entries.ts';
import { dir, file } from '../jail/raw-tar.ts';
import { StoreFixture } from './store-fixture.ts';

const home = process.env.TMPDIR;
const place = `/tmp/tsdt-many-${process.pid}`;
const disk = new SmallDisk(place);
process.env.TMPDIR = place;
const fixture = new StoreFixture();
let image: string;

beforeAll(async () => {
  image = await fixture.import([dir('old'), file('old/a'), file('old/b')]);
  const small = await box('names', 10_000);
  for (let round = 0; round < 2; round++) {
    await drain(await fixture.containers.diff(small));
    await fixture.containers.usage(small, 'size');
    await drain(await fixture.storage.archive.exportTar(fixture.stopped(small)));
    await fixture.commit(small, image, { repo: 'small', tag: String(round) });
  }
}, 60_000);
afterAll(async () => {
  await fixture.close();
  if (home === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = home;
  disk[Symbol.dispose]();
  rmSync(place, { recursive: true });
});

/** Sixty thousand of these names are 14 MB in memory, and twice that as the paths that diff tells. */
const LIMIT_BYTES = 20e6;
/** Two workers, of which none may be there. */
const COMMIT_LIMIT_BYTES = 80e6;

/** How much larger this process is at most while the work lasts. What such work takes however little there is was taken before, see beforeAll. */
async function grownBytes(work: () => Promise<void>): Promise<number> {
  const before = process.memoryUsage.rss();
  let most = before;
  const timer = setInterval(() => {
    most = Math.max(most, process.memoryUsage.rss());
  }, 20);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  return most - before;
}

async function box(shape: 'names' | 'links' | 'dirs', count: number): Promise<string> {
  const id = await fixture.create(image);
  disk.grow(shape, `${fixture.containers.dirs(id).upper.slice(place.length + 1)}/new`, count);
  return id;
}

async function drain(stream: Readable): Promise<number> {
  let bytes = 0;
  for await (const chunk of stream) bytes += (chunk as Buffer).length;
  return bytes;
}

async function entriesOf(tar: Readable, see: (entry: TarEntry) => void): Promise<void> {
  const reader = new TarReader({ entry: see, data: () => undefined, end: () => undefined });
  for await (const chunk of tar) reader.write(chunk as Buffer);
  reader.end();
}

describe('60,000 long names in one directory', () => {
  let id: string;
  beforeAll(async () => {
    id = await box('names', 60_000);
  }, 60_000);

  test('are told by diff, sorted', async () => {
    const sorted = createHash('sha256');
    sorted.update('[{"Path":"/new","Kind":1}');
    for (let i = 0; i < 60_000; i++) sorted.update(`,{"Path":"/new/${String(i).padStart(200, '0')}","Kind":1}`);
    sorted.update(']\n');
    const told = createHash('sha256');
    const grown = await grownBytes(async () => {
      for await (const chunk of await fixture.containers.diff(id)) told.update(chunk as Buffer);
    });
    expect(told.digest('hex')).toBe(sorted.digest('hex'));
    expect(grown).toBeLessThan(LIMIT_BYTES);
  }, 60_000);

  test('are counted', async () => {
    const grown = await grownBytes(async () => {
      expect(await fixture.containers.usage(id, 'size')).toBe(0);
      expect(await fixture.containers.usage(id, 'usage')).toBeGreaterThanOrEqual(0);
    });
    expect(grown).toBeLessThan(LIMIT_BYTES);
  }, 60_000);

  test('are exported, sorted, and committed to an image that is packed to the same bytes again', async () => {
    let found = 0;
    let last = '';
    let isSorted = true;
    const exporting = await grownBytes(async () => {
      const tar = await fixture.storage.archive.exportTar(fixture.stopped(id));
      await entriesOf(tar, ({ path }) => {
        if (!path.startsWith('new/0')) return;
        isSorted &&= last < path;
        last = path;
        found++;
      });
    });
    expect({ found, isSorted }).toEqual({ found: 60_000, isSorted: true });
    expect(exporting).toBeLessThan(LIMIT_BYTES);
    const committing = await grownBytes(async () => {
      await fixture.commit(id, image, { repo: 'many', tag: '1' });
    });
    expect(committing).toBeLessThan(COMMIT_LIMIT_BYTES);
    // Its digest is checked.
    const { archives, layers, tables } = fixture.catalogue.parts;
    const top = tables.get(fixture.store.get('many:1').id)?.topLayer as number;
    expect(await drain(archives.plain(layers.get(top)))).toBe(layers.get(top).tarBytes);
  }, 120_000);
});

describe('25,000 files with two names each', () => {
  let id: string;
  beforeAll(async () => {
    id = await box('links', 25_000);
  }, 60_000);

  test('count once', async () => {
    expect(await fixture.containers.usage(id, 'size')).toBe(25_000);
  }, 60_000);

  test('are exported with each link to the name that came first', async () => {
    let right = 0;
    const grown = await grownBytes(async () => {
      const tar = await fixture.storage.archive.exportTar(fixture.stopped(id));
      await entriesOf(tar, ({ type, path, linkPath }) => {
        const number = /^new\/link-(\d+)$/.exec(path)?.[1];
        if (number === undefined || type !== 'link') return;
        const name = String((Number(number) * 7919) % 25_000).padStart(200, '0');
        if (linkPath === `new/${name}`) right++;
      });
    });
    expect(right).toBe(25_000);
    expect(grown).toBeLessThan(LIMIT_BYTES);
  }, 60_000);
});
