// Streams leave a buffer behind for every piece that they carried. This watches them, and lets go of them before they are many.
import { getHeapStatistics } from 'node:v8';
import { collectBuffers, collectShortLived } from '../../native-bindings/memory.ts';

/** How often it looks: that takes some microseconds. */
const LOOK_BYTES = 1024 * 1024;
const COLLECT_BYTES = 5 * 1024 * 1024;
/** Those that were in use during two collections are old, and go only with all that is old. */
const COLLECT_OLD_BYTES = 10 * 1024 * 1024;

/** One for each stream. It sees the buffers of all, so that many streams together leave not much more than one. */
export class GarbageMeter {
  #bytes = 0;
  /** After the last collection. */
  #usedBytes = bufferBytes();
  /** After the last one of old buffers. */
  #leastBytes = this.#usedBytes;
  #hasCollected = false;

  count(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < LOOK_BYTES) return;
    this.#bytes = 0;
    const now = bufferBytes();
    // V8 frees what it collected on another thread: only now it is known what is left.
    this.#usedBytes = this.#hasCollected ? now : Math.min(this.#usedBytes, now);
    this.#leastBytes = Math.min(this.#leastBytes, now);
    this.#hasCollected = now - this.#usedBytes > COLLECT_BYTES;
    if (now - this.#leastBytes > COLLECT_OLD_BYTES) {
      collectBuffers();
      this.#leastBytes = Number.POSITIVE_INFINITY;
      this.#hasCollected = true;
    } else if (this.#hasCollected) collectShortLived();
  }
}

/** They lie outside of the heap. */
function bufferBytes(): number {
  return getHeapStatistics().external_memory;
}
