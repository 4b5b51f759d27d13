// Media types of manifests and layers: OCI image-spec "media-types.md" and Docker's schema 2.

export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
export const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';
export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
const DOCKER_SCHEMA_1 = /^application\/vnd\.docker\.distribution\.manifest\.v1\+(?:json|prettyjws)$/;

export const manifestTypes: readonly string[] = [DOCKER_MANIFEST, OCI_MANIFEST];
export const indexTypes: readonly string[] = [DOCKER_LIST, OCI_INDEX];
/** Accept of every request for a manifest. */
export const acceptedManifests: string = [...manifestTypes, ...indexTypes].join(', ');

export function isSchema1(mediaType: string): boolean {
  return DOCKER_SCHEMA_1.test(mediaType);
}

export const DOCKER_CONFIG = 'application/vnd.docker.container.image.v1+json';
export const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json';

/**
 * As what manifests call their config: old versions of the registry's own software, and tools, say less than they should (Docker takes
 * the same: distribution/issues/1621).
 */
export const configTypes: readonly string[] = [
  DOCKER_CONFIG,
  OCI_CONFIG,
  'application/octet-stream',
  'application/json',
  'text/html',
  '',
];

const OCI_LAYER = 'application/vnd.oci.image.layer.v1.tar';

export type LayerCompression = 'none' | 'gzip' | 'zstd';

const layerTypes: ReadonlyMap<string, LayerCompression> = new Map([
  ['application/vnd.docker.image.rootfs.diff.tar.gzip', 'gzip'],
  ['application/vnd.docker.image.rootfs.diff.tar', 'none'],
  ['application/vnd.docker.image.rootfs.diff.tar.zstd', 'zstd'],
  ['application/vnd.oci.image.layer.v1.tar', 'none'],
  ['application/vnd.oci.image.layer.v1.tar+gzip', 'gzip'],
  ['application/vnd.oci.image.layer.v1.tar+zstd', 'zstd'],
]);

const FOREIGN =
  /^application\/(?:vnd\.docker\.image\.rootfs\.foreign\.diff\.tar(?:\.gzip)?|vnd\.oci\.image\.layer\.nondistributable\.v1\.tar(?:\+gzip|\+zstd)?)$/;

/** undefined: it is no layer that can be unpacked. Foreign ones are packed like others. */
export function layerCompression(mediaType: string): LayerCompression | undefined {
  if (!isForeignLayer(mediaType)) return layerTypes.get(mediaType);
  return /[.+]zstd$/.test(mediaType) ? 'zstd' : /[.+]gzip$/.test(mediaType) ? 'gzip' : 'none';
}

/** What a layer packed like this is to be called: what it is said to be, unless that is something else. */
export function layerTypeOf(said: string, packing: LayerCompression): string {
  if (layerTypes.get(said) === packing) return said;
  return packing === 'none' ? OCI_LAYER : `${OCI_LAYER}+${packing}`;
}

/** Layers that may be at URLs of their own instead of in the registry. */
export function isForeignLayer(mediaType: string): boolean {
  return FOREIGN.test(mediaType);
}
