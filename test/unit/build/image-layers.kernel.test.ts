// The layers of a built image: digests, layers without files, and what is there already; on real directories.
import { mkdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { finishLayers } from '../../../daemon/build/exporters/image-layers.ts';
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
