// A load or a pull whose rows are rolled back takes nothing with it that others have: rows of layers that wait are written before.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { ImageTables } from '../../../daemon/images/image-tables.ts';
import { ImagePuller } from '../../../daemon/images/pull/image-puller.ts';
import type { Registries, RegistrySession } from '../../../daemon/registry/registry-session.ts';
import type { LayerHold } from '../../../daemon/snapshots/layer-store.ts';
import { file } from '../jail/raw-tar.ts';
import { contentOf, StoreFixture } from './store-fixture.ts';

const fixture = new StoreFixture();
let id: string;
let archive: Buffer;
beforeAll(async () => {
  id = await fixture.import([file('a', 'a')], 'it:1');
  archive = await contentOf(await fixture.store.save(['it:1'], {}));
});
afterEach(() => vi.restoreAllMocks());
afterAll(() => fixture.close());

let made = 0;
function adopt(parent: number | undefined): LayerHold {
  const directory = join(fixture.storage.staging, `made-${made++}`);
  mkdirSync(directory);
  writeFileSync(join(directory, 'b'), 'b');
  return fixture.storage.layers.adopt(directory, parent);
}

/** The manifest of the image that is here. */
function registries(): Registries {
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: {
        mediaType: 'application/vnd.oci.image.config.v1+json',
        digest: id,
        size: fixture.storage.content.sizeOf(id),
      },
      layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: `sha256:${'a'.repeat(64)}`, size: 1 }],
    }),
  );
  const manifest = { mediaType: 'application/vnd.oci.image.manifest.v1+json', size: bytes.length, bytes };
  const no = (): never => {
    throw new Error('not asked for');
  };
  const session: RegistrySession = {
    repository: 'example.com/it',
    hasMirrors: false,
    manifest: async () => ({ ...manifest, digest: fixture.storage.content.put(bytes) }),
    headManifest: no,
    blob: no,
    headBlob: no,
    tags: no,
    mountBlob: no,
    uploadBlob: no,
    putManifest: no,
    [Symbol.dispose]: () => undefined,
  };
  return { open: () => session, login: no, describe: no };
}

const recorded: Record<string, () => Promise<void>> = {
  load: () => fixture.store.load(Readable.from([archive]), { quiet: true, tell: () => undefined }),
  pull: () =>
    new ImagePuller(fixture.catalogue, registries(), {
      ...{ maxConcurrentDownloads: 1, maxDownloadAttempts: 1, retryPauseMs: 1 },
    }).pull({
      ...{
        image: 'example.com/it',
        tag: '2',
        platform: '',
        credentials: { username: '', password: '', identityToken: '', registryToken: '' },
        onProgress: () => undefined,
      },
      signal: new AbortController().signal,
    }),
};

test.each(Object.entries(recorded))('%s: rows of layers that waited are there', async (_, record) => {
  using below = adopt(undefined);
  vi.spyOn(ImageTables.prototype, 'setTag').mockImplementationOnce(() => {
    throw new Error('no space left');
  });
  await expect(record()).rejects.toThrow('no space left');
  using above = adopt(below.layer.number);
  fixture.storage.layers.writeRows();
  const rows = fixture.database.all('SELECT number FROM layers').map(({ number }) => number);
  expect(rows).toEqual(expect.arrayContaining([below.layer.number, above.layer.number]));
  await record();
});
