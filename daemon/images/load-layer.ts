// One layer of an archive: unpacked in a jail, its diff id and its blob's digest verified, and the blob kept, for pushing it as it came.
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdCompress } from 'node:zlib';
import { EngineError } from '../errors/engine-error.ts';
import type { ArchiveSpool, SpooledFile } from './archive-spool.ts';
import { type Compression, compressionOf, decompressed } from './decompress.ts';
import type { ImageParts } from './image-store.ts';
import type { UnpackResult } from './jail/messages.ts';
import { DOCKER_GZIP_LAYER, LOCAL_FORM, OCI_PLAIN_LAYER } from './layer-archives.ts';
import type { StagedLayer } from './layer-store.ts';
import type { PlannedLayer } from './load-plan.ts';
import { holdTree } from './overlay.ts';
import type { Descriptor } from './registry/registry-session.ts';

/** Fast rather than small: it saves a third of the time that writing the plain archive takes. */
const localForm = { params: { [constants.ZSTD_c_compressionLevel]: 1 }, chunkSize: 256 * 1024 };

export interface LoadedLayer {
  readonly staged: StagedLayer;
  /** The blob to record for it once it is published. */
  readonly blob: Descriptor;
}

/** The layer waits to be published; its blob is held in `holds` until then. */
export async function stageLayer(
  parts: ImageParts,
  spool: ArchiveSpool,
  layer: PlannedLayer,
  holds: DisposableStack,
  signal: AbortSignal,
): Promise<LoadedLayer> {
  const start = await spool.content({ ...layer.file, bytes: Math.min(6, layer.file.bytes) }, 6);
  const compression = compressionOf(start);
  checkBlob(layer, compression);
  const [staged, blob] = await both(
    parts.layers.stage((directory) => unpack(parts, spool, layer, compression, directory, signal)),
    keepBlob(parts, spool, layer, compression, holds),
    (made) => made[Symbol.dispose](),
  );
  return { staged, blob };
}

function checkBlob({ file, blob, diffId }: PlannedLayer, compression: Compression): void {
  if (blob === undefined) return;
  if (blob.size !== file.bytes)
    throw new EngineError('invalid', `load layer ${blob.digest}: it has ${file.bytes} bytes instead of ${blob.size}`);
  // The diff id of a plain archive is its digest; it is checked while it is unpacked.
  if (compression === 'none' && blob.digest !== diffId)
    throw new EngineError('invalid', `load layer ${blob.digest}: it is plain, but its diff id is ${diffId}`);
}

async function unpack(
  parts: ImageParts,
  spool: ArchiveSpool,
  { file, diffId }: PlannedLayer,
  compression: Compression,
  directory: string,
  signal: AbortSignal,
): Promise<UnpackResult & { diffId: string }> {
  const input = compression === 'none' ? undefined : await decompressed(spool.stream(file));
  const fd = holdTree(directory);
  const place = { kind: 'tree', rootFd: fd, mounts: [] } as const;
  const job = { do: 'unpack-layer', place, repack: false, digest: true } as const;
  const result =
    input === undefined
      ? await parts.jail.run<'unpack-layer'>({ ...job, from: spool.range(file) }, [fd], { signal })
      : await parts.jail.run<'unpack-layer'>(job, [fd], { signal, input });
  if (result.diffId !== diffId)
    throw new EngineError('invalid', `load layer ${diffId}: its archive has the digest ${result.diffId}`);
  return { ...result, diffId };
}

/** Plain layers, and those in forms that no registry takes, are kept packed with zstd. */
async function keepBlob(
  { content }: ImageParts,
  spool: ArchiveSpool,
  { file, blob }: PlannedLayer,
  compression: Compression,
  holds: DisposableStack,
): Promise<Descriptor> {
  const isAsItCame = compression === 'gzip' || compression === 'zstd';
  await using draft = await content.draft();
  const target = draft.writable();
  if (isAsItCame) await pipeline(spool.stream(file), target);
  else await pipeline(await plainStream(spool, file, compression), createZstdCompress(localForm), target);
  let kept: Descriptor | undefined;
  await draft.finish(({ digest, size }) => {
    if (isAsItCame && blob !== undefined && digest !== blob.digest)
      throw new EngineError('invalid', `load layer ${blob.digest}: it has the digest ${digest}`);
    holds.use(content.hold([digest]));
    kept = { digest, size, mediaType: isAsItCame ? blob?.mediaType || typeOf(compression) : LOCAL_FORM };
  });
  return kept as unknown as Descriptor;
}

async function plainStream(spool: ArchiveSpool, file: SpooledFile, compression: Compression): Promise<Readable> {
  const stream = spool.stream(file);
  return compression === 'none' ? stream : (await decompressed(stream)).stream;
}

function typeOf(compression: 'gzip' | 'zstd'): string {
  return compression === 'gzip' ? DOCKER_GZIP_LAYER : `${OCI_PLAIN_LAYER}+zstd`;
}

/** Waits for both, however they end; when one fails, what the first made is undone. */
async function both<A, B>(first: Promise<A>, second: Promise<B>, undo: (made: A) => void): Promise<[A, B]> {
  const [a, b] = await Promise.allSettled([first, second]);
  if (a.status === 'fulfilled' && b.status === 'fulfilled') return [a.value, b.value];
  if (a.status === 'fulfilled') undo(a.value);
  throw a.status === 'rejected' ? a.reason : (b as PromiseRejectedResult).reason;
}
