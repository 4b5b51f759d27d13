// POST /commit: what a container changed becomes a layer. Here is what the image says of it.
import { EngineError } from '../../errors/engine-error.ts';
import type { Catalogue } from '../catalogue.ts';
import type { HistoryEntry, ImageConfig } from '../documents/image-config.ts';
import { parseTarget } from '../image-names.ts';
import type { CommitImageOptions } from '../image-service.ts';
import { applyChanges } from './config-changes.ts';

export async function commitImage(catalogue: Catalogue, options: CommitImageOptions): Promise<string> {
  if (options.repo !== '') parseTarget(options.repo, options.tag);
  const config = applyChanges(options.config, options.changes);
  const parent = catalogue.byId(options.imageId);
  if (parent === undefined)
    throw new EngineError('not-found', `No such image: ${options.imageId}: its container cannot be committed`);
  using hold = await catalogue.parts.snapshots.commit(options.containerId);
  const created = new Date().toISOString();
  const entry: HistoryEntry = { created, created_by: commandLine(options) };
  if (options.author !== '') entry.author = options.author;
  if (options.comment !== '') entry.comment = options.comment;
  const base = parent.config;
  const image: ImageConfig = {
    architecture: base.architecture,
    ...(base.variant === undefined ? {} : { variant: base.variant }),
    os: base.os,
    ...(base['os.version'] === undefined ? {} : { 'os.version': base['os.version'] }),
    created,
    ...(options.author === '' ? {} : { author: options.author }),
    ...(options.comment === '' ? {} : { comment: options.comment }),
    container: options.containerId,
    container_config: options.containerConfig,
    config,
    history: [...(base.history ?? []), entry],
    rootfs: { type: 'layers', diff_ids: [...base.rootfs.diff_ids, hold.layer.diffId] },
  };
  const name = { repo: options.repo, tag: options.tag };
  return catalogue.add(image, { topLayer: hold.layer.number, parentId: parent.id, name, isTold: true });
}

/** What Docker's history shows: the words of the container's command. */
function commandLine({ containerConfig }: CommitImageOptions): string {
  return [...(containerConfig.Entrypoint ?? []), ...(containerConfig.Cmd ?? [])].join(' ');
}
