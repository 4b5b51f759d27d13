// What an archive says is in it: manifest.json (Docker's) or index.json (an OCI layout). Everything is checked, nothing is made.

import type { Descriptor } from '../../content/digest.ts';
import { isDigest } from '../../content/digest.ts';
import { indexTypes, manifestTypes } from '../../content/media-types.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { parseReference, parseRepository, refuseAlgorithm } from '../../registry/reference.ts';
import { parseBoundedJson } from '../documents/bounded-json.ts';
import { parseManifest } from '../documents/manifest.ts';
import { hostPlatform, type Platform, platformMatches } from '../documents/platform.ts';
import { digestOf, MAX_MANIFEST_BYTES } from '../image-manifest.ts';
import { ArchiveDocuments, type ReadConfig } from './archive-documents.ts';
import type { ArchiveSpool, SpooledFile } from './archive-spool.ts';

export interface PlannedLayer {
  readonly diffId: string;
  /** Its name in the archive. */
  readonly name: string;
  /** undefined: the archive does not have it. That is well where the layer is here already: some tools leave out what they have loaded before. */
  readonly file: SpooledFile | undefined;
  /** What its blob has to be; undefined in archives that do not say. */
  readonly blob: Descriptor | undefined;
}

export interface PlannedImage extends ReadConfig {
  readonly layers: readonly PlannedLayer[];
  readonly names: readonly { repository: string; tag: string }[];
  /** Of the image that it was built on, where the archive says it. */
  readonly parent: string | undefined;
  readonly manifest: { descriptor: Descriptor; bytes: Buffer } | undefined;
}

const MAX_IMAGES = 1000;
const MAX_NAMES = 1000;
const MAX_INDEX_DEPTH = 4;
const MAX_JSON_BYTES = MAX_MANIFEST_BYTES;

type Json = Record<string, unknown>;

/** All images of the archive that have the platform. Throws when there is none. */
export async function planLoad(archive: ArchiveSpool, platform: Platform | undefined): Promise<PlannedImage[]> {
  const spool = new ArchiveDocuments(archive);
  const fromLayout = spool.find('index.json') === undefined ? [] : await planLayout(spool, platform);
  const list = spool.find('manifest.json');
  if (list === undefined && spool.find('index.json') === undefined) {
    throw new EngineError(
      'invalid',
      'read archive: it holds neither manifest.json nor index.json: it is no archive of images, or one of Docker before 1.10',
    );
  }
  const images = list === undefined ? fromLayout : await planDocker(spool, list, fromLayout);
  const wanted = platform === undefined ? images : images.filter(({ config }) => platformMatches(platform, config));
  if (wanted.length > 0) return wanted;
  const asked =
    platform === undefined
      ? ''
      : ` for ${[platform.os, platform.architecture, platform.variant].filter(Boolean).join('/')}`;
  throw new EngineError('not-found', `load: the archive holds no image${asked}`);
}

async function planDocker(
  spool: ArchiveDocuments,
  list: SpooledFile,
  others: readonly PlannedImage[],
): Promise<PlannedImage[]> {
  const entries = await readJson(spool, list, MAX_JSON_BYTES);
  if (!Array.isArray(entries) || entries.length > MAX_IMAGES || !entries.every(isObject))
    throw bad('manifest.json', `is no list of up to ${MAX_IMAGES} images`);
  const images = new Map<string, PlannedImage>();
  for (const entry of entries) addNames(images, await planEntry(spool, entry, others));
  return [...images.values()];
}

async function planEntry(spool: ArchiveDocuments, entry: Json, others: readonly PlannedImage[]): Promise<PlannedImage> {
  const { Config: configName, Layers: layerNames, RepoTags: tags, Parent: parent } = entry;
  if (typeof configName !== 'string') throw bad('manifest.json', 'names no Config');
  if (layerNames !== null && layerNames !== undefined && !isTexts(layerNames))
    throw bad('manifest.json', 'has Layers that are no list of names');
  if (tags !== null && tags !== undefined && (!isTexts(tags) || tags.length > MAX_NAMES))
    throw bad('manifest.json', 'has RepoTags that are no list of names');
  if (parent !== undefined && parent !== '' && !isDigest(parent))
    throw bad('manifest.json', 'has a Parent that is no digest');
  const image = await readConfig(spool, spool.get(inBytes(configName)), digestInName(configName));
  const names = (tags ?? []).map((tag) => {
    const { repository, tag: name, digest } = parseReference(tag);
    if (name === undefined || digest !== undefined)
      throw bad('manifest.json', `names an image ${JSON.stringify(tag)}: it needs a tag`);
    refuseAlgorithm(repository);
    return { repository, tag: name };
  });
  const files = (layerNames ?? []).map((name) => ({ name, file: spool.find(inBytes(name)) }));
  checkCount(image.config, files.length);
  const same = others.find(({ id }) => id === image.id);
  const blobs = new Map(same?.layers.map(({ file, blob }) => [file, blob]));
  const layers = files.map(({ name, file }, i) => ({
    diffId: image.config.rootfs.diff_ids[i] as string,
    name,
    file,
    blob: file === undefined ? undefined : (blobs.get(file) ?? blobOfName(name, file)),
  }));
  const isSame = same?.layers.every(({ file }, i) => file === layers[i]?.file) === true;
  return {
    ...image,
    layers,
    names,
    parent: parent ? String(parent) : undefined,
    manifest: isSame ? same?.manifest : undefined,
  };
}

