// POST /images/load: spooled to disk, checked as a whole, its layers unpacked aside at the same time; then everything becomes visible in one
// transaction, or nothing does.
import type { Readable } from 'node:stream';
import { EngineError } from '../../errors/engine-error.ts';
import { type ByteSource, decompressed } from '../../jail/decoding/decompress.ts';
import { familiar } from '../../registry/reference.ts';
import type { Layer } from '../../snapshots/layer.ts';
import { chainId } from '../../snapshots/layer-keys.ts';
import type { Catalogue } from '../catalogue.ts';
import { type Damage, findDamage, repairLayer } from '../damaged-layers.ts';
import type { LoadOptions } from '../image-service.ts';
import { counted } from '../progress.ts';
import { ArchiveSpool, type SpooledFile } from './archive-spool.ts';
import { LayerStaging } from './layer-staging.ts';
import { checkLayer, type LoadedLayer } from './load-layer.ts';
import { type PlannedImage, type PlannedLayer, planLoad } from './load-plan.ts';

interface WantedLayer {
  readonly planned: PlannedLayer;
  readonly file: SpooledFile;
  readonly parentKey: string | undefined;
}

export async function loadImages(catalogue: Catalogue, archive: Readable, options: LoadOptions): Promise<void> {
  const { parts } = catalogue;
  using _slot = await parts.loads.take(options.signal);
  const source = await decompressed(archive);
  await using spool = await ArchiveSpool.open(parts.staging);
  await using staging = new LayerStaging(parts, spool, options.signal);
  await receive(catalogue, spool, staging, source, options.signal);
  const images = await planLoad(spool, options.platform);
  using holds = new DisposableStack();
  const damage = await findDamage(parts, knownLayers(catalogue, images, holds), { reads: true });
  const wanted = wantedLayers(catalogue, images, damage, holds);
  const loaded = new Map<string, LoadedLayer>();
  for (const [key, { planned, file }] of wanted) {
    const layer = await staging.get(file);
    holds.use(layer.staged);
    loaded.set(key, { ...layer, kept: checkLayer(layer, planned, file) });
    if (!options.quiet) tellLoaded(options, planned.diffId, file.bytes);
  }
  options.signal?.throwIfAborted();
  // The archive is of no use any more: synchronised, it would be written to the disk as well.
  await staging.stop();
  await spool[Symbol.asyncDispose]();
  if (wanted.size > 0) await syncStore(catalogue);
  await publishAll(catalogue, wanted, loaded, damage, holds);
  record(catalogue, images, options);
}

/** The decoder's memory is free again when all is there: what unpacks it needs some as well. */
async function receive(
  { parts }: Catalogue,
  spool: ArchiveSpool,
  staging: LayerStaging,
  source: ByteSource,
  signal: AbortSignal | undefined,
): Promise<void> {
  using _memory = await parts.jail.memory.take(source, signal);
  await spool.read(source, (file) => staging.guess(file), signal);
}

/** Once for all layers: their files are on the disk before a row names them. */
async function syncStore({ parts }: Catalogue): Promise<void> {
  await parts.files.sync(parts.staging);
}

/** Those that are here, held. */
function knownLayers(catalogue: Catalogue, images: readonly PlannedImage[], holds: DisposableStack): Layer[] {
  const known: Layer[] = [];
  for (const { layers } of images) {
    let key: string | undefined;
    for (const { diffId } of layers) {
      key = chainId(key, diffId);
      const layer = catalogue.parts.layers.byKey(key);
      if (layer === undefined) continue;
      holds.use(catalogue.parts.layers.hold(layer.number));
      known.push(layer);
    }
  }
  return known;
}

/** The layers that are not here yet, or not whole, by chain id, parents first. Those that are here are held. */
function wantedLayers(
  catalogue: Catalogue,
  images: readonly PlannedImage[],
  damage: ReadonlyMap<string, Damage>,
  holds: DisposableStack,
): Map<string, WantedLayer> {
  const wanted = new Map<string, WantedLayer>();
  /** Unless another image of the archive has it. */
  const missing = new Map<string, string>();
  for (const { layers } of images) {
    let parentKey: string | undefined;
    for (const planned of layers) {
      const key = chainId(parentKey, planned.diffId);
      const known = catalogue.parts.layers.byKey(key);
      const { file } = planned;
      const isWhole = known !== undefined && !(damage.has(key) && file !== undefined);
      if (isWhole) holds.use(catalogue.parts.layers.hold(known.number));
      else if (file === undefined) missing.set(key, planned.name);
      else if (!wanted.has(key)) wanted.set(key, { planned, file, parentKey });
      parentKey = key;
    }
  }
  for (const [key, name] of missing) {
    if (!wanted.has(key)) throw new EngineError('invalid', `read archive: it holds no ${name.slice(0, 200)}`);
  }
  return wanted;
}

