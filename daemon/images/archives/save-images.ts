// GET /images/get: a docker-archive (manifest.json, repositories) that is an OCI image layout as well, streamed. Layers that registries have
// packed go out as they are; every loader since Docker 1.10 unpacks gzip. zstd is not so widely known: those go out plain.
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Descriptor } from '../../content/digest.ts';
import { DigestCheck } from '../../content/digest-check.ts';
import { OCI_INDEX } from '../../content/media-types.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { endOfArchive } from '../../protocols/tar/tar-header.ts';
import { familiar, parseReference } from '../../registry/reference.ts';
import type { Layer } from '../../snapshots/layer.ts';
import type { Catalogue } from '../catalogue.ts';
import { platformMatches } from '../documents/platform.ts';
import { type ImageManifest, makeManifest, recordedManifest } from '../image-manifest.ts';
import { shownReference } from '../image-names.ts';
import type { ImageRecord, SaveOptions } from '../image-service.ts';
import { OCI_PLAIN_LAYER, packingOf } from '../layer-archives.ts';
import { blob, blobPath, directory, file, json } from './layout-entries.ts';

/** An image that need not be in the catalogue: its config is in the content store and held, and so are its layers. */
export interface ArchivedImage {
  readonly image: ImageRecord;
  readonly topLayer: number | undefined;
  /** That it shall have. */
  readonly names: readonly { readonly repository: string; readonly tag: string }[];
  /** Of its manifest. */
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface ArchiveOptions {
  /** Not for docker: an OCI layout only. */
  readonly isOciOnly?: boolean;
  /** Layers that are not packed yet are, with gzip. */
  readonly packs?: boolean;
}

/** One image of the archive. */
interface Saved extends ArchivedImage {
  manifest: ImageManifest;
  /** For the layers that are made plain on the way: by digest. */
  plain: Map<string, Layer>;
}

const MAX_NAMES = 10_000;
const READ_BYTES = 1024 * 1024;

export async function saveImages(
  catalogue: Catalogue,
  refs: readonly string[],
  options: SaveOptions,
): Promise<Readable> {
  if (refs.length === 0) throw new EngineError('invalid', 'save: name the images');
  if (refs.length > MAX_NAMES) throw new EngineError('invalid', `save: more than ${MAX_NAMES} images`);
  const wanted = collectNames(catalogue, refs);
  for (const { image } of wanted) checkPlatform(image, options);
  const holds = wanted.map(({ image }) => catalogue.holdImage(image.id));
  const release = (): void => {
    for (const hold of holds.splice(0)) hold[Symbol.dispose]();
  };
  try {
    const saved: Saved[] = [];
    for (const { image, names } of wanted) {
      const topLayer = catalogue.parts.tables.get(image.id)?.topLayer;
      saved.push(await formOf(catalogue, { image, names, topLayer }, {}));
    }
    const stream = streamOf(catalogue, saved, {});
    stream.once('close', release);
    for (const { image } of saved)
      catalogue.parts.onEvent({ action: 'save', id: image.id, attributes: { name: image.id } });
    return stream;
  } catch (error) {
    release();
    throw error;
  }
}

/** The archive of one image that the caller holds until it has been read. */
export async function archiveImage(
  catalogue: Catalogue,
  image: ArchivedImage,
  options: ArchiveOptions,
): Promise<Readable> {
  return streamOf(catalogue, [await formOf(catalogue, image, options)], options);
}

function streamOf(catalogue: Catalogue, saved: readonly Saved[], options: ArchiveOptions): Readable {
  return Readable.from(archive(catalogue, saved, options), { objectMode: false, highWaterMark: READ_BYTES });
}

/** A name without a tag means all tags of the repository; an id or a digest means the image without a name. */
function collectNames(
  catalogue: Catalogue,
  refs: readonly string[],
): { image: ImageRecord; names: { repository: string; tag: string }[] }[] {
  const byId = new Map<string, { image: ImageRecord; names: { repository: string; tag: string }[] }>();
  const want = (image: ImageRecord, name?: { repository: string; tag: string }): void => {
    const known = byId.get(image.id) ?? { image, names: [] };
    byId.set(image.id, known);
    const isNew = !known.names.some((other) => other.repository === name?.repository && other.tag === name.tag);
    if (name !== undefined && isNew) known.names.push(name);
  };
  for (const ref of refs) {
    const found = catalogue.resolve(ref);
    const isId = found !== undefined && isIdOf(found.id, ref);
    const name = isId || ref.startsWith('sha256:') ? undefined : parseReference(ref);
    if (name !== undefined && name.tag === undefined && name.digest === undefined) {
      const tags = catalogue.parts.tables.allTags().filter(({ repository }) => repository === name.repository);
      if (tags.length > 0) {
        for (const { repository, tag, imageId } of tags) want(catalogue.get(imageId), { repository, tag });
        continue;
      }
    }
    if (found === undefined) throw new EngineError('not-found', `No such image: ${shownReference(ref)}`);
    want(found, name?.tag === undefined ? undefined : { repository: name.repository, tag: name.tag });
  }
  return [...byId.values()];
}

function isIdOf(id: string, ref: string): boolean {
  const hex = /^(?:sha256:)?([0-9a-f]{1,64})$/.exec(ref)?.[1];
  return hex !== undefined && id.startsWith(`sha256:${hex}`);
}

function checkPlatform({ config, id }: ImageRecord, { platform }: SaveOptions): void {
  if (platform === undefined || platformMatches(platform, config)) return;
  const has = [config.os, config.architecture, config.variant].filter((part) => part).join('/');
  throw new EngineError('not-found', `save ${id}: the image has the platform ${has} and no other`);
}

async function formOf(catalogue: Catalogue, archived: ArchivedImage, { packs }: ArchiveOptions): Promise<Saved> {
  const { archives, layers, content } = catalogue.parts;
  const { image, annotations } = archived;
  const plain = new Map<string, Layer>();
  const recorded = recordedManifest(catalogue.parts, image.id, (layer) => packingOf(layer) !== 'zstd');
  if (recorded !== undefined && annotations === undefined) return { ...archived, manifest: recorded, plain };
  const descriptors: Descriptor[] = [];
  for (const layer of layers.chain(archived.topLayer).reverse()) {
    if (packs) await archives.packed(layer);
    const stored = archives.stored(layer.diffId).find((blob) => packingOf(blob) !== 'zstd');
    if (stored === undefined) plain.set(layer.diffId, layer);
    descriptors.push(
      stored === undefined
        ? { mediaType: OCI_PLAIN_LAYER, digest: layer.diffId, size: await archives.plainBytes(layer) }
        : { ...stored, mediaType: ociType(stored) },
    );
  }
  const size = content.sizeOf(image.id);
  return { ...archived, manifest: makeManifest('oci', { digest: image.id, size }, descriptors, annotations), plain };
}

function ociType(blob: Descriptor): string {
  return packingOf(blob) === 'gzip' ? `${OCI_PLAIN_LAYER}+gzip` : OCI_PLAIN_LAYER;
}

async function* archive(
  catalogue: Catalogue,
  saved: readonly Saved[],
  { isOciOnly = false }: ArchiveOptions,
): AsyncGenerator<Buffer> {
  yield directory('blobs/');
  yield directory('blobs/sha256/');
  const written = new Set<string>();
  const isNew = (digest: string): boolean => !written.has(digest) && written.add(digest) !== undefined;
  for (const { image, manifest, plain } of saved) {
    for (const layer of manifest.layers) {
      if (isNew(layer.digest)) yield* blob(layer, bytesOf(catalogue, layer, plain.get(layer.digest)));
    }
    if (isNew(image.id)) yield file(blobPath(image.id), catalogue.parts.content.get(image.id, manifest.config.size));
    if (isNew(manifest.descriptor.digest)) yield file(blobPath(manifest.descriptor.digest), manifest.bytes);
  }
  yield json('index.json', layoutIndex(saved));
  const ids = new Set(saved.map(({ image }) => image.id));
  const manifests = saved.map((one) => dockerManifest(one, ids));
  if (!isOciOnly) yield json('manifest.json', manifests);
  yield json('oci-layout', { imageLayoutVersion: '1.0.0' });
  if (!isOciOnly) yield json('repositories', repositories(saved));
  yield endOfArchive();
}

function bytesOf({ parts }: Catalogue, { digest }: Descriptor, plain: Layer | undefined): Readable {
  if (plain !== undefined) return parts.archives.plain(plain);
  const stream = createReadStream(parts.content.pathOf(digest), { highWaterMark: READ_BYTES });
  const check = new DigestCheck(digest, `read ${digest}`);
  // Both end together: a client that leaves closes the file.
  pipeline(stream, check).catch(() => undefined);
  return check;
}

function layoutIndex(saved: readonly Saved[]): object {
  const manifests = saved.flatMap(({ manifest, names, image: { config } }) => {
    const platform = {
      architecture: config.architecture,
      os: config.os,
      ...(config.variant ? { variant: config.variant } : {}),
    };
    const described = { ...manifest.descriptor, platform };
    if (names.length === 0) return [described];
    return names.map(({ repository, tag }) => ({
      ...described,
      annotations: { 'io.containerd.image.name': `${repository}:${tag}`, 'org.opencontainers.image.ref.name': tag },
    }));
  });
  return { schemaVersion: 2, mediaType: OCI_INDEX, manifests };
}

/** `ids`: of the images in the archive. A parent that is not among them would be nobody's. */
function dockerManifest({ image, manifest, names }: Saved, ids: ReadonlySet<string>): object {
  const { parentId } = image;
  return {
    Config: blobPath(image.id),
    RepoTags: names.length === 0 ? null : names.map((name) => familiar({ ...name, digest: undefined })),
    Layers: manifest.layers.map(({ digest }) => blobPath(digest)),
    ...(parentId !== undefined && ids.has(parentId) ? { Parent: parentId } : {}),
  };
}

/** Of Docker before 1.10, which some programs still read the names from. */
function repositories(saved: readonly Saved[]): object {
  const result = new Map<string, Map<string, string>>();
  for (const { names, manifest } of saved) {
    for (const name of names) {
      const shown = familiar({ repository: name.repository, tag: undefined, digest: undefined });
      const tags = result.get(shown) ?? new Map<string, string>();
      result.set(shown, tags.set(name.tag, (manifest.layers.at(-1)?.digest ?? '').replace('sha256:', '')));
    }
  }
  return Object.fromEntries([...result].map(([name, tags]) => [name, Object.fromEntries(tags)]));
}
