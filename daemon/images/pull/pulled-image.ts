// One image that is pulled, once for all who want it: its config, its layers at the same time, and at the end one sync for all of them.
// Until then nothing of it can be seen; after it the rows follow in one go.
import { createHash } from 'node:crypto';
import type { Descriptor } from '../../content/digest.ts';
import { EngineError } from '../../errors/engine-error.ts';
import type { FetchedManifest } from '../../registry/registry-session.ts';
import { chainId } from '../../snapshots/layer-keys.ts';
import type { LayerHold } from '../../snapshots/layer-store.ts';
import { type Damage, findDamage } from '../damaged-layers.ts';
import { type ImageConfig, MAX_CONFIG_BYTES, parseImageConfig } from '../documents/image-config.ts';
import type { ImageManifest } from '../documents/manifest.ts';
import type { ImageParts } from '../image-parts.ts';
import type { ImageRow } from '../image-tables.ts';
import { noted } from '../progress.ts';
import { shortDigest } from './download-words.ts';
import type { Closable, FlightContext, Share } from './flights.ts';
import type { PulledLayer } from './pulled-layer.ts';

export interface LayersWork {
  readonly parts: ImageParts;
  /** Lowest first. */
  readonly layers: readonly Descriptor[];
  /** Joins the pull of one layer. `chain` is the id of the layer with all below it. */
  pullLayer(blob: Descriptor, diffId: string, chain: string, context: FlightContext): Promise<Share<PulledLayer>>;
}

export interface ImageWork extends Omit<LayersWork, 'layers'> {
  readonly manifest: ImageManifest;
  readonly fetched: FetchedManifest;
  /** A small blob, whole. */
  fetchBlob(blob: Descriptor, maxBytes: number, signal: AbortSignal, origin: boolean): Promise<Buffer>;
  /** What comes may be a mirror's: when it is wrong, the registry itself is asked. */
  readonly hasMirrors: boolean;
}

/** An image whose layers are stored and held. `config`: the bytes as they came. */
export class PulledImage implements Closable {
  readonly config: Buffer;
  readonly topLayer: number | undefined;
  readonly #held: Disposable[];

  constructor(config: Buffer, topLayer: number | undefined, held: Disposable[]) {
    this.config = config;
    this.topLayer = topLayer;
    this.#held = held;
  }

