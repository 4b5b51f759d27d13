// --cache-to: what a build has made, for builds elsewhere, into a registry or as an OCI image layout for the client.

import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Descriptor } from '../../content/digest.ts';
import { DigestCheck } from '../../content/digest-check.ts';
import { layerCompression, layerTypeOf, OCI_INDEX } from '../../content/media-types.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { blob, blobPath, directory, file, json } from '../../images/archives/layout-entries.ts';
import { fullDiskError } from '../../images/full-disk.ts';
import { digestOf } from '../../images/image-manifest.ts';
import { atMost } from '../../images/push/at-most.ts';
import { pushLayer } from '../../images/push/push-layer.ts';
import { endOfArchive } from '../../protocols/tar/tar-header.ts';
import { registryError } from '../../registry/pull-words.ts';
import { familiar } from '../../registry/reference.ts';
import type { RegistrySession } from '../../registry/registry-session.ts';
import type { BuildRequest, CacheDestination } from '../build-request.ts';
import { OutputProgress } from '../exporters/output-progress.ts';
import type { Edge } from '../graph/operation.ts';
import type { Solve } from '../solver/solve.ts';
import { cacheForm, cacheReference } from './cache-attributes.ts';
import { encodeCache } from './cache-document.ts';
import { type LayerToDescribe, makeCacheManifest } from './cache-manifest.ts';
import { type BuiltRecords, type Collected, collectRecords } from './collect-records.ts';
import type { CacheParts } from './import-caches.ts';
import { documentRecords } from './record-graph.ts';

/** Docker's max-concurrent-uploads. */
const AT_ONCE = 5;
const REF_NAME = 'org.opencontainers.image.ref.name';

type ExportRequest = Pick<BuildRequest, 'cacheTo' | 'auth' | 'tell'>;

/** What goes out. */
interface Cache {
  readonly config: Buffer;
  readonly configDescriptor: Descriptor;
  readonly manifest: Buffer;
  readonly descriptor: Descriptor;
  readonly blobs: readonly Descriptor[];
}

/** After the outputs, as BuildKit does it. What is kept in images is theirs: see builtImage. */
export async function exportCaches(
  parts: CacheParts,
  request: ExportRequest,
  solve: Solve,
  target: Edge | undefined,
): Promise<void> {
  const { signal } = solve;
  for (const destination of request.cacheTo) {
    if (destination.type === 'inline') continue;
    const progress = new OutputProgress(
      request.tell,
      destination.type === 'local' ? 'exporting cache to client directory' : 'exporting cache to registry',
    );
    try {
      // What was found elsewhere goes out again, too.
      if (cacheForm(destination).isMax) await solve.bringAll();
      await exportCache(parts, request, destination, { built: { known: solve.known, target }, progress, signal });
      progress.end();
    } catch (error) {
      progress.end(error);
      if (signal.aborted || !cacheForm(destination).ignoresErrors) throw error;
    }
  }
}

interface Work {
  readonly built: BuiltRecords;
  readonly progress: OutputProgress;
  readonly signal: AbortSignal;
}

async function exportCache(
  parts: CacheParts,
  { auth }: ExportRequest,
  destination: CacheDestination,
  { built, progress, signal }: Work,
): Promise<void> {
  const { isMax } = cacheForm(destination);
  const { parts: images } = parts.catalogue;
  const { layers, files } = images;
  const collected = await progress.doing('preparing build cache for export', () =>
    collectRecords({ layers, files }, built, { isMax, signal }),
  );
  if (collected.layers.length === 0) return progress.doing('skipping empty cache export', () => undefined);
  // Blobs of layers without a row would be collected.
  layers.writeRows();
  if (destination.type === 'local') {
    const blobs = await atMost(2, collected.layers, ({ layer }) => images.archives.packed(layer));
    using _held = images.content.hold(blobs.map(({ digest }) => digest));
    const cache = cacheOf(collected, blobs, destination);
    await progress.doing('sending tarball', () => pour(parts, cache, destination, signal));
    return;
  }
  const { repository, tag = 'latest' } = cacheReference('--cache-to type=registry', destination.attributes.ref);
  const credentials = auth(repository.split('/')[0] as string);
  using session = parts.registry.registries.open(repository, credentials, 'push');
  try {
    await push(parts, session, { collected, destination, tag, progress, signal });
  } catch (error) {
    throw registryError(fullDiskError(error, `pack ${familiar({ repository, tag, digest: undefined })}`));
  }
}

