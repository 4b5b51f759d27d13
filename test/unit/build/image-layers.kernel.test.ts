// The layers of a built image: digests, layers without files, and what is there already; on real directories.
import { closeSync, mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { finishLayers } from '../../../daemon/build/exporters/image-layers.ts';
import type { ImageConfig } from '../../../daemon/images/documents/image-config.ts';
import type { LayerHold } from '../../../daemon/snapshots/layer-store.ts';
import { StoreFixture } from '../images/store-fixture.ts';
import { file } from '../jail/raw-tar.ts';

const fixture = new StoreFixture();
afterAll(async () => {
  await fixture.close();
  expect(fixture.errors).toEqual([]);
});
const { signal } = new AbortController();
let made = 0;

/** As a step makes one. */
function adopt(files: Record<string, string>, parent: number | undefined): LayerHold {
  const directory = join(fixture.storage.staging, `made-${made++}`);
  mkdirSync(directory, { mode: 0o755 });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  return fixture.storage.layers.adopt(directory, parent);
}

async function baseImage(): Promise<{ top: number; diffIds: string[] }> {
  const id = await fixture.import([file('base', 'b')]);
  return {
    top: fixture.store.topLayer(id) ?? 0,
    diffIds: fixture.store.byId(id)?.config.rootfs.diff_ids ?? [],
  };
}

test('are those of the base image and what was made, without what holds nothing', async () => {
  const base = await baseImage();
  using first = adopt({ a: '1' }, base.top);
  using empty = adopt({}, first.layer.number);
  using last = adopt({ c: '3' }, empty.layer.number);
  using finished = await finishLayers(fixture.catalogue.parts, last.layer.number, { base: base.diffIds, signal });
  expect(finished.diffIds.slice(0, 1)).toEqual(base.diffIds);
  const { layers } = fixture.storage;
  expect(finished.diffIds.length).toBe(3);
  const chain = layers.chain(finished.top).reverse();
  expect(chain.map(({ diffId }) => diffId)).toEqual(finished.diffIds);
  expect(chain.every(({ key }) => key.startsWith('sha256:'))).toBe(true);
  expect(layers.dirOf(chain[2]?.number ?? 0)).toBe(layers.dirOf(last.layer.number));
});

test('are the layers that are there already when these are equal', async () => {
  const base = await baseImage();
  using one = adopt({ same: 'x' }, base.top);
  using first = await finishLayers(fixture.catalogue.parts, one.layer.number, { base: base.diffIds, signal });
  using other = adopt({ same: 'x' }, base.top);
  const path = join(fixture.storage.layers.dirOf(one.layer.number), 'same');
  const { atime, mtime } = statSync(path);
  utimesSync(join(fixture.storage.layers.dirOf(other.layer.number), 'same'), atime, mtime);
  using second = await finishLayers(fixture.catalogue.parts, other.layer.number, { base: base.diffIds, signal });
  expect(second.top).toBe(first.top);
});

test('are none for an image without files', async () => {
  using finished = await finishLayers(fixture.catalogue.parts, undefined, { base: [], signal });
  expect(finished).toMatchObject({ top: undefined, diffIds: [] });
});

/** The same files once more, in a directory of their own: as a step that runs again makes them. */
function adoptAgain(layer: LayerHold, name: string, parent: number | undefined): LayerHold {
  const { layers } = fixture.storage;
  const from = join(layers.dirOf(layer.layer.number), name);
  const { atime, mtime } = statSync(from);
  const again = adopt({ [name]: readFileSync(from, 'utf8') }, parent);
  utimesSync(join(layers.dirOf(again.layer.number), name), atime, mtime);
  return again;
}

function configOf(diffIds: readonly string[]): ImageConfig {
  return { architecture: 'amd64', os: 'linux', config: {}, rootfs: { type: 'layers', diff_ids: [...diffIds] } };
}

function fileOf(imageId: string, name: string): string {
  const fd = fixture.containers.view(fixture.store.topLayer(imageId) ?? 0);
  try {
    return readFileSync(`/proc/self/fd/${fd}/${name}`, 'utf8');
  } finally {
    closeSync(fd);
  }
}

test('get the files of what was made again when theirs are lost, and so do all images that have them', async () => {
  const { layers } = fixture.storage;
  const base = await baseImage();
  using one = adopt({ lost: 'x' }, base.top);
  using spare = adoptAgain(one, 'lost', base.top);
  using first = await finishLayers(fixture.catalogue.parts, one.layer.number, { base: base.diffIds, signal });
  const id = fixture.catalogue.add(configOf(first.diffIds), { topLayer: first.top });
  rmSync(layers.dirOf(first.top ?? 0), { recursive: true });
  using second = await finishLayers(fixture.catalogue.parts, spare.layer.number, { base: base.diffIds, signal });
  expect(second.top).toBe(first.top);
  expect(layers.unsynced()).toEqual([]);
  expect(fixture.catalogue.add(configOf(second.diffIds), { topLayer: second.top })).toBe(id);
  expect(fileOf(id, 'lost')).toBe('x');
  spare[Symbol.dispose]();
  fixture.catalogue.collect();
  await fixture.restart();
  expect(fileOf(id, 'lost')).toBe('x');
});

test('are told as lost when nothing has their files', async () => {
  const base = await baseImage();
  using one = adopt({ gone: 'x' }, base.top);
  await fixture.storage.files.digest(one.layer.number);
  rmSync(fixture.storage.layers.dirOf(one.layer.number), { recursive: true });
  await expect(finishLayers(fixture.catalogue.parts, one.layer.number, { base: base.diffIds, signal })).rejects.toThrow(
    /the files of layer sha256:[0-9a-f]{64} are lost/,
  );
});

test('take the place of those of an image that are lost', async () => {
  const { layers, files } = fixture.storage;
  using one = adopt({ own: 'x' }, undefined);
  using twin = adoptAgain(one, 'own', undefined);
  await files.digest(one.layer.number);
  await files.digest(twin.layer.number);
  expect(twin.layer.key).toMatch(/^made:/);
  const config = configOf([one.layer.diffId]);
  const id = fixture.catalogue.add(config, { topLayer: twin.layer.number });
  expect(fixture.catalogue.add(config, { topLayer: one.layer.number })).toBe(id);
  expect(fixture.store.topLayer(id), 'nothing is wrong with it').toBe(twin.layer.number);
  rmSync(layers.dirOf(twin.layer.number), { recursive: true });
  fixture.catalogue.add(config, { topLayer: one.layer.number });
  expect(fileOf(id, 'own')).toBe('x');
});

test('are told by their chain ids when an image goes, and not by what nobody knows', async () => {
  const { layers } = fixture.storage;
  fixture.catalogue.collect();
  const small = adopt({ below: 'x'.repeat(1000) }, undefined);
  const top = adopt({ above: 'y' }, small.layer.number);
  await fixture.storage.files.digest(top.layer.number);
  const finished = await finishLayers(fixture.catalogue.parts, top.layer.number, { base: [], signal });
  const id = fixture.catalogue.add(configOf(finished.diffIds), { topLayer: finished.top });
  expect(finished.top, 'nothing is made beside it').toBe(top.layer.number);
  const keys = layers.chain(finished.top).map(({ key }) => key);
  const nameless = adopt({ other: 'z' }, undefined);
  for (const hold of [small, top, finished, nameless]) hold[Symbol.dispose]();
  const removed = await fixture.remove(id, { force: false, noPrune: false });
  expect(removed).toEqual([id, ...keys].map((Deleted) => ({ Deleted })));
});
