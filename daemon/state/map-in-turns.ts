// Long synchronous work on the thread that answers everybody, in pieces short enough that nobody notices.
import { setImmediate } from 'node:timers/promises';

/** What others may have to wait at a time, apart from the last item of a piece. */
const pieceMs = 8;

/** As Array.map, but every few milliseconds whoever waits for this thread has it. What `items` lead to may change in between. */
export async function mapInTurns<T, R>(items: Iterable<T>, work: (item: T) => R): Promise<R[]> {
  const results: R[] = [];
  let endsAt = performance.now() + pieceMs;
  for (const item of items) {
    if (performance.now() >= endsAt) {
      await setImmediate();
      endsAt = performance.now() + pieceMs;
    }
    results.push(work(item));
  }
  return results;
}
