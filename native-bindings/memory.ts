// The C library's allocator. Threads that moved much memory leave their arenas large: glibc keeps what was freed unless it is asked.
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

/** Gives free memory back to the kernel. Takes some milliseconds: for quiet moments. */
export function returnFreeMemory(): void {
  trim?.([0]);
}