  async close(): Promise<void> {
    for (const hold of this.#held.splice(0)) hold[Symbol.dispose]();
  }
}

export async function pullImageContent(work: ImageWork, context: FlightContext): Promise<PulledImage> {
  const { parts, manifest } = work;
  const held: Disposable[] = [
    parts.content.hold([work.fetched.digest, manifest.config.digest, ...manifest.layers.map(({ digest }) => digest)]),
  ];
  try {
    const known = parts.tables.get(manifest.config.digest);
    const damage = known === undefined ? none : await damageOf(parts, known);
    const isWhole = damage.size === 0 && readStored(parts, manifest.config.digest) !== undefined;
    if (known !== undefined && isWhole) {
      if (known.topLayer !== undefined) held.push(parts.layers.hold(known.topLayer));
      return new PulledImage(parts.content.get(known.id, MAX_CONFIG_BYTES), known.topLayer, held);
    }
    const bytes = await readConfig(work, context.signal);
    const config = checkConfig(bytes, manifest);
    const { layers } = manifest;
    const top = await pullLayers({ ...work, layers }, config.rootfs.diff_ids, damage, context, held);
    return new PulledImage(bytes, top, held);
  } catch (error) {
    for (const hold of held) hold[Symbol.dispose]();
    throw error;
  }
}

const none: ReadonlyMap<string, Damage> = new Map();

/** What a disk has taken of it is pulled again. */
async function damageOf(parts: ImageParts, { topLayer }: ImageRow): Promise<ReadonlyMap<string, Damage>> {
  using _held = topLayer === undefined ? undefined : parts.layers.hold(topLayer);
  return await findDamage(parts, parts.layers.chain(topLayer), { reads: false });
}

/** undefined: it is not here, or not what its name says. */
function readStored({ content }: ImageParts, digest: string): Buffer | undefined {
  try {
    return content.has(digest) ? content.get(digest, MAX_CONFIG_BYTES) : undefined;
  } catch {
    return undefined;
  }
}

async function readConfig({ parts, manifest, fetchBlob, hasMirrors }: ImageWork, signal: AbortSignal): Promise<Buffer> {
  const { config } = manifest;
  const stored = readStored(parts, config.digest);
  if (stored !== undefined) return stored;
  const fetch = async (origin: boolean): Promise<Buffer> => {
    const bytes = await fetchBlob(config, MAX_CONFIG_BYTES, signal, origin);
    const actual = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    if (actual === config.digest) return bytes;
    throw new EngineError('invalid', `verify image config ${config.digest}: the bytes that came are ${actual}`);
  };
  if (!hasMirrors) return fetch(true);
  return fetch(false).catch((error: unknown) => {
    signal.throwIfAborted();
    if (error instanceof EngineError) return fetch(true);
    throw error;
  });
}

function checkConfig(bytes: Buffer, manifest: ImageManifest): ImageConfig {
  const config = parseImageConfig(bytes);
  if (config.os !== 'linux') {
    throw new EngineError('invalid', `image operating system "${config.os}" cannot be used on this platform`);
  }
  const { diff_ids: diffIds } = config.rootfs;
  if (diffIds.length === manifest.layers.length) return config;
  throw new EngineError(
    'invalid',
    `read image config: it has ${diffIds.length} diff_ids, but the manifest has ${manifest.layers.length} layers`,
  );
}

/** Layers, of whoever has named them: those that are not here, each on the one before it. Resolves to the highest; all are held in `held`. */
export async function pullLayers(
  work: LayersWork,
  diffIds: readonly string[],
  known: ReadonlyMap<string, Damage>,
  context: FlightContext,
  held: Disposable[],
): Promise<number | undefined> {
  const { parts, layers: blobs } = work;
  const chains: string[] = [];
  for (const diffId of diffIds) chains.push(chainId(chains.at(-1), diffId));
  const present: LayerHold[] = [];
  // A layer's row says that all below it are there.
  for (const chain of chains) {
    const layer = parts.layers.byKey(chain);
    if (layer === undefined) break;
    present.push(parts.layers.hold(layer.number));
  }
  held.push(...present);
  const layers = present.map(({ layer }) => layer);
  // What is found is taken away: so the first to look knows more.
  const damage = new Map([...(await findDamage(parts, layers, { reads: false })), ...known]);
  const whole = present.findIndex(({ layer }) => damage.has(layer.key));
  if (whole >= 0) present.length = whole;
  blobs.forEach(({ digest }, i) => {
    context.onProgress(noted(i < present.length ? 'Already exists' : 'Pulling fs layer', shortDigest(digest)));
  });
  const missing = blobs.slice(present.length);
  const { onProgress } = context;
  const shares = await all(
    context.signal,
    missing.map((blob, i) => {
      const at = present.length + i;
      return (signal) => work.pullLayer(blob, diffIds[at] as string, chains[at] as string, { signal, onProgress });
    }),
  );
  held.push(...shares);
  await sync(parts, shares);
  return publish(work, shares, present.at(-1)?.layer.number, damage, held);
}

/** One for all layers: what is staged, and the blobs, are on the disk before a row names them. */
async function sync(parts: ImageParts, shares: readonly Share<PulledLayer>[]): Promise<void> {
  const [first] = shares;
  if (first === undefined) return;
  await parts.files.sync(first.result.directory);
  // On the same file system that was all: this tells of errors, and it writes where the blobs are on another one.
  await Promise.all(shares.map(({ result }) => result.incoming?.result.writer.sync()));
}

async function publish(
  { parts }: Pick<LayersWork, 'parts'>,
  shares: readonly Share<PulledLayer>[],
  base: number | undefined,
  damage: ReadonlyMap<string, Damage>,
  held: Disposable[],
): Promise<number | undefined> {
  const writers = shares.flatMap(({ result: { incoming, blob } }) =>
    incoming === undefined || parts.content.has(blob.digest) ? [] : [incoming.result.writer],
  );
  if (writers.length > 0) parts.content.publish(new Set(writers));
  let top = base;
  for (const { result } of shares) {
    const key = chainId(top === undefined ? undefined : parts.layers.get(top).key, result.diffId);
    const broken = damage.get(key) === 'files' ? parts.layers.byKey(key) : undefined;
    const hold = broken === undefined ? result.publish(parts.layers, top) : await result.repair(parts, broken);
    held.push(hold);
    top = hold.layer.number;
  }
  parts.tables.transaction(() => {
    for (const { result } of shares) parts.blobs.addLayerBlob(result.diffId, result.blob);
  });
  return top;
}

/** As Promise.all, but the first failure cancels the others and waits until they are at rest, so that nothing is held on to. */
async function all<T extends Disposable>(
  outer: AbortSignal,
  begin: readonly ((signal: AbortSignal) => Promise<T>)[],
): Promise<T[]> {
  const cancel = new AbortController();
  const signal = AbortSignal.any([outer, cancel.signal]);
  let failure: { reason: unknown } | undefined;
  const settled = await Promise.allSettled(
    begin.map(async (one) => {
      try {
        return await one(signal);
      } catch (reason) {
        failure ??= { reason };
        cancel.abort(reason);
        throw reason;
      }
    }),
  );
  const done = settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  if (failure === undefined) return done;
  for (const value of done) value[Symbol.dispose]();
  throw failure.reason;
}
