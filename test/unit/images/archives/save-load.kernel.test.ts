// Images out as archives and in again, in every form that others make. The archives are written here entry by entry.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { constants, createZstdCompress, gunzipSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { ProgressMessage } from '../../../../daemon/docker-types/progress.ts';
import { recordedManifest } from '../../../../daemon/images/image-manifest.ts';
import { zstdWindowLog } from '../../../../daemon/jail/decoding/zstd-window.ts';
import { TarReader } from '../../../../daemon/protocols/tar/tar-reader.ts';
import { dir, file, hardlink, type RawEntry, rawTar, symlink } from '../../jail/raw-tar.ts';
import { contentOf, put, StoreFixture } from '../store-fixture.ts';

const fixture = new StoreFixture();
const other = new StoreFixture();
afterAll(async () => {
  await fixture.close();
  await other.close();
});
afterEach(() => {
  expect(fixture.errors).toEqual([]);
  expect(other.errors).toEqual([]);
});

function digestOf(bytes: Buffer | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** The files of a tar, by name. */
function filesOf(tar: Buffer): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  let name = '';
  const reader = new TarReader({
    entry: ({ path, type }) => {
      name = type === 'file' ? path : '';
      if (name !== '') files.set(name, Buffer.alloc(0));
    },
    data: (bytes) => files.set(name, Buffer.concat([files.get(name) as Buffer, bytes])),
    end: () => {},
  });
  reader.write(tar);
  reader.end();
  return files;
}

async function load(target: StoreFixture, archive: Buffer | readonly RawEntry[], more = {}): Promise<string[]> {
  const lines: ProgressMessage[] = [];
  const bytes = Buffer.isBuffer(archive) ? archive : rawTar(archive as RawEntry[]);
  // In pieces, as from a socket.
  const pieces = Array.from({ length: Math.ceil(bytes.length / 65_536) }, (_, i) =>
    bytes.subarray(i * 65_536, (i + 1) * 65_536),
  );
  await target.store.load(Readable.from(pieces), { quiet: true, tell: (line) => lines.push(line), ...more });
  return lines.map(({ stream }) => stream ?? '');
}

/** Nothing of a failed load is to be seen: no image, no name, no layer, no blob without a row. */
async function expectNothingLoaded(
  target: StoreFixture,
  archive: Buffer | readonly RawEntry[],
  why: RegExp,
): Promise<void> {
  const before = JSON.stringify(target.store.list({ all: true, filters: new Map(), sharedSize: false }));
  const layers = readdirSync(join(target.path, 'layers'));
  // What an earlier test left goes now; streams let go of theirs a moment after their end.
  const blobsNow = (): string[] => {
    target.catalogue.collect();
    return readdirSync(join(target.path, 'content/blobs/sha256'));
  };
  let blobs = blobsNow();
  for (let quiet = 0; quiet < 10; ) {
    await sleep(10);
    const now = blobsNow();
    quiet = now.length === blobs.length ? quiet + 1 : 0;
    blobs = now;
  }
  await expect(load(target, archive)).rejects.toThrow(why);
  expect(JSON.stringify(target.store.list({ all: true, filters: new Map(), sharedSize: false }))).toBe(before);
  expect(readdirSync(join(target.path, 'layers'))).toEqual(layers);
  expect(readdirSync(join(target.path, 'staging'))).toEqual([]);
  expect(readdirSync(join(target.path, 'content/blobs/sha256'))).toEqual(blobs);
}

let base: string;
let child: string;
beforeAll(async () => {
  base = await fixture.import([dir('etc'), file('etc/conf', 'one'), file('big', Buffer.alloc(300_000, 7))], 'base:1');
  const box = await fixture.create(base);
  fixture.inRoot(box, () => put('etc/more', 'two'));
  child = await fixture.commit(box, base, { repo: 'child', tag: '2' });
  fixture.containers.remove(box);
});

