import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { RegistryFailure } from '../../../daemon/registry/registry-failure.ts';
import type { RegistryHttp } from '../../../daemon/registry/registry-http.ts';
import { uploadBlob } from '../../../daemon/registry/uploads.ts';

test('a blob whose request was never sent is closed', async () => {
  const begin = new URL('https://r.test/v2/a/blobs/uploads/');
  const http = {
    send: async ({ method }: { method: string }) => {
      if (method === 'POST') return { url: begin, headers: { location: '/x' }, body: Readable.from([]) };
      throw RegistryFailure.ofAnswer(method, begin, 'no token');
    },
  } as unknown as RegistryHttp;
  const file = new Readable({ read: () => undefined });
  const blob = { mediaType: '', digest: `sha256:${'a'.repeat(64)}`, size: 3 };
  await expect(uploadBlob(http, '/v2/a', blob, () => file, {})).rejects.toThrow(/no token/);
  await new Promise((resolve) => file.once('close', resolve));
  expect(file.destroyed).toBe(true);
});
