// Unpacked layers: layers/<n> and their rows. A layer is visible (has a row) only when it is whole: unpacked aside by a jail, synced,
// renamed, then the row. Layers are kept while an image, a container or somebody who is making one holds them.
// Those of a build are adopted instead: there at once, their digest, their row and the disk come later. Until then a row says in which boot of the
// host it was made; after another one it is gone, since nobody knows what the power cut has left of its files.
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { fsyncDirectory } from '../../native-bindings/files.ts';
import { EngineError } from '../errors/engine-error.ts';
import type { Trash } from '../jail/trash.ts';
import type { Database } from '../state/database.ts';
import { noStrays, type Strays } from '../state/strays.ts';
import type { Layer, LayerDigest } from './layer.ts';
import { LayerHolds } from './layer-holds.ts';
import type { LayerIndex } from './layer-index.ts';
import { chainKey, newKey } from './layer-keys.ts';
import { LayerRecords } from './layer-records.ts';
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

export class LayerStore {
  readonly #root: SnapshotRoot;
  readonly #records: LayerRecords;
  readonly #index: LayerIndex;
  readonly #trash: Trash;
  readonly #holds = new LayerHolds();
  readonly #onReplace: (() => void)[] = [];

  /** Where the directories of all layers lie. */
  readonly directory: string;

  constructor(root: SnapshotRoot, db: Database, trash: Trash, strays: Strays = noStrays) {
    this.#root = root;
    this.directory = root.layers;
    this.#records = new LayerRecords(db, root.layers);
    this.#index = this.#records.index;
    this.#trash = trash;
    this.#clean(strays);
  }

  /** Throws 'system' when it is not there. */
  get(number: number): Layer {
    return this.#index.get(number);
  }

  byKey(key: string): Layer | undefined {
    return this.#index.byKey(key);
  }

  dirOf(number: number): string {
    return this.#pathOf(this.#index.find(number)?.directory ?? number);
  }

