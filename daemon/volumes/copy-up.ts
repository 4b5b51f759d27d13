// Docker's copy-up: what an image has where an empty volume is mounted goes into the volume, owners, modes, links and attributes included. One
// worker reads the image's files, one writes the volume's; links of the image are followed inside the image only.
import { MessageChannel } from 'node:worker_threads';
import { isErrno } from '../../native-bindings/errno.ts';
import { EngineError } from '../errors/engine-error.ts';
import type { Jail } from '../jail/jail.ts';

/** 'unknown' when nobody looked, since nothing was to be copied. */
export type CopySource = 'directory' | 'file' | 'nothing' | 'unknown';

/** What an image has at `path`. `imageFd` is taken over. */
export async function lookInImage(jail: Jail, imageFd: number, path: string): Promise<CopySource> {
  const place = { kind: 'tree', rootFd: imageFd, mounts: [] } as const;
  try {
    await jail.run<'stat'>({ do: 'stat', place, path: `${path}/.` }, [imageFd]);
    return 'directory';
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return 'nothing';
    if (isErrno(error, 'ENOTDIR')) return 'file';
    throw error;
  }
}

/** Copies the directory `path` of the image into the directory `targetFd`, to the disk. Both are detached mounts, which are taken over. */
export async function copyTree(jail: Jail, imageFd: number, path: string, targetFd: number): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  const cancel = new AbortController();
  const options = { noOverwriteDirNonDir: false, owner: undefined };
  const reading = jail.run<'get'>(
    { do: 'get', place: { kind: 'tree', rootFd: imageFd, mounts: [] }, path: `${path}/.` },
    [imageFd],
    { outputPort: port1, signal: cancel.signal },
  );
  const writing = jail.run<'put'>(
    { do: 'put', place: { kind: 'tree', rootFd: targetFd, mounts: [] }, path: '/', options, isSynced: true },
    [targetFd],
    { inputPort: port2, signal: cancel.signal },
  );
  try {
    await Promise.all([reading, writing]);
  } catch (error) {
    cancel.abort(error);
    const [read] = await Promise.allSettled([reading, writing]);
    // The reader knows why: the writer only saw the archive end.
    const reason: unknown = read.status === 'rejected' ? read.reason : error;
    if (reason instanceof EngineError) throw reason;
    const why = reason instanceof Error ? reason.message : String(reason);
    throw new EngineError('system', `copy ${path} of the image into the volume: ${why}`, { cause: reason });
  }
}
