// POST /images/{name}/push: what the registry does not have, and then the manifests of the tags. What was pulled or loaded goes out bit for
// bit; what was made here is packed once, and is then known by that form.
import { EngineError } from '../../errors/engine-error.ts';
import { registryError } from '../../registry/pull-words.ts';
import { familiar, familiarName, parseReference } from '../../registry/reference.ts';
import type { Registries, RegistrySession } from '../../registry/registry-session.ts';
import type { Layer } from '../../snapshots/layer.ts';
import type { Catalogue } from '../catalogue.ts';
import { platformMatches } from '../documents/platform.ts';
import { fullDiskError } from '../full-disk.ts';
import { type ImageManifest, makeManifest, recordedManifest } from '../image-manifest.ts';
import type { ImageRecord, PushOptions } from '../image-service.ts';
import { LOCAL_FORM } from '../layer-archives.ts';
import { noted } from '../progress.ts';
import { atMost } from './at-most.ts';
import { type LayerPush, pushLayer } from './push-layer.ts';

/** Docker's max-concurrent-uploads. */
const AT_ONCE = 5;

interface Tagged {
  readonly tag: string;
  readonly image: ImageRecord;
}

/** Without a tag in `ref` or in the options: all tags of the repository. */
export async function pushImages(
  catalogue: Catalogue,
  registries: Registries,
  ref: string,
  options: PushOptions,
): Promise<void> {
  const { repository, tag: named, digest } = parseReference(ref);
  if (digest !== undefined) throw new EngineError('invalid', 'cannot push a digest reference');
  const tag = options.tag === '' ? named : options.tag;
  options.tell({ status: `The push refers to repository [${repository}]` });
  const wanted = tagged(catalogue, repository, tag);
  using session = registries.open(repository, options.credentials, 'push');
  try {
    for (const each of wanted) await pushTag(catalogue, session, each, options);
  } catch (error) {
    throw registryError(fullDiskError(error, `pack ${repository}`));
  }
}

function tagged(catalogue: Catalogue, repository: string, tag: string | undefined): Tagged[] {
  const all = catalogue.parts.tables.allTags().filter((name) => name.repository === repository);
  if (all.length === 0)
    throw new EngineError('not-found', `An image does not exist locally with the tag: ${familiarName(repository)}`);
  const found = tag === undefined ? all : all.filter((name) => name.tag === tag);
  if (found.length === 0)
    throw new EngineError('not-found', `tag does not exist: ${familiar({ repository, tag, digest: undefined })}`);
  return found.map((name) => ({ tag: name.tag, image: catalogue.get(name.imageId) }));
}

async function pushTag(
  catalogue: Catalogue,
  session: RegistrySession,
  { tag, image }: Tagged,
  options: PushOptions,
): Promise<void> {
  const { tables, blobs, content, onEvent } = catalogue.parts;
  const { repository } = session;
  const shown = familiar({ repository, tag, digest: undefined });
  checkPlatform(image, shown, options);
  using _held = catalogue.holdImage(image.id);
  const manifest = await pushBlobs(catalogue, session, image, options);
  const { mediaType, digest, size } = manifest.descriptor;
  using _manifest = content.hold([digest]);
  const given = await session.putManifest(tag, mediaType, manifest.bytes, options.signal);
  if (given !== '' && given !== digest)
    throw new EngineError('system', `push ${shown}: the registry says its digest is ${given}, but it is ${digest}`);
  content.put(manifest.bytes);
  tables.transaction(() => {
    // It may have been removed meanwhile: then there is nobody to remember it for.
    if (tables.get(image.id) === undefined) return;
    blobs.addManifest(image.id, manifest.descriptor);
    tables.setDigest(repository, digest, image.id);
  });
  options.tell({ status: `${tag}: digest: ${digest} size: ${size}` });
  options.tell({ progressDetail: {}, aux: { Tag: tag, Digest: digest, Size: size } });
  onEvent({ action: 'push', id: shown, attributes: { name: familiarName(repository) } });
}

function checkPlatform({ config }: ImageRecord, shown: string, { platform }: PushOptions): void {
  if (platform === undefined || platformMatches(platform, config)) return;
  const wanted = [platform.os, platform.architecture, platform.variant].filter(Boolean).join('/');
  throw new EngineError(
    'not-found',
    `image with reference ${shown} was found but does not provide the specified platform (${wanted})`,
  );
}

/** Brings all blobs there; resolves to the manifest that names them. */
async function pushBlobs(
  catalogue: Catalogue,
  session: RegistrySession,
  image: ImageRecord,
  options: PushOptions,
): Promise<ImageManifest> {
  const { layers, tables, content } = catalogue.parts;
  const recorded = recordedManifest(catalogue.parts, image.id, (layer) => layer.mediaType !== LOCAL_FORM);
  const chain = layers.chain(tables.get(image.id)?.topLayer);
  const work = chain.map((layer, i): LayerPush & { layer: Layer } => ({
    layer,
    blob: recorded?.layers[chain.length - 1 - i],
  }));
  for (const { layer } of work) options.tell(noted('Preparing', shortId(layer)));
  for (const { layer } of work.slice(AT_ONCE)) options.tell(noted('Waiting', shortId(layer)));
  const pushed = await atMost(AT_ONCE, work, (each) => pushLayer(catalogue, session, each, options));
  const config = recorded?.config ?? { digest: image.id, size: content.sizeOf(image.id), mediaType: '' };
  await pushConfig(catalogue, session, config, options.signal);
  return recorded ?? makeManifest('docker', config, [...pushed].reverse());
}

async function pushConfig(
  { parts }: Catalogue,
  session: RegistrySession,
  config: { digest: string; size: number; mediaType: string },
  signal: AbortSignal | undefined,
): Promise<void> {
  if ((await session.headBlob(config.digest, signal)) !== undefined) return;
  const open = () => parts.content.open(config.digest);
  await session.uploadBlob(config, open, signal === undefined ? {} : { signal });
}

function shortId({ diffId }: Layer): string {
  return diffId.slice('sha256:'.length, 'sha256:'.length + 12);
}
