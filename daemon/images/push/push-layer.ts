// One layer on its way into a registry: not sent when it is there, taken over from a repository beside it when that has it, else uploaded.

import type { Descriptor } from '../../content/digest.ts';
import { registryError } from '../../registry/pull-words.ts';
import type { RegistrySession } from '../../registry/registry-session.ts';
import type { Layer } from '../../snapshots/layer.ts';
import type { Catalogue } from '../catalogue.ts';
import type { PushOptions } from '../image-service.ts';
import { counted, noted } from '../progress.ts';

export interface LayerPush {
  readonly layer: Layer;
  /** What the image's manifest says it is; undefined when any form will do. */
  readonly blob: Descriptor | undefined;
}

/** So many repositories are asked to share it. */
const MAX_MOUNTS = 3;
const TELL_EVERY_MS = 100;

/** Resolves to what the registry has by then. */
export async function pushLayer(
  { parts }: Pick<Catalogue, 'parts'>,
  session: RegistrySession,
  { layer, blob: given }: LayerPush,
  { tell, signal }: Pick<PushOptions, 'tell' | 'signal'>,
): Promise<Descriptor> {
  const { blobs, archives, content } = parts;
  const id = layer.diffId.slice('sha256:'.length, 'sha256:'.length + 12);
  signal?.throwIfAborted();
  const blob = given ?? (await archives.packed(layer));
  using _held = content.hold([blob.digest]);
  if ((await session.headBlob(blob.digest, signal)) !== undefined) {
    tell(noted('Layer already exists', id));
  } else {
    const from = await mount(parts.blobs, session, blob.digest, signal);
    if (from !== undefined) tell(noted(`Mounted from ${from}`, id));
    else {
      let toldMs = 0;
      const onProgress = (sent: number): void => {
        const nowMs = performance.now();
        if (sent < blob.size && nowMs - toldMs < TELL_EVERY_MS) return;
        toldMs = nowMs;
        tell(counted('Pushing', id, sent, blob.size));
      };
      onProgress(0);
      await session.uploadBlob(
        blob,
        () => content.open(blob.digest),
        signal === undefined ? { onProgress } : { onProgress, signal },
      );
      tell(noted('Pushed', id));
    }
  }
  blobs.seenIn(blob.digest, session.repository);
  return blob;
}

/** The repository of the same registry that it was taken over from, without its domain. */
async function mount(
  blobs: Catalogue['parts']['blobs'],
  session: RegistrySession,
  digest: string,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const domain = session.repository.slice(0, session.repository.indexOf('/') + 1);
  const others = blobs
    .repositoriesOf(digest)
    .filter((repository) => repository.startsWith(domain) && repository !== session.repository);
  for (const repository of others.slice(0, MAX_MOUNTS)) {
    try {
      if (await session.mountBlob(digest, repository, signal)) return repository.slice(domain.length);
      blobs.goneFrom(digest, repository);
    } catch (error) {
      // It is only a short cut: without the right to read there, the blob is sent.
      signal?.throwIfAborted();
      if (registryError(error) === error) throw error;
    }
  }
  return undefined;
}
