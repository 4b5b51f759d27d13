// Registries that lie, stall, redirect and overflow: each pull ends in a clear error, names nothing, gives no secret away, and the good
// image still comes afterwards.
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { run } from '../harness/containers.ts';
import { EvilRegistry, reply, when } from '../harness/evil-registry.ts';
import { imageNames, pull, watched } from '../harness/image-transfers.ts';
import { openFileCount } from '../harness/ledger.ts';
import {
  busyboxEntries,
  descriptorOf,
  jsonOf,
  media,
  type RawImage,
  type RawLayer,
  rawImage,
  rawLayer,
  sha256,
} from '../harness/raw-image.ts';
import { Tripwire } from '../harness/tripwire.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon({ image: false });
let registry: EvilRegistry;
let wire: Tripwire;
let layer: RawLayer;
let small: RawLayer;
let good: RawImage;

beforeAll(async () => {
  registry = await EvilRegistry.start(fixture.daemon.network);
  wire = new Tripwire();
  layer = await rawLayer(busyboxEntries());
  small = await rawLayer([{ name: 'small', data: 'x'.repeat(100_000) }]);
  good = rawImage({ layers: [layer, small] });
});
beforeEach(() => registry.reset());
afterEach(async () => {
  wire.check();
  if (!fixture.daemon.isRunning) throw new Error(`the daemon ended:\n${fixture.daemon.logTail()}`);
  for (const name of await imageNames(fixture.daemon))
    await fixture.daemon.api.send('DELETE', `/images/${encodeURIComponent(name)}?force=1`);
});
afterAll(async () => {
  await registry.close();
  wire.remove();
});

const blob = (part: RawLayer) => `blobs/${part.descriptor.digest}`;
const holdGood = (over: Partial<RawImage> = {}) => registry.hold({ ...good, ...over }, 'evil');
/** Another content of the same length. */
const altered = (bytes: Buffer) => Buffer.from(bytes.map((byte, i) => (i === bytes.length >> 1 ? byte ^ 1 : byte)));
const holdManifest = (manifest: unknown, mediaType = media.ociManifest) => {
  holdGood();
  registry.holdManifest('evil', 'latest', Buffer.isBuffer(manifest) ? manifest : jsonOf(manifest), mediaType);
};
const manifestOf = (image: RawImage) => JSON.parse(image.manifest.toString()) as Record<string, unknown>;
const platform = { architecture: process.arch === 'arm64' ? 'arm64' : 'amd64', os: 'linux' };
const holdConfig = (config: Record<string, unknown> | Buffer) => {
  registry.hold(rawImage({ layers: [layer, small], config }), 'evil');
};

