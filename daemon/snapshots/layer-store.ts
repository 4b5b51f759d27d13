// Unpacked layers: layers/<n> and their rows. A layer is visible (has a row) only when it is whole: unpacked aside by a jail, synced,
// renamed, then the row. Layers are kept while an image, a container or somebody who is making one holds them.
// Those of a build are adopted instead: there at once, their digest, their row and the disk come later. Until then a row says in which boot of the
// host it was made; after another one it is gone, since nobody knows what the power cut has left of its files.
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { fsyncDirectory, syncFileSystem } from '../../native-bindings/files.ts';
import { EngineError } from '../errors/engine-error.ts';
import type { Trash } from '../jail/trash.ts';
import type { Database } from '../state/database.ts';
import { noStrays, type Strays } from '../state/strays.ts';
import type { Layer, LayerDigest } from './layer.ts';
import { LayerRows } from './layer-rows.ts';
import type { SnapshotRoot } from './snapshot-root.ts';

/** The kernel stacks 500 layers; one is the container's, one its mount points. */
export const MAX_LAYERS = 480;

/** What somebody filled a staged directory with. */
export interface Staged {
  diffId: string;
  sizeBytes: number;
  tarBytes?: number;
  /** For layers that are known by something else than their content. */
  key?: string;
  kind?: 'init';
}

/** Files that wait to become a layer; thrown away when it is disposed before it was published. */
export interface StagedLayer extends Disposable {
  readonly directory: string;
  readonly staged: Staged;
}

/** Keeps layers until it is disposed. */
export interface LayerHold extends Disposable {
  /** As it is known now. */
  readonly layer: Layer;
}

/** Rows of adopted layers are written together, a little later; whoever refers to one writes them at once. */
const ROWS_DELAY_MS = 500;

export class LayerStore {
  readonly #root: SnapshotRoot;
  readonly #rows: LayerRows;
  readonly #trash: Trash;
  readonly #byNumber = new Map<number, Layer>();
  readonly #byKey = new Map<string, Layer>();
  readonly #holds = new Map<number, number>();
  /** How many layers have the directory. */
  readonly #sharers = new Map<number, number>();
  readonly #onReplace: (() => void)[] = [];
  #last = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(root: SnapshotRoot, db: Database, trash: Trash, strays: Strays = noStrays) {
    this.#root = root;
    this.#rows = new LayerRows(db);
    this.#trash = trash;
    for (const layer of this.#rows.all()) this.#remember(layer);
    this.#clean(strays);
  }

  get(number: number): Layer {
    const layer = this.#byNumber.get(number);
    if (layer === undefined) throw new EngineError('system', `layer ${number} is not in the store`);
    return layer;
  }

  byKey(key: string): Layer | undefined {
    return this.#byKey.get(key);
  }

  dirOf(number: number): string {
    return this.#pathOf(this.#byNumber.get(number)?.directory ?? number);
  }

  #pathOf(directory: number): string {
    return join(this.#root.layers, String(directory));
  }

  has(number: number): boolean {
    return this.#byNumber.has(number);
  }

  /** The layers from `top` down. */
  chain(top: number | undefined): Layer[] {
    const result: Layer[] = [];
    for (let number = top; number !== undefined; number = result.at(-1)?.parent) result.push(this.get(number));
    return result;
  }

