// Archives made to break out of their tree or to confuse their reader, as layers that are pulled and loaded and as tars that are imported.
// Each is refused or confined, names nothing that it should not, and leaves the host as it was.
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { breakOuts } from '../harness/break-outs.ts';
import { create, run } from '../harness/containers.ts';
import { EvilRegistry } from '../harness/evil-registry.ts';
import { imageNames, importTar, load, pull, type Transfer } from '../harness/image-transfers.ts';
import {
  busyboxEntries,
  dockerArchive,
  jsonOf,
  media,
  ociArchive,
  type RawImage,
  type RawLayer,
  rawImage,
  rawLayer,
  sha256,
} from '../harness/raw-image.ts';
import { readTar, type TarEntry, tarOf } from '../harness/tars.ts';
import { Tripwire } from '../harness/tripwire.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon({ image: false });
let registry: EvilRegistry;
let wire: Tripwire;
let base: RawLayer;
let good: RawImage;

beforeAll(async () => {
  registry = await EvilRegistry.start(fixture.daemon.network);
  wire = new Tripwire();
  base = await rawLayer(busyboxEntries());
  good = rawImage({ layers: [base] });
});
beforeEach(() => registry.reset());
afterEach(async () => {
  wire.check();
  if (!fixture.daemon.isRunning) throw new Error(`the daemon ended:\n${fixture.daemon.logTail()}`);
  await removeImages();
});
afterAll(async () => {
  await registry.close();
  wire.remove();
});

async function removeImages(): Promise<void> {
  await fixture.daemon.removeAllContainers();
  for (const name of await imageNames(fixture.daemon)) {
    await fixture.daemon.api.send('DELETE', `/images/${encodeURIComponent(name)}?force=1`);
  }
}

