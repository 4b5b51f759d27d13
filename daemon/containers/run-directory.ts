// The directory of a run: the monitor's socket and records. When the run is concluded it is renamed away at once and
// deleted behind the scenes, since deleting files one by one takes milliseconds on some disks.
import { readdirSync, renameSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from './log.ts';
import type { EnginePaths } from './paths.ts';

export class RunDirectories {
  readonly #paths: EnginePaths;
  readonly #log: Log;
  #serial = 0;

  constructor(paths: EnginePaths, log: Log) {
    this.#paths = paths;
    this.#log = log;
  }

  /** What is not there is fine. */
  remove(id: string): void {
    const gone = join(this.#paths.runTrash, `${process.pid}-${this.#serial++}`);
    try {
      renameSync(this.#paths.run(id), gone);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      throw error;
    }
    this.#delete(gone);
  }

  /** What a killed daemon had renamed and not deleted yet. */
  emptyTrash(): void {
    for (const name of readdirSync(this.#paths.runTrash)) this.#delete(join(this.#paths.runTrash, name));
  }

  #delete(path: string): void {
    rm(path, { recursive: true, force: true }).catch((error) =>
      this.#log.warn({ err: error, path }, 'cannot delete the files of a run: tried again at the next start'),
    );
  }
}
