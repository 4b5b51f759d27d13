import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { BlobWriter } from '../../../daemon/content/blob-writer.ts';
import { IncomingBlob } from '../../../daemon/registry/incoming-blob.ts';

test('lets go of the blob as soon as it has come and nobody wants it, not when its file has been closed', async () => {
  const file = Promise.withResolvers<void>();
  const download = Promise.withResolvers<void>();
  const writer = { [Symbol.asyncDispose]: () => file.promise } as BlobWriter;
  const seen: string[] = [];
  const blob = { digest: 'sha256:0', size: 1, mediaType: '' };
  const incoming = new IncomingBlob(
    blob,
    writer,
    () => download.promise,
    () => seen.push('let go'),
  );
  void incoming.close().then(() => seen.push('closed'));
  await turn();
  expect(seen, 'it still comes').toEqual([]);
  download.resolve();
  await turn();
  expect(seen).toEqual(['let go']);
  file.resolve();
  await turn();
  expect(seen).toEqual(['let go', 'closed']);
});
