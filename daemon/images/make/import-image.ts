// POST /images/create?fromSrc: an image of one layer out of a tar, in the request or fetched.
import { pipeline, type Readable, Transform, type TransformCallback } from 'node:stream';
import { EngineError } from '../../errors/engine-error.ts';
import { decompressed } from '../../jail/decoding/decompress.ts';
import type { Catalogue } from '../catalogue.ts';
import type { ImageConfig } from '../documents/image-config.ts';
import { hostPlatform, type Platform, parsePlatform } from '../documents/platform.ts';
import { parseTarget } from '../image-names.ts';
import type { ImportOptions } from '../image-service.ts';
import { counted, type ProgressSink } from '../progress.ts';
import { applyChanges } from './config-changes.ts';
import { importUrl, openRemoteTar } from './remote-tar.ts';

const TELL_MS = 200;

export async function importImage(catalogue: Catalogue, tar: Readable, options: ImportOptions): Promise<string> {
  const platform = checkOptions(options);
  const { layers, files, onEvent } = catalogue.parts;
  using hold = await layers.make(undefined, async (directory) => {
    const input = await decompressed(tar);
    const { signal } = options;
    const unpacking = { repack: true, ...(signal === undefined ? {} : { signal }) };
    const result = await files.unpack(directory, { input }, unpacking);
    if (result.diffId === undefined) throw new EngineError('system', 'import: the layer has no digest');
    return { diffId: result.diffId, sizeBytes: result.sizeBytes, tarBytes: result.tarBytes };
  });
  const created = new Date().toISOString();
  const config: ImageConfig = {
    architecture: platform.architecture,
    ...(platform.variant === undefined ? {} : { variant: platform.variant }),
    os: platform.os,
    created,
    comment: options.message,
    config: applyChanges({}, options.changes),
    history: [{ created, comment: options.message }],
    rootfs: { type: 'layers', diff_ids: [hold.layer.diffId] },
  };
  const { repo, tag } = options;
  const id = catalogue.add(config, { topLayer: hold.layer.number, name: { repo, tag } });
  onEvent({ action: 'import', id, attributes: { name: id } });
  return id;
}

/** Everything that can be refused is, before a byte is read. The platform of the image. */
function checkOptions(options: ImportOptions): Platform {
  if (options.repo !== '') parseTarget(options.repo, options.tag);
  applyChanges({}, options.changes);
  return options.platform === '' ? hostPlatform() : parsePlatform(options.platform);
}

export async function importFromUrl(
  catalogue: Catalogue,
  text: string,
  options: ImportOptions,
  tell: ProgressSink,
): Promise<string> {
  checkOptions(options);
  const { url, stream, sizeBytes } = await openRemoteTar(importUrl(text), options.signal);
  tell({ status: `Downloading from ${url}` });
  try {
    const tar = new ByteCount(sizeBytes, tell);
    pipeline(stream, tar, () => undefined);
    return await importImage(catalogue, tar, options);
  } finally {
    stream.destroy();
  }
}

/** Tells how much has come, a few times a second. A stream that breaks off is no end. */
class ByteCount extends Transform {
  readonly #total: number | undefined;
  readonly #tell: ProgressSink;
  #bytes = 0;
  #toldAt = 0;

  constructor(total: number | undefined, tell: ProgressSink) {
    super();
    this.#total = total;
    this.#tell = tell;
  }

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    this.#bytes += chunk.length;
    const now = Date.now();
    if (now - this.#toldAt >= TELL_MS) {
      this.#toldAt = now;
      const { id: _id, ...line } = counted('Importing', '', this.#bytes, this.#total ?? 0);
      this.#tell(line);
    }
    done(null, chunk);
  }
}
