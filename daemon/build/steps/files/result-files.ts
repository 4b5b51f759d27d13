// The files of a result as a mount that a job reads: detached, visible nowhere, and nothing in it can be executed or opened as a device.
import { AT } from '../../../../native-bindings/constants.ts';
import { closeFd } from '../../../../native-bindings/files.ts';
import { mountSetattr } from '../../../../native-bindings/mount-api.ts';
import { holdTree } from '../../../jail/hold-tree.ts';
import type { Snapshots } from '../../../snapshots/snapshots.ts';
import type { Result } from '../step.ts';
import { inertMount } from './one-mount.ts';

/** undefined: no files at all. The caller closes the descriptor. */
export function mountResult(snapshots: Pick<Snapshots, 'view' | 'openRoot'>, result: Result | undefined): number {
  const fd = mountFiles(snapshots, result);
  try {
    mountSetattr(fd, '', AT.EMPTY_PATH, { set: inertMount });
    return fd;
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

function mountFiles(snapshots: Pick<Snapshots, 'view' | 'openRoot'>, result: Result | undefined): number {
  if (result?.kind === 'directory') return holdTree(result.path);
  if (result?.top !== undefined) return snapshots.view(result.top);
  // A mount outlives the name of its root.
  using empty = snapshots.openRoot(undefined);
  return empty.mount();
}