  hold(number: number): LayerHold {
    let layer = this.get(number);
    this.#holds.set(number, (this.#holds.get(number) ?? 0) + 1);
    const now = (): Layer => this.#byNumber.get(number) ?? layer;
    let isHeld = true;
    return {
      get layer() {
        return now();
      },
      [Symbol.dispose]: () => {
        if (!isHeld) return;
        isHeld = false;
        layer = now();
        const left = (this.#holds.get(number) ?? 1) - 1;
        if (left === 0) this.#holds.delete(number);
        else this.#holds.set(number, left);
      },
    };
  }

  /**
   * Makes a layer on top of `parent`: `fill` puts its files into the directory that it is given. A layer that is there already is used
   * instead. Whatever fails, nothing is left but trash. The result holds the layer until the caller has given it a user.
   */
  async make(parent: number | undefined, fill: (directory: string) => Promise<Staged>): Promise<LayerHold> {
    using _below = parent === undefined ? undefined : this.hold(parent);
    this.#checkDepth(parent);
    using staged = await this.stage(fill);
    return this.publish(staged, parent);
  }

  /** The first half of `make`: needs no parent, so that layers of one image can be unpacked at the same time. */
  async stage(fill: (directory: string) => Promise<Staged>): Promise<StagedLayer> {
    const aside = join(this.#root.staging, randomBytes(8).toString('hex'));
    try {
      const directory = join(aside, 'fs');
      mkdirSync(aside, { mode: 0o700 });
      mkdirSync(directory, { mode: 0o755 });
      const staged = await fill(directory);
      return { directory, staged, [Symbol.dispose]: () => this.#trash.discard(aside) };
    } catch (error) {
      this.#trash.discard(aside);
      throw error;
    }
  }

  /** The second half: it becomes the layer on top of `parent`, which the caller holds. One that is there already is used instead. */
  publish({ directory, staged }: StagedLayer, parent: number | undefined): LayerHold {
    const below = parent === undefined ? undefined : this.get(parent);
    this.#checkDepth(parent);
    const key = staged.key ?? chainId(below?.key, staged.diffId);
    const known = this.#byKey.get(key);
    // One whose files were lost gets these.
    if (known !== undefined && !existsSync(this.dirOf(known.number))) return this.replace({ directory }, known.number);
    if (known !== undefined) return this.hold(known.number);
    const number = this.#last + 1;
    return this.#publish(directory, {
      number,
      kind: staged.kind ?? 'image',
      key,
      parent,
      diffId: staged.diffId,
      sizeBytes: staged.sizeBytes,
      tarBytes: staged.tarBytes,
      directory: number,
      boot: undefined,
    });
  }

  /**
   * A directory of the same file system becomes a layer on top of `parent`, which the caller holds: by renaming it. Nobody may write to it any more.
   * Its digest is not known: see `settle` and LayerFiles.digest. It is not on the disk: see LayerFiles.syncAll.
   */
  adopt(directory: string, parent: number | undefined, init?: { key: string }): LayerHold {
    if (parent !== undefined) this.get(parent);
    this.#checkDepth(parent);
    const number = this.#last + 1;
    renameSync(directory, this.#pathOf(number));
    return this.#add({
      number,
      kind: init === undefined ? 'image' : 'init',
      key: init?.key ?? newKey(),
      parent,
      diffId: '',
      sizeBytes: 0,
      tarBytes: undefined,
      directory: number,
      boot: this.#rows.boot,
    });
  }

