// One layer of an archive: unpacked in a jail, its diff id and its blob's digest verified, and the blob kept, for pushing it as it came.
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdCompress } from 'node:zlib';
import type { Descriptor } from '../../content/digest.ts';
import { layerCompression } from '../../content/media-types.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { type Compression, compressionOf, decompressed } from '../../jail/decoding/decompress.ts';
import type { UnpackResult } from '../../jail/messages.ts';
import type { StagedLayer } from '../../snapshots/layer-store.ts';
import type { ImageParts } from '../image-parts.ts';
import { DOCKER_GZIP_LAYER, LOCAL_FORM, OCI_PLAIN_LAYER, packingOf } from '../layer-archives.ts';
import type { ArchiveSpool, SpooledFile } from './archive-spool.ts';
import type { PlannedLayer } from './load-plan.ts';

/** Of a tar's first block. */
const MAGIC_BYTES = 512;
/** Fast rather than small: it saves a third of the time that writing the plain archive takes. */
const localForm = { params: { [constants.ZSTD_c_compressionLevel]: 1 }, chunkSize: 1024 * 1024 };

export interface LoadedLayer {
  readonly staged: StagedLayer;
  /** The blob to record for it once it is published. */
  readonly kept: Descriptor;
}

/** What may be a layer, unpacked aside; its blob is held in `holds`. What it should be is not known yet: see checkLayer. */
export async function stageLayer(
  parts: ImageParts,
  spool: ArchiveSpool,
  file: SpooledFile,
  holds: DisposableStack,
  signal: AbortSignal,
): Promise<LoadedLayer> {
  const start = await spool.content({ ...file, bytes: Math.min(MAGIC_BYTES, file.bytes) }, MAGIC_BYTES);
  const compression = compressionOf(start);
  const [staged, kept] = await both(
    parts.layers.stage((directory) => unpack(parts, spool, file, compression, directory, signal)),
    keepBlob(parts, spool, file, compression, holds),
    (made) => made[Symbol.dispose](),
  );
  return { staged, kept };
}

/** For a layer that nobody has named yet. */
export function isLargeEnough({ bytes }: SpooledFile): boolean {
  return bytes >= MAGIC_BYTES;
}

/** Tars and what may be one, packed; not JSON. The file is large enough. */
export async function mayBeLayer(spool: ArchiveSpool, file: SpooledFile): Promise<boolean> {
  const start = await spool.content({ ...file, bytes: MAGIC_BYTES }, MAGIC_BYTES);
  return compressionOf(start) !== 'none' || start.toString('latin1', 257, 262) === 'ustar';
}

/** What was unpacked has to be what the image says. Resolves to the blob as it is recorded. */
export function checkLayer(
  { staged, kept }: LoadedLayer,
  { blob, diffId }: PlannedLayer,
  file: SpooledFile,
): Descriptor {
  if (staged.staged.diffId !== diffId)
    throw new EngineError('invalid', `load layer ${diffId}: its archive has the digest ${staged.staged.diffId}`);
  if (blob === undefined) return kept;
  if (blob.size !== file.bytes)
    throw new EngineError('invalid', `load layer ${blob.digest}: it has ${file.bytes} bytes instead of ${blob.size}`);
  const isLocal = kept.mediaType === LOCAL_FORM;
  const actual = isLocal ? diffId : kept.digest;
  if (actual !== blob.digest)
    throw new EngineError('invalid', `load layer ${blob.digest}: it has the digest ${actual}`);
  // What the archive calls it is kept as long as that is true.
  const isTrue = !isLocal && layerCompression(blob.mediaType) === packingOf(kept);
  return isTrue ? { ...kept, mediaType: blob.mediaType } : kept;
}

async function unpack(
  parts: ImageParts,
  spool: ArchiveSpool,
  file: SpooledFile,
  compression: Compression,
  directory: string,
  signal: AbortSignal,
): Promise<UnpackResult & { diffId: string }> {
  const input = compression === 'none' ? undefined : await decompressed(spool.stream(file));
  const source = input === undefined ? { from: spool.range(file) } : { input };
  const result = await parts.files.unpack(directory, source, { digest: true, unsynced: true, signal });
  return { ...result, diffId: String(result.diffId) };
}

/** Plain layers, and those in forms that no registry takes, are kept packed with zstd. */
async function keepBlob(
  { content }: ImageParts,
  spool: ArchiveSpool,
  file: SpooledFile,
  compression: Compression,
  holds: DisposableStack,
): Promise<Descriptor> {
  const isAsItCame = compression === 'gzip' || compression === 'zstd';
  await using draft = await content.draft();
  if (isAsItCame) await spool.each(file, (bytes) => draft.append(bytes));
  else if (compression === 'none') await packPlain(spool, file, draft.writable());
  else await pipeline((await decompressed(spool.stream(file))).stream, createZstdCompress(localForm), draft.writable());
  let kept: Descriptor | undefined;
  await draft.finish(
    ({ digest, size }) => {
      holds.use(content.hold([digest]));
      kept = { digest, size, mediaType: isAsItCame ? typeOf(compression) : LOCAL_FORM };
    },
    { unsynced: true },
  );
  return kept as unknown as Descriptor;
}

/** Without a buffer of its own for each piece. */
async function packPlain(spool: ArchiveSpool, file: SpooledFile, target: Writable): Promise<void> {
  const packer = createZstdCompress(localForm);
  const packed = pipeline(packer, target);
  const give = (bytes: Buffer) =>
    new Promise<void>((resolve, reject) => {
      packer.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
  // What went wrong behind the packer ends it, and is what `packed` tells.
  spool.each(file, give).then(
    () => packer.end(),
    (error: Error) => packer.destroy(error),
  );
  await packed;
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
