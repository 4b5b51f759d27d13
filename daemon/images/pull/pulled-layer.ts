// One layer of an image that is pulled: its blob comes, is unpacked in a jail while it comes, and both digests are checked. What results
// waits, invisible, until the image's other layers are there too.
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Descriptor } from '../../content/digest.ts';
import { isForeignLayer, type LayerCompression, layerTypeOf } from '../../content/media-types.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { decompressed } from '../../jail/decoding/decompress.ts';
import type { IncomingBlob } from '../../registry/incoming-blob.ts';
import { RegistryFailure } from '../../registry/registry-failure.ts';
import type { Layer } from '../../snapshots/layer.ts';
import type { LayerHold, StagedLayer } from '../../snapshots/layer-store.ts';
import { repairLayer } from '../damaged-layers.ts';
import type { ImageParts } from '../image-parts.ts';
import { counted, noted, type ProgressSink } from '../progress.ts';
import { shortDigest } from './download-words.ts';
import type { Closable, FlightContext, Share } from './flights.ts';
import type { Slots } from './slots.ts';

export interface LayerWork {
  readonly parts: ImageParts;
  readonly blob: Descriptor;
  readonly diffId: string;
  readonly unpackSlots: Slots;
  /** What comes may be a mirror's: when it is wrong, the registry itself is asked. */
  readonly hasMirrors: boolean;
  /** Joins the download of the blob. */
  download(context: FlightContext, origin: boolean): Promise<Share<IncomingBlob>>;
}

interface Unpacked {
  staged: StagedLayer;
  /** As it really is: the manifest may say something else. */
  packing: LayerCompression;
}

/** The host's programs are not started for what a registry sends. */
const packings: readonly LayerCompression[] = ['none', 'gzip', 'zstd'];
const REPORT_MS = 100;
const REASON_WAIT_MS = 2000;

/** The layer's files, and its blob, verified. Published by the first image that is complete. */
export class PulledLayer implements Closable {
  readonly blob: Descriptor;
  readonly diffId: string;
  /** Undefined when the store had the blob already. */
  readonly incoming: Share<IncomingBlob> | undefined;
  readonly #staged: StagedLayer;
  #published: LayerHold | undefined;

  constructor(work: LayerWork, { staged, packing }: Unpacked, incoming: Share<IncomingBlob> | undefined) {
    this.blob = { ...work.blob, mediaType: layerTypeOf(work.blob.mediaType, packing) };
    this.diffId = work.diffId;
    this.#staged = staged;
    this.incoming = incoming;
  }

  get directory(): string {
    return this.#staged.directory;
  }

