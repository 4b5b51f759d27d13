// The layers that there are, in memory: by number, by key, by parent, and which of them share a directory. Knows nothing of files and rows.
import { EngineError } from '../errors/engine-error.ts';
import type { Layer } from './layer.ts';
import { defaultInitKey } from './layer-keys.ts';

export class LayerIndex {
  readonly #byNumber = new Map<number, Layer>();
  readonly #byKey = new Map<string, Layer>();
  /** How many layers have the directory. */
  readonly #sharers = new Map<number, number>();
  #last = 0;

  /** No layer and no directory has a higher number. */
  get last(): number {
    return this.#last;
  }

  /** Something may lie at this number. */
  reserve(number: number): void {
    this.#last = Math.max(this.#last, number);
  }

  /** Throws 'system' when it is not there. */
  get(number: number): Layer {
    const layer = this.#byNumber.get(number);
    if (layer === undefined) throw new EngineError('system', `layer ${number} is not in the store`);
    return layer;
  }

  find(number: number): Layer | undefined {
    return this.#byNumber.get(number);
  }

  byKey(key: string): Layer | undefined {
    return this.#byKey.get(key);
  }

  all(): IterableIterator<Layer> {
    return this.#byNumber.values();
  }

  /** The layers from `top` down. */
  chain(top: number | undefined): Layer[] {
    const result: Layer[] = [];
    for (let number = top; number !== undefined; number = result.at(-1)?.parent) result.push(this.get(number));
    return result;
  }

  childrenOf(number: number): Layer[] {
    return [...this.#byNumber.values()].filter(({ parent }) => parent === number);
  }

  /** All that have their files there. */
  ofDirectory(directory: number): Layer[] {
    return [...this.#byNumber.values()].filter((layer) => layer.directory === directory);
  }

  hasDirectory(directory: number): boolean {
    return this.#sharers.has(directory);
  }

  /** That most containers of an image share. */
  isDefaultInit({ kind, key, parent }: Layer): boolean {
    return kind === 'init' && key === defaultInitKey(parent === undefined ? undefined : this.find(parent));
  }

  /** What nobody needs who uses these images, or holds those layers: highest first. */
  notBelow(images: Iterable<number | undefined>, held: Iterable<number>): Layer[] {
    const tops = new Set(images);
    for (const layer of this.all()) if (tops.has(layer.parent) && this.isDefaultInit(layer)) tops.add(layer.number);
    const kept = new Set<number>();
    for (const top of [...tops, ...held]) {
      // Of one that was lost nothing is known, and nothing kept.
      for (let number = top; number !== undefined && !kept.has(number); number = this.find(number)?.parent)
        kept.add(number);
    }
    return [...this.all()].filter(({ number }) => !kept.has(number)).sort((a, b) => b.number - a.number);
  }

  /** A new one, or one as it is now. */
  set(layer: Layer): void {
    const before = this.#byNumber.get(layer.number);
    if (before !== undefined) this.#forget(before);
    this.#byNumber.set(layer.number, layer);
    this.#byKey.set(layer.key, layer);
    this.#sharers.set(layer.directory, (this.#sharers.get(layer.directory) ?? 0) + 1);
    this.reserve(Math.max(layer.number, layer.directory));
  }

  delete(layer: Layer): void {
    this.#byNumber.delete(layer.number);
    this.#forget(layer);
  }

  #forget(layer: Layer): void {
    if (this.#byKey.get(layer.key) === layer) this.#byKey.delete(layer.key);
    const left = (this.#sharers.get(layer.directory) ?? 1) - 1;
    if (left > 0) this.#sharers.set(layer.directory, left);
    else this.#sharers.delete(layer.directory);
  }
}
