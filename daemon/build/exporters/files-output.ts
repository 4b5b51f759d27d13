// The outputs 'local' and 'tar': the files of the result as one archive, which the client unpacks or keeps.
import { Readable } from 'node:stream';
import type { ImageParts } from '../../images/image-parts.ts';
import { holdTree } from '../../jail/hold-tree.ts';
import { endOfArchive } from '../../protocols/tar/tar-header.ts';
import type { Result } from '../steps/step.ts';

/** With SOURCE_DATE_EPOCH all files have that time. The caller holds the result until the archive has been read; undefined: no files at all. */
export async function filesArchive(
  { jail, snapshots }: Pick<ImageParts, 'jail' | 'snapshots'>,
  result: Result | undefined,
  epoch: number | undefined,
): Promise<Readable> {
  const rootFd = fdOf(snapshots, result);
  if (rootFd === undefined) return Readable.from([endOfArchive()]);
  const times = epoch === undefined ? {} : { times: { seconds: epoch, isLimit: false } };
  const job = { do: 'export', place: { kind: 'tree', rootFd, mounts: [] }, ...times } as const;
  const { tar } = await jail.stream(job, [rootFd]);
  return tar;
}

function fdOf(snapshots: ImageParts['snapshots'], result: Result | undefined): number | undefined {
  if (result === undefined) return undefined;
  if (result.kind === 'directory') return holdTree(result.path);
  return result.top === undefined ? undefined : snapshots.view(result.top);
}
