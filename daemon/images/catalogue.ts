// The catalogue: which images there are, what they are called and what they keep. It finds, reads and records; what is done with images (list,
// pull, load, commit …) is in files of its own, which are given this.
import { collectContent } from '../content/collect-content.ts';
import type { Descriptor } from '../content/digest.ts';
import { EngineError } from '../errors/engine-error.ts';
import { familiar, parseReference } from '../registry/reference.ts';
import { isNameless } from '../snapshots/layer-keys.ts';
import { type ImageConfig, MAX_CONFIG_BYTES, parseImageConfig } from './documents/image-config.ts';
import { parseTarget, shownReference } from './image-names.ts';
import type { ImageParts } from './image-parts.ts';
import type { ImageRecord } from './image-service.ts';
import type { ImageRow } from './image-tables.ts';

export interface AddOptions {
  topLayer: number | undefined;
  parentId?: string;
  /** How a registry or an archive has it; its bytes are in the content store. */
  manifest?: Descriptor;
  /** Given in the same transaction: nobody finds the image without it. No name when `repo` is empty. */
  name?: { repo: string; tag: string };
  /** With an event 'create', before that of its name. */
  isTold?: boolean;
}

/** Of configs that stay parsed: so many bytes before they were. Usual ones have some thousand, strangers' up to `MAX_CONFIG_BYTES`. */
const CACHED_CONFIG_BYTES = 2 * 1024 * 1024;

export class Catalogue {
  readonly parts: ImageParts;
  readonly #configs = new Map<string, ImageConfig>();
  #configBytes = 0;

  constructor(parts: ImageParts) {
    this.parts = parts;
  }

  resolve(ref: string): ImageRecord | undefined {
    const id = this.#find(ref);
    return id === undefined ? undefined : this.byId(id);
  }

  get(ref: string): ImageRecord {
    return this.byId(this.idOf(ref)) as ImageRecord;
  }

  /** The id alone: also of an image whose config cannot be read. Throws as `get`. */
  idOf(ref: string): string {
    const id = this.#find(ref);
    if (id !== undefined) return id;
    throw new EngineError('not-found', `No such image: ${shownReference(ref)}`);
  }

  byId(id: string): ImageRecord | undefined {
    const row = this.parts.tables.get(id);
    return row === undefined ? undefined : this.record(row);
  }

  /** By the full id: the layer that its files end with; undefined: it has none. Throws 'not-found'. */
  topLayer(id: string): number | undefined {
    const row = this.parts.tables.get(id);
    if (row !== undefined) return row.topLayer;
    throw new EngineError('not-found', `No such image: ${id}`);
  }

  record(row: ImageRow): ImageRecord {
    return { id: row.id, parentId: row.parentId, sizeBytes: row.sizeBytes, config: this.config(row.id) };
  }

  config(id: string): ImageConfig {
    let config = this.#configs.get(id);
    if (config === undefined) {
      const bytes = this.parts.content.get(id, MAX_CONFIG_BYTES);
      config = parseImageConfig(bytes);
      this.#keepConfig(id, config, bytes.length);
    }
    return config;
  }

  #keepConfig(id: string, config: ImageConfig, bytes: number): void {
    if (this.#configs.has(id)) return;
    if (this.#configBytes + bytes > CACHED_CONFIG_BYTES) {
      this.#configs.clear();
      this.#configBytes = 0;
    }
    this.#configs.set(id, config);
    this.#configBytes += bytes;
  }

  /** undefined: its blob is damaged. Such an image is listed and can be removed, and stands in no other's way. */
  readableConfig(id: string): ImageConfig | undefined {
    try {
      return this.config(id);
    } catch {
      return undefined;
    }
  }

  /** For events: of an image that has gone, or whose config cannot be read, there are none. */
  labelsOf(ref: string): Readonly<Record<string, string>> {
    try {
      const id = ref === '' ? undefined : this.#find(ref);
      return (id === undefined ? undefined : this.config(id).config?.Labels) ?? {};
    } catch {
      return {};
    }
  }

  /** Names an image; an empty tag is "latest". */
  setTag(id: string, repo: string, tag: string): void {
    this.#writeTag(id, repo, tag);
    this.#tellTag(id, repo, tag);
  }

