// Devices of --device that have their place outside of /dev. They are nodes of a tmpfs that nothing else is in, bound to their place like files:
// the image's own files stay as they are, whatever links stand in the way, and a read-only root needs no exception.
import { MOUNT_ATTR, OPEN_TREE } from '../../../native-bindings/constants.ts';
import { isInDev } from '../devices.ts';
import type { OciSpec } from '../oci-spec.ts';
import { compileNode } from './compile-dev.ts';
import { MOVE } from './compile-mounts.ts';
import type { ProgramBuilder } from './program-builder.ts';

/** Detached nodes, by their place in the container. */
export type OuterDevices = ReadonlyMap<string, number>;

/** While the directory is there that the root is attached to: only of what is attached a copy can be made. */
export function prepareOuterDevices(builder: ProgramBuilder, spec: OciSpec, stagingDir: string): OuterDevices {
  const nodes = new Map<string, number>();
  const devices = spec.linux.devices.filter(({ path }) => !isInDev(path));
  if (devices.length === 0) return nodes;
  const tmpfs = builder.newFd();
  const options = ['source=tmpfs', `nr_inodes=${devices.length + 2}`, 'size=4k', 'mode=0755'];
  builder.add('fsmount', [tmpfs, 'tmpfs', MOUNT_ATTR.NOSUID | MOUNT_ATTR.NOEXEC, options], 'devices outside of /dev');
  for (const [index, device] of devices.entries()) compileNode(builder, tmpfs, String(index), device);
  builder.add('move_mount', [tmpfs, stagingDir, 0]);
  for (const [index, { path }] of devices.entries()) {
    const fd = builder.newFd();
    builder.add('open_tree', [fd, tmpfs, String(index), OPEN_TREE.CLONE], path);
    nodes.set(path, fd);
  }
  return nodes;
}

/** In the new root, after all other mounts. */
export function attachOuterDevices(builder: ProgramBuilder, nodes: OuterDevices): void {
  for (const [path, fd] of nodes) builder.add('move_mount', [fd, path, MOVE.FILE]);
}
