// A download in the words that Docker's clients show.
import type { Descriptor } from '../../content/digest.ts';
import type { DownloadState } from '../../registry/blob-download.ts';
import { counted, noted } from '../progress.ts';

/** As progress names a layer. */
export function shortDigest(digest: string): string {
  return digest.slice('sha256:'.length, 'sha256:'.length + 12);
}

/** The line for how far the blob is. */
export function downloadLine({ digest, size }: Descriptor, state: DownloadState): ReturnType<typeof noted> {
  const id = shortDigest(digest);
  if (state.kind === 'receiving') return counted('Downloading', id, state.bytes, size);
  return noted(state.kind === 'verifying' ? 'Verifying Checksum' : `Retrying in ${state.seconds} seconds`, id);
}
