// Snapshots without an init layer, for roots whose changes become the next layer. What the engine mounts on lies in one directory that is the
// lowest of all: it shows through only where the layers have nothing, and nothing of it can come into the writable directory by itself.
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '../errors/engine-error.ts';
import { ROOT_MODE } from './init-layers.ts';
import { type LayerHold, type LayerStore, MAX_LAYERS } from './layer-store.ts';
import { mountVolatile } from './overlay.ts';
import type { SnapshotRoot } from './snapshot-root.ts';
import type { Parent } from './snapshots.ts';

export class BareRoots {
  readonly #root: SnapshotRoot;
  readonly #layers: LayerStore;
  /** What each stands on, held; undefined: on nothing. */
  readonly #parents = new Map<string, LayerHold | undefined>();
  /** In what is emptied at the daemon's start. */
  #places: string | undefined;

  constructor(root: SnapshotRoot, layers: LayerStore) {
    this.#root = root;
    this.#layers = layers;
  }

  prepare(id: string, parent: Parent): void {
    if (this.#layers.chain(parent).length >= MAX_LAYERS)
      throw new EngineError('invalid', `max depth exceeded: more than ${MAX_LAYERS} layers`);
    const hold = parent === undefined ? undefined : this.#layers.hold(parent);
    try {
      const directory = join(this.#root.containers, id);
      mkdirSync(directory, { mode: 0o700 });
      const upper = join(directory, 'upper');
      mkdirSync(upper);
      chmodSync(upper, ROOT_MODE);
    } catch (error) {
      hold?.[Symbol.dispose]();
      throw error;
    }
    this.#parents.set(id, hold);
  }

  has(id: string): boolean {
    return this.#parents.has(id);
  }

  parentOf(id: string): Parent {
    return this.#parents.get(id)?.layer.number;
  }

  ids(): IterableIterator<string> {
    return this.#parents.keys();
  }

  /** Highest first. undefined: it is none of these. */
  lowerDirs(id: string): string[] | undefined {
    if (!this.#parents.has(id)) return undefined;
    const layers = this.#layers.chain(this.parentOf(id)).map(({ number }) => this.#layers.dirOf(number));
    this.#places ??= this.#makePlaces();
    return [...layers, this.#places];
  }

  /** undefined: it is none of these. What is written is synced by who makes something of the layer. */
  mount(id: string): number | undefined {
    const lower = this.lowerDirs(id);
    if (lower === undefined) return undefined;
    const aside = join(this.#root.containers, id);
    return mountVolatile({ lower, upper: join(aside, 'upper'), aside });
  }

  forget(id: string): void {
    this.#parents.get(id)?.[Symbol.dispose]();
    this.#parents.delete(id);
  }

  #makePlaces(): string {
    const aside = join(this.#root.staging, randomBytes(8).toString('hex'));
    const directory = join(aside, 'fs');
    mkdirSync(aside, { mode: 0o700 });
    for (const path of ['', 'dev', 'proc', 'sys', 'etc']) {
      mkdirSync(join(directory, path));
      chmodSync(join(directory, path), ROOT_MODE);
    }
    for (const name of ['hosts', 'resolv.conf']) {
      writeFileSync(join(directory, 'etc', name), '');
      chmodSync(join(directory, 'etc', name), 0o644);
    }
    return directory;
  }
}