  #pathOf(directory: number): string {
    return join(this.directory, String(directory));
  }

  has(number: number): boolean {
    return this.#index.find(number) !== undefined;
  }

  all(): IterableIterator<Layer> {
    return this.#index.all();
  }

  /** The layers from `top` down. */
  chain(top: number | undefined): Layer[] {
    return this.#index.chain(top);
  }

  /** The highest of a chain whose directory is gone. */
  lostOf(top: number | undefined): Layer | undefined {
    return this.chain(top).find((layer) => !this.#hasFiles(layer));
  }

  #hasFiles({ directory }: Layer): boolean {
    return existsSync(this.#pathOf(directory));
  }

  hold(number: number): LayerHold {
    let layer = this.get(number);
    const held = this.#holds.hold(number);
    const now = (): Layer => this.#index.find(number) ?? layer;
    return {
      get layer() {
        return now();
      },
      [Symbol.dispose]: () => {
        layer = now();
        held[Symbol.dispose]();
      },
    };
  }

  /** For who reads files of a chain that somebody holds, or mounts them: until it is disposed they do not give way to others (`isRead`). */
  read(top: number | undefined): Disposable {
    return this.#holds.read(top);
  }

  /** Whether somebody reads the files of this layer, as it or as one that shares them. */
  isRead({ directory }: Layer): boolean {
    return [...this.#holds.beingRead()].some((top) => this.chain(top).some((layer) => layer.directory === directory));
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
    const key = staged.key ?? chainKey(below, staged.diffId) ?? newKey();
    const known = this.byKey(key);
    // One whose files were lost gets these.
    if (known !== undefined && !this.#hasFiles(known)) return this.replace({ directory }, known.number);
    if (known !== undefined) return this.hold(known.number);
    const number = this.#index.last + 1;
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
    const number = this.#index.last + 1;
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
      boot: this.#records.rows.boot,
    });
  }

  /** The files of a layer as one on top of another parent, without copying them. The caller holds both. */
  restack(number: number, parent: number | undefined): LayerHold {
    const layer = this.get(number);
    const below = parent === undefined ? undefined : this.get(parent);
    const key = layer.diffId === '' ? undefined : chainKey(below, layer.diffId);
    const known = key === undefined ? undefined : this.byKey(key);
    if (known !== undefined && !this.#hasFiles(known) && this.#hasFiles(layer)) return this.#giveFiles(layer, known);
    if (layer.parent === parent) {
      this.#records.name(number);
      return this.hold(number);
    }
    if (known !== undefined) return this.hold(known.number);
    this.#checkDepth(parent);
    return this.#add({ ...layer, number: this.#index.last + 1, kind: 'image', key: key ?? newKey(), parent });
  }

  /** What was lost of one is there in another of the same digest. They share it once it is on the disk: images may refer to the one that gets it. */
  #giveFiles(from: Layer, to: Layer): LayerHold {
    this.makeDurable(from.number);
    for (const listener of this.#onReplace) listener();
    for (const layer of this.#index.ofDirectory(to.directory))
      this.#records.change({ ...layer, directory: from.directory, sizeBytes: from.sizeBytes });
    this.writeRows();
    return this.hold(to.number);
  }

  /** What an adopted layer's archive is: of all layers that share its files. Of one that was dropped meanwhile nothing happens. */
  settle(number: number, digest: LayerDigest): void {
    this.#records.settle(number, digest);
  }

  /** Those that may not be on the disk, as they are now. */
  unsynced(): Layer[] {
    return this.#records.unsynced();
  }

  setSynced(layers: readonly Layer[]): void {
    this.#records.setSynced(layers);
  }

  /**
   * Before an image refers to the chain, and before the transaction in which it does: its rows are written, and its files are on the disk. Where they
   * are not yet the whole process waits for it: who makes images of adopted layers calls LayerFiles.syncAll before.
   */
  makeDurable(top: number | undefined): void {
    this.#records.makeDurable(top);
  }

  /** Writes the rows that wait: before a transaction in which something refers to them. */
  writeRows(): void {
    this.#records.rows.write();
  }

  /** Before the database is closed. */
  close(): void {
    this.writeRows();
  }

  #checkDepth(parent: number | undefined): void {
    if (this.chain(parent).length >= MAX_LAYERS)
      throw new EngineError('invalid', `max depth exceeded: more than ${MAX_LAYERS} layers`);
  }

  #add(layer: Layer): LayerHold {
    this.#records.change(layer);
    return this.hold(layer.number);
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
    fsyncDirectory(this.directory);
    return this.hold(number);
  }

  /** Forgets all layers that nobody uses: `used` are the tops of images and containers. Returns what went, highest first. */
  collect(used: Iterable<number | undefined>): Layer[] {
    const gone = this.#index.notBelow(used, this.#holds.held());
    this.#drop(gone);
    return gone;
  }

  /** Bytes of the disk, where they were counted before. They never change. */
  usageOf(number: number): number | undefined {
    return this.#records.rows.usageOf(number);
  }

  setUsage(number: number, bytes: number): void {
    this.#records.rows.setUsage(number, bytes);
  }

  /** For layers whose bytes were counted in another way. */
  setSize(number: number, sizeBytes: number): void {
    this.#records.change({ ...this.get(number), sizeBytes });
    this.writeRows();
  }

  /** For layers of versions that did not count them. */
  setTarBytes(number: number, tarBytes: number): void {
    this.#records.change({ ...this.get(number), tarBytes });
    this.writeRows();
  }

  /** After a container went: its init layer goes too when it was made for it alone. */
  dropUnusedInit(layer: Layer): void {
    const isUsed = this.#holds.has(layer.number) || this.#index.isDefaultInit(layer);
    if (layer.kind === 'init' && !isUsed && this.#index.find(layer.number) === layer) this.#drop([layer]);
  }

  #drop(gone: readonly Layer[]): void {
    if (gone.length === 0) return;
    this.#records.remove(gone);
    for (const directory of new Set(gone.map((layer) => layer.directory)))
      if (!this.#index.hasDirectory(directory)) this.#trash.discard(this.#pathOf(directory));
  }

  #publish(directory: string, layer: Layer): LayerHold {
    const path = this.dirOf(layer.number);
    renameSync(directory, path);
    // From here on something may lie at this number, whatever fails.
    this.#index.reserve(layer.number);
    try {
      fsyncDirectory(this.directory);
      this.#records.addWritten(layer);
    } catch (error) {
      this.#trash.discard(path);
      throw error;
    }
    return this.hold(layer.number);
  }

  /** What a killed daemon left: directories without a row. Their numbers are not used again while they lie there. */
  #clean(strays: Strays): void {
    this.#trash.discardAllBelow(this.#root.staging);
    for (const name of readdirSync(this.directory)) {
      if (this.#index.hasDirectory(Number(name))) continue;
      if (!strays.keeps(`layers/${name}`)) this.#trash.discard(join(this.directory, name));
      else if (Number.isSafeInteger(Number(name))) this.#index.reserve(Number(name));
    }
  }
}
