// Directories of what is to be deleted. Deleting is renaming here: it is instant, and what a killed daemon leaves is deleted by the next one.
import { randomBytes } from 'node:crypto';
import { existsSync, opendirSync, readdirSync, renameSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../../native-bindings/errno.ts';
import { EngineError } from '../errors/engine-error.ts';
import { holdTree } from './hold-tree.ts';
import type { Jail } from './jail.ts';
import type { Undeleted } from './messages.ts';

const EMPTY_AFTER_MS = 500;
/** After the first failure, the second … Then what is left waits for the next start. */
const defaultRetriesMs: readonly number[] = [60_000, 600_000, 6_000_000];

interface Stuck {
  failures: number;
  /** By performance.now(). */
  dueMs: number;
}

export class Trash {
  readonly #path: string;
  readonly #jail: Jail;
  readonly #retriesMs: readonly number[];
  #timer: NodeJS.Timeout | undefined;
  #retryTimer: NodeJS.Timeout | undefined;
  #emptying: Promise<void> = Promise.resolve();
  readonly #onError: (error: unknown) => void;
  /** What could not be deleted, by its name in the directory; the empty name stands for all of it, when the job itself failed. */
  readonly #stuck = new Map<string, Stuck>();
  readonly #isReadOnly: boolean;
  #isClosed = false;

  /** `isReadOnly`: on a disk that cannot be written; nothing is moved or deleted. */
  constructor(
    path: string,
    jail: Jail,
    onError: (error: unknown) => void,
    retriesMs = defaultRetriesMs,
    isReadOnly = false,
  ) {
    this.#path = path;
    this.#jail = jail;
    this.#onError = onError;
    this.#retriesMs = retriesMs;
    this.#isReadOnly = isReadOnly;
  }

  /** Moves a file or directory away; what is not there is fine. */
  discard(path: string): void {
    // It is there again after the next start, like all that is changed now.
    if (this.#isReadOnly) return;
    try {
      renameSync(path, join(this.#path, randomBytes(8).toString('hex')));
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return;
      throw error;
    }
    this.emptySoon();
  }

  discardAllBelow(path: string): void {
    if (!existsSync(path)) return;
    for (const name of readdirSync(path)) this.discard(join(path, name));
  }

  /** At once when the disk is nearly full: somebody deletes to make room. */
  emptySoon(): void {
    if (this.#isReadOnly) return;
    if (isNearlyFull(this.#path)) {
      void this.empty();
      return;
    }
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.empty();
    }, EMPTY_AFTER_MS).unref();
  }

  /** Deletes what is there now, in a jail; one after the other. */
  empty(): Promise<void> {
    this.#emptying = this.#emptying.then(() => this.#emptyNow());
    return this.#emptying;
  }

  async #emptyNow(): Promise<void> {
    if (this.#isClosed || this.#isWaiting('') || isEmpty(this.#path)) return;
    const passOver = [...this.#stuck.keys()].filter((name) => name !== '' && this.#isWaiting(name));
    try {
      const fd = holdTree(this.#path);
      const place = { kind: 'tree', rootFd: fd, mounts: [] } as const;
      const left = await this.#jail.run<'empty'>({ do: 'empty', place, passOver }, [fd]);
      this.#remember(left, new Set(passOver));
    } catch (error) {
      // The jail ends in the middle of this when the engine stops.
      if (this.#isClosed) return;
      // Not its own fault: there were too many other jobs.
      if (error instanceof EngineError && error.code === 'unavailable') this.emptySoon();
      else if (this.#postpone('')) this.#onError(error);
    }
  }

  #remember(left: readonly Undeleted[], passedOver: ReadonlySet<string>): void {
    const names = new Set(left.map(({ name }) => name));
    for (const name of this.#stuck.keys()) if (!names.has(name) && !passedOver.has(name)) this.#stuck.delete(name);
    for (const { name, reason } of left) {
      if (!this.#postpone(name)) continue;
      const what = `delete ${join(this.#path, name)}: ${reason}`;
      this.#onError(new EngineError('system', `${what}: tried again a few times, then at the next start`));
    }
  }

  /** True for the first time that it fails: that is told, and no other. */
  #postpone(name: string): boolean {
    const failures = (this.#stuck.get(name)?.failures ?? 0) + 1;
    const delayMs = this.#retriesMs[failures - 1];
    this.#stuck.set(name, { failures, dueMs: performance.now() + (delayMs ?? Number.POSITIVE_INFINITY) });
    if (delayMs !== undefined) {
      clearTimeout(this.#retryTimer);
      this.#retryTimer = setTimeout(() => void this.empty(), delayMs).unref();
    }
    return failures === 1;
  }

  #isWaiting(name: string): boolean {
    const stuck = this.#stuck.get(name);
    return stuck !== undefined && stuck.dueMs > performance.now();
  }

  /** Stops the timers; what is left is deleted at the next start. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#retryTimer);
  }
}

/** Without reading all that is there. */
function isEmpty(path: string): boolean {
  const directory = opendirSync(path);
  try {
    return directory.readSync() === null;
  } finally {
    directory.closeSync();
  }
}

function isNearlyFull(path: string): boolean {
  const { bavail, blocks, ffree, files } = statfsSync(path);
  return bavail < blocks / 20 || ffree < files / 20;
}
