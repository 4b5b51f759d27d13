// Pulling: which manifest a name stands for, with each client's own rights; then the content, once for all who want it at the same time.
import { availableParallelism } from 'node:os';
import type { Descriptor } from '../../content/digest.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { downloadBlob } from '../../registry/blob-download.ts';
import { IncomingBlob } from '../../registry/incoming-blob.ts';
import { pullError, registryError } from '../../registry/pull-words.ts';
import { familiar, familiarName, isValidTag, parseReference, type Reference } from '../../registry/reference.ts';
import type { BlobSession, FetchedManifest, Registries } from '../../registry/registry-session.ts';
import { readWholeBlob } from '../../registry/whole-blob.ts';
import type { Catalogue } from '../catalogue.ts';
import { type ImageManifest, parseManifest } from '../documents/manifest.ts';
import { type Platform, parsePlatform, requirePlatform } from '../documents/platform.ts';
import type { ImageParts } from '../image-parts.ts';
import { noted } from '../progress.ts';
import type { PullOptions } from '../registry-service.ts';
import { chooseManifest } from './choose-platform.ts';
import { downloadLine, shortDigest } from './download-words.ts';
import { type FlightContext, Flights, type Share } from './flights.ts';
import { type PulledImage, pullImageContent, pullLayers } from './pulled-image.ts';
import { type PulledLayer, pullLayer } from './pulled-layer.ts';
import { SessionLease } from './session-lease.ts';
import { Slots } from './slots.ts';

export interface PullSettings {
  readonly maxConcurrentDownloads: number;
  readonly maxDownloadAttempts: number;
  readonly retryPauseMs: number;
}

/** An index in an index in an index: more is no image but a maze. */
const MAX_INDEX_DEPTH = 3;

/** A layer that is named by what it is when it is packed, and when it is not. */
export interface NamedLayer {
  readonly blob: Descriptor;
  readonly diffId: string;
}

/** Held until it is disposed. */
export interface PulledLayers extends Disposable {
  readonly topLayer: number | undefined;
}

interface Resolved {
  manifest: ImageManifest;
  fetched: FetchedManifest;
  /** What the name stands for: the index, where there is one. */
  top: FetchedManifest;
}

export class ImagePuller {
  readonly #catalogue: Catalogue;
  readonly #parts: ImageParts;
  readonly #registries: Registries;
  readonly #settings: PullSettings;
  readonly #downloadSlots: Slots;
  readonly #unpackSlots = new Slots(Math.min(4, Math.max(2, availableParallelism())));
  readonly #blobs = new Flights<IncomingBlob>();
  readonly #layers = new Flights<PulledLayer>();
  readonly #images = new Flights<PulledImage>();

  constructor(catalogue: Catalogue, registries: Registries, settings: PullSettings) {
    this.#catalogue = catalogue;
    this.#parts = catalogue.parts;
    this.#registries = registries;
    this.#settings = settings;
    this.#downloadSlots = new Slots(settings.maxConcurrentDownloads);
  }

  /** POST /images/create?fromImage. */
  async pull(options: PullOptions): Promise<void> {
    const reference = pullReference(options.image, options.tag);
    const platform = options.platform === '' ? undefined : parsePlatform(options.platform);
    const lease = new SessionLease(this.#registries.open(reference.repository, options.credentials, 'pull'));
    using _user = lease.use();
    const isAllTags = reference.tag === undefined && reference.digest === undefined;
    let isNew = false;
    for (const one of isAllTags ? await this.#allTags(lease, reference, options.signal) : [reference]) {
      const isNewer = await this.#pullOne(one, platform, lease, options);
      isNew ||= isNewer;
    }
    const status = isNew ? 'Downloaded newer image for' : 'Image is up to date for';
    options.onProgress({ status: `Status: ${status} ${familiar(reference)}` });
    if (platform !== undefined && !isAllTags) this.#warnOfPlatform(reference, platform, options);
  }

  /** What has one platform only is taken, whatever was asked for. */
  #warnOfPlatform(reference: Reference, asked: Platform, { onProgress }: PullOptions): void {
    const ref = familiar(reference.digest === undefined ? reference : { ...reference, tag: undefined });
    const image = this.#catalogue.resolve(ref);
    try {
      if (image !== undefined) requirePlatform(ref, image.config, asked);
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      onProgress({ status: `WARNING: ${error.message}` });
    }
  }