/** Each prepares the registry's `evil:latest` and says what the error has to name. */
const lies: Record<string, () => RegExp> = {
  'a layer that is not what its digest says': () => {
    holdGood();
    registry.holdBlob('evil', altered(layer.bytes), layer.descriptor.digest);
    return new RegExp(layer.descriptor.digest);
  },
  'a layer that is longer than it says': () => {
    holdGood();
    registry.holdBlob('evil', Buffer.concat([layer.bytes, Buffer.alloc(5000)]), layer.descriptor.digest);
    return new RegExp(layer.descriptor.digest);
  },
  'a layer that is shorter than it says': () => {
    holdGood();
    registry.holdBlob('evil', layer.bytes.subarray(0, -5000), layer.descriptor.digest);
    return new RegExp(layer.descriptor.digest);
  },
  'a layer that always breaks off': () => {
    holdGood();
    registry.rules = [when(blob(small), reply.truncated(small.bytes))];
    return new RegExp(small.descriptor.digest);
  },
  'a connection reset at every blob': () => {
    holdGood();
    registry.rules = [when('/blobs/', reply.reset())];
    return /reset|socket|closed|blobs/;
  },
  'a layer that never ends': () => {
    holdGood();
    registry.rules = [when(blob(layer), reply.endless(Buffer.alloc(1 << 16, 'x')))];
    return new RegExp(layer.descriptor.digest);
  },
  'a layer that is packed with something else on the way': () => {
    holdGood();
    registry.rules = [when(blob(small), reply.bytes(gzipSync(small.bytes), { 'Content-Encoding': 'br' }))];
    return /encoded as br/;
  },
  'a layer that is said to be packed once more, and is not': () => {
    holdGood();
    registry.rules = [when(blob(small), reply.bytes(small.bytes, { 'Content-Encoding': 'gzip' }))];
    return new RegExp(small.descriptor.digest);
  },
  'a descriptor with too small a size': () => {
    const wrong = { ...layer, descriptor: { ...layer.descriptor, size: layer.bytes.length - 7 } };
    registry.hold(rawImage({ layers: [wrong, small] }), 'evil');
    return new RegExp(layer.descriptor.digest);
  },
  'a descriptor with too large a size': () => {
    const wrong = { ...layer, descriptor: { ...layer.descriptor, size: layer.bytes.length + 7 } };
    registry.hold(rawImage({ layers: [wrong, small] }), 'evil');
    return new RegExp(layer.descriptor.digest);
  },
  'a descriptor with a negative size': () => {
    registry.hold(rawImage({ layers: [{ ...layer, descriptor: { ...layer.descriptor, size: -1 } }] }), 'evil');
    return /size/;
  },
  'a config that is not what its digest says': () => {
    holdGood();
    registry.holdBlob('evil', altered(good.config), sha256(good.config));
    return new RegExp(sha256(good.config));
  },
  'a layer whose content is not its diff ID': () => {
    registry.hold(rawImage({ layers: [{ ...layer, diffId: small.diffId }, small] }), 'evil');
    return /diff|layer|sha256/i;
  },
  'fewer diff IDs than layers': () => {
    holdConfig({ rootfs: { type: 'layers', diff_ids: [layer.diffId] } });
    return /diff|layers/i;
  },
  'more diff IDs than layers': () => {
    holdConfig({ rootfs: { type: 'layers', diff_ids: [layer.diffId, small.diffId, small.diffId] } });
    return /diff|layers/i;
  },
  'a layer that is no archive': () => {
    const junk = { ...small, bytes: Buffer.from('not a tar at all'.repeat(99)) };
    const { bytes } = junk;
    registry.hold(
      rawImage({ layers: [{ ...junk, descriptor: descriptorOf(bytes, `${media.ociLayer}+gzip`) }] }),
      'evil',
    );
    return /./;
  },
  'a manifest that is an index as well': () => {
    holdManifest({
      ...manifestOf(good),
      mediaType: undefined,
      manifests: [descriptorOf(good.manifest, media.ociManifest)],
    });
    return /ambiguous|manifest/i;
  },
  'a manifest whose type is not the one of the answer': () => {
    holdManifest({ ...manifestOf(good), mediaType: media.ociIndex }, media.ociManifest);
    return /calls itself/;
  },
  'an index that is served as a manifest': () => {
    holdManifest({ schemaVersion: 2, mediaType: media.ociIndex, manifests: [] }, media.ociManifest);
    return /./;
  },
  'indexes fifty deep': () => {
    holdGood();
    let inner = { bytes: good.manifest, mediaType: media.ociManifest };
    for (let depth = 0; depth < 50; depth++) {
      const manifests = [{ ...descriptorOf(inner.bytes, inner.mediaType), platform }];
      inner = { bytes: jsonOf({ schemaVersion: 2, mediaType: media.ociIndex, manifests }), mediaType: media.ociIndex };
      registry.holdManifest('evil', depth === 49 ? 'latest' : `d${depth}`, inner.bytes, inner.mediaType);
    }
    return /index|nested|deep/i;
  },
  'an index that names itself': () => {
    // No digest can name itself: the registry answers every digest with the same index.
    const self = { mediaType: media.ociIndex, digest: sha256('self'), size: 300, platform };
    const index = jsonOf({ schemaVersion: 2, mediaType: media.ociIndex, manifests: [self] });
    registry.rules = [when('/manifests/', reply.bytes(index, { 'Content-Type': media.ociIndex }))];
    return /./;
  },
  'an index for other machines only': () => {
    const manifests = [
      { ...descriptorOf(good.manifest, media.ociManifest), platform: { architecture: 's390x', os: 'linux' } },
    ];
    holdManifest({ schemaVersion: 2, mediaType: media.ociIndex, manifests }, media.ociIndex);
    return /no matching manifest for linux\//;
  },
  'an index of nothing': () => {
    holdManifest({ schemaVersion: 2, mediaType: media.ociIndex, manifests: [] }, media.ociIndex);
    return /no matching manifest/;
  },
  'a hundred thousand manifests in an index': () => {
    const one = {
      mediaType: media.ociManifest,
      digest: sha256('x'),
      size: 1,
      platform: { architecture: 'a', os: 'b' },
    };
    holdManifest({ schemaVersion: 2, mediaType: media.ociIndex, manifests: Array(100_000).fill(one) }, media.ociIndex);
    return /./;
  },
  'a manifest of the first schema': () => {
    const old = {
      schemaVersion: 1,
      name: 'evil',
      tag: 'latest',
      fsLayers: [{ blobSum: layer.descriptor.digest }],
      history: [],
    };
    holdManifest(old, 'application/vnd.docker.distribution.manifest.v1+prettyjws');
    return /schema|v1|manifest/i;
  },
  'layers that are null': () => {
    holdManifest({ ...manifestOf(good), layers: null });
    return /./;
  },
  'layers that are no list': () => {
    holdManifest({ ...manifestOf(good), layers: { 0: layer.descriptor, length: 1 } });
    return /./;
  },
  'a million layers': () => {
    holdManifest({
      ...manifestOf(good),
      layers: Array(30_000).fill({ mediaType: 'x', digest: layer.descriptor.digest, size: 1 }),
    });
    return /./;
  },
  'an artifact that is no image': () => {
    holdManifest({
      ...manifestOf(good),
      config: { ...descriptorOf(good.config, 'application/vnd.unknown.config.v1+json') },
    });
    return /media ?type|artifact|config/i;
  },
  'a manifest that is no JSON': () => {
    holdManifest(Buffer.from('{"schemaVersion":2,'));
    return /./;
  },
  'a manifest nested too deep': () => {
    holdManifest(Buffer.from(`{"schemaVersion":2,"x":${'['.repeat(500_000)}${']'.repeat(500_000)}}`));
    return /./;
  },
  'a manifest of eight megabytes': () => {
    holdManifest({ ...manifestOf(good), annotations: { a: 'x'.repeat(8 << 20) } });
    return /./;
  },
  'a manifest that never ends': () => {
    registry.rules = [
      when('/manifests/', reply.endless(Buffer.alloc(1 << 16, ' '), { 'Content-Type': media.ociManifest })),
    ];
    return /./;
  },
  'an error that never ends': () => {
    registry.rules = [
      when('/manifests/', reply.endless(Buffer.alloc(1 << 16, 'x'), { 'Content-Type': 'application/json' }, 500)),
    ];
    return /500|Internal/;
  },
  'headers of a megabyte': () => {
    registry.rules = [
      when(
        '/manifests/',
        (_, request) => void request.socket.end(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(1 << 20)}\r\n\r\n`),
      ),
    ];
    return /./;
  },
  'an answer that is no HTTP': () => {
    registry.rules = [when('/manifests/', (_, request) => void request.socket.end('SSH-2.0-OpenSSH\r\n'))];
    return /./;
  },
  'redirects without end': () => {
    registry.rules = [
      when('/v2/evil', (response, request) => void response.writeHead(307, { Location: `${request.url}x` }).end()),
    ];
    return /redirect/i;
  },
  'a redirect to a file of the host': () => {
    registry.rules = [when('/manifests/', reply.redirect(`file://${wire.dir}/SENTINEL`))];
    return /./;
  },
  'a config of nine megabytes': () => {
    holdConfig({ config: { Labels: { a: 'x'.repeat(9 << 20) } } });
    return /config|large|size/i;
  },
  'a config that never ends': () => {
    holdGood();
    registry.rules = [when(sha256(good.config), reply.endless(Buffer.alloc(1 << 16, ' ')))];
    return /./;
  },
  'a config that is a list': () => {
    holdConfig(Buffer.from('[1,2,3]'));
    return /config/i;
  },
  'too many requests, for ever': () => {
    registry.rules = [
      when(
        '/manifests/',
        reply.status(429, { 'Retry-After': '0' }, '{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}'),
      ),
    ];
    return /toomanyrequests|429|slow down/i;
  },
  'a server error, for ever': () => {
    registry.rules = [when('/manifests/', reply.status(503, {}, 'no'))];
    return /503|unavailable/i;
  },
};

for (const bad of [
  'md5:d41d8cd98f00b204e9800998ecf8427e',
  'sha256:abc',
  'sha256:../../../../etc/passwd',
  `sha256:${'A'.repeat(64)}`,
  `sha256:${'a'.repeat(64)}/../x`,
  '',
  7,
]) {
  lies[`the digest ${JSON.stringify(bad).slice(0, 40)} of a layer`] = () => {
    holdManifest({ ...manifestOf(good), layers: [{ ...layer.descriptor, digest: bad }] });
    return /digest|sha256|unsupported|manifest/i;
  };
}

describe('a lie', () => {
  test.each(Object.keys(lies))('%s', async (name) => {
    const { daemon } = fixture;
    const error = (lies[name] as () => RegExp)();
    const seen = await watched(daemon, pull(daemon, `${registry.host}/evil:latest`));
    expect(seen.result.error, seen.result.text.slice(-2000)).toMatch(error);
    // A message is for a person: short, one line, nothing that steers a terminal.
    expect(seen.result.error?.length).toBeLessThan(2000);
    expect(seen.result.error).not.toMatch(/[\0-\x1f\x7f]|internal error/);
    expect(seen.grownBytes).toBeLessThan(150 << 20);
    expect(seen.pingMs).toBeLessThan(100 * seen.usualMs);
    expect(await imageNames(daemon)).toEqual([]);
    registry.rules = [];
    const honest = await pull(daemon, registry.hold(good, 'good'));
    expect(honest.error).toBeUndefined();
  });

  test('after all of these the image runs, and no connection is left open', async () => {
    const { daemon } = fixture;
    const reference = registry.hold(good, 'good');
    expect((await pull(daemon, reference)).error).toBeUndefined();
    expect((await run(daemon, ['/bin/busybox', 'cat', '/hello'], { Image: reference })).stdout).toBe('hello world\n');
    expect(openFileCount(daemon.pid)).toBeLessThan(120);
  });
});

describe('trouble that passes', () => {
  const passing: Record<string, () => void> = {
    'one server error': () => registry.rules.push(when('/manifests/', reply.status(500), 1)),
    'one reset at a blob': () => registry.rules.push(when(blob(layer), reply.reset(), 1)),
    'a blob that breaks off once': () => registry.rules.push(when(blob(layer), reply.truncated(layer.bytes), 1)),
    'one request too many': () =>
      registry.rules.push(when('/manifests/', reply.status(429, { 'Retry-After': '0' }), 1)),
    'a range that was not asked for': () =>
      registry.rules.push(
        when(blob(layer), reply.truncated(layer.bytes), 1),
        when(
          blob(layer),
          reply.bytes(
            layer.bytes.subarray(9),
            { 'Content-Range': `bytes 9-${layer.bytes.length - 1}/${layer.bytes.length}` },
            206,
          ),
          1,
        ),
      ),
    'the whole blob where the rest was asked for': () =>
      registry.rules.push(
        when(blob(layer), reply.truncated(layer.bytes), 1),
        when(blob(layer), reply.bytes(layer.bytes), 1),
      ),
    'a range that is refused': () =>
      registry.rules.push(when(blob(layer), reply.truncated(layer.bytes), 1), when(blob(layer), reply.status(416), 1)),
  };
  test.each(Object.keys(passing))('%s', async (name) => {
    const reference = holdGood();
    (passing[name] as () => void)();
    expect((await pull(fixture.daemon, reference)).error).toBeUndefined();
    const { stdout } = await run(fixture.daemon, ['/bin/busybox', 'cat', '/hello'], { Image: reference });
    expect(stdout).toBe('hello world\n');
  });

  test('a blob that broke off is asked for from there on', async () => {
    const reference = holdGood();
    registry.rules = [when(blob(layer), reply.truncated(layer.bytes), 1)];
    expect((await pull(fixture.daemon, reference)).error).toBeUndefined();
    const ranges = registry.requests(blob(layer)).map(({ headers }) => headers.range);
    expect(ranges.filter((range) => /^bytes=[1-9]\d*-/.test(range ?? ''))).toHaveLength(1);
  });

  test('a registry that goes silent holds up nobody else, and the client can leave', async () => {
    const { daemon } = fixture;
    holdGood();
    registry.rules = [when('evil/manifests', reply.stalled(100))];
    const files = openFileCount(daemon.pid);
    const stuck = pull(daemon, `${registry.host}/evil:latest`, { timeoutMs: 3000 }).catch((error: Error) => error);
    expect((await pull(daemon, registry.hold(good, 'good'))).error).toBeUndefined();
    expect(await stuck).toBeInstanceOf(Error);
    expect(openFileCount(daemon.pid)).toBeLessThan(files + 20);
  });

  test('twenty clients at once get one download; one of them may leave', async () => {
    const { daemon } = fixture;
    const reference = holdGood();
    const leaving = pull(daemon, reference, { timeoutMs: 1 }).catch(() => undefined);
    const pulls = await Promise.all(Array.from({ length: 20 }, () => pull(daemon, reference)));
    await leaving;
    expect(pulls.map(({ error }) => error)).toEqual(Array(20).fill(undefined));
    expect(registry.requests(blob(layer)).filter(({ method }) => method === 'GET').length).toBeLessThanOrEqual(2);
  });
});
