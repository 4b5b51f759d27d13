// Where things lie below the data root.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../native-bindings/errno.ts';
import { spreadDirectories } from '../native-bindings/files.ts';
import type { SnapshotRoot } from './snapshots/snapshot-root.ts';

export interface DataRoot extends SnapshotRoot {
  readonly content: string;
  readonly trash: string;
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
  try {
    spreadDirectories(root.staging);
  } catch (error) {
    // A disk that cannot be written gets no new layers.
    if (!isErrno(error, 'EROFS')) throw error;
  }
  return root;
}
