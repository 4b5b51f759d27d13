// Jobs that give a mount to the main thread: their results are descriptors of the process, close-on-exec.
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { AT, O, OPEN_TREE, RESOLVE } from '../../../native-bindings/constants.ts';
import { closeFd, openat2 } from '../../../native-bindings/files.ts';
import { type MountOption, mountDetached, openTree } from '../../../native-bindings/mount-api.ts';
import { EngineError } from '../../errors/engine-error.ts';
import type { Job } from '../messages.ts';

export function mountRemote({ type, device, options, attributes }: Job & { do: 'mount' }): number {
  return mountDetached(type, mountOptions(device, options), attributes);
}

/** `key=value` or a flag, as fsconfig(2) takes them. */
export function mountOptions(device: string, options: readonly string[]): MountOption[] {
  const pairs = options.map((option): MountOption => {
    const at = option.indexOf('=');
    return at < 0 ? [option] : [option.slice(0, at), option.slice(at + 1)];
  });
  return [['source', device], ...pairs];
}

/** Links are followed inside the place's root, by the kernel. What is mounted below comes along from a tree only, not from a container's. */
export function cloneMount({ place, path, device }: Job & { do: 'clone-mount' }): number {
  const root = openSync('/', O.PATH | constants.O_DIRECTORY);
  try {
    const fd = openat2(root, path, { flags: O.PATH, resolve: RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS });
    try {
      if (device !== undefined && fstatSync(fd).dev !== device) {
        throw new EngineError('conflict', `${path} is another file system by now`);
      }
      return openTree(fd, '', OPEN_TREE.CLONE | AT.EMPTY_PATH | (place.kind === 'tree' ? AT.RECURSIVE : 0));
    } finally {
      closeFd(fd);
    }
  } finally {
    closeSync(root);
  }
}
