// Copies a tree into a directory of the engine's: owners, modes, times and extended attributes, from one jail's worker straight to another.
import { chmodSync, chownSync, fstatSync } from 'node:fs';
import { MessageChannel } from 'node:worker_threads';
import { closeFd } from '../../../native-bindings/files.ts';
import { holdTree } from '../../jail/hold-tree.ts';
import type { Jail } from '../../jail/jail.ts';

/** `from`: a mount, closed here. `directory` is empty. */
export async function fillFrom(jail: Jail, from: number, directory: string): Promise<void> {
  let to: number;
  try {
    const { mode, uid, gid } = fstatSync(from);
    chownSync(directory, uid, gid);
    chmodSync(directory, mode & 0o7777);
    to = holdTree(directory);
  } catch (error) {
    closeFd(from);
    throw error;
  }
  const { port1, port2 } = new MessageChannel();
  const cancel = new AbortController();
  const { signal } = cancel;
  const packing = jail.run<'pack-layer'>({ do: 'pack-layer', place: placeOf(from) }, [from], {
    outputPort: port1,
    signal,
  });
  const unpacking = jail.run<'unpack-layer'>({ do: 'unpack-layer', place: placeOf(to), repack: false }, [to], {
    inputPort: port2,
    signal,
  });
  try {
    await Promise.all([packing, unpacking]);
  } catch (error) {
    cancel.abort(error);
    await Promise.allSettled([packing, unpacking]);
    throw error;
  }
}

function placeOf(rootFd: number) {
  return { kind: 'tree', rootFd, mounts: [] } as const;
}
