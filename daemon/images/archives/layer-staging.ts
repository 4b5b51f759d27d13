// The layers of an archive that is loaded: unpacked a few at a time, and begun while the archive still comes, when nobody knows yet which of its
// files are layers. What turns out to be none is thrown away.
import { availableParallelism } from 'node:os';
import type { ImageParts } from '../image-parts.ts';
import type { ArchiveSpool, SpooledFile } from './archive-spool.ts';
import { isLargeEnough, type LoadedLayer, mayBeLayer, stageLayer } from './load-layer.ts';

/** The archive is received, and a layer packed for the store, beside it: one processor is theirs. */
const AT_ONCE = Math.max(1, Math.min(4, availableParallelism() - 1));
/** What is begun before it is asked for: an image has 128 layers at most, and who has more of them only waits a little. */
const MAX_GUESSES = 256;
const LAYOUT_NAME = /^blobs\/sha256\/([0-9a-f]{64})$/;

export class LayerStaging implements AsyncDisposable {
  readonly #parts: ImageParts;
  readonly #spool: ArchiveSpool;
  readonly #cancel = new AbortController();
  readonly #signal: AbortSignal;
  readonly #begun = new Map<SpooledFile, Promise<LoadedLayer | undefined>>();
  readonly #waiting: (() => void)[] = [];
  /** Blobs of layers that are not published yet. */
  readonly holds = new DisposableStack();
  #running = 0;
  #guesses = 0;

  constructor(parts: ImageParts, spool: ArchiveSpool, signal: AbortSignal | undefined) {
    this.#parts = parts;
    this.#spool = spool;
    this.#signal = signal === undefined ? this.#cancel.signal : AbortSignal.any([signal, this.#cancel.signal]);
  }

  /** It is there; perhaps it is a layer, and one that is missing here. */
  guess(file: SpooledFile): void {
    const named = LAYOUT_NAME.exec(file.name)?.[1];
    if (named !== undefined && this.#isHere(`sha256:${named}`)) return;
    if (this.#guesses >= MAX_GUESSES || !isLargeEnough(file)) return;
    this.#guesses++;
    const guessing = mayBeLayer(this.#spool, file).then((may) => {
      if (may) return this.#stage(file);
      this.#guesses--;
      this.#begun.delete(file);
      return undefined;
    });
    // Whoever needs it is told; a guess that was wrong is nobody's concern.
    guessing.catch(() => undefined);
    this.#begun.set(file, guessing);
  }

  /** Its directory belongs to the caller only for the first that asks. */
  async get(file: SpooledFile): Promise<LoadedLayer> {
    const begun = this.#begun.get(file);
    this.#begun.delete(file);
    return (await begun) ?? this.#stage(file);
  }

  /** Stops what runs, and throws away what nobody took. The spool is not read any more afterwards. */
  async stop(): Promise<void> {
    this.#cancel.abort(new Error('cancelled'));
    for (const begun of this.#begun.values()) (await begun.catch(() => undefined))?.staged[Symbol.dispose]();
    this.#begun.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    this.holds.dispose();
  }

  async #stage(file: SpooledFile): Promise<LoadedLayer> {
    if (this.#running >= AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running++;
    try {
      this.#signal.throwIfAborted();
      return await stageLayer(this.#parts, this.#spool, file, this.holds, this.#signal);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }

  /** Some layer has these files; whether it stands on the right ones is seen later. */
  #isHere(digest: string): boolean {
    const diffId = this.#parts.blobs.diffIdOf(digest) ?? digest;
    return [...this.#parts.layers.all()].some((layer) => layer.diffId === diffId);
  }
}