  /**
   * Layers alone, each on the one before it, as somebody's document names them; those that are here are not fetched. The session is taken over; the
   * result holds them. Throws EngineError.
   */
  async pullLayers(session: BlobSession, layers: readonly NamedLayer[], context: FlightContext): Promise<PulledLayers> {
    const lease = new SessionLease(session);
    using _user = lease.use();
    const held: Disposable[] = [this.#parts.content.hold(layers.map(({ blob }) => blob.digest))];
    const release = (): void => {
      for (const hold of held.splice(0)) hold[Symbol.dispose]();
    };
    const work = {
      parts: this.#parts,
      layers: layers.map(({ blob }) => blob),
      pullLayer: (blob: Descriptor, diffId: string, chain: string, one: FlightContext) =>
        this.#layer(lease, blob, diffId, chain, one),
    };
    const diffIds = layers.map(({ diffId }) => diffId);
    try {
      const topLayer = await pullLayers(work, diffIds, new Map(), context, held);
      return { topLayer, [Symbol.dispose]: release };
    } catch (error) {
      release();
      throw registryError(error);
    }
  }

  /** Resolves when the downloads and unpackers that were given up have let go of their files. */
  async atRest(): Promise<void> {
    // Images let go of layers, and layers of blobs.
    await this.#images.atRest();
    await this.#layers.atRest();
    await this.#blobs.atRest();
  }

  async #allTags({ session }: SessionLease, reference: Reference, signal: AbortSignal): Promise<Reference[]> {
    try {
      const tags = await session.tags(signal);
      if (tags.length === 0) {
        throw new EngineError('not-found', `pull all tags of ${familiar(reference)}: the repository has none`);
      }
      return tags.map((tag) => ({ ...reference, tag }));
    } catch (error) {
      throw pullError(error, reference);
    }
  }