/** The files of an image as a container of it has them: name to content. */
async function filesOf(image: string): Promise<Map<string, string>> {
  const id = await create(fixture.daemon, ['/x'], { Image: image });
  const { body } = await fixture.daemon.api.send('GET', `/containers/${id}/export`);
  expect(body.includes(wire.secret)).toBe(false);
  const files = new Map<string, string>();
  for (const { name, flag, data, linkname } of readTar(body)) {
    const target = flag === '1' ? files.get(linkname.replace(/^\.?\//, '')) : undefined;
    files.set(name.replace(/^\.?\/|\/$/g, ''), target ?? data.toString());
  }
  await fixture.daemon.removeAllContainers();
  return files;
}

const atTripwire = (entries: readonly TarEntry[]): TarEntry[] =>
  entries.map((entry) =>
    entry.linkname === undefined ? entry : { ...entry, linkname: entry.linkname.replace(/^\/TW/, wire.dir) },
  );

type Way = 'pull' | 'load' | 'import';
async function bring(way: Way, lower: readonly TarEntry[], upper: readonly TarEntry[]): Promise<Transfer> {
  const { daemon } = fixture;
  if (way === 'import') return importTar(daemon, tarOf([...lower, ...upper]), 'evil');
  const layers = [await rawLayer(lower), await rawLayer(upper)];
  const image = rawImage({ layers });
  if (way === 'load') return load(daemon, ociArchive(image, 'docker.io/library/evil:latest'));
  return pull(daemon, registry.hold(image, 'evil'));
}
const nameOf = (way: Way) => (way === 'pull' ? `${registry.host}/evil:latest` : 'evil:latest');

describe.each(['pull', 'load', 'import'] as const)('the named break-outs by %s', (way) => {
  test('there are 34', () => expect(breakOuts).toHaveLength(34));

  // An import has one layer: a whiteout in it names nothing below, and stays a plain name.
  const cases = breakOuts.filter(({ name }) => way !== 'import' || !name.startsWith('Whiteout'));
  test.each(cases)('$name', async ({ base: lower = [], entries, files, mayFail }) => {
    const bottom = lower.length > 0 ? lower : [{ name: 'empty/' }];
    const result = await bring(way, bottom, atTripwire(entries));
    wire.check();
    if (result.error !== undefined) {
      expect(mayFail, result.error).toBe(true);
      expect(result.error).not.toMatch(/internal error/);
      expect(await imageNames(fixture.daemon)).toEqual([]);
      return;
    }
    const found = await filesOf(nameOf(way));
    for (const [path, content] of Object.entries(files ?? {}))
      expect([path, found.get(path) ?? null]).toEqual([path, content]);
  });
});

describe('what an entry may not be', () => {
  const toHost = () => `${'../'.repeat(12)}${wire.dir.slice(1)}`;
  const attacks: Record<string, () => TarEntry[]> = {
    'a name with parents': () => [{ name: `${toHost()}/new`, data: 'x' }],
    'a sibling with the same prefix': () => [{ name: '../evil-sibling/x', data: 'x' }],
    'a name of five thousand characters': () => [{ name: 'x', pax: { path: 'n'.repeat(5000) }, data: 'x' }],
    'overlay attributes': () => [
      {
        name: 'd/',
        pax: { 'SCHILY.xattr.trusted.overlay.redirect': wire.dir, 'SCHILY.xattr.trusted.overlay.opaque': 'y' },
      },
    ],
    'user overlay attributes': () => [{ name: 'd/', pax: { 'SCHILY.xattr.user.overlay.redirect': wire.dir } }],
    'a device number that wraps': () => [
      { name: 'dev0', type: 'char', major: 0o7777777, minor: 0o7777777, mode: 0o666 },
    ],
    'a hard link to itself': () => [{ name: 'self', type: 'link', linkname: 'self' }],
    'a hard link to a later entry': () => [
      { name: 'early', type: 'link', linkname: 'late' },
      { name: 'late', data: 'x' },
    ],
    'an exbibyte of holes': () => [
      {
        name: 's',
        data: '1\n1152921504606846975\n1\n',
        pax: {
          'GNU.sparse.major': '1',
          'GNU.sparse.minor': '0',
          'GNU.sparse.realsize': '1152921504606846976',
          'GNU.sparse.name': 's',
        },
      },
    ],
    'a size that is not there': () => [{ name: 'f', data: 'x', size: 8 ** 11 - 1 }],
    'a PAX size that differs': () => [{ name: 'f', data: 'abc', pax: { size: '99999999999' } }],
    'an unknown type': () => [{ name: 'f', type: 'Z', data: 'abc' }],
    'four thousand levels': () => [{ name: 'x', pax: { path: `${'d/'.repeat(4000)}f` }, data: 'x' }],
    'a PAX record that lies about its length': () => [{ name: 'pax', type: 'x', data: '99999999 path=x\n' }],
    'a long name without end': () => [{ name: '././@LongLink', type: 'L', data: '', size: 8 ** 11 - 1 }],
  };
  const ways = ['pull', 'load'] as const;
  const table = Object.keys(attacks).flatMap((name) => ways.map((way) => [name, way] as const));
  test.each(table)('%s, by %s', async (name, way) => {
    const result = await bring(way, busyboxEntries(), (attacks[name] as () => TarEntry[])());
    wire.check();
    expect(result.error ?? '').not.toMatch(/internal error/);
    if (result.error !== undefined) expect(await imageNames(fixture.daemon)).toEqual([]);
    // Taken means confined: what was in the image before is still what it was.
    else expect((await filesOf(nameOf(way))).get('hello')).toBe('hello world\n');
  });

  test('file capabilities and device nodes that docker keeps are kept', async () => {
    const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex').toString('latin1');
    const entries: TarEntry[] = [
      { name: 'null', type: 'char', major: 1, minor: 3, mode: 0o666 },
      { name: 'pipe', type: 'fifo' },
      { name: 'ping', data: 'x', mode: 0o755, pax: { 'SCHILY.xattr.security.capability': capability } },
    ];
    expect((await bring('load', busyboxEntries(), entries)).error).toBeUndefined();
    const { stdout } = await run(fixture.daemon, ['/bin/busybox', 'stat', '-c', '%n %F %t:%T', '/null', '/pipe'], {
      Image: 'evil',
    });
    expect(stdout).toBe('/null character special file 1:3\n/pipe fifo 0:0\n');
  });
});

describe('an archive to load', () => {
  const archives: Record<string, () => Buffer> = {
    'a layer path outside': () =>
      dockerArchive(good, 'evil:1', { item: { Layers: [`../../../..${wire.dir}/SENTINEL`] } }),
    'an absolute layer path': () => dockerArchive(good, 'evil:1', { item: { Layers: [`${wire.dir}/SENTINEL`] } }),
    'a config path outside': () => dockerArchive(good, 'evil:1', { item: { Config: `../..${wire.dir}/SENTINEL` } }),
    'a layer that is a link to the host': () =>
      dockerArchive(good, 'evil:1', {
        item: { Layers: ['l/layer.tar'] },
        extra: [{ name: 'l/' }, { name: 'l/layer.tar', type: 'symlink', linkname: `${wire.dir}/SENTINEL` }],
      }),
    'a config that is no JSON': () => dockerArchive({ ...good, config: Buffer.from('{') }, 'evil:1'),
    'layers that are not those of the config': () =>
      dockerArchive({ ...good, config: rawImage({ layers: [] }).config }, 'evil:1'),
    'a manifest.json that is an object': () => tarOf([{ name: 'manifest.json', data: '{}' }]),
    'a manifest.json of a million images': () =>
      tarOf([{ name: 'manifest.json', data: `[${Array(300_000).fill('{"Config":"a","Layers":[]}').join(',')}]` }]),
    'no manifest at all': () => tarOf([{ name: 'a', data: 'b' }]),
    'an empty archive': () => Buffer.alloc(1024),
    'an index of the wrong version': () =>
      tarOf([
        { name: 'oci-layout', data: '{"imageLayoutVersion":"9.0.0"}' },
        { name: 'index.json', data: '{}' },
      ]),
    'an index with a digest that is a path': () =>
      tarOf([
        { name: 'oci-layout', data: '{"imageLayoutVersion":"1.0.0"}' },
        {
          name: 'index.json',
          data: jsonOf({
            schemaVersion: 2,
            manifests: [{ mediaType: media.ociManifest, digest: 'sha256:../../x', size: 3 }],
          }),
        },
      ]),
    'a blob that is not what its name says': () =>
      ociArchive(good, 'evil:1', [{ name: `blobs/sha256/${sha256(good.config).slice(7)}`, data: '{}' }]),
    'an archive that breaks off': () => ociArchive(good, 'evil:1').subarray(0, 5000),
    'no archive': () => readFileSync('/proc/self/exe').subarray(0, 1 << 20),
    'a name that is none': () => dockerArchive(good, '../../../evil:1'),
    'a name in capitals': () => dockerArchive(good, 'EVIL:1'),
    'a name of a digest': () => dockerArchive(good, `evil@${good.digest}`),
  };
  test.each(Object.keys(archives))('with %s is refused', async (name) => {
    const result = await load(fixture.daemon, (archives[name] as () => Buffer)());
    wire.check();
    expect(result.error, result.text).toMatch(/^(?!.*internal error).*\S{3}/);
    expect(await imageNames(fixture.daemon)).toEqual([]);
    expect((await load(fixture.daemon, ociArchive(good, 'good:1'))).error).toBeUndefined();
    expect((await run(fixture.daemon, ['/bin/busybox', 'cat', '/hello'], { Image: 'good:1' })).stdout).toBe(
      'hello world\n',
    );
  });

  test('with entries that belong to no image is taken without them', async () => {
    const blobsElsewhere = [
      { name: 'blobs', type: 'symlink', linkname: wire.dir },
      { name: 'blobs/sha256/new', data: 'x' },
    ];
    const result = await load(fixture.daemon, ociArchive(good, 'evil:1', blobsElsewhere));
    wire.check();
    if (result.error === undefined) expect((await filesOf('evil:1')).get('hello')).toBe('hello world\n');
    else expect(await imageNames(fixture.daemon)).toEqual([]);
  });

  test('says when it takes a name from another image', async () => {
    const { daemon } = fixture;
    expect((await load(daemon, ociArchive(good, 'taken:1'))).error).toBeUndefined();
    const other = rawImage({ layers: [await rawLayer(busyboxEntries('other'))] });
    const result = await load(daemon, dockerArchive(other, 'taken:1'));
    expect(result.error).toBeUndefined();
    expect(result.text).toMatch(/taken:1 already exists, renaming the old one with ID sha256:/);
    expect((await run(daemon, ['/bin/busybox', 'cat', '/hello'], { Image: 'taken:1' })).stdout).toBe('hello other\n');
  });
});
