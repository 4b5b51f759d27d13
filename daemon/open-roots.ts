// The two directories of an engine: made where they are missing, locked. A data root whose disk is read-only (as a kernel makes one that fails)
// is served as it is: the state is a copy that lasts as long as this daemon.
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import { LOCK } from '../native-bindings/constants.ts';
import { isErrno } from '../native-bindings/errno.ts';
import { tryFlock } from '../native-bindings/files.ts';
import type { EnginePaths } from './containers/paths.ts';
import { EngineError } from './errors/engine-error.ts';

/** Nobody but root may pass through the data root: images hold programs that are set-uid. Tightened again if someone opened it. */
export function openRoots(paths: EnginePaths): { isReadOnly: boolean } {
  const isReadOnly = existsSync(paths.dataRoot) && isOnReadOnlyDisk(paths.dataRoot);
  const ofData: [string, number][] = [
    [paths.dataRoot, 0o700],
    [paths.containers, 0o700],
  ];
  const ofRun: [string, number][] = [
    [paths.execRoot, 0o711],
    [paths.runs, 0o700],
    [paths.runTrash, 0o700],
    [paths.staging, 0o700],
  ];
  for (const [path, mode] of isReadOnly ? ofRun : [...ofData, ...ofRun]) {
    mkdirSync(path, { recursive: true, mode });
    chmodSync(path, mode);
  }
  return { isReadOnly };
}

/** Two daemons on one directory would take each other's containers for dead ones. The kernel drops the lock with the process. */
export function lockRoot(directory: string): () => void {
  const fd = openLock(join(directory, 'lock'));
  if (tryFlock(fd, LOCK.EX)) return () => closeSync(fd);
  closeSync(fd);
  throw new EngineError(
    'conflict',
    `lock ${directory}: another tsdockerd uses it: give this one its own --data-root and --exec-root`,
  );
}

/** The state of a data root that cannot be written, where it can be. Returns that directory. */
export function copyState(paths: EnginePaths): string {
  const directory = join(paths.execRoot, 'state');
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { mode: 0o700 });
  for (const name of ['state.db', 'state.db-wal', 'rows.log']) {
    const path = join(paths.dataRoot, name);
    if (existsSync(path)) copyFileSync(path, join(directory, name));
  }
  return directory;
}

function isOnReadOnlyDisk(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return false;
  } catch (error) {
    return isErrno(error, 'EROFS');
  }
}

function openLock(path: string): number {
  try {
    return openSync(path, 'a', 0o600);
  } catch (error) {
    if (!isErrno(error, 'EROFS')) throw error;
    if (!existsSync(path)) throw new EngineError('system', `make ${path}: read-only file system`, { cause: error });
    return openSync(path, 'r');
  }
}