/** Parents first: a layer's row names its parent's. */
async function publishAll(
  catalogue: Catalogue,
  wanted: ReadonlyMap<string, WantedLayer>,
  staged: ReadonlyMap<string, LoadedLayer>,
  damage: ReadonlyMap<string, Damage>,
  holds: DisposableStack,
): Promise<void> {
  const { layers, blobs } = catalogue.parts;
  for (const [key, { planned, parentKey }] of wanted) {
    const loaded = staged.get(key);
    if (loaded === undefined) throw new EngineError('system', `load layer ${planned.diffId}: it was not unpacked`);
    const parent = parentKey === undefined ? undefined : layers.byKey(parentKey)?.number;
    const broken = damage.get(key) === 'files' ? layers.byKey(key) : undefined;
    holds.use(
      broken === undefined
        ? layers.publish(loaded.staged, parent)
        : await repairLayer(catalogue.parts, loaded.staged, broken),
    );
    blobs.addLayerBlob(planned.diffId, loaded.kept);
  }
}

function record(catalogue: Catalogue, images: readonly PlannedImage[], options: LoadOptions): void {
  const { tables, content, layers } = catalogue.parts;
  const told: string[] = [];
  for (const image of images) layers.makeDurable(topOf(catalogue, image));
  tables.transaction(() => {
    for (const image of images) {
      const parentId = parentOf(catalogue, image, images);
      // Layers that came plain are kept in another form: then the manifest is of no use.
      const isWhole =
        image.manifest !== undefined && image.layers.every(({ blob }) => blob && content.has(blob.digest));
      if (isWhole) content.put(image.manifest?.bytes as Buffer);
      catalogue.addBytes(image.configBytes, {
        topLayer: topOf(catalogue, image),
        ...(parentId === undefined ? {} : { parentId }),
        ...(isWhole && image.manifest !== undefined ? { manifest: image.manifest.descriptor } : {}),
      });
      if (parentId !== undefined) tables.setParent(image.id, parentId);
      for (const { repository, tag } of image.names) {
        const shown = familiar({ repository, tag, digest: undefined });
        const before = tables.byTag(repository, tag);
        if (before !== undefined && before !== image.id)
          told.push(`The image ${shown} already exists, renaming the old one with ID ${before} to empty string\n`);
        tables.setTag(repository, tag, image.id);
        told.push(`Loaded image: ${shown}\n`);
      }
      if (image.names.length === 0) told.push(`Loaded image ID: ${image.id}\n`);
    }
  });
  for (const { id } of images) catalogue.parts.onEvent({ action: 'load', id, attributes: { name: id } });
  for (const stream of told) options.tell({ stream });
}

function topOf({ parts: { layers } }: Catalogue, image: PlannedImage): number | undefined {
  const key = image.layers.reduce<string | undefined>((below, { diffId }) => chainId(below, diffId), undefined);
  return key === undefined ? undefined : layers.byKey(key)?.number;
}

/** Only an image that is here, or comes along, and whose layers are the lowest of this one's can be its parent. */
function parentOf(catalogue: Catalogue, image: PlannedImage, images: readonly PlannedImage[]): string | undefined {
  const { parent } = image;
  if (parent === undefined || descendsFrom(catalogue, parent, image.id)) return undefined;
  const config = images.find(({ id }) => id === parent)?.config ?? catalogue.byId(parent)?.config;
  const mine = image.config.rootfs.diff_ids;
  return config?.rootfs.diff_ids.every((diffId, i) => diffId === mine[i]) === true ? parent : undefined;
}

/** Two images that were each other's parents could never be removed. */
function descendsFrom({ parts: { tables } }: Catalogue, id: string, ancestor: string): boolean {
  const seen = new Set<string>();
  for (let at: string | undefined = id; at !== undefined && !seen.has(at); at = tables.get(at)?.parentId) seen.add(at);
  return seen.has(ancestor);
}

function tellLoaded({ tell }: LoadOptions, diffId: string, bytes: number): void {
  tell(counted('Loading layer', diffId.slice('sha256:'.length, 'sha256:'.length + 12), bytes, bytes));
}
