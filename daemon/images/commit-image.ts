// POST /commit: what a container changed becomes a layer. It is packed (jailed) into the layer's own archive, whose digest is its diff id,
// and from the same stream unpacked (jailed) into the store: one pass, two workers.
import { MessageChannel } from 'node:worker_threads';
import { EngineError } from '../errors/engine-error.ts';
import { holdTree } from '../jail/hold-tree.ts';
import type { Staged } from '../snapshots/layer-store.ts';
import { applyChanges } from './config-changes.ts';
import type { HistoryEntry, ImageConfig } from './image-config.ts';
import type { CommitImageOptions } from './image-service.ts';
import { type LocalImageStore, parseTarget } from './image-store.ts';

export async function commitImage(store: LocalImageStore, options: CommitImageOptions): Promise<string> {
  if (options.repo !== '') parseTarget(options.repo, options.tag);
  const config = applyChanges(options.config, options.changes);
  const { layers, tables, containerLayers } = store.parts;
  const parent = store.byId(options.imageId);
  const parentTop = tables.get(options.imageId)?.topLayer;
  if (parent === undefined)
    throw new EngineError('not-found', `No such image: ${options.imageId}: its container cannot be committed`);
  const upper = containerLayers().upperDir(options.containerId);
  using hold = await layers.make(parentTop, (directory) => copyLayer(store, upper, directory));
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
  return store.add(image, { topLayer: hold.layer.number, parentId: parent.id, name, isTold: true });
}

/** From one worker straight to the other; the main thread sees none of the bytes. */
async function copyLayer(store: LocalImageStore, upper: string, directory: string): Promise<Staged> {
  const { jail } = store.parts;
  const { port1, port2 } = new MessageChannel();
  const cancel = new AbortController();
  const from = holdTree(upper);
  const to = holdTree(directory);
  const packing = jail.run<'pack-layer'>(
    { do: 'pack-layer', place: { kind: 'tree', rootFd: from, mounts: [] } },
    [from],
    {
      outputPort: port1,
      signal: cancel.signal,
    },
  );
  const unpacking = jail.run<'unpack-layer'>(
    { do: 'unpack-layer', place: { kind: 'tree', rootFd: to, mounts: [] }, repack: false },
    [to],
    {
      inputPort: port2,
      signal: cancel.signal,
    },
  );
  try {
    const [packed] = await Promise.all([packing, unpacking]);
    return packed;
  } catch (error) {
    cancel.abort(error);
    await Promise.allSettled([packing, unpacking]);
    throw error;
  }
}

/** What Docker's history shows: the words of the container's command. */
function commandLine({ containerConfig }: CommitImageOptions): string {
  return [...(containerConfig.Entrypoint ?? []), ...(containerConfig.Cmd ?? [])].join(' ');
}
