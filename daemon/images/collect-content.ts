// Which blobs are garbage: those that no row names and nobody holds. A pull, push, load or save holds what it uses before it looks for it.
import type { BlobTables } from './blob-tables.ts';
import type { ContentStore } from './content-store.ts';

/** Returns the bytes that went. Layers that are not used are dropped before. */
export function collectContent(content: ContentStore, blobs: BlobTables): number {
  blobs.dropUnused();
  const used = blobs.used();
  let bytes = 0;
  for (const { digest, sizeBytes } of content.list()) {
    if (used.has(digest) || content.isHeld(digest)) continue;
    content.remove(digest);
    bytes += sizeBytes;
  }
  return bytes;
}
