// How a cache lies in a registry or a layout: as an OCI image manifest whose config is the cache's, as an index of its layers and config (BuildKit
// before 0.21, and with image-manifest=false), or inside the config of an image that was built.
import type { Descriptor } from '../../content/digest.ts';
import { isDigest } from '../../content/digest.ts';
import { DOCKER_LIST, OCI_INDEX, OCI_MANIFEST } from '../../content/media-types.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { parseBoundedJson } from '../../images/documents/bounded-json.ts';
import { type ImageConfig, MAX_CONFIG_BYTES, parseImageConfig } from '../../images/documents/image-config.ts';
import { parseManifest } from '../../images/documents/manifest.ts';
import type { Platform } from '../../images/documents/platform.ts';
import { digestOf } from '../../images/image-manifest.ts';
import { chooseManifest } from '../../images/pull/choose-platform.ts';
import type { FetchedManifest, PullSession } from '../../registry/registry-session.ts';
import { readWholeBlob } from '../../registry/whole-blob.ts';
import {
  CACHE_CONFIG,
  type CacheDocument,
  type DocumentLayer,
  decodeCache,
  decodeRecords,
  MAX_DOCUMENT_BYTES,
} from './cache-document.ts';

/** The key of an image's config: base64 of the JSON of records. */
export const INLINE_CACHE = 'moby.buildkit.cache.v0';
const DIFF_ID = 'containerd.io/uncompressed';
const CREATED_AT = 'buildkit/createdat';
const MAX_BLOB_BYTES = 2 ** 42;

/** What is said of a layer of a document. */
export interface DescribedLayer {
  /** undefined: it is only here, in an image. */
  readonly blob: Descriptor | undefined;
  readonly diffId: string;
}

export interface ReadCache {
  readonly document: CacheDocument;
  /** For each layer of the document; undefined: nobody says what it unpacks to, and it is of no use. */
  readonly layers: readonly (DescribedLayer | undefined)[];
}

export interface LayerToDescribe {
  readonly blob: Descriptor;
  readonly diffId: string;
  readonly createdMs: number | undefined;
}

/** undefined: an image without a cache. Throws 'invalid' saying what is wrong, 'not-found', and the registry's errors. */
export async function readCache(
  session: PullSession,
  reference: string,
  platform: Platform | undefined,
  signal: AbortSignal,
): Promise<ReadCache | undefined> {
  const top = await session.manifest(reference, signal);
  const cache = cacheOf(top);
  if (cache !== undefined) {
    const document = decodeCache(await verifiedBlob(session, cache.config, MAX_DOCUMENT_BYTES, signal));
    return { document, layers: document.layers.map(({ blob }) => cache.layers.get(blob)) };
  }
  const image = await imageOf(session, top, platform, signal);
  const config = parseImageConfig(await verifiedBlob(session, image.config, MAX_CONFIG_BYTES, signal));
  return inlineCache(config, image.layers);
}

/** `blobs`: of the image's layers; undefined where they are not known. undefined: it has none. Throws 'invalid'. */
export function inlineCache(config: ImageConfig, blobs: readonly Descriptor[] | undefined): ReadCache | undefined {
  const encoded = config[INLINE_CACHE];
  if (encoded === undefined || encoded === null) return undefined;
  const diffIds = config.rootfs.diff_ids;
  if (typeof encoded !== 'string') throw invalid(`${INLINE_CACHE} of the image is no text`);
  if (blobs !== undefined && blobs.length !== diffIds.length)
    throw invalid(`the image has ${blobs.length} layers, and its config tells of ${diffIds.length}`);
  const records = decodeRecords(Buffer.from(encoded, 'base64'), diffIds.length);
  const layers = diffIds.map((diffId, index): DescribedLayer => ({ blob: blobs?.[index], diffId }));
  const parents = layers.map(({ blob, diffId }, index): DocumentLayer => {
    return { blob: blob?.digest ?? diffId, parent: index - 1 };
  });
  return { document: { layers: parents, records }, layers };
}