  #writeTag(id: string, repo: string, tag: string): void {
    const name = parseTarget(repo, tag);
    this.parts.tables.setTag(name.repository, name.tag, id, new Date().toISOString());
  }

  #tellTag(id: string, repo: string, tag: string): void {
    const name = parseTarget(repo, tag);
    this.parts.onEvent({ action: 'tag', id, attributes: { name: familiar({ ...name, digest: undefined }) } });
  }

  /** Records an image that was made here. */
  add(config: ImageConfig, options: AddOptions): string {
    return this.addBytes(Buffer.from(JSON.stringify(config)), options);
  }

  /**
   * Records an image whose layers are stored; their holds may go afterwards. `bytes` is its config as it came: their digest is its id. Whoever has a
   * transaction open has made the layers durable before it (LayerStore.makeDurable).
   */
  addBytes(bytes: Uint8Array, options: AddOptions): string {
    const config = parseImageConfig(bytes);
    const { content, layers, tables, blobs } = this.parts;
    const id = content.put(bytes);
    this.#keepConfig(id, config, bytes.length);
    const sizeBytes = layers.chain(options.topLayer).reduce((sum, layer) => sum + layer.sizeBytes, 0);
    const { repo, tag } = options.name ?? { repo: '', tag: '' };
    layers.makeDurable(options.topLayer);
    tables.transaction(() => {
      const isNew = tables.insert({ id, parentId: options.parentId, topLayer: options.topLayer, sizeBytes });
      if (!isNew && layers.lostOf(this.topLayer(id)) !== undefined) tables.setTopLayer(id, options.topLayer);
      if (options.manifest !== undefined) blobs.addManifest(id, options.manifest);
      if (repo !== '') this.#writeTag(id, repo, tag);
    });
    if (options.isTold) this.parts.onEvent({ action: 'create', id, attributes: { name: id } });
    if (repo !== '') this.#tellTag(id, repo, tag);
    return id;
  }

  /** Keeps an image's layers and blobs where they are, whatever happens to the image. */
  holdImage(id: string): Disposable {
    const { tables, layers, blobs, content } = this.parts;
    const top = tables.get(id)?.topLayer;
    const manifests = blobs.manifestsOf(id).map(({ digest }) => digest);
    const archives = layers.chain(top).flatMap(({ diffId }) => blobs.layerBlobs(diffId).map(({ digest }) => digest));
    const held = content.hold([id, ...manifests, ...archives]);
    const chain = top === undefined ? undefined : layers.hold(top);
    return {
      [Symbol.dispose]: () => {
        held[Symbol.dispose]();
        chain?.[Symbol.dispose]();
      },
    };
  }

  /**
   * Lets go of layers and blobs without a user, and of partial downloads that nobody has gone on with for `keptMs` (a day). Returns the bytes of
   * blobs and downloads that went.
   */
  reclaim(keptMs?: number): number {
    const { layers, tables, content, blobs } = this.parts;
    layers.collect(tables.all().map(({ topLayer }) => topLayer));
    blobs.dropUnused();
    return collectContent(content, blobs.used()) + content.dropOldIngests(keptMs);
  }

  /** Lets go of layers and blobs without a user. Returns the chain ids of those that went. */
  collect(): string[] {
    const tops = this.parts.tables.all().map(({ topLayer }) => topLayer);
    const gone = this.parts.layers.collect(tops);
    this.parts.blobs.dropUnused();
    collectContent(this.parts.content, this.parts.blobs.used());
    return gone.filter((layer) => layer.kind === 'image' && !isNameless(layer)).map(({ key }) => key);
  }

  /** Full id, then name, then unique prefix of an id: Docker's order. */
  #find(ref: string): string | undefined {
    const hex = /^(?:sha256:)?([0-9a-f]{64})$/.exec(ref)?.[1];
    if (hex !== undefined) return this.parts.tables.get(`sha256:${hex}`)?.id;
    const prefix = /^(?:sha256:)?([0-9a-f]{1,64})$/.exec(ref)?.[1];
    if (!ref.startsWith('sha256:')) {
      const name = parseReference(ref);
      const found =
        name.digest !== undefined
          ? this.parts.tables.byDigest(name.repository, name.digest)
          : this.parts.tables.byTag(name.repository, name.tag ?? 'latest');
      if (found !== undefined) return found;
    }
    if (prefix === undefined) return undefined;
    const ids = this.parts.tables.idsWithPrefix(prefix);
    if (ids.length > 1) throw new EngineError('not-found', `No such image: ${ref}: the id is ambiguous`);
    return ids[0];
  }
}
