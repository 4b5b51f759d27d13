// Registries and archives that lie about what they have: what was here before stays what it is, and can be saved, pushed and removed.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { hostPlatform } from '../../../daemon/images/documents/platform.ts';
import { ImagePuller } from '../../../daemon/images/pull/image-puller.ts';
import { noCredentials, type Registries, type RegistrySession } from '../../../daemon/registry/registry-session.ts';
import { eventually } from '../../harness/eventually.ts';
import { file, type RawEntry, rawTar } from '../jail/raw-tar.ts';
import { contentOf, StoreFixture } from './store-fixture.ts';

const fixture = new StoreFixture();
afterAll(() => fixture.close());
afterEach(() => expect(fixture.errors).toEqual([]));

const GZIP = 'application/vnd.oci.image.layer.v1.tar+gzip';
const layerTar = rawTar([file('hello', 'hello'.repeat(1000))]);
const layer = gzipSync(layerTar);

function digestOf(bytes: Buffer | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

function configOf(comment: string, diffIds: string[] = [digestOf(layerTar)]): Buffer {
  const { architecture } = hostPlatform();
  return Buffer.from(
    JSON.stringify({ architecture, os: 'linux', comment, config: {}, rootfs: { type: 'layers', diff_ids: diffIds } }),
  );
}

function descriptorOf(mediaType: string, bytes: Buffer) {
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}

/** Pulls an image of these blobs from a registry that sends whatever it is given here. */
async function pull(
  image: string,
  config: Buffer,
  layers: { bytes: Buffer; mediaType?: string; size?: number }[],
  mirror?: (bytes: Buffer) => Buffer,
): Promise<void> {
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: descriptorOf('application/vnd.oci.image.config.v1+json', config),
      layers: layers.map(({ bytes, mediaType = GZIP, size = bytes.length }) => ({
        ...descriptorOf(mediaType, bytes),
        size,
      })),
    }),
  );
  const blobs = new Map([config, ...layers.map(({ bytes }) => bytes)].map((bytes) => [digestOf(bytes), bytes]));
  const session = {
    manifest: async () => ({
      ...descriptorOf('application/vnd.oci.image.manifest.v1+json', manifest),
      bytes: manifest,
    }),
    hasMirrors: mirror !== undefined,
    blob: async (digest, { origin = false, offset = 0 } = {}) => {
      const whole = blobs.get(digest) as Buffer;
      const bytes = mirror === undefined || origin ? whole : mirror(whole);
      return { stream: Readable.from([bytes.subarray(offset)]), offset, sizeBytes: bytes.length };
    },
    [Symbol.dispose]: () => undefined,
  } as Partial<RegistrySession> as RegistrySession;
  const registries = { open: () => session } as Partial<Registries> as Registries;
  const settings = { maxConcurrentDownloads: 3, maxDownloadAttempts: 1, retryPauseMs: 1 };
  await new ImagePuller(fixture.catalogue, registries, settings).pull({
    image,
    tag: '1',
    platform: '',
    credentials: noCredentials,
    onProgress: () => undefined,
    signal: new AbortController().signal,
  });
}

async function load(entries: readonly RawEntry[], pack = (bytes: Buffer) => bytes): Promise<void> {
  await fixture.store.load(Readable.from([pack(rawTar(entries))]), { quiet: true, tell: () => undefined });
}

/** Saved and loaded elsewhere, it has the files that its config says. */
async function expectWhole(ref: string): Promise<void> {
  const other = new StoreFixture();
  try {
    const archive = await contentOf(await fixture.store.save([ref], {}));
    await other.store.load(Readable.from([archive]), { quiet: true, tell: () => undefined });
    expect(other.store.get(ref).id).toBe(fixture.store.get(ref).id);
  } finally {
    await other.close();
  }
}

