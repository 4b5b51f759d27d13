// Waiting for the kernel: most of what cgroups do is done at once or within milliseconds, and gives no other sign than a file.
import { setTimeout as sleep } from 'node:timers/promises';

const LONGEST_PAUSE_MS = 50;

/** Calls `isDone` until it returns true, at once and then at growing intervals; false when `timeoutMs` have passed. */
export async function waitFor(timeoutMs: number, isDone: () => boolean): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    if (isDone()) return true;
    if (performance.now() >= deadline) return false;
    await sleep(pauseMs);
  }
}