/** The manifest of a cache, or its index. `isOci`: its media types. */
export function makeCacheManifest(
  layers: readonly LayerToDescribe[],
  config: { readonly digest: string; readonly size: number },
  { isImage, isOci }: { readonly isImage: boolean; readonly isOci: boolean },
): { readonly descriptor: Descriptor; readonly bytes: Buffer } {
  const described = [...new Map(layers.map((layer) => [layer.blob.digest, describedLayer(layer)])).values()];
  const own = { mediaType: CACHE_CONFIG, digest: config.digest, size: config.size };
  const mediaType = isImage ? OCI_MANIFEST : isOci ? OCI_INDEX : DOCKER_LIST;
  const content = isImage ? { config: own, layers: described } : { manifests: [...described, own] };
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...content }));
  return { descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length }, bytes };
}

function describedLayer({ blob, diffId, createdMs }: LayerToDescribe): object {
  const time = createdMs === undefined ? {} : { [CREATED_AT]: new Date(createdMs).toISOString() };
  return { ...blob, annotations: { ...time, [DIFF_ID]: diffId } };
}

interface CacheParts {
  readonly config: Descriptor;
  readonly layers: ReadonlyMap<string, DescribedLayer>;
}

/** undefined: it is an image, or an index of images. */
function cacheOf({ bytes }: FetchedManifest): CacheParts | undefined {
  const value = objectOf(bytes);
  if (isObject(value.config)) {
    if (value.config.mediaType !== CACHE_CONFIG) return undefined;
    return { config: descriptorOf('config', value.config), layers: describedLayers(value.layers) };
  }
  const entries: unknown[] = Array.isArray(value.manifests) ? value.manifests : [];
  const configs = entries.filter((entry) => isObject(entry) && entry.mediaType === CACHE_CONFIG);
  const [config] = configs;
  if (config === undefined) return undefined;
  return { config: descriptorOf('config', config), layers: describedLayers(entries) };
}

function describedLayers(value: unknown): Map<string, DescribedLayer> {
  const layers = new Map<string, DescribedLayer>();
  if (!Array.isArray(value)) throw invalid('its layers are no list');
  value.forEach((entry, index) => {
    const blob = descriptorOf(`layers[${index}]`, entry);
    const { annotations } = entry as { annotations?: unknown };
    const diffId = isObject(annotations) ? annotations[DIFF_ID] : undefined;
    if (isDigest(diffId)) layers.set(blob.digest, { blob, diffId });
  });
  return layers;
}

async function imageOf(
  session: PullSession,
  top: FetchedManifest,
  platform: Platform | undefined,
  signal: AbortSignal,
): Promise<{ readonly config: Descriptor; readonly layers: readonly Descriptor[] }> {
  const manifest = parseManifest(top.bytes, top.mediaType);
  if (manifest.kind === 'image') return manifest;
  const { digest } = chooseManifest(manifest, platform);
  const fetched = await session.manifest(digest, signal);
  const image = parseManifest(fetched.bytes, fetched.mediaType);
  if (image.kind === 'image') return image;
  throw invalid(`${digest} is an index inside an index`);
}

async function verifiedBlob(
  session: PullSession,
  blob: Descriptor,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Buffer> {
  if (blob.size > maxBytes) throw invalid(`${blob.digest} has ${blob.size} bytes, more than ${maxBytes}`);
  const bytes = await readWholeBlob(session, blob, maxBytes, signal);
  if (digestOf(bytes) === blob.digest) return bytes;
  throw invalid(`${blob.digest} came with the digest ${digestOf(bytes)}`);
}

function descriptorOf(where: string, value: unknown): Descriptor {
  if (!isObject(value)) throw invalid(`${where} is no object`);
  const { mediaType, digest, size } = value;
  if (typeof mediaType !== 'string' || mediaType.length > 255) throw invalid(`${where}.mediaType is no text`);
  if (!isDigest(digest)) throw invalid(`${where}.digest is no sha256 digest`);
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0 || size > MAX_BLOB_BYTES)
    throw invalid(`${where}.size is no number of bytes`);
  return { mediaType, digest, size };
}

function objectOf(bytes: Uint8Array): Record<string, unknown> {
  let value: unknown;
  try {
    value = parseBoundedJson(bytes);
  } catch (error) {
    throw new EngineError('invalid', 'read cache manifest: it is no JSON, or too much of it', { cause: error });
  }
  if (isObject(value)) return value;
  throw invalid('it is no object');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(what: string): EngineError {
  return new EngineError('invalid', `read cache manifest: ${what}`);
}
