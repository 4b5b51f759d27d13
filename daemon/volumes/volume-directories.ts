// The directories of volumes: <root>/<name>/_data holds the files. Beside it, while an image's files are copied in, stand `_copy` (being
// made) and `_ready` (complete, on its way into `_data`): what a killed daemon leaves of the first is dropped, of the second finished.
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  opendirSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
} from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../../native-bindings/errno.ts';
import type { Jail } from '../jail/jail.ts';
import { Trash } from '../jail/trash.ts';
import { moveIn } from './move-in.ts';
import { namePattern } from './volume-record.ts';

export class VolumeDirectories {
  readonly root: string;
  readonly #trash: Trash;

  /** `root` is made when it is missing. What is thrown away stays on its disk: it may be another than the data root's. */
  constructor(root: string, jail: Jail, onError: (error: unknown) => void) {
    this.root = root;
    mkdirSync(root, { recursive: true, mode: 0o701 });
    const isReadOnly = !canChange(() => chmodSync(root, 0o701));
    const trash = join(root, '.trash');
    mkdirSync(trash, { recursive: true, mode: 0o700 });
    this.#trash = new Trash(trash, jail, onError, undefined, isReadOnly);
  }

  /** What inspect shows as Mountpoint. */
  data(name: string): string {
    return join(this.root, name, '_data');
  }

  copy(name: string): string {
    return join(this.root, name, '_copy');
  }

  ready(name: string): string {
    return join(this.root, name, '_ready');
  }

  /** Durable when it returns. A directory that is there already is taken as it is. */
  make(name: string): void {
    const directory = join(this.root, name);
    makeDirectory(directory, 0o701);
    makeDirectory(this.data(name), 0o755);
    sync(directory);
    sync(this.root);
  }

  /** Somebody may have deleted it by hand. */
  ensure(name: string): void {
    if (!existsSync(this.data(name))) this.make(name);
  }

  /** Gone at once; the files are deleted behind the scenes. */
  discard(name: string): void {
    this.#trash.discard(join(this.root, name));
  }

  beginCopy(name: string): void {
    this.discardCopy(name);
    makeDirectory(this.copy(name), 0o755);
  }

  discardCopy(name: string): void {
    this.#trash.discard(this.copy(name));
  }

  /** Looks no further than the first name: containers may have made any number of them. */
  isEmpty(name: string): boolean {
    const directory = opendirSync(this.data(name));
    try {
      return directory.readSync() === null;
    } finally {
      directory.closeSync();
    }
  }

  /** Names of the directories that are there. */
  names(): string[] {
    return readdirSync(this.root, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && namePattern.test(entry.name))
      .map(({ name }) => name);
  }

  /** What a killed daemon left of a copy. */
  recover(name: string): void {
    if (existsSync(this.ready(name))) moveIn(this.ready(name), this.data(name), (path) => this.#trash.discard(path));
    if (existsSync(this.copy(name))) this.discardCopy(name);
  }

  /** Of a directory without a row: an empty one was being made, and goes; false when it holds files. */
  dropEmpty(name: string): boolean {
    try {
      if (existsSync(this.data(name))) rmdirSync(this.data(name));
      rmdirSync(join(this.root, name));
      return true;
    } catch (error) {
      if (isErrno(error, 'ENOTEMPTY', 'EEXIST', 'EBUSY')) return false;
      // It goes when the disk can be written.
      if (isErrno(error, 'EROFS')) return true;
      throw error;
    }
  }

  /** Finishes a copy: `_copy` is complete and durable. */
  commitCopy(name: string): void {
    renameSync(this.copy(name), this.ready(name));
    sync(join(this.root, name));
    moveIn(this.ready(name), this.data(name), (path) => this.#trash.discard(path));
  }

  emptyTrashSoon(): void {
    this.#trash.emptySoon();
  }

  close(): void {
    this.#trash.close();
  }
}

/** False on a disk that cannot be written. */
function canChange(work: () => void): boolean {
  try {
    work();
    return true;
  } catch (error) {
    if (isErrno(error, 'EROFS')) return false;
    throw error;
  }
}

function makeDirectory(path: string, mode: number): void {
  try {
    mkdirSync(path, { mode });
    // Whatever the umask is.
    chmodSync(path, mode);
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
  }
}

function sync(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
