// Unpacked layers: layers/<n> and their rows. A layer is visible (has a row) only when it is whole: unpacked aside by a jail, synced,
// renamed, then the row. Layers are kept while an image, a container or somebody who is making one holds them.
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { fsyncDirectory } from '../../native-bindings/files.ts';
import { EngineError } from '../errors/engine-error.ts';
import type { Trash } from '../jail/trash.ts';
import type { Database, Row } from '../state/database.ts';
import { noStrays, type Strays } from '../state/strays.ts';
import type { SnapshotRoot } from './snapshot-root.ts';

/** The kernel stacks 500 layers; one is the container's, one its mount points. */
export const MAX_LAYERS = 480;

export interface Layer {
  readonly number: number;
  /** 'init': the mount points of containers, on top of an image. */
  readonly kind: 'image' | 'init';
  /** The chain id of an image's layer. */
  readonly key: string;
  readonly parent: number | undefined;
  /** Digest of the layer's plain archive; empty for init layers. */
  readonly diffId: string;
  readonly sizeBytes: number;
  /** Bytes of the plain archive; undefined for init layers and those of older versions. */
  readonly tarBytes: number | undefined;
}

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
  readonly layer: Layer;
}

export class LayerStore {
  readonly #root: SnapshotRoot;
  readonly #db: Database;
  readonly #trash: Trash;
  readonly #byNumber = new Map<number, Layer>();
  readonly #byKey = new Map<string, Layer>();
  readonly #holds = new Map<number, number>();
  readonly #onReplace: (() => void)[] = [];
  #last = 0;

  constructor(root: SnapshotRoot, db: Database, trash: Trash, strays: Strays = noStrays) {
    this.#root = root;
    this.#db = db;
    this.#trash = trash;
    for (const row of db.all(
      'SELECT number, kind, key, parent, diff_id, size_bytes, tar_bytes FROM layers ORDER BY number',
    )) {
      this.#remember(layerOf(row));
    }
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
    return join(this.#root.layers, String(number));
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
    const layer = this.get(number);
    this.#holds.set(number, (this.#holds.get(number) ?? 0) + 1);
    let isHeld = true;
    return {
      layer,
      [Symbol.dispose]: () => {
        if (!isHeld) return;
        isHeld = false;
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
    if (this.chain(parent).length >= MAX_LAYERS)
      throw new EngineError('invalid', `max depth exceeded: more than ${MAX_LAYERS} layers`);
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
    if (this.chain(parent).length >= MAX_LAYERS)
      throw new EngineError('invalid', `max depth exceeded: more than ${MAX_LAYERS} layers`);
    const key = staged.key ?? chainId(below?.key, staged.diffId);
    const known = this.#byKey.get(key);
    // One whose files were lost gets these.
    if (known !== undefined && !existsSync(this.dirOf(known.number))) return this.replace({ directory }, known.number);
    if (known !== undefined) return this.hold(known.number);
    return this.#publish(directory, {
      number: this.#last + 1,
      kind: staged.kind ?? 'image',
      key,
      parent,
      diffId: staged.diffId,
      sizeBytes: staged.sizeBytes,
      tarBytes: staged.tarBytes,
    });
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
    const bytes = this.#db.get('SELECT disk_bytes FROM layers WHERE number = ?', number)?.disk_bytes;
    return typeof bytes === 'number' ? bytes : undefined;
  }

  setUsage(number: number, bytes: number): void {
    this.#db.run('UPDATE layers SET disk_bytes = ? WHERE number = ?', bytes, number);
  }

  /** For layers whose bytes were counted in another way. */
  setSize(number: number, sizeBytes: number): void {
    this.#db.run('UPDATE layers SET size_bytes = ? WHERE number = ?', sizeBytes, number);
    this.#remember({ ...this.get(number), sizeBytes });
  }

  /** For layers of versions that did not count them. */
  setTarBytes(number: number, tarBytes: number): void {
    this.#db.run('UPDATE layers SET tar_bytes = ? WHERE number = ?', tarBytes, number);
    this.#remember({ ...this.get(number), tarBytes });
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
    this.#db.transaction(() => {
      for (const { number } of gone) this.#db.run('DELETE FROM layers WHERE number = ?', number);
    });
    for (const layer of gone) {
      this.#byNumber.delete(layer.number);
      this.#byKey.delete(layer.key);
      this.#trash.discard(this.dirOf(layer.number));
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
      this.#insert(layer);
    } catch (error) {
      this.#trash.discard(path);
      throw error;
    }
    this.#remember(layer);
    return this.hold(layer.number);
  }

  #insert(layer: Layer): void {
    this.#db.run(
      'INSERT INTO layers (number, kind, key, parent, diff_id, size_bytes, tar_bytes) VALUES (?, ?, ?, ?, ?, ?, ?)',
      layer.number,
      layer.kind,
      layer.key,
      layer.parent ?? null,
      layer.diffId,
      layer.sizeBytes,
      layer.tarBytes ?? null,
    );
  }

  #remember(layer: Layer): void {
    this.#byNumber.set(layer.number, layer);
    this.#byKey.set(layer.key, layer);
    this.#last = Math.max(this.#last, layer.number);
  }

  /** What a killed daemon left: directories without a row. Their numbers are not used again while they lie there. */
  #clean(strays: Strays): void {
    this.#trash.discardAllBelow(this.#root.staging);
    for (const name of readdirSync(this.#root.layers)) {
      if (this.#byNumber.has(Number(name))) continue;
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

function layerOf(row: Row): Layer {
  return {
    number: Number(row.number),
    kind: row.kind === 'init' ? 'init' : 'image',
    key: String(row.key),
    parent: row.parent === null ? undefined : Number(row.parent),
    diffId: String(row.diff_id),
    sizeBytes: Number(row.size_bytes),
    tarBytes: row.tar_bytes === null ? undefined : Number(row.tar_bytes),
  };
}