async function push(
  { catalogue }: CacheParts,
  session: RegistrySession,
  work: Omit<Work, 'built'> & {
    readonly collected: Collected;
    readonly destination: CacheDestination;
    readonly tag: string;
  },
): Promise<void> {
  const { collected, destination, tag, progress, signal } = work;
  const blobs = await atMost(AT_ONCE, collected.layers, ({ layer }) =>
    progress.doing(`writing layer ${layer.diffId}`, () =>
      pushLayer(catalogue, session, { layer, blob: undefined }, { tell: () => undefined, signal }),
    ),
  );
  const { config, configDescriptor, manifest, descriptor } = cacheOf(collected, blobs, destination);
  await progress.doing(`writing config ${configDescriptor.digest}`, async () => {
    if ((await session.headBlob(configDescriptor.digest, signal)) !== undefined) return;
    await session.uploadBlob(configDescriptor, () => Readable.from([config]), { signal });
  });
  await progress.doing(`writing cache image manifest ${descriptor.digest}`, async () => {
    const given = await session.putManifest(tag, descriptor.mediaType, manifest, signal);
    if (given !== '' && given !== descriptor.digest)
      throw new EngineError('system', `push cache: the registry says its digest is ${given}, not ${descriptor.digest}`);
  });
}

function cacheOf({ layers, records }: Collected, packed: readonly Descriptor[], destination: CacheDestination): Cache {
  const form = cacheForm(destination);
  const blobs = packed.map((descriptor) => (form.isOci ? ociForm(descriptor) : descriptor));
  const described = layers.map(({ layer, createdMs }, index): LayerToDescribe => {
    return { blob: blobs[index] as Descriptor, diffId: layer.diffId, createdMs };
  });
  const config = encodeCache({
    layers: layers.map(({ parent }, index) => ({ blob: blobs[index]?.digest ?? '', parent })),
    records: documentRecords(records),
  });
  const configDescriptor = { mediaType: 'application/octet-stream', digest: digestOf(config), size: config.length };
  const { descriptor, bytes: manifest } = makeCacheManifest(described, configDescriptor, form);
  return { config, configDescriptor, manifest, descriptor, blobs };
}

function ociForm(descriptor: Descriptor): Descriptor {
  const packing = layerCompression(descriptor.mediaType) ?? 'gzip';
  const isOci = descriptor.mediaType.startsWith('application/vnd.oci.');
  return isOci ? descriptor : { ...descriptor, mediaType: layerTypeOf('', packing) };
}

async function pour(
  { catalogue }: CacheParts,
  cache: Cache,
  { attributes, sink }: CacheDestination,
  signal: AbortSignal,
): Promise<void> {
  const archive = Readable.from(layout(catalogue, cache, attributes.tag ?? 'latest'), { objectMode: false });
  const stop = (): void => {
    archive.destroy(signal.reason instanceof Error ? signal.reason : undefined);
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    if (signal.aborted) stop();
    await sink?.(archive);
    signal.throwIfAborted();
  } finally {
    signal.removeEventListener('abort', stop);
    archive.destroy();
  }
}

async function* layout({ parts }: CacheParts['catalogue'], cache: Cache, tag: string): AsyncGenerator<Buffer> {
  yield directory('blobs/');
  yield directory('blobs/sha256/');
  const { config, configDescriptor, manifest, descriptor } = cache;
  for (const each of new Map(cache.blobs.map((one) => [one.digest, one])).values()) {
    const check = new DigestCheck(each.digest, `read ${each.digest}`);
    // Both end together: a client that leaves closes the file.
    pipeline(parts.content.open(each.digest), check).catch(() => undefined);
    yield* blob(each, check);
  }
  yield file(blobPath(configDescriptor.digest), config);
  yield file(blobPath(descriptor.digest), manifest);
  const manifests = [{ ...descriptor, annotations: { [REF_NAME]: tag } }];
  yield json('index.json', { schemaVersion: 2, mediaType: OCI_INDEX, manifests });
  yield json('oci-layout', { imageLayoutVersion: '1.0.0' });
  yield endOfArchive();
}