describe('a registry', () => {
  test('that names a config which is here with other layers, or none: the image is saved with its own', async () => {
    const config = configOf('good');
    await pull('good.test/a', config, [{ bytes: layer }]);
    const other = gzipSync(rawTar([file('evil', 'evil')]));
    await pull('evil.test/b', configOf('b', [digestOf(gunzipSync(other))]), [{ bytes: other }]);
    await pull('evil.test/a', config, [{ bytes: other }]);
    await expectWhole('good.test/a:1');
    await pull('evil.test/a', config, []);
    await expectWhole('good.test/a:1');
    await pull('evil.test/a', config, [{ bytes: layer, mediaType: 'application/vnd.oci.image.layer.v1.tar+zstd' }]);
    await expectWhole('good.test/a:1');
    for (const name of ['good.test/a:1', 'evil.test/a:1', 'evil.test/b:1'])
      await fixture.store.remove(name, { force: true, noPrune: false });
  });

  test.each(['application/vnd.oci.image.layer.v1.tar', 'application/vnd.oci.image.layer.v1.tar+zstd'])(
    'that calls a gzip layer %s: it is kept as what it is',
    async (mediaType) => {
      await pull('evil.test/c', configOf('c'), [{ bytes: layer, mediaType }]);
      const { archives, layers } = fixture.catalogue.parts;
      const found = layers.byKey(digestOf(layerTar));
      if (found === undefined) throw new Error('the layer is not there');
      expect(digestOf(await contentOf(archives.plain(found)))).toBe(digestOf(layerTar));
      expect(archives.stored(found.diffId).map((blob) => blob.mediaType)).toEqual([GZIP]);
      await fixture.store.remove('evil.test/c:1', { force: false, noPrune: false });
    },
  );

  test('that packs a layer with a program of the host, or says another size of one that is here, is refused', async () => {
    const packed = execFileSync('xz', ['-c'], { input: layerTar });
    await expect(pull('evil.test/d', configOf('d'), [{ bytes: packed }])).rejects.toThrow(/packed with xz/);
    await pull('good.test/d', configOf('d'), [{ bytes: layer }]);
    const twice = configOf('twice', [digestOf(layerTar), digestOf(layerTar)]);
    const lie = [{ bytes: layer }, { bytes: layer, size: 5 }];
    await expect(pull('evil.test/d', twice, lie)).rejects.toThrow(/the manifest says 5/);
    await fixture.store.remove('good.test/d:1', { force: false, noPrune: false });
  });
});

describe('a mirror', () => {
  const altered = (bytes: Buffer) => Buffer.from(bytes.map((byte, i) => (i === bytes.length >> 1 ? byte ^ 1 : byte)));
  test.each([
    ['layers of other bytes', (bytes: Buffer) => (bytes.equals(layer) ? altered(bytes) : bytes)],
    ['layers of another size', (bytes: Buffer) => (bytes.equals(layer) ? Buffer.concat([bytes, bytes]) : bytes)],
    ['another config', (bytes: Buffer) => (bytes.equals(layer) ? bytes : altered(bytes))],
  ])('that has %s: they come from the registry itself', async (_, mirror) => {
    await pull('good.test/g', configOf('mirrored'), [{ bytes: layer }], mirror);
    await expectWhole('good.test/g:1');
    await fixture.store.remove('good.test/g:1', { force: false, noPrune: false });
  });
});

describe('an archive', () => {
  const entry = (config: Buffer, more = {}) => ({
    Config: `${digestOf(config).slice(7)}.json`,
    RepoTags: null,
    Layers: ['layer.tar'],
    ...more,
  });
  const configFile = (config: Buffer) => file(`${digestOf(config).slice(7)}.json`, config);

  test('of two images that are each other’s parents: both can be removed', async () => {
    const [a, b] = [configOf('parent a'), configOf('parent b')];
    const list = [entry(a, { Parent: digestOf(b) }), entry(b, { Parent: digestOf(a) })];
    await load([
      file('layer.tar', layerTar),
      configFile(a),
      configFile(b),
      file('manifest.json', JSON.stringify(list)),
    ]);
    await fixture.store.prune(new Map());
    expect(fixture.store.count()).toBe(0);
  });

  test('that names one large config a thousand times costs its size once', async () => {
    const config = configOf('x'.repeat(8_000_000));
    const list = JSON.stringify(Array(1000).fill(entry(config)));
    const before = process.memoryUsage();
    await load([file('layer.tar', layerTar), configFile(config), file('manifest.json', list)], (tar) => gzipSync(tar));
    const after = process.memoryUsage();
    expect(after.external + after.heapUsed - before.external - before.heapUsed).toBeLessThan(200e6);
    await fixture.store.prune(new Map());
  });

  test('that holds gigabytes of configs in megabytes is refused', async () => {
    const configs = Array.from({ length: 9 }, (_, i) => configOf(`${i}${'x'.repeat(8_000_000)}`));
    const list = JSON.stringify(configs.map((config) => entry(config)));
    const entries = [file('layer.tar', layerTar), ...configs.map(configFile), file('manifest.json', list)];
    await expect(load(entries)).rejects.toThrow(/manifests and configs are more than/);
    expect(fixture.store.count()).toBe(0);
  });
});

