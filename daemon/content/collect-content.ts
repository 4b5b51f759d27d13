// Which blobs are garbage: those that nobody names and nobody holds. A pull, push, load or save holds what it uses before it looks for it.
import type { ContentStore } from './content-store.ts';

/** `used`: the digests that are named. Returns the bytes that went. */
export function collectContent(content: ContentStore, used: ReadonlySet<string>): number {
  let bytes = 0;
  for (const { digest, sizeBytes } of content.list()) {
    if (used.has(digest) || content.isHeld(digest)) continue;
    content.remove(digest);
    bytes += sizeBytes;
  }
  return bytes;
}
