// Where a cache lies: its manifest, its index, an image's config. What of it is a stranger's is held against its digests and bounded.
import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { CACHE_CONFIG } from '../../../../daemon/build/cache-transfer/cache-document.ts';
import { INLINE_CACHE, makeCacheManifest, readCache } from '../../../../daemon/build/cache-transfer/cache-manifest.ts';
import { digestOf } from '../../../../daemon/images/image-manifest.ts';
import type { PullSession } from '../../../../daemon/registry/registry-session.ts';

const diffId = `sha256:${'d'.repeat(64)}`;
const blob = {
  mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
  digest: `sha256:${'b'.repeat(64)}`,
  size: 5,
};
const records = [{ digest: `sha256:${'1'.repeat(64)}`, layers: [{ layer: 0 }] }];
const config = Buffer.from(JSON.stringify({ layers: [{ blob: blob.digest, parent: -1 }], records }));
const own = { digest: digestOf(config), size: config.length };

/** What has one manifest under each name, and blobs by their digests. */
function sessionOf(manifests: Record<string, Uint8Array>, blobs: readonly Buffer[], change = (bytes: Buffer) => bytes) {
  const byDigest = new Map(blobs.map((bytes) => [digestOf(bytes), bytes]));
  const session: PullSession = {
    hasMirrors: false,
    manifest: async (reference) => {
      const bytes = Buffer.from(manifests[reference] ?? '{}');
      return { mediaType: '', digest: digestOf(bytes), size: bytes.length, bytes };
    },
    blob: async (digest) => {
      const bytes = change(byDigest.get(digest) ?? Buffer.alloc(0));
      return { stream: Readable.from([bytes]), offset: 0, sizeBytes: bytes.length };
    },
    [Symbol.dispose]: () => undefined,
  };
  return session;
}

const read = (session: PullSession) => readCache(session, 'a', undefined, new AbortController().signal);
const json = (value: unknown) => Buffer.from(JSON.stringify(value));

describe('a cache', () => {
  test.each([
    ['manifest', { isImage: true, isOci: true }],
    ['index', { isImage: false, isOci: true }],
    ["docker's list", { isImage: false, isOci: false }],
  ])('is read from its %s', async (_, form) => {
    const { bytes, descriptor } = makeCacheManifest([{ blob, diffId, createdMs: 0 }], own, form);
    expect(descriptor).toMatchObject({ digest: digestOf(bytes), size: bytes.length });
    const cache = await read(sessionOf({ a: bytes }, [config]));
    expect(cache?.layers).toEqual([{ blob, diffId }]);
    expect(cache?.document.records).toMatchObject([{ layer: 0 }]);
  });

  test('is read from an image, which need not have one', async () => {
    const image = (more: object) =>
      json({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [diffId] }, ...more });
    const of = (bytes: Buffer) => {
      const descriptor = { mediaType: 'application/vnd.oci.image.config.v1+json', digest: digestOf(bytes) };
      const manifest = {
        schemaVersion: 2,
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        config: { ...descriptor, size: bytes.length },
        layers: [blob],
      };
      return read(sessionOf({ a: json(manifest) }, [bytes]));
    };
    const inline = { [INLINE_CACHE]: json(records).toString('base64') };
    expect((await of(image(inline)))?.layers).toEqual([{ blob, diffId }]);
    expect(await of(image({}))).toBeUndefined();
    expect(await of(image({ [INLINE_CACHE]: null }))).toBeUndefined();
    await expect(of(image({ [INLINE_CACHE]: 5 }))).rejects.toThrow('is no text');
    await expect(of(image({ [INLINE_CACHE]: '{' }))).rejects.toThrow('no JSON');
  });
});

describe('of a stranger', () => {
  const manifest = (more: object) =>
    json({ schemaVersion: 2, config: { mediaType: CACHE_CONFIG, ...own }, layers: [], ...more });

  test.each([
    ['no JSON', Buffer.from('x'), 'no JSON'],
    ['no object', json([]), 'no object'],
    ['layers that are no list', manifest({ layers: 1 }), 'no list'],
    ['a layer without a digest', manifest({ layers: [{ ...blob, digest: '../x' }] }), 'no sha256 digest'],
    ['a layer of no size', manifest({ layers: [{ ...blob, size: -1 }] }), 'no number of bytes'],
    ['a config that is too large', manifest({ config: { mediaType: CACHE_CONFIG, ...own, size: 1e9 } }), 'more than'],
    [
      'a config of another size',
      manifest({ config: { mediaType: CACHE_CONFIG, ...own, size: 9 } }),
      'more than 9 bytes',
    ],
    ['something else', json({ schemaVersion: 2, config: { mediaType: 'x' }, layers: [] }), 'unsupported manifest'],
  ])('%s is refused', async (_, bytes, message) => {
    await expect(read(sessionOf({ a: bytes }, [config]))).rejects.toThrow(message);
  });

  test('a config with other bytes is refused, and a layer that nobody describes is of no use', async () => {
    const swapped = sessionOf({ a: manifest({}) }, [config], (bytes) => Buffer.from(bytes).fill(0x20, 0, 1));
    await expect(read(swapped)).rejects.toThrow('came with the digest');
    expect((await read(sessionOf({ a: manifest({}) }, [config])))?.layers).toEqual([undefined]);
    const unsaid = manifest({ layers: [{ ...blob, annotations: { 'containerd.io/uncompressed': 'x' } }] });
    expect((await read(sessionOf({ a: unsaid }, [config])))?.layers).toEqual([undefined]);
  });
});
