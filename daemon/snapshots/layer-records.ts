// What is known of layers, in memory at once and in rows soon: their digests, their keys, and whether they are on the disk. Knows nothing of
// directories but that.
import { syncFileSystem } from '../../native-bindings/files.ts';
import type { Database } from '../state/database.ts';
import type { Layer, LayerDigest } from './layer.ts';
import { LayerIndex } from './layer-index.ts';
import { chainKey, defaultInitKey, isNameless } from './layer-keys.ts';
import { LayerRows } from './layer-rows.ts';

export class LayerRecords {
  readonly index = new LayerIndex();
  readonly rows: LayerRows;
  /** Where the files of all of them are. */
  readonly #directory: string;

  constructor(db: Database, directory: string) {
    this.rows = new LayerRows(db);
    this.#directory = directory;
    for (const layer of this.rows.all()) this.index.set(layer);
  }

  /** A new one, or one as it is now. */
  change(layer: Layer): void {
    this.rows.set(layer);
    this.index.set(layer);
  }

  /** A new one that is known only when its row is written. */
  addWritten(layer: Layer): void {
    this.rows.set(layer);
    try {
      this.rows.write();
    } catch (error) {
      this.rows.forget(layer.number);
      throw error;
    }
    this.index.set(layer);
  }

  /** What stands on a layer before it. */
  remove(gone: readonly Layer[]): void {
    this.rows.remove(gone.map(({ number }) => number));
    for (const layer of gone) this.index.delete(layer);
  }

  /** See LayerStore.settle. Who computed the digest may have changed the files. */
  settle(number: number, digest: LayerDigest): void {
    const directory = this.index.find(number)?.directory;
    if (directory === undefined) return;
    for (const layer of this.index.ofDirectory(directory)) {
      if (layer.diffId !== '') continue;
      this.change({ ...layer, ...digest, boot: this.rows.boot });
      this.name(layer.number);
    }
  }

  /** Its chain id becomes its key when it is known now and no other layer has it; then those on top of it, which waited for that, get theirs. */
  name(number: number): void {
    const layer = this.index.get(number);
    if (layer.diffId === '' || !isNameless(layer)) return;
    const key = chainKey(layer.parent === undefined ? undefined : this.index.get(layer.parent), layer.diffId);
    if (key === undefined || this.index.byKey(key) !== undefined) return;
    const named = { ...layer, key };
    this.change(named);
    for (const child of this.index.childrenOf(number)) {
      if (child.kind === 'image') this.name(child.number);
      else this.change({ ...child, key: child.key.replace(defaultInitKey(layer), defaultInitKey(named)) });
    }
  }

  /** Those that may not be on the disk, as they are now. */
  unsynced(): Layer[] {
    return [...this.index.all()].filter(({ boot }) => boot !== undefined);
  }

  /** All of the file system was brought to the disk since `unsynced` told of these. What has changed meanwhile may not be on it. */
  setSynced(layers: readonly Layer[]): void {
    for (const layer of layers) if (this.index.find(layer.number) === layer) this.change({ ...layer, boot: undefined });
  }

  /** See LayerStore.makeDurable. */
  makeDurable(top: number | undefined): void {
    if (this.index.chain(top).some(({ boot }) => boot !== undefined)) {
      const unsynced = this.unsynced();
      syncFileSystem(this.#directory);
      this.setSynced(unsynced);
    }
    this.rows.write();
  }
}