describe('save', () => {
  test('the archive is a docker-archive and an OCI layout, and the same each time', async () => {
    const save = async () => contentOf(await fixture.store.save(['child:2', 'base'], {}));
    const tar = await save();
    expect(digestOf(await save())).toBe(digestOf(tar));
    const files = filesOf(tar);
    const manifest = JSON.parse(String(files.get('manifest.json')));
    const index = JSON.parse(String(files.get('index.json')));
    expect(manifest.map(({ RepoTags }: { RepoTags: string[] }) => RepoTags)).toEqual([['child:2'], ['base:1']]);
    expect(manifest[0].Layers).toHaveLength(2);
    expect(
      index.manifests.map((m: { annotations: Record<string, string> }) => m.annotations['io.containerd.image.name']),
    ).toEqual(['docker.io/library/child:2', 'docker.io/library/base:1']);
    for (const [name, bytes] of files) {
      const hex = /^blobs\/sha256\/(.*)$/.exec(name)?.[1];
      if (hex !== undefined) expect(digestOf(bytes)).toBe(`sha256:${hex}`);
    }
    expect(digestOf(files.get(manifest[0].Config) as Buffer)).toBe(child);
    expect(JSON.parse(String(files.get('repositories')))).toHaveProperty('base.1');
  });

  test('by id it has no name; a name without a tag means all its tags', async () => {
    fixture.store.tag('base:1', 'base', '1.1');
    const names = async (ref: string) => {
      const files = filesOf(await contentOf(await fixture.store.save([ref], {})));
      return JSON.parse(String(files.get('manifest.json')))[0].RepoTags;
    };
    expect(await names(base)).toBeNull();
    expect(await names('base')).toEqual(['base:1', 'base:1.1']);
    await fixture.store.remove('base:1.1', { force: false, noPrune: false });
    await expect(fixture.store.save(['nothing'], {})).rejects.toMatchObject({ code: 'not-found' });
  });

  test('what another store loads has the same id and the same files', async () => {
    const tar = await contentOf(await fixture.store.save(['child:2', child], {}));
    expect(await load(other, tar)).toEqual(['Loaded image: child:2\n']);
    expect(other.store.get('child:2').id).toBe(child);
    const box = await other.create(child);
    other.inRoot(box, () => {
      expect(readFileSync('etc/conf', 'utf8')).toBe('one');
      expect(readFileSync('etc/more', 'utf8')).toBe('two');
    });
    other.containers.remove(box);
    const again = await contentOf(await other.store.save(['child:2'], {}));
    const { Layers } = JSON.parse(String(filesOf(again).get('manifest.json')))[0];
    const layer = filesOf(again).get(Layers[0]) as Buffer;
    const { diff_ids } = JSON.parse(String(filesOf(again).get(`blobs/sha256/${child.slice(7)}`))).rootfs;
    expect(digestOf(layer)).toBe(diff_ids[0]);
  });

  test('an image that goes while it is saved is saved whole', async () => {
    const id = await fixture.import([file('x', Buffer.alloc(3_000_000, 3))], 'goes:1');
    const stream = await fixture.store.save(['goes:1'], {});
    await fixture.store.remove('goes:1', { force: false, noPrune: false });
    expect(filesOf(await contentOf(stream)).has(`blobs/sha256/${id.slice(7)}`)).toBe(true);
    fixture.catalogue.collect();
    expect(readdirSync(join(fixture.path, 'content/blobs/sha256'))).not.toContain(id.slice(7));
  });
});

const layerTar = rawTar([dir('d'), file('d/f', 'content'), hardlink('d/f', 'd/g'), symlink('f', 'd/s')]);
const secondTar = rawTar([file('second', '2')]);
function configFor(...tars: Buffer[]): string {
  return JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    config: { Cmd: ['x'] },
    rootfs: { type: 'layers', diff_ids: tars.map((tar) => digestOf(tar)) },
  });
}

