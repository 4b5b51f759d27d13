// The archives of layers: the plain one that the diff id is of, and the packed one that registries get. What came from outside is kept as it
// came; what was made here is packed when it is first pushed, always to the same bytes, and kept.
import { closeSync, createReadStream, openSync, readSync } from 'node:fs';
import { PassThrough, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createGzip, type ZlibOptions } from 'node:zlib';
import type { ContentStore } from '../content/content-store.ts';
import type { Descriptor } from '../content/digest.ts';
import { DigestCheck } from '../content/digest-check.ts';
import { type LayerCompression, layerCompression } from '../content/media-types.ts';
import { EngineError } from '../errors/engine-error.ts';
import { decoded, programBytes } from '../jail/decoding/decompress.ts';
import { ZSTD_HEADER_BYTES } from '../jail/decoding/zstd-window.ts';
import type { Jail } from '../jail/jail.ts';
import type { DecoderBudget } from '../jail/memory-budget.ts';
import type { Layer } from '../snapshots/layer.ts';
import type { LayerFiles } from '../snapshots/layer-files.ts';
import type { LayerStore } from '../snapshots/layer-store.ts';
import type { BlobTables } from './blob-tables.ts';

/** Fixed for ever: digests hang on it. Four is where a better ratio begins to cost more than it saves on the way. */
const gzipOptions: ZlibOptions = {
  level: 4,
  memLevel: 9,
  strategy: constants.Z_DEFAULT_STRATEGY,
  chunkSize: 256 * 1024,
};
const READ_BYTES = 512 * 1024;

export const DOCKER_GZIP_LAYER = 'application/vnd.docker.image.rootfs.diff.tar.gzip';
export const OCI_PLAIN_LAYER = 'application/vnd.oci.image.layer.v1.tar';
/**
 * How a layer is kept that came plain: nobody outside has this blob, and it gives way to the gzip one as soon as there is one. In the store's
 * own layout it is what it is, an OCI layer packed with zstd.
 */
export const LOCAL_FORM = 'application/vnd.tsdocker.layer.v1.tar+zstd';

export interface LayerArchivesParts {
  readonly layers: LayerStore;
  readonly content: ContentStore;
  readonly blobs: BlobTables;
  readonly files: LayerFiles;
  /** Whose memory is shared with what decodes archives. */
  readonly jail: Pick<Jail, 'memory' | 'outgoing'>;
}

export class LayerArchives {
  readonly #parts: LayerArchivesParts;
  readonly #packing = new Map<string, Promise<Descriptor>>();

  constructor(parts: LayerArchivesParts) {
    this.#parts = parts;
  }

  /** The archives of a layer that are stored, those that any registry takes first. */
  stored(diffId: string): Descriptor[] {
    const { blobs, content } = this.#parts;
    const order = ['gzip', 'none', 'zstd'];
    return blobs
      .layerBlobs(diffId)
      .filter(({ digest }) => content.has(digest))
      .sort((a, b) => order.indexOf(packingOf(a)) - order.indexOf(packingOf(b)));
  }

  /** The archive for a registry: gzip, made now when there is none. The caller holds the layer. Callers at the same time share the work. */
  packed(layer: Layer): Promise<Descriptor> {
    const [first] = this.stored(layer.diffId);
    if (first !== undefined && packingOf(first) === 'gzip') return Promise.resolve(first);
    let packing = this.#packing.get(layer.diffId);
    if (packing === undefined) {
      packing = this.#pack(layer).finally(() => this.#packing.delete(layer.diffId));
      this.#packing.set(layer.diffId, packing);
    }
    return packing;
  }

  /**
   * The plain archive of a layer that the caller holds. Its digest is checked while it is read: a stream that ends without an error had
   * the diff id. `pace` is whose it is read at: a client's may stand still.
   */
  plain(layer: Layer, pace: 'client' | 'own' = 'client'): Readable {
    const [stored] = this.stored(layer.diffId);
    const check = new DigestCheck(layer.diffId, `pack layer ${layer.diffId}`);
    const source = stored === undefined ? this.#parts.files.pack(layer) : this.#unpacked(stored, pace);
    pipeline(source, check).catch(() => undefined);
    return check;
  }

  /** How many bytes `plain` will give. */
  async plainBytes(layer: Layer): Promise<number> {
    if (layer.tarBytes !== undefined) return layer.tarBytes;
    let bytes = 0;
    for await (const chunk of this.plain(layer, 'own')) bytes += (chunk as Buffer).length;
    this.#parts.layers.setTarBytes(layer.number, bytes);
    return bytes;
  }

  async #pack(layer: Layer): Promise<Descriptor> {
    const { content, blobs } = this.#parts;
    await using draft = await content.draft();
    await pipeline(this.plain(layer, 'own'), createGzip(gzipOptions), draft.writable());
    const replaced = this.stored(layer.diffId).filter(({ mediaType }) => mediaType === LOCAL_FORM);
    let packed: Descriptor | undefined;
    await draft.finish((blob) => {
      packed = { ...blob, mediaType: DOCKER_GZIP_LAYER };
      blobs.addLayerBlob(layer.diffId, packed);
      for (const { digest } of replaced) blobs.removeLayerBlob(layer.diffId, digest);
    });
    return packed as unknown as Descriptor;
  }

  #unpacked(blob: Descriptor, pace: 'client' | 'own'): Readable {
    const path = this.#parts.content.pathOf(blob.digest);
    const packing = packingOf(blob);
    const open = () => createReadStream(path, { highWaterMark: READ_BYTES });
    if (packing === 'none') return open();
    const start = startOf(path);
    const bytes = programBytes(packing, start);
    if (bytes > 0) {
      const { memory, outgoing } = this.#parts.jail;
      return this.#decodedInTurn(pace === 'own' ? memory : outgoing, bytes, () => [open(), packing, start]);
    }
    const file = open();
    const plain = decoded(file, packing, start);
    return plain.once('close', () => file.destroy());
  }

  /** By a program: one at a time. */
  #decodedInTurn(budget: DecoderBudget, bytes: number, open: () => Parameters<typeof decoded>): Readable {
    const gone = new AbortController();
    async function* chunks(): AsyncGenerator<Buffer> {
      using _memory = await budget.take({ memoryBytes: 0, programBytes: bytes }, gone.signal);
      const [file, ...form] = open();
      try {
        yield* decoded(file, ...form);
      } finally {
        file.destroy();
      }
    }
    const plain = new PassThrough();
    // It closes at once; a stream made of the generator would not before the generator has come back from its wait.
    plain.once('close', () => gone.abort());
    pipeline(chunks(), plain).catch(() => undefined);
    return plain;
  }
}

/** Layers that may not be given away (foreign ones) are packed like others. */
export function packingOf({ mediaType, digest }: Descriptor): LayerCompression {
  if (mediaType === LOCAL_FORM || /[.+]zstd$/.test(mediaType)) return 'zstd';
  if (/[.+]gzip$/.test(mediaType)) return 'gzip';
  if (layerCompression(mediaType) === 'none' || mediaType.endsWith('.tar')) return 'none';
  throw new EngineError('system', `read ${digest}: ${mediaType} is no layer`);
}

/** The first bytes of a stored archive: what it asks of its decoder. */
function startOf(path: string): Buffer {
  const start = Buffer.alloc(ZSTD_HEADER_BYTES);
  const fd = openSync(path, 'r');
  try {
    return start.subarray(0, readSync(fd, start, 0, start.length, 0));
  } finally {
    closeSync(fd);
  }
}
