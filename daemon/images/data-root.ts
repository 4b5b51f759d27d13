// Where things lie below the data root, and the directory for what is to be deleted.
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../../native-bindings/errno.ts';
import { spreadDirectories } from '../../native-bindings/files.ts';
import type { Jail } from './jail.ts';
import { holdTree } from './overlay.ts';

export interface DataRoot {
  readonly content: string;
  readonly layers: string;
  readonly containers: string;
  /** What is being made; emptied at start. */
  readonly staging: string;
  readonly trash: string;
  /** Directories of containers that can be used again. */
  readonly spare: string;
}

/** Makes the directories that are missing. Nobody but root may pass: images hold programs that are set-uid. */
export function openDataRoot(path: string): DataRoot {
  const root = {
    content: join(path, 'content'),
    layers: join(path, 'layers'),
    containers: join(path, 'containers'),
    staging: join(path, 'staging'),
    trash: join(path, 'trash'),
    spare: join(path, 'spare'),
  };
  for (const directory of Object.values(root)) mkdirSync(directory, { recursive: true, mode: 0o700 });
  // ext4 does not give out an inode again for minutes, and looks at each of them for every file that is made: next to a tree that was just
  // deleted, a file costs a millisecond. So the trees that become layers lie apart.
  spreadDirectories(root.staging);
  return root;
}

const EMPTY_AFTER_MS = 500;

/** Deleting is renaming here: it is instant, and what a killed daemon leaves is deleted by the next one. */
export class Trash {
  readonly #path: string;
  readonly #jail: Jail;
  #timer: NodeJS.Timeout | undefined;
  #emptying: Promise<void> = Promise.resolve();
  readonly #onError: (error: unknown) => void;
  #isClosed = false;

  constructor(path: string, jail: Jail, onError: (error: unknown) => void) {
    this.#path = path;
    this.#jail = jail;
    this.#onError = onError;
  }

  /** Moves a file or directory away; what is not there is fine. */
  discard(path: string): void {
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
    if (this.#isClosed || readdirSync(this.#path).length === 0) return;
    try {
      const fd = holdTree(this.#path);
      await this.#jail.run<'empty'>({ do: 'empty', place: { kind: 'tree', rootFd: fd, mounts: [] } }, [fd]);
    } catch (error) {
      // The jail ends in the middle of this when the engine stops.
      if (!this.#isClosed) this.#onError(error);
    }
  }

  /** Stops the timer; what is left is deleted at the next start. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }
}

function isNearlyFull(path: string): boolean {
  const { bavail, blocks, ffree, files } = statfsSync(path);
  return bavail < blocks / 20 || ffree < files / 20;
}
