// Memory that this process holds free: V8's heap keeps the pages of what it collected, glibc keeps what was freed unless it is asked.
import { getHeapStatistics } from 'node:v8';
import { type NativeFunction, nativeFunction } from './call.ts';
import { openLibrary } from './load.ts';

const trim = locate('malloc_trim');
const setOption = locate('mallopt');
/** mallopt(3). */
const M_TRIM_THRESHOLD = -1;
const M_MMAP_THRESHOLD = -3;

/** Only glibc has these. */
function locate(name: 'malloc_trim' | 'mallopt'): NativeFunction | undefined {
  try {
    return nativeFunction(openLibrary(null), name);
  } catch {
    return undefined;
  }
}

/** What Node offers as `gc` when it runs with --expose-gc, as bin/tsdockerd has it. */
type Collect = (
  options: { type: 'major'; execution: 'sync'; flavor: 'regular' | 'last-resort' } | { type: 'minor' },
) => void;

/**
 * Buffers of streams go back to the kernel when they are freed. glibc would raise its limits with the first large one, and from then on keep
 * what it has between others that live.
 */
export function returnLargeBuffers(): void {
  setOption?.([M_MMAP_THRESHOLD, 128 * 1024]);
  setOption?.([M_TRIM_THRESHOLD, 1024 * 1024]);
}

/**
 * Lets go of buffers that lived shortly. V8 collects when its own heap has grown, and of 64 MB of buffers that a stream left behind it sees
 * only their handles. Takes a millisecond.
 */
export function collectShortLived(): void {
  const { gc } = globalThis as { gc?: Collect };
  gc?.({ type: 'minor' });
}

/** Lets go of all buffers that nobody uses, also of those that lived longer. Stops the thread for 10 to 20 ms. */
export function collectBuffers(): void {
  const { gc } = globalThis as { gc?: Collect };
  gc?.({ type: 'major', execution: 'sync', flavor: 'regular' });
}

/** Shrinks this thread's own heap to what lives in it, when it has grown past `bytes`: a thread that waits for its next work keeps garbage else. */
export function shrinkHeap(bytes: number): void {
  if (getHeapStatistics().total_heap_size < bytes) return;
  const { gc } = globalThis as { gc?: Collect };
  gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}

/** Gives back what was freed and glibc has kept. Takes some milliseconds, and no collection. */
export function returnFreed(): void {
  trim?.([0]);
}

/**
 * Gives free memory back to the kernel, after several collections. They stop the thread for 20 to 50 ms, and for much longer while others
 * want the processors, since V8 waits for threads of its own that collect with it: for quiet moments.
 */
export function returnFreeMemory(): void {
  const { gc } = globalThis as { gc?: Collect };
  gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  trim?.([0]);
}
