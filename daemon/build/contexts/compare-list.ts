// A list that a client sends, held against the one that is kept: both are files of lines, and neither is ever in memory as a whole.
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { LineCutter, LineWriter, linesOf } from '../../jail/line-file.ts';
import { MAX_LINE_BYTES } from '../../protocols/context-list/context-entry.ts';
import { type Comparison, ListComparison } from './list-comparison.ts';

const noLines: Iterator<string> = { next: () => ({ done: true, value: undefined }) };

/**
 * Writes the list and the changes into files of these names in `directory`. `base`: where the kept list is; undefined: there is none. Throws FormatError
 * for a list that cannot be, and the signal's reason.
 */
export async function compareList(
  base: string | undefined,
  directory: string,
  list: Readable,
  signal: AbortSignal,
): Promise<Comparison> {
  using files = new DisposableStack();
  const open = (path: string, flags: string): number => files.adopt(openSync(path, flags, 0o600), closeSync);
  const stored = new LineWriter(open(join(directory, 'list'), 'wx'));
  const changes = new LineWriter(open(join(directory, 'changes'), 'wx'));
  const old = base === undefined ? noLines : linesOf(open(join(base, 'list'), 'r'), MAX_LINE_BYTES);
  const comparison = new ListComparison(old, (line) => changes.write(line));
  const cutter = new LineCutter(MAX_LINE_BYTES);
  const stop = (): void => {
    list.destroy();
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    signal.throwIfAborted();
    for await (const piece of list.iterator({ destroyOnReturn: false })) {
      for (const line of cutter.cut(piece as Buffer)) {
        const entry = comparison.add(line) ?? (await inTurns(() => comparison.add(line), signal));
        stored.write(entry);
      }
    }
    const last = cutter.end();
    if (last !== '') stored.write(await inTurns(() => comparison.add(last), signal));
    const result = await inTurns(() => comparison.end(), signal);
    stored.flush();
    changes.flush();
    return result;
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** What `work` returns at last; whenever it returns undefined others have a turn before it goes on. */
async function inTurns<T>(work: () => T | undefined, signal: AbortSignal): Promise<T> {
  for (;;) {
    const made = work();
    if (made !== undefined) return made;
    await setImmediate();
    signal.throwIfAborted();
  }
}
