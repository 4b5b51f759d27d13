// The manifest of an image that is here: the one that it came with, as long as all its blobs are here, or one that is made for it.
import { createHash } from 'node:crypto';
import type { Descriptor } from '../content/digest.ts';
import { DOCKER_CONFIG, DOCKER_MANIFEST, layerCompression, OCI_CONFIG, OCI_MANIFEST } from '../content/media-types.ts';
import type { BlobTables } from './blob-tables.ts';
import type { ImageParts } from './image-parts.ts';
import { packingOf } from './layer-archives.ts';

export interface ImageManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
  readonly config: Descriptor;
  /** From the lowest up. */
  readonly layers: readonly Descriptor[];
}

/** Bytes of one manifest or index. */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;

/**
 * The newest manifest that the image is known by and that can be given away as it is. Anybody can name this image's config in a manifest
 * with other layers: only one whose layers were seen to unpack to the image's own counts.
 */
export function recordedManifest(
  { blobs, content, layers: store, tables }: Pick<ImageParts, 'blobs' | 'content' | 'layers' | 'tables'>,
  imageId: string,
  accepts: (layer: Descriptor) => boolean = () => true,
): ImageManifest | undefined {
  const chain = store.chain(tables.get(imageId)?.topLayer).reverse();
  for (const descriptor of blobs.manifestsOf(imageId)) {
    if (!content.has(descriptor.digest)) continue;
    const bytes = content.get(descriptor.digest, MAX_MANIFEST_BYTES);
    // It was checked before it was recorded.
    const { config, layers } = JSON.parse(bytes.toString('utf8')) as { config: Descriptor; layers: Descriptor[] };
    const isOwn =
      layers.length === chain.length && layers.every((layer, i) => isArchiveOf(blobs, chain[i]?.diffId ?? '', layer));
    if (isOwn && layers.every((layer) => content.has(layer.digest) && accepts(layer)))
      return { descriptor, bytes, config, layers };
  }
  return undefined;
}

function isArchiveOf(blobs: BlobTables, diffId: string, { digest, size, mediaType }: Descriptor): boolean {
  return blobs
    .layerBlobs(diffId)
    .some((blob) => blob.digest === digest && blob.size === size && packingOf(blob) === layerCompression(mediaType));
}

/** A manifest for these blobs; the same blobs always make the same bytes. */
export function makeManifest(
  form: 'docker' | 'oci',
  config: { digest: string; size: number },
  layers: readonly Descriptor[],
  annotations?: Readonly<Record<string, string>>,
): ImageManifest {
  const mediaType = form === 'docker' ? DOCKER_MANIFEST : OCI_MANIFEST;
  const configDescriptor = descriptor(form === 'docker' ? DOCKER_CONFIG : OCI_CONFIG, config);
  const manifest = {
    schemaVersion: 2,
    mediaType,
    config: configDescriptor,
    layers: layers.map((layer) => descriptor(layer.mediaType, layer)),
    ...(annotations === undefined ? {} : { annotations }),
  };
  // Indented as Docker's own are: some registries show them to people.
  const bytes = Buffer.from(JSON.stringify(manifest, undefined, 3));
  return {
    descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length },
    bytes,
    config: configDescriptor,
    layers,
  };
}

function descriptor(mediaType: string, { digest, size }: { digest: string; size: number }): Descriptor {
  return { mediaType, size, digest };
}

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
