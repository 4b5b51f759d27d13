// POST /images/create?fromSrc=-: an image of one layer out of a tar.
import type { Readable } from 'node:stream';
import { EngineError } from '../errors/engine-error.ts';
import { applyChanges } from './config-changes.ts';
import { decompressed } from './decompress.ts';
import type { ImageConfig } from './image-config.ts';
import type { ImportOptions } from './image-service.ts';
import { type LocalImageStore, parseTarget } from './image-store.ts';
import { holdTree } from './overlay.ts';
import { hostPlatform, parsePlatform } from './platform.ts';

export async function importImage(store: LocalImageStore, tar: Readable, options: ImportOptions): Promise<string> {
  // Everything that can be refused is, before a byte is read.
  if (options.repo !== '') parseTarget(options.repo, options.tag);
  const platform = options.platform === '' ? hostPlatform() : parsePlatform(options.platform);
  applyChanges({}, options.changes);
  const { layers, jail, onEvent } = store.parts;
  using hold = await layers.make(undefined, async (directory) => {
    const input = await decompressed(tar);
    const fd = holdTree(directory);
    const place = { kind: 'tree', rootFd: fd, mounts: [] } as const;
    const result = await jail.run<'unpack-layer'>({ do: 'unpack-layer', place, repack: true }, [fd], {
      input,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    if (result.diffId === undefined) throw new EngineError('system', 'import: the layer has no digest');
    return { diffId: result.diffId, sizeBytes: result.sizeBytes, tarBytes: result.tarBytes };
  });
  const created = new Date().toISOString();
  const config: ImageConfig = {
    architecture: platform.architecture,
    ...(platform.variant === undefined ? {} : { variant: platform.variant }),
    os: platform.os,
    created,
    comment: options.message,
    config: applyChanges({}, options.changes),
    history: [{ created, comment: options.message }],
    rootfs: { type: 'layers', diff_ids: [hold.layer.diffId] },
  };
  const { repo, tag } = options;
  const id = store.add(config, { topLayer: hold.layer.number, name: { repo, tag } });
  onEvent({ action: 'import', id, attributes: { name: id } });
  return id;
}
