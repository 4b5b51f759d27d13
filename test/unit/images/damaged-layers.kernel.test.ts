// What was lost or altered on the disk is there again after a load of the same image.
import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { repairLayer } from '../../../daemon/images/damaged-layers.ts';
import { dir, file } from '../jail/raw-tar.ts';
import { contentOf, StoreFixture } from './store-fixture.ts';

const source = new StoreFixture();
const target = new StoreFixture();
afterAll(async () => {
  await source.close();
  await target.close();
});
afterEach(() => {
  target.users.clear();
  expect(target.errors).toEqual([]);
});

let archive: Buffer;
let id: string;
let whole: Buffer;
const load = () => target.store.load(Readable.from([archive]), { quiet: true, tell: () => undefined });
const saved = () => target.store.save(['it:1'], {}).then(contentOf);

beforeAll(async () => {
  const below = await source.import(
    [dir('etc'), file('etc/one', 'one'.repeat(1000)), file('etc/two', 'two')],
    'below:1',
  );
  const box = await source.create(below);
  source.inRoot(box, () => writeFileSync('etc/three', 'three'.repeat(500)));
  id = await source.commit(box, below, { repo: 'it', tag: '1' });
  archive = await contentOf(await source.store.save(['it:1'], {}));
  await load();
  whole = await saved();
});

const blobs = () => join(target.path, 'content/blobs/sha256');
const layers = () => target.catalogue.parts.layers.chain(target.catalogue.parts.tables.get(id)?.topLayer);
const lowest = () => target.catalogue.parts.layers.dirOf(layers().at(-1)?.number ?? 0);
const blobPath = () => {
  const [blob] = target.catalogue.parts.blobs.layerBlobs(layers().at(-1)?.diffId ?? '');
  return join(blobs(), String(blob?.digest).slice(7));
};

const damages: Record<string, () => void> = {
  'a layer that is gone': () => rmSync(lowest(), { recursive: true }),
  'a file of a layer that is gone': () => rmSync(join(lowest(), 'etc/one')),
  'a file of a layer that was cut off': () => truncateSync(join(lowest(), 'etc/one'), 10),
  'all layers': () => {
    for (const name of readdirSync(join(target.path, 'layers')))
      rmSync(join(target.path, 'layers', name), { recursive: true });
  },
  'a blob that is gone': () => rmSync(blobPath()),
  'a blob that was cut off': () => truncateSync(blobPath(), 3),
  'a bit of a blob': () => {
    const bytes = readFileSync(blobPath());
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    writeFileSync(blobPath(), bytes);
  },
  'a config that is gone': () => rmSync(join(blobs(), id.slice(7))),
  'a config that is another': () => writeFileSync(join(blobs(), id.slice(7)), 'rot'),
  'all of content and layers': () => {
    for (const name of readdirSync(blobs())) rmSync(join(blobs(), name));
    for (const layer of layers()) rmSync(target.catalogue.parts.layers.dirOf(layer.number), { recursive: true });
  },
};

test.each(Object.entries(damages))('%s: as it was', async (_, damage) => {
  damage();
  await target.restart();
  await load();
  // An image without its config is told at the start.
  target.errors.length = 0;
  expect((await saved()).equals(whole)).toBe(true);
  const box = await target.create(id);
  target.inRoot(box, () => {
    expect(readFileSync('etc/one', 'utf8')).toBe('one'.repeat(1000));
    expect(readFileSync('etc/three', 'utf8')).toBe('three'.repeat(500));
  });
  target.containers.remove(box);
});

test('a layer on which a container runs is not taken from below it: that is told', async () => {
  rmSync(join(lowest(), 'etc/two'));
  target.users.set(id, [{ id: 'c'.repeat(64), isRunning: true }]);
  await expect(load()).rejects.toThrow(
    /files of it are missing, and container cccccccccccc runs on the others: stop it first/,
  );
  expect(readdirSync(join(lowest(), 'etc'))).toEqual(['one']);
  target.users.clear();
  await load();
  expect(readdirSync(join(lowest(), 'etc')).sort()).toEqual(['one', 'two']);
});

test('a layer that shares its files with one on which a container runs is not taken from below it', async () => {
  const { layers: store } = target.storage;
  const [top] = layers();
  if (top === undefined) throw new Error('no layers');
  using other = store.restack(top.number, undefined);
  const running = target.catalogue.add(
    { architecture: 'amd64', os: 'linux', config: {}, rootfs: { type: 'layers', diff_ids: [top.diffId] } },
    { topLayer: other.layer.number },
  );
  rmSync(join(store.dirOf(top.number), 'etc/three'));
  target.users.set(running, [{ id: 'd'.repeat(64), isRunning: true }]);
  await expect(load()).rejects.toThrow(/container dddddddddddd runs on the others: stop it first/);
  target.users.clear();
  await load();
  expect(readdirSync(join(store.dirOf(top.number), 'etc'))).toEqual(['three']);
  await target.remove(running, { force: false, noPrune: false });
});

test('a layer whose row was written anew is known as that of a running container', async () => {
  const lowestLayer = layers().at(-1);
  if (lowestLayer === undefined) throw new Error('no layers');
  rmSync(join(lowest(), 'etc/two'));
  target.users.set(id, [{ id: 'e'.repeat(64), isRunning: true }]);
  const directory = join(target.storage.staging, 'by-hand');
  mkdirSync(directory);
  using staged = {
    directory,
    staged: { diffId: lowestLayer.diffId, sizeBytes: 0 },
    [Symbol.dispose]: () => rmSync(directory, { recursive: true }),
  };
  target.storage.layers.setTarBytes(lowestLayer.number, lowestLayer.tarBytes ?? 0);
  for (const known of [lowestLayer, { ...lowestLayer, directory: 0 }])
    await expect(repairLayer(target.catalogue.parts, staged, known)).rejects.toThrow(/container eeeeeeeeeeee runs/);
  target.users.clear();
  await load();
});

test('a layer that a build reads is not taken from below it', async () => {
  rmSync(join(lowest(), 'etc/two'));
  const top = layers()[0]?.number;
  const reading = target.storage.layers.read(top);
  await expect(load()).rejects.toThrow(/files of it are missing, and a build reads the others/);
  expect(readdirSync(join(lowest(), 'etc'))).toEqual(['one']);
  reading[Symbol.dispose]();
  await load();
  expect(readdirSync(join(lowest(), 'etc')).sort()).toEqual(['one', 'two']);
});

test('an image that is whole is not unpacked again', async () => {
  const before = readdirSync(lowest());
  const [stamp] = layers().map(({ number }) => target.catalogue.parts.layers.dirOf(number));
  const mark = join(String(stamp), '..', 'mark');
  writeFileSync(mark, '');
  await load();
  rmSync(mark);
  expect(readdirSync(lowest())).toEqual(before);
});