  /** The files of a layer as one on top of another parent, without copying them. The caller holds both. */
  restack(number: number, parent: number | undefined): LayerHold {
    const layer = this.get(number);
    if (layer.parent === parent) return this.hold(number);
    this.#checkDepth(parent);
    const below = parent === undefined ? undefined : this.get(parent);
    const key = layer.diffId === '' ? undefined : chainKey(below, layer.diffId);
    const known = key === undefined ? undefined : this.#byKey.get(key);
    if (known !== undefined && existsSync(this.dirOf(known.number))) return this.hold(known.number);
    return this.#add({
      ...layer,
      number: this.#last + 1,
      kind: 'image',
      key: known !== undefined ? newKey() : (key ?? newKey()),
      parent,
    });
  }

  /** What an adopted layer's archive is: of all layers that share its files. Of one that was dropped meanwhile nothing happens. */
  settle(number: number, digest: LayerDigest): void {
    const directory = this.#byNumber.get(number)?.directory;
    if (directory === undefined) return;
    for (const layer of [...this.#byNumber.values()]) {
      if (layer.directory !== directory || layer.diffId !== '') continue;
      const below = layer.parent === undefined ? undefined : this.get(layer.parent);
      const key = chainKey(below, digest.diffId);
      const isFree = key !== undefined && !this.#byKey.has(key);
      this.#change({ ...layer, ...digest, key: isFree ? key : layer.key });
    }
  }

  /** Numbers of those that may not be on the disk. */
  unsynced(): number[] {
    return [...this.#byNumber.values()].filter(({ boot }) => boot !== undefined).map(({ number }) => number);
  }

  /** All of the file system was brought to the disk after these were made. */
  setSynced(numbers: readonly number[]): void {
    for (const number of numbers) {
      const layer = this.#byNumber.get(number);
      if (layer?.boot !== undefined) this.#change({ ...layer, boot: undefined });
    }
  }

  /**
   * Before an image refers to the chain: its rows are written, and its files are on the disk. Where they are not yet the whole process waits for it:
   * who makes images of adopted layers calls LayerFiles.syncAll before.
   */
  makeDurable(top: number | undefined): void {
    const unsynced = this.chain(top).filter(({ boot }) => boot !== undefined);
    if (unsynced.length > 0) {
      const numbers = this.unsynced();
      syncFileSystem(this.#root.layers);
      this.setSynced(numbers);
    }
    this.writeRows();
  }

  /** Writes the rows that wait: before a transaction in which something refers to them. */
  writeRows(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#rows.write();
  }

  #writeRowsSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      try {
        this.#rows.write();
      } catch {
        // A full disk, say. They wait still: whoever needs them is told.
      }
    }, ROWS_DELAY_MS).unref();
  }

  /** Writes what waits, before the database is closed. */
  close(): void {
    this.writeRows();
  }

  #checkDepth(parent: number | undefined): void {
    if (this.chain(parent).length >= MAX_LAYERS)
      throw new EngineError('invalid', `max depth exceeded: more than ${MAX_LAYERS} layers`);
  }

  #add(layer: Layer): LayerHold {
    this.#rows.set(layer);
    this.#remember(layer);
    this.#writeRowsSoon();
    return this.hold(layer.number);
  }

  #change(layer: Layer): void {
    const before = this.get(layer.number);
    if (this.#byKey.get(before.key) === before) this.#byKey.delete(before.key);
    this.#rows.set(layer);
    this.#remember(layer);
    this.#writeRowsSoon();
  }

  /** `listener` is called before files of a layer give way to others. */
  onReplace(listener: () => void): void {
    this.#onReplace.push(listener);
  }

  /** Other files take the place of a layer's: as many as it should have. Nothing may be mounted on what was there. */
  replace({ directory }: Pick<StagedLayer, 'directory'>, number: number): LayerHold {
    for (const listener of this.#onReplace) listener();
    const path = this.dirOf(number);
    this.#trash.discard(path);
    renameSync(directory, path);
    fsyncDirectory(this.#root.layers);
    return this.hold(number);
  }

  /** Forgets all layers that nobody uses: `used` are the tops of images and containers. Returns what went, highest first. */
  collect(used: Iterable<number | undefined>): Layer[] {
    const tops = new Set(used);
    // The init layer that most containers of an image share stays with the image.
    for (const layer of this.#byNumber.values()) {
      if (layer.kind === 'init' && tops.has(layer.parent) && this.#isDefaultInit(layer)) tops.add(layer.number);
    }
    const kept = new Set<number>();
    for (const top of [...tops, ...this.#holds.keys()]) {
      // Of one that was lost nothing is known, and nothing kept.
      for (let number = top; number !== undefined && !kept.has(number); number = this.#byNumber.get(number)?.parent)
        kept.add(number);
    }
    const gone = [...this.#byNumber.values()]
      .filter(({ number }) => !kept.has(number))
      .sort((a, b) => b.number - a.number);
    this.#drop(gone);
    return gone;
  }

  /** Bytes of the disk, where they were counted before. They never change. */
  usageOf(number: number): number | undefined {
    return this.#rows.usageOf(number);
  }

  setUsage(number: number, bytes: number): void {
    this.#rows.setUsage(number, bytes);
  }

  /** For layers whose bytes were counted in another way. */
  setSize(number: number, sizeBytes: number): void {
    this.#change({ ...this.get(number), sizeBytes });
    this.writeRows();
  }

  /** For layers of versions that did not count them. */
  setTarBytes(number: number, tarBytes: number): void {
    this.#change({ ...this.get(number), tarBytes });
    this.writeRows();
  }

  /** After a container went: its init layer goes too when it was made for it alone. */
  dropUnusedInit(layer: Layer): void {
    if (layer.kind !== 'init' || this.#holds.has(layer.number) || this.#isDefaultInit(layer)) return;
    if (this.#byNumber.get(layer.number) === layer) this.#drop([layer]);
  }

  #isDefaultInit(layer: Layer): boolean {
    return layer.key === defaultInitKey(layer.parent === undefined ? undefined : this.#byNumber.get(layer.parent));
  }

  #drop(gone: readonly Layer[]): void {
    if (gone.length === 0) return;
    this.#rows.remove(gone.map(({ number }) => number));
    for (const layer of gone) {
      this.#byNumber.delete(layer.number);
      if (this.#byKey.get(layer.key) === layer) this.#byKey.delete(layer.key);
      const left = (this.#sharers.get(layer.directory) ?? 1) - 1;
      this.#sharers.set(layer.directory, left);
      if (left > 0) continue;
      this.#sharers.delete(layer.directory);
      this.#trash.discard(this.#pathOf(layer.directory));
    }
  }

  all(): IterableIterator<Layer> {
    return this.#byNumber.values();
  }

  #publish(directory: string, layer: Layer): LayerHold {
    const path = this.dirOf(layer.number);
    renameSync(directory, path);
    // From here on something may lie at this number, whatever fails.
    this.#last = layer.number;
    try {
      fsyncDirectory(this.#root.layers);
      this.#rows.set(layer);
      this.writeRows();
    } catch (error) {
      this.#rows.forget(layer.number);
      this.#trash.discard(path);
      throw error;
    }
    this.#remember(layer);
    return this.hold(layer.number);
  }

  #remember(layer: Layer): void {
    if (!this.#byNumber.has(layer.number))
      this.#sharers.set(layer.directory, (this.#sharers.get(layer.directory) ?? 0) + 1);
    this.#byNumber.set(layer.number, layer);
    this.#byKey.set(layer.key, layer);
    this.#last = Math.max(this.#last, layer.number, layer.directory);
  }

  /** What a killed daemon left: directories without a row. Their numbers are not used again while they lie there. */
  #clean(strays: Strays): void {
    this.#trash.discardAllBelow(this.#root.staging);
    for (const name of readdirSync(this.#root.layers)) {
      if (this.#sharers.has(Number(name))) continue;
      if (!strays.keeps(`layers/${name}`)) this.#trash.discard(join(this.#root.layers, name));
      else if (Number.isSafeInteger(Number(name))) this.#last = Math.max(this.#last, Number(name));
    }
  }
}

/** The key of the init layer that has no mount points but the usual ones. */
export function defaultInitKey(parent: Layer | undefined): string {
  return `init:${parent?.key ?? ''}`;
}

/** OCI image-spec "layer chain id". */
export function chainId(parent: string | undefined, diffId: string): string {
  if (parent === undefined) return diffId;
  return `sha256:${createHash('sha256').update(`${parent} ${diffId}`).digest('hex')}`;
}

/** undefined: the parent is none whose chain id is known. */
function chainKey(parent: Layer | undefined, diffId: string): string | undefined {
  if (parent !== undefined && !parent.key.startsWith('sha256:')) return undefined;
  return chainId(parent?.key, diffId);
}

function newKey(): string {
  return `made:${randomBytes(16).toString('hex')}`;
}
