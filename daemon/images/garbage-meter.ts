// Streams leave a buffer behind for every piece that they carried. This counts them, and lets go of them before they are many.
import { collectShortLived } from '../../native-bindings/memory.ts';

const COLLECT_BYTES = 5 * 1024 * 1024;

export class GarbageMeter {
  #bytes = 0;

  count(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < COLLECT_BYTES) return;
    this.#bytes = 0;
    collectShortLived();
  }
}
