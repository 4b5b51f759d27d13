// Memory that this process holds free: V8's heap keeps the pages of what it collected, glibc keeps what was freed unless it is asked.
import { type NativeFunction, nativeFunction } from './call.ts';
import { openLibrary } from './load.ts';

const trim = locateTrim();

/** Only glibc has malloc_trim(3). */
function locateTrim(): NativeFunction | undefined {
  try {
    return nativeFunction(openLibrary(null), 'malloc_trim');
  } catch {
    return undefined;
  }
}

/** What Node offers as `gc` when it runs with --expose-gc, as bin/tsdockerd has it. */
type Collect = (options: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void;

/** Gives free memory back to the kernel. Stops the thread for 20 to 50 ms: for quiet moments. */
export function returnFreeMemory(): void {
  const { gc } = globalThis as { gc?: Collect };
  gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  trim?.([0]);
}