/** What is there several times is one image with all their names. */
function addNames(images: Map<string, PlannedImage>, image: PlannedImage): void {
  const known = images.get(image.id);
  images.set(image.id, known === undefined ? image : { ...known, names: [...known.names, ...image.names] });
}

/** In a layout a layer's name says its digest, not what it is packed with: that is seen later. */
function blobOfName(name: string, { bytes }: SpooledFile): Descriptor | undefined {
  const digest = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(name)?.[1];
  return digest === undefined ? undefined : { digest: `sha256:${digest}`, size: bytes, mediaType: '' };
}

function digestInName(name: string): string | undefined {
  const hex = /^(?:blobs\/sha256\/)?([0-9a-f]{64})(?:\.json)?$/.exec(name)?.[1];
  return hex === undefined ? undefined : `sha256:${hex}`;
}

async function planLayout(spool: ArchiveDocuments, platform: Platform | undefined): Promise<PlannedImage[]> {
  const images = new Map<string, PlannedImage>();
  const layout = spool.find('oci-layout');
  if (layout !== undefined) {
    const { imageLayoutVersion: version } = asObject(await readJson(spool, layout, 64 * 1024), 'oci-layout');
    if (version !== '1.0.0') throw bad('oci-layout', `has the version ${JSON.stringify(version)}: only 1.0.0 is known`);
  }
  await walkIndex(
    spool,
    await readJson(spool, spool.get('index.json'), MAX_JSON_BYTES),
    platform,
    undefined,
    0,
    (image) => {
      addNames(images, image);
      if (images.size > MAX_IMAGES) throw bad('index.json', `holds more than ${MAX_IMAGES} images`);
    },
  );
  return [...images.values()];
}

async function walkIndex(
  spool: ArchiveDocuments,
  index: unknown,
  platform: Platform | undefined,
  outerName: { repository: string; tag: string } | undefined,
  depth: number,
  found: (image: PlannedImage) => void,
): Promise<void> {
  if (depth > MAX_INDEX_DEPTH) throw bad('index.json', 'is nested too deeply');
  const { manifests, config, layers } = asObject(index, 'index.json');
  if (config !== undefined || layers !== undefined)
    throw bad('index.json', 'is an index and a manifest at the same time');
  if (!Array.isArray(manifests) || manifests.length > MAX_IMAGES) throw bad('index.json', 'has no list of manifests');
  const described = manifests.map((item) => ({
    descriptor: checkDescriptor(item),
    item: asObject(item, 'index.json'),
  }));
  // An index inside an index is one image for several platforms: one of them is meant.
  const chosen = depth === 0 ? described : choosePlatform(described, platform ?? hostPlatform());
  for (const { descriptor, item } of chosen) {
    const name = outerName ?? nameIn(item.annotations);
    const file = spool.find(blobPath(descriptor.digest));
    // Archives hold what was asked for of an index, not all of it.
    if (file === undefined && depth > 0) continue;
    const bytes = await verified(spool, spool.get(blobPath(descriptor.digest)), descriptor, MAX_MANIFEST_BYTES);
    if (indexTypes.includes(descriptor.mediaType)) {
      await walkIndex(spool, parse(bytes, descriptor.digest), platform, name, depth + 1, found);
    } else if (manifestTypes.includes(descriptor.mediaType)) {
      found(await planManifest(spool, descriptor, bytes, name));
    } else
      throw bad(
        descriptor.digest,
        `has the media type ${JSON.stringify(descriptor.mediaType.slice(0, 100))}, which is no image's`,
      );
  }
}

