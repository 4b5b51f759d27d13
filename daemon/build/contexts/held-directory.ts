// Directories that go when nobody holds them any more.
import type { DirectoryResult } from '../steps/step.ts';

/** The first hold on a directory; `onLast` is called once, when it and all that came of `again()` are disposed. */
export function holdDirectory(path: string, identity: string, onLast: () => void): DirectoryResult {
  let holds = 0;
  const hold = (): DirectoryResult => {
    holds++;
    let isHeld = true;
    return {
      kind: 'directory',
      path,
      identity,
      again: () => {
        if (!isHeld) throw new TypeError(`hold ${identity}: it was let go`);
        return hold();
      },
      [Symbol.dispose]: () => {
        if (!isHeld) return;
        isHeld = false;
        if (--holds === 0) onLast();
      },
    };
  };
  return hold();
}
