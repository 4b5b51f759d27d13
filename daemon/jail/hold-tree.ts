// A directory of the host for a job: a mount that is visible nowhere, held as a descriptor (open_tree(2)).
import { AT, OPEN_TREE } from '../../native-bindings/constants.ts';
import { openTree } from '../../native-bindings/mount-api.ts';

/** A detached copy of the mount that a directory is on, with the directory as its root. The caller closes it. */
export function holdTree(path: string, recursive = false): number {
  return openTree(AT.FDCWD, path, OPEN_TREE.CLONE | (recursive ? AT.RECURSIVE : 0));
}
