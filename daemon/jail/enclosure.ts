// What makes a worker thread a jail: a mount namespace of its own whose root is an empty read-only tmpfs, so that no path leads to the host.
// For a job the thread changes its root to a tree (attached there, detached after) or joins a container's mount namespace.
import { closeSync, constants, mkdirSync, openSync } from 'node:fs';
import { AT, CLONE, MNT, MOUNT_ATTR, MOVE_MOUNT, MS, O, OPEN_TREE } from '../../native-bindings/constants.ts';
import { closeFd, umask } from '../../native-bindings/files.ts';
import {
  mount,
  mountDetached,
  mountSetattr,
  moveMount,
  openTree,
  pivotRoot,
  umount2,
} from '../../native-bindings/mount-api.ts';
import { chroot, fchdir, setns, unshare } from '../../native-bindings/namespaces.ts';
import { EngineError } from '../errors/engine-error.ts';
import { fromBytes } from '../protocols/tar/tar-entry.ts';
import { holdDirectory, isMissing, resolvedPath, splitPath } from './jobs/path-walk.ts';

/** A detached mount to put at a path of the tree, before the job starts. */
export interface AttachedMount {
  fd: number;
  target: string;
}

/** Where a job works. Fds belong to the main thread, which closes them. */
export type Place =
  /** The worker's own empty root: for jobs that touch no files. */
  | { kind: 'home' }
  /** `isPlain`: the mount keeps its attributes, since what comes of the job is used elsewhere; no file may be opened then. */
  | { kind: 'tree'; rootFd: number; mounts: readonly AttachedMount[]; isPlain?: boolean }
  | { kind: 'namespace'; nsFd: number; sees: 'everything' | 'no-devices' | 'root-mount' };

const ATTACH = MOVE_MOUNT.F_EMPTY_PATH | MOVE_MOUNT.T_EMPTY_PATH;

export class Enclosure {
  readonly #homeFd: number;
  readonly #homeNamespaceFd: number;
  #isAttached = false;

  /** Moves this thread into its own empty namespace, for good. Only in a worker thread that shares its root with nobody after this. */
  constructor() {
    unshare(CLONE.NEWNS | CLONE.FS);
    umask(0);
    this.#homeNamespaceFd = openSync('/proc/thread-self/ns/mnt', constants.O_RDONLY);
    mount('none', '/', null, MS.REC | MS.PRIVATE);
    const tmpfs = mountDetached(
      'tmpfs',
      [
        ['size', '64k'],
        ['mode', '0700'],
      ],
      MOUNT_ATTR.NOSUID | MOUNT_ATTR.NODEV,
    );
    moveMount(tmpfs, '', AT.FDCWD, '/', MOVE_MOUNT.F_EMPTY_PATH);
    fchdir(tmpfs);
    // The old root comes to lie on the new one and is then cut off with everything below it: nothing of the host stays mounted here.
    pivotRoot('.', '.');
    umount2('.', MNT.DETACH);
    fchdir(tmpfs);
    chroot('.');
    mkdirSync('/tree', 0o700);
    mountSetattr(tmpfs, '', AT.EMPTY_PATH, { set: MOUNT_ATTR.RDONLY });
    // Node's own fd, which it closes when the thread ends.
    this.#homeFd = openSync('/', O.PATH | constants.O_DIRECTORY);
    closeFd(tmpfs);
  }

  enter(place: Place): void {
    if (place.kind === 'home') return;
    if (place.kind === 'namespace') {
      setns(place.nsFd, CLONE.NEWNS);
      if (place.sees === 'no-devices') goToCopy();
      else if (place.sees === 'root-mount') enterRootMount();
      return;
    }
    // Devices in an image are data: in a jail nobody can open them.
    const attributes = MOUNT_ATTR.NODEV | MOUNT_ATTR.NOSUID | MOUNT_ATTR.NOEXEC;
    if (place.isPlain !== true) mountSetattr(place.rootFd, '', AT.EMPTY_PATH, { set: attributes });
    moveMount(place.rootFd, '', AT.FDCWD, '/tree', MOVE_MOUNT.F_EMPTY_PATH);
    this.#isAttached = true;
    chroot('/tree');
    goToRoot();
    for (const { fd, target } of place.mounts) attach(fd, target);
  }

  /** Back to the empty root, whatever the job did. */
  leave(): void {
    setns(this.#homeNamespaceFd, CLONE.NEWNS);
    fchdir(this.#homeFd);
    chroot('.');
    if (this.#isAttached) umount2('/tree', MNT.DETACH);
    this.#isAttached = false;
  }
}

/**
 * The container's mounts as they are now, in a namespace of this thread's own where no device can be opened: a container may put a device in
 * the place of the file that is just being opened, and merely opening one can do something to the host. For jobs that open files to read them.
 */
function goToCopy(): void {
  unshare(CLONE.NEWNS);
  mount('none', '/', null, MS.REC | MS.PRIVATE);
  mountSetattr(AT.FDCWD, '/', AT.RECURSIVE, { set: MOUNT_ATTR.NODEV });
}

/** Only what the container's root holds itself, without what is mounted in it (/proc, volumes …): a copy of that one mount. */
function enterRootMount(): void {
  const root = openTree(AT.FDCWD, '/', OPEN_TREE.CLONE);
  try {
    mountSetattr(root, '', AT.EMPTY_PATH, { set: MOUNT_ATTR.NODEV });
    fchdir(root);
    chroot('.');
  } finally {
    closeFd(root);
  }
}

function goToRoot(): void {
  const root = openSync('/', O.PATH | constants.O_DIRECTORY);
  fchdir(root);
  closeSync(root);
}

/** The mount point may be a file, so only its parent can be walked to. */
function attach(fd: number, target: string): void {
  mountSetattr(fd, '', AT.EMPTY_PATH | AT.RECURSIVE, { set: MOUNT_ATTR.NODEV });
  const split = splitPath(resolvedPath(Buffer.from(target).toString('latin1')));
  if (split === undefined) throw new EngineError('invalid', 'a mount at / cannot be shown');
  try {
    using parent = holdDirectory(split.parent);
    parent.enter();
    const point = openSync(fromBytes(split.name), O.PATH | constants.O_NOFOLLOW);
    try {
      moveMount(fd, '', point, '', ATTACH);
    } finally {
      closeSync(point);
    }
  } catch (error) {
    // Where the mount point was never made, nothing was ever mounted.
    if (!isMissing(error)) throw error;
  }
}
