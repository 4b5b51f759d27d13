import { describe, expect, test } from 'vitest';
import { DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from '../../../../daemon/content/media-types.ts';
import { parseManifest } from '../../../../daemon/images/documents/manifest.ts';

const digest = (n: number) => `sha256:${String(n).padStart(64, '0')}`;
const config = { mediaType: 'application/vnd.oci.image.config.v1+json', digest: digest(1), size: 10 };
const layer = { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: digest(2), size: 20 };
const image = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [layer] };
const parse = (value: unknown, mediaType = OCI_MANIFEST) =>
  parseManifest(Buffer.from(JSON.stringify(value)), mediaType);

describe('manifests', () => {
  test('images and indexes of both families are read', () => {
    expect(parse(image)).toEqual({ kind: 'image', config, layers: [layer] });
    expect(parse({ ...image, mediaType: DOCKER_MANIFEST }, DOCKER_MANIFEST).kind).toBe('image');
    const manifests = [
      { mediaType: OCI_MANIFEST, digest: digest(3), size: 5, platform: { os: 'linux', architecture: 'x' } },
    ];
    expect(parse({ schemaVersion: 2, manifests }, OCI_INDEX).kind).toBe('index');
    expect(parse({ schemaVersion: 2, manifests }, DOCKER_LIST).kind).toBe('index');
  });

  test('without a type from the registry, the document’s own counts', () => {
    expect(parse(image, '').kind).toBe('image');
    expect(parse(image, 'application/json').kind).toBe('image');
    expect(() => parse({ ...image, mediaType: undefined }, '')).toThrow('unsupported manifest media type ""');
  });

  test.each([
    ['an image that is an index as well', { ...image, manifests: [] }, OCI_MANIFEST, 'an image and an index at once'],
    [
      'an index with layers',
      { schemaVersion: 2, manifests: [], layers: [] },
      OCI_INDEX,
      'an image and an index at once',
    ],
    ['another type than the registry says', image, OCI_INDEX, 'it calls itself'],
    ['schema 1 by type', image, 'application/vnd.docker.distribution.manifest.v1+prettyjws', 'schema 1'],
    ['schema 1 by version', { ...image, schemaVersion: 1 }, '', 'schema 1'],
    ['no version', { ...image, schemaVersion: undefined }, OCI_MANIFEST, 'schemaVersion'],
    ['layers null', { ...image, layers: null }, OCI_MANIFEST, 'layers is no list'],
    ['too many layers', { ...image, layers: Array(5000).fill(layer) }, OCI_MANIFEST, 'more than'],
    [
      'an artifact',
      { ...image, config: { ...config, mediaType: 'application/vnd.cncf.helm' } },
      OCI_MANIFEST,
      'config media type',
    ],
    [
      'a strange layer',
      { ...image, layers: [{ ...layer, mediaType: 'text/html' }] },
      OCI_MANIFEST,
      'unsupported media type',
    ],
    ['another digest', { ...image, config: { ...config, digest: 'sha512:00' } }, OCI_MANIFEST, 'no sha256 digest'],
    ['a negative size', { ...image, layers: [{ ...layer, size: -1 }] }, OCI_MANIFEST, 'size is no number'],
    ['a huge config', { ...image, config: { ...config, size: 2 ** 40 } }, OCI_MANIFEST, 'more than'],
    ['a list', [image], OCI_MANIFEST, 'not an object'],
  ])('%s is refused', (_, value, mediaType, message) => {
    expect(() => parse(value, mediaType)).toThrow(message);
  });
});