  /** False: it was there already, under this name. */
  async #pullOne(
    reference: Reference,
    platform: Platform | undefined,
    lease: SessionLease,
    { onProgress, signal }: PullOptions,
  ): Promise<boolean> {
    const { repository } = reference;
    const name = reference.digest ?? reference.tag ?? 'latest';
    const top = await lease.session.manifest(name, signal).catch((error: unknown) => {
      throw pullError(error, reference);
    });
    onProgress({ status: `Pulling from ${repository.slice(repository.indexOf('/') + 1)}`, id: name });
    try {
      const resolved = await this.#resolve(top, platform, lease, signal);
      using image = await this.#content(resolved, lease, { signal, onProgress });
      const isNewer = this.#record(reference, resolved, image.result);
      onProgress({ status: `Digest: ${top.digest}` });
      return isNewer;
    } catch (error) {
      throw registryError(error);
    }
  }

  async #resolve(
    top: FetchedManifest,
    platform: Platform | undefined,
    { session }: SessionLease,
    signal: AbortSignal,
  ): Promise<Resolved> {
    let fetched = top;
    for (let depth = 0; depth <= MAX_INDEX_DEPTH; depth++) {
      const manifest = parseManifest(fetched.bytes, fetched.mediaType);
      if (manifest.kind === 'image') return { manifest, fetched, top };
      const chosen = chooseManifest(manifest, platform);
      fetched = await session.manifest(chosen.digest, signal);
      if (fetched.size !== chosen.size) {
        throw new EngineError(
          'invalid',
          `manifest ${chosen.digest} has ${fetched.size} bytes, but the index says ${chosen.size}`,
        );
      }
    }
    throw new EngineError(
      'invalid',
      `read index ${top.digest}: more than ${MAX_INDEX_DEPTH} indexes inside each other`,
    );
  }

  #content(resolved: Resolved, lease: SessionLease, context: FlightContext): Promise<Share<PulledImage>> {
    const { manifest, fetched } = resolved;
    return this.#images.join(
      fetched.digest,
      async (shared) => {
        using _user = lease.use();
        return await pullImageContent(
          {
            parts: this.#parts,
            manifest,
            fetched,
            fetchBlob: (blob, maxBytes, signal, origin) => readWholeBlob(lease.session, blob, maxBytes, signal, origin),
            hasMirrors: lease.session.hasMirrors,
            pullLayer: (blob, diffId, chain, one) => this.#layer(lease, blob, diffId, chain, one),
          },
          shared,
        );
      },
      context,
    );
  }

  #layer(
    lease: SessionLease<BlobSession>,
    blob: Descriptor,
    diffId: string,
    chain: string,
    context: FlightContext,
  ): Promise<Share<PulledLayer>> {
    return this.#layers.join(
      `${chain} ${blob.digest}`,
      (shared) => {
        const download = (one: FlightContext, origin: boolean) => this.#blob(lease, blob, one, origin);
        const { hasMirrors } = lease.session;
        const work = { parts: this.#parts, blob, diffId, unpackSlots: this.#unpackSlots, hasMirrors, download };
        return pullLayer(work, shared);
      },
      context,
    );
  }

  #blob(
    lease: SessionLease<BlobSession>,
    blob: Descriptor,
    context: FlightContext,
    origin: boolean,
  ): Promise<Share<IncomingBlob>> {
    return this.#blobs.join(blob.digest, (shared) => this.#startDownload(lease, blob, shared, origin), context);
  }

  /** Resolves when it is this blob's turn; the download goes on after that. */
  async #startDownload(
    lease: SessionLease<BlobSession>,
    blob: Descriptor,
    context: FlightContext,
    origin: boolean,
  ): Promise<IncomingBlob> {
    const { signal, onProgress } = context;
    if (this.#downloadSlots.isFull) onProgress(noted('Waiting', shortDigest(blob.digest)));
    const held = new DisposableStack();
    try {
      held.use(lease.use());
      held.use(this.#parts.content.hold([blob.digest]));
      const slot = held.use(await this.#downloadSlots.take(signal));
      const writer = await this.#parts.content.ingest(blob.digest, blob.size);
      const kept = held.move();
      return new IncomingBlob(
        blob,
        writer,
        (onGrowth) =>
          downloadBlob({
            session: lease.session,
            blob,
            writer,
            origin,
            maxAttempts: this.#settings.maxDownloadAttempts,
            retryPauseMs: this.#settings.retryPauseMs,
            onState: (state) => onProgress(downloadLine(blob, state)),
            onGrowth,
            signal,
          }).finally(() => slot[Symbol.dispose]()),
        () => kept.dispose(),
      );
    } finally {
      held.dispose();
    }
  }

  /** Image, manifests, names: together, so that nobody sees (or removes) an image without its name in between. */
  #record(reference: Reference, { fetched, top, manifest }: Resolved, image: PulledImage): boolean {
    const { tables, content, blobs, layers, onEvent } = this.#parts;
    const { repository, tag } = reference;
    const id = manifest.config.digest;
    for (const { bytes } of new Set([fetched, top])) content.put(bytes);
    const previous =
      reference.digest === undefined
        ? tables.byTag(repository, tag ?? 'latest')
        : tables.byDigest(repository, reference.digest);
    layers.makeDurable(image.topLayer);
    tables.transaction(() => {
      this.#catalogue.addBytes(image.config, { topLayer: image.topLayer, manifest: withoutBytes(fetched) });
      for (const layer of manifest.layers) if (content.has(layer.digest)) blobs.seenIn(layer.digest, repository);
      tables.setDigest(repository, top.digest, id);
      if (reference.digest === undefined && previous !== id) {
        tables.setTag(repository, tag ?? 'latest', id);
      }
    });
    const shown = familiar(reference.digest === undefined ? reference : { ...reference, tag: undefined });
    onEvent({ action: 'pull', id: shown, attributes: { name: familiarName(repository) } });
    return previous !== id;
  }
}

function withoutBytes({ mediaType, digest, size }: FetchedManifest): Descriptor {
  return { mediaType, digest, size };
}

/** `tag` may be a digest, as clients send it. */
function pullReference(image: string, tag: string): Reference {
  const reference = parseReference(image.replace(/:$/, ''));
  if (tag === '') return checkedDigest(reference);
  if (tag.includes(':')) return checkedDigest(parseReference(`${familiarName(reference.repository)}@${tag}`));
  if (!isValidTag(tag)) throw new EngineError('invalid', 'invalid tag format');
  return { ...reference, tag };
}

function checkedDigest(reference: Reference): Reference {
  if (reference.digest === undefined || /^sha256:[0-9a-f]{64}$/.test(reference.digest)) return reference;
  throw new EngineError('invalid', `invalid reference format: ${reference.digest.slice(0, 100)} is no sha256 digest`);
}