describe('load', () => {
  const config = configFor(layerTar, secondTar);
  const id = digestOf(config);
  const hex = id.slice(7);
  const entry = (more = {}) => [
    { Config: `${hex}.json`, RepoTags: ['old:1'], Layers: ['aa/layer.tar', 'bb/layer.tar'], ...more },
  ];
  const old = (
    manifest: unknown = entry(),
    layers: RawEntry[] = [file('aa/layer.tar', layerTar), file('bb/layer.tar', secondTar)],
  ) => [file('manifest.json', JSON.stringify(manifest)), dir('aa'), ...layers, file(`${hex}.json`, config)];

  async function expectLoaded(archive: Buffer | readonly RawEntry[], ref = 'old:1'): Promise<void> {
    expect(await load(other, archive)).toEqual([`Loaded image: ${ref}\n`]);
    expect(other.store.get(ref).id).toBe(id);
    const box = await other.create(id);
    other.inRoot(box, () => {
      expect(readFileSync('d/s', 'utf8')).toBe('content');
      expect(readFileSync('second', 'utf8')).toBe('2');
    });
    other.containers.remove(box);
    // The making of its init layer lets go a moment later.
    await new Promise(setImmediate);
    await other.store.remove(ref, { force: false, noPrune: false });
  }

  test('directories per layer, in whatever order, with symbolic links', async () => {
    await expectLoaded(old());
    await expectLoaded([...old()].reverse());
    await expectLoaded(
      old(undefined, [
        file('cc/layer.tar', layerTar),
        symlink('../cc/layer.tar', 'aa/layer.tar'),
        file('./bb/layer.tar', secondTar),
      ]),
    );
  });

  const pack: Record<string, (bytes: Buffer) => Buffer> = {
    gzip: (bytes) => gzipSync(bytes),
    zstd: (bytes) => zstdCompressSync(bytes),
    xz: (bytes) => execFileSync('xz', ['-c'], { input: bytes }),
    bzip2: (bytes) => execFileSync('bzip2', ['-c'], { input: bytes }),
  };
  test.each(Object.keys(pack))('packed with %s, as a whole and layer by layer', async (kind) => {
    const packed = pack[kind] as (bytes: Buffer) => Buffer;
    await expectLoaded(packed(rawTar(old())));
    await expectLoaded(old(undefined, [file('aa/layer.tar', packed(layerTar)), file('bb/layer.tar', secondTar)]));
  });

  test('packed with zstd and a window of 128 MB, which is unpacked again to be saved', async () => {
    const params = { [constants.ZSTD_c_windowLog]: 27 };
    const wide = (bytes: Buffer) => contentOf(Readable.from([bytes]).pipe(createZstdCompress({ params })));
    const packed = await wide(layerTar);
    expect(zstdWindowLog(packed)).toBe(27);
    await expectLoaded(await wide(rawTar(old())));
    const layered = old(undefined, [file('aa/layer.tar', packed), file('bb/layer.tar', secondTar)]);
    await expectLoaded(layered);
    await load(other, layered);
    const saved = filesOf(await contentOf(await other.store.save(['old:1'], {})));
    expect([...saved.values()].map(digestOf)).toContain(digestOf(layerTar));
    await other.store.remove('old:1', { force: false, noPrune: false });
  });

  function layout(name = 'docker.io/library/oci:3', change: (manifest: Record<string, unknown>) => void = () => {}) {
    const blob = gzipSync(layerTar);
    const second = zstdCompressSync(secondTar);
    const describe = (mediaType: string, bytes: Buffer | string) => ({
      mediaType,
      digest: digestOf(bytes),
      size: Buffer.byteLength(bytes),
    });
    const manifest: Record<string, unknown> = {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: describe('application/vnd.oci.image.config.v1+json', config),
      layers: [
        describe('application/vnd.oci.image.layer.v1.tar+gzip', blob),
        describe('application/vnd.oci.image.layer.v1.tar+zstd', second),
      ],
    };
    change(manifest);
    const text = JSON.stringify(manifest);
    const index = {
      schemaVersion: 2,
      manifests: [
        {
          ...describe('application/vnd.oci.image.manifest.v1+json', text),
          annotations: { 'org.opencontainers.image.ref.name': name },
        },
      ],
    };
    return {
      digest: digestOf(text),
      entries: [
        file('oci-layout', '{"imageLayoutVersion":"1.0.0"}'),
        file('index.json', JSON.stringify(index)),
        ...[blob, second, config, text].map((bytes) => file(`blobs/sha256/${digestOf(bytes).slice(7)}`, bytes)),
      ],
    };
  }

  test('an OCI layout, whose manifest and blobs come out again as they went in', async () => {
    const { entries, digest } = layout();
    expect(await load(other, entries)).toEqual(['Loaded image: oci:3\n']);
    const again = filesOf(await contentOf(await other.store.save(['oci:3'], {})));
    const [saved] = JSON.parse(String(again.get('manifest.json')));
    expect(digestOf(gunzipSync(again.get(saved.Layers[0]) as Buffer))).toBe(digestOf(layerTar));
    expect(recordedManifest(other.catalogue.parts, id)?.descriptor.digest).toBe(digest);
    await other.store.remove('oci:3', { force: false, noPrune: false });
    expect(await load(other, layout('3').entries)).toEqual([`Loaded image ID: ${id}\n`]);
    await other.store.remove(id, { force: false, noPrune: false });
  });

  test('without the files of layers that are here already, as tools write it that know what they loaded before', async () => {
    const without = old(undefined, [file('bb/layer.tar', secondTar)]);
    await expectNothingLoaded(other, without, /holds no aa\/layer\.tar/);
    const oneLayer = configFor(layerTar);
    await load(other, [
      file('manifest.json', JSON.stringify([{ Config: 'c.json', RepoTags: ['one:1'], Layers: ['l'] }])),
      file('c.json', oneLayer),
      file('l', layerTar),
    ]);
    await expectLoaded(without);
    const { entries, digest } = layout();
    const blob = digestOf(gzipSync(layerTar)).slice(7);
    const lean = entries.filter(({ name }) => name !== `blobs/sha256/${blob}`);
    expect(await load(other, lean)).toEqual(['Loaded image: oci:3\n']);
    // Its first layer is here in another packing: the manifest that names the missing blob is of no use.
    expect(recordedManifest(other.catalogue.parts, id)?.descriptor.digest).not.toBe(digest);
    await load(fixture, await contentOf(await other.store.save(['oci:3'], {})));
    await fixture.store.remove('oci:3', { force: false, noPrune: false });
    await other.store.remove('oci:3', { force: false, noPrune: false });
    await other.store.remove('one:1', { force: false, noPrune: false });
  });

  test.each<[string, Record<string, unknown>]>([
    ['without os', { os: undefined }],
    ['without architecture', { architecture: undefined }],
    ['with neither', { os: undefined, architecture: undefined }],
    ['with null and an empty text', { os: null, architecture: '' }],
  ])("a config %s is the host's", async (_, change) => {
    const bytes = JSON.stringify({ ...JSON.parse(configFor(layerTar)), ...change });
    await load(other, [
      file('manifest.json', JSON.stringify([{ Config: 'c.json', RepoTags: ['bare:1'], Layers: ['l'] }])),
      file('c.json', bytes),
      file('l', layerTar),
    ]);
    const machine = process.arch === 'x64' ? 'amd64' : process.arch;
    const found = other.inspect('bare:1');
    expect([found.Id, found.Os, found.Architecture]).toEqual([
      digestOf(bytes),
      'linux',
      'architecture' in change ? machine : 'amd64',
    ]);
    await other.store.remove('bare:1', { force: false, noPrune: false });
  });

  test('parents that come along stay parents, and times of naming are not theirs who load', async () => {
    const both = await contentOf(await fixture.store.save(['base:1', 'child:2'], {}));
    const [first, second] = JSON.parse(String(filesOf(both).get('manifest.json')));
    expect([first.Parent, second.Parent]).toEqual([undefined, base]);
    const alone = await contentOf(await fixture.store.save(['child:2'], {}));
    expect(JSON.parse(String(filesOf(alone).get('manifest.json')))[0]).not.toHaveProperty('Parent');
    const before = fixture.inspect('child:2').Metadata;
    expect(Date.now() - Date.parse(before.LastTagTime)).toBeLessThan(600_000);
    await load(fixture, both);
    expect(fixture.inspect('child:2').Metadata).toEqual(before);
    // The child was there alone: its parent comes later.
    await load(other, alone);
    expect(other.inspect('child:2').Parent).toBe('');
    await load(other, both);
    expect(other.inspect('child:2').Parent).toBe(base);
    expect(other.inspect('child:2').Metadata.LastTagTime).toBe('0001-01-01T00:00:00Z');
    await other.store.remove('child:2', { force: false, noPrune: false });
    await other.store.remove('base:1', { force: false, noPrune: false });
  });

  test('a name that another image has moves, and that is told', async () => {
    const first = await other.import([file('x', 'x')], 'old:1');
    expect(await load(other, old())).toEqual([
      `The image old:1 already exists, renaming the old one with ID ${first} to empty string\n`,
      'Loaded image: old:1\n',
    ]);
    await other.store.remove(first, { force: false, noPrune: false });
    await other.store.remove('old:1', { force: false, noPrune: false });
  });

  test('a platform that the archive does not have', async () => {
    await expect(load(other, old(), { platform: { os: 'linux', architecture: 'arm64' } })).rejects.toThrow(
      /no image for linux\/arm64/,
    );
    expect(await load(other, old(), { platform: { os: 'linux', architecture: 'amd64' } })).toEqual([
      'Loaded image: old:1\n',
    ]);
    await other.store.remove('old:1', { force: false, noPrune: false });
  });

  test.each<[string, () => Buffer | readonly RawEntry[], RegExp]>([
    ['no list', () => [file('x', 'y')], /neither manifest\.json nor index\.json/],
    ['a list that is not JSON', () => [file('manifest.json', '{')], /manifest\.json is no JSON/],
    ['a layer that is not there', () => old(entry({ Layers: ['aa/layer.tar', 'zz'] })), /holds no zz/],
    ['a layer outside', () => old(entry({ Layers: ['../../etc/passwd', 'bb/layer.tar'] })), /leads out of the archive/],
    [
      'a link outside',
      () => old(undefined, [symlink('/../../etc/passwd', 'aa/layer.tar'), file('bb/layer.tar', secondTar)]),
      /leads out/,
    ],
    [
      'a link to itself',
      () => old(undefined, [symlink('layer.tar', 'aa/layer.tar'), file('bb/layer.tar', secondTar)]),
      /too many others/,
    ],
    ['too few layers', () => old(entry({ Layers: ['aa/layer.tar'] })), /expected 2, got 1/],
    ['layers changed round', () => old(entry({ Layers: ['bb/layer.tar', 'aa/layer.tar'] })), /has the digest/],
    [
      'a config that is not what its name says',
      () => old(entry({ Config: 'dd.json' })).concat(file('dd.json', '{}')),
      /rootfs\.diff_ids is missing/,
    ],
    ['a config with another digest', () => old().concat(file(`${hex}.json`, `${config} `)), /has the digest/],
    ['a name that is none', () => old(entry({ RepoTags: ['UPPER:1'] })), /must be lowercase/],
    [
      'a name that reads as an id',
      () => old(entry({ RepoTags: ['sha256:abc'] })),
      /ambiguous tag using digest algorithm/,
    ],
    ['a name without a tag', () => old(entry({ RepoTags: ['old'] })), /it needs a tag/],
    [
      'a layer that is cut off',
      () => old(undefined, [file('aa/layer.tar', layerTar.subarray(0, 700)), file('bb/layer.tar', secondTar)]),
      /EOF/,
    ],
    ['an archive that is cut off', () => rawTar(old()).subarray(0, 3000), /EOF/],
    ['a device', () => [{ name: 'null', type: '3', major: 1, minor: 3 }, ...old()], /neither file nor directory/],
    [
      'a blob of another size',
      () =>
        layout(undefined, (m) => {
          Object.assign((m.layers as object[])[0] as object, { size: 1 });
        }).entries,
      /instead of/,
    ],
    [
      'a blob of another digest',
      () =>
        layout(undefined, (m) => {
          Object.assign((m.layers as object[])[0] as object, { digest: digestOf('x') });
        }).entries,
      /holds no blobs/,
    ],
    [
      'an index and a manifest in one',
      () =>
        layout(undefined, (m) => {
          m.manifests = [];
        }).entries,
      /image and an index at once/,
    ],
    [
      'two good images and a bad one',
      () => old([...entry(), ...entry({ RepoTags: ['b:1'] }), ...entry({ RepoTags: ['c:1'], Layers: [] })]),
      /length mismatch/,
    ],
  ])('refused, and nothing is there: %s', async (_, archive, why) => {
    await expectNothingLoaded(other, archive(), why);
  });

  test('cancelled, nothing is there', async () => {
    const cancel = new AbortController();
    const endless = new Readable({ read() {} });
    endless.push(rawTar(old(), false).subarray(0, 2000));
    const loading = other.store.load(endless, { quiet: true, tell: () => {}, signal: cancel.signal });
    cancel.abort(new Error('gone'));
    await expect(loading).rejects.toThrow();
    expect(readdirSync(join(other.path, 'staging'))).toEqual([]);
  });
});
