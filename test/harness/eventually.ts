// Waiting for something that another process does.
import { setTimeout as sleep } from 'node:timers/promises';

export { sleep };

/** How much slower than a usual machine this one is: limits on time grow by it. Emulated machines set it. */
export const timeFactor = Math.max(1, Number(process.env.TSD_TIME_FACTOR ?? 1) || 1);

/** Calls `probe` until it returns something other than undefined or false; its last error, or `what`, tells why it never did. */
export async function eventually<T>(
  what: string,
  probe: () => T | Promise<T>,
  options: { timeoutMs?: number; everyMs?: number } = {},
): Promise<NonNullable<Exclude<T, false>>> {
  const deadline = Date.now() + (options.timeoutMs ?? 10_000) * timeFactor;
  let lastError: unknown;
  for (;;) {
    try {
      const value = await probe();
      if (value !== undefined && value !== null && value !== false) return value as NonNullable<Exclude<T, false>>;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    if (Date.now() > deadline) throw new Error(`never happened: ${what}`, { cause: lastError });
    await sleep(options.everyMs ?? 20);
  }
}