  /** `parent` is what it was made for, and held by the caller. What is staged is on the disk by now. */
  publish(layers: ImageParts['layers'], parent: number | undefined): LayerHold {
    this.#published ??= layers.publish(this.#staged, parent);
    return layers.hold(this.#published.layer.number);
  }

  /** As `publish`, in the place of files that are damaged. */
  async repair(parts: ImageParts, layer: Layer): Promise<LayerHold> {
    this.#published ??= await repairLayer(parts, this.#staged, layer);
    return parts.layers.hold(layer.number);
  }

  async close(): Promise<void> {
    this.#published?.[Symbol.dispose]();
    // The blob's slot and connection go, also when the files cannot be thrown away.
    this.incoming?.[Symbol.dispose]();
    this.#staged[Symbol.dispose]();
  }
}

export async function pullLayer(work: LayerWork, context: FlightContext): Promise<PulledLayer> {
  const { content } = work.parts;
  if (content.has(work.blob.digest)) {
    const path = content.pathOf(work.blob.digest);
    checkSize(work.blob, content.sizeOf(work.blob.digest));
    const unpacked = await unpack(work, context, (onRead) => counting(createReadStream(path), onRead));
    context.onProgress(noted('Pull complete', shortDigest(work.blob.digest)));
    return new PulledLayer(work, unpacked, undefined);
  }
  try {
    return await fetchAndUnpack(work, context, false);
  } catch (error) {
    if (!(error instanceof WorthAnother)) throw error;
    return fetchAndUnpack(work, context, true);
  }
}

/** What an earlier pull left, or what a mirror sent, was not what it should be; it is gone now. */
class WorthAnother extends Error {}

async function fetchAndUnpack(work: LayerWork, context: FlightContext, isLast: boolean): Promise<PulledLayer> {
  const share = await work.download(context, isLast);
  const incoming = share.result;
  let isDownloaded = false;
  const cancel = new AbortController();
  const signal = AbortSignal.any([context.signal, cancel.signal]);
  const onProgress: ProgressSink = (message) => {
    // One line per layer: as long as it comes, that is what it tells.
    if (isDownloaded) context.onProgress(message);
  };
  const unpacking = unpack(work, { signal, onProgress }, (onRead) => incoming.follow(onRead));
  try {
    await Promise.race([incoming.done, unpacking.then(() => incoming.done)]);
    isDownloaded = true;
    context.onProgress(noted('Download complete', shortDigest(work.blob.digest)));
    const unpacked = await unpacking;
    context.onProgress(noted('Pull complete', shortDigest(work.blob.digest)));
    return new PulledLayer(work, unpacked, share);
  } catch (error) {
    cancel.abort(error);
    unpacking.then(
      ({ staged }) => staged[Symbol.dispose](),
      () => undefined,
    );
    await unpacking.catch(() => undefined);
    // A blob that is broken is told as that, whatever the unpacker said first.
    const cause = await firstFailure(incoming, error, context.signal);
    share[Symbol.dispose]();
    const isForeign = incoming.resumedBytes > 0 || work.hasMirrors;
    if (
      !isLast &&
      isForeign &&
      !incoming.writer.isVerified &&
      cause instanceof EngineError &&
      !context.signal.aborted
    ) {
      incoming.writer.discard();
      throw new WorthAnother('what came first was not the blob', { cause });
    }
    throw isForeignLayer(work.blob.mediaType) ? foreignError(cause, work.blob) : cause;
  }
}

/** What is not in the registry is not fetched: its address is the word of whoever made the manifest. */
function foreignError(cause: unknown, { digest }: Descriptor): unknown {
  if (!(cause instanceof RegistryFailure) || cause.status !== 404) return cause;
  return new EngineError(
    'not-found',
    `layer ${digest}: the registry does not have it, and foreign layers are not fetched from elsewhere`,
    { cause },
  );
}

/** The unpacker fails first when what comes is no archive: that it is not what was asked for is the better reason, if it is told soon. */
async function firstFailure(incoming: IncomingBlob, error: unknown, signal: AbortSignal): Promise<unknown> {
  if (signal.aborted) return error;
  const download = incoming.done.then(
    () => error,
    (reason: unknown) => reason,
  );
  return Promise.race([download, sleep(REASON_WAIT_MS, error, { signal, ref: false }).catch(() => error)]);
}

async function unpack(
  { parts, blob, diffId, unpackSlots }: LayerWork,
  { signal, onProgress }: FlightContext,
  open: (onRead: (position: number) => void) => Readable,
): Promise<Unpacked> {
  using _slot = await unpackSlots.take(signal);
  let reportedAt = 0;
  const onRead = (position: number): void => {
    const now = Date.now();
    if (now - reportedAt < REPORT_MS && position < blob.size) return;
    reportedAt = now;
    onProgress(counted('Extracting', shortDigest(blob.digest), position, blob.size));
  };
  let packing: LayerCompression = 'none';
  // Awaited here: the slot is given back when this function ends.
  const staged = await parts.layers.stage(async (directory) => {
    const source = open(onRead);
    // A download may break after its unpacker has left: then nobody else listens, and an error that nobody hears ends the daemon.
    source.on('error', () => undefined);
    try {
      const input = await decompressed(source, packings);
      packing = input.compression as LayerCompression;
      const result = await parts.files.unpack(directory, { input }, { digest: true, unsynced: true, signal });
      if (result.diffId !== diffId) {
        throw new EngineError(
          'invalid',
          `layer ${blob.digest} unpacks to ${result.diffId}, but the image's config says ${diffId}`,
        );
      }
      return { diffId, sizeBytes: result.sizeBytes, tarBytes: result.tarBytes };
    } finally {
      source.destroy();
    }
  });
  return { staged, packing };
}

function checkSize({ digest, size }: Descriptor, actual: number): void {
  if (size !== actual) {
    throw new EngineError('invalid', `layer ${digest}: it has ${actual} bytes, the manifest says ${size}`);
  }
}

/** A listener for data would set the stream flowing before its reader is there. Destroyed, it closes the file. */
function counting(file: Readable, onRead: (position: number) => void): Readable {
  async function* pieces(): AsyncGenerator<Buffer> {
    let position = 0;
    for await (const piece of file as AsyncIterable<Buffer>) {
      position += piece.length;
      onRead(position);
      yield piece;
    }
  }
  return Readable.from(pieces(), { objectMode: false });
}