function choosePlatform<T extends { item: Json }>(items: readonly T[], wanted: Platform): T[] {
  const matching = items.filter(({ item }) => {
    const platform = item.platform;
    return isObject(platform) && typeof platform.os === 'string' && typeof platform.architecture === 'string'
      ? platformMatches(wanted, platform as unknown as Platform)
      : true;
  });
  return matching.slice(0, 1);
}

async function planManifest(
  spool: ArchiveDocuments,
  descriptor: Descriptor,
  bytes: Buffer,
  name: { repository: string; tag: string } | undefined,
): Promise<PlannedImage> {
  const manifest = parseManifest(bytes, descriptor.mediaType);
  if (manifest.kind !== 'image') throw bad(descriptor.digest, 'is an index');
  const { config } = manifest;
  const configFile = spool.get(blobPath(config.digest));
  if (configFile.bytes !== config.size)
    throw bad(config.digest, `has ${configFile.bytes} bytes instead of ${config.size}`);
  const image = await readConfig(spool, configFile, config.digest);
  checkCount(image.config, manifest.layers.length);
  const layers = manifest.layers.map((blob, i) => ({
    diffId: image.config.rootfs.diff_ids[i] as string,
    name: blobPath(blob.digest),
    file: spool.find(blobPath(blob.digest)),
    blob,
  }));
  return {
    ...image,
    layers,
    names: name === undefined ? [] : [name],
    parent: undefined,
    manifest: { descriptor, bytes },
  };
}

/** containerd's annotation is a full name; OCI's may be one, or a tag without a repository, which names nothing here. */
function nameIn(annotations: unknown): { repository: string; tag: string } | undefined {
  if (!isObject(annotations)) return undefined;
  const full = annotations['io.containerd.image.name'];
  const short = annotations['org.opencontainers.image.ref.name'];
  const text = typeof full === 'string' ? full : typeof short === 'string' && /[:/]/.test(short) ? short : undefined;
  if (text === undefined) return undefined;
  const { repository, tag, digest } = parseReference(text);
  refuseAlgorithm(repository);
  return digest !== undefined ? undefined : { repository: parseRepository(repository), tag: tag ?? 'latest' };
}

async function readConfig(spool: ArchiveDocuments, file: SpooledFile, digest: string | undefined): Promise<ReadConfig> {
  const read = await spool.config(file);
  const { id, config } = read;
  if (digest !== undefined && id !== digest) throw bad(digest, `has the digest ${id}`);
  if (config.os !== 'linux')
    throw bad(id, `is an image for ${JSON.stringify(config.os.slice(0, 50))}: only linux images run here`);
  return read;
}

function checkCount(config: ReadConfig['config'], layers: number): void {
  const wanted = config.rootfs.diff_ids.length;
  if (layers !== wanted)
    throw new EngineError('invalid', `invalid manifest, layers length mismatch: expected ${wanted}, got ${layers}`);
}

async function verified(
  spool: ArchiveDocuments,
  file: SpooledFile,
  { digest, size }: Descriptor,
  maxBytes: number,
): Promise<Buffer> {
  const bytes = await spool.content(file, maxBytes);
  if (bytes.length !== size) throw bad(digest, `has ${bytes.length} bytes instead of ${size}`);
  if (digestOf(bytes) !== digest) throw bad(digest, `has the digest ${digestOf(bytes)}`);
  return bytes;
}

function checkDescriptor(value: unknown): Descriptor {
  if (!isObject(value)) throw bad('a descriptor', 'is no object');
  const { mediaType, digest, size } = value;
  if (typeof mediaType !== 'string' || !isDigest(digest) || !Number.isSafeInteger(size) || (size as number) < 0)
    throw bad('a descriptor', 'lacks mediaType, a sha256 digest or a size');
  return { mediaType, digest, size: size as number };
}

async function readJson(spool: ArchiveDocuments, file: SpooledFile, maxBytes: number): Promise<unknown> {
  return parse(await spool.content(file, maxBytes), file.name);
}

function parse(bytes: Buffer, what: string): unknown {
  try {
    return parseBoundedJson(bytes);
  } catch (error) {
    throw new EngineError('invalid', `read archive: ${what} is no JSON, or too much of it`, { cause: error });
  }
}

/** Names of the archive are bytes; in JSON they are text. */
function inBytes(name: string): string {
  return Buffer.from(name).toString('latin1');
}

function blobPath(digest: string): string {
  return `blobs/sha256/${digest.slice('sha256:'.length)}`;
}

function asObject(value: unknown, what: string): Json {
  if (isObject(value)) return value;
  throw bad(what, 'is no object');
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function bad(what: string, why: string): EngineError {
  return new EngineError('invalid', `read archive: ${what} ${why}`);
}