test('a layer whose row could not be written leaves nothing, and the next one is made', async () => {
  const before = readdirSync(`${fixture.path}/layers`);
  fixture.database.run("CREATE TRIGGER full BEFORE INSERT ON layers BEGIN SELECT RAISE(ABORT, 'disk is full'); END");
  await expect(fixture.import([file('a', 'a')])).rejects.toThrow(/disk is full/);
  fixture.database.run('DROP TRIGGER full');
  expect(readdirSync(`${fixture.path}/layers`)).toEqual(before);
  await fixture.store.remove(await fixture.import([file('a', 'b')]), { force: false, noPrune: false });
});

test('a client that leaves while an image is saved leaves no file open', async () => {
  const incompressible = rawTar([
    file('big', Buffer.from(Array.from({ length: 4_000_000 }, () => Math.random() * 256))),
  ]);
  const config = configOf('saved', [digestOf(incompressible)]);
  await pull('good.test/e', config, [{ bytes: gzipSync(incompressible) }]);
  const open = () =>
    readdirSync('/proc/self/fd').filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).includes(`${fixture.path}/content/blobs`);
      } catch {
        return false;
      }
    });
  const stream = await fixture.store.save(['good.test/e:1'], {});
  for await (const chunk of stream) if ((chunk as Buffer).length > 100_000) break;
  await eventually('the blob is closed', () => open().length === 0);
  await fixture.store.remove('good.test/e:1', { force: false, noPrune: false });
});

test('an image whose config is damaged is listed, hides no other, and can be removed and pulled again', async () => {
  const config = configOf('damaged');
  await pull('good.test/f', config, [{ bytes: layer }]);
  const id = fixture.store.get('good.test/f:1').id;
  await fixture.restart();
  writeFileSync(`${fixture.path}/content/blobs/sha256/${id.slice(7)}`, 'rot');
  const list = () => fixture.list({ all: true, filters: new Map(), sharedSize: true });
  expect(list().map(({ RepoTags }) => RepoTags)).toEqual([['good.test/f:1']]);
  await fixture.store.prune(new Map());
  await fixture.store.remove('good.test/f:1', { force: false, noPrune: false });
  expect(list()).toEqual([]);
  await pull('good.test/f', config, [{ bytes: layer }]);
  expect(fixture.inspect('good.test/f:1').Comment).toBe('damaged');
});

test('what a disk has taken of an image is there again after a pull of it', async () => {
  const config = configOf('repaired');
  const again = () => pull('good.test/g', config, [{ bytes: layer }]);
  await again();
  const id = fixture.store.get('good.test/g:1').id;
  const { layers, tables, content } = fixture.catalogue.parts;
  const directory = layers.dirOf(tables.get(id)?.topLayer ?? 0);
  const blob = content.pathOf(digestOf(layer));
  const damages = [
    () => rmSync(directory, { recursive: true }),
    () => rmSync(`${directory}/hello`),
    () => rmSync(blob),
    () => writeFileSync(blob, 'rot'),
    () => rmSync(content.pathOf(id)),
    () => writeFileSync(content.pathOf(id), 'rot'),
  ];
  for (const [n, damage] of damages.entries()) {
    damage();
    await again();
    expect(readFileSync(`${directory}/hello`, 'utf8'), `damage ${n}`).toBe('hello'.repeat(1000));
    expect(digestOf(readFileSync(blob)), `damage ${n}`).toBe(digestOf(layer));
    expect(content.get(id, 10_000).equals(config), `damage ${n}`).toBe(true);
  }
  await fixture.store.remove('good.test/g:1', { force: false, noPrune: false });
});
