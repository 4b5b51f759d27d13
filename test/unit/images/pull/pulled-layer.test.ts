import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { type LayerWork, pullLayer } from '../../../../daemon/images/pull/pulled-layer.ts';
import { Slots } from '../../../../daemon/images/pull/slots.ts';

test('no more layers are unpacked at once than there are slots', async () => {
  let now = 0;
  let most = 0;
  const stage = async () => {
    most = Math.max(most, ++now);
    await sleep(5);
    now--;
    return { directory: '/none', staged: {}, [Symbol.dispose]: () => undefined };
  };
  const parts = { content: { has: () => true, sizeOf: () => 1, pathOf: () => '/none' }, layers: { stage } };
  const unpackSlots = new Slots(2);
  const signal = new AbortController().signal;
  const layers = Array.from({ length: 6 }, (_, n) => {
    const digest = `sha256:${String(n).repeat(64)}`;
    const work = { parts, blob: { digest, size: 1, mediaType: '' }, diffId: digest, unpackSlots };
    return pullLayer(work as unknown as LayerWork, { signal, onProgress: () => undefined });
  });
  await Promise.all(layers);
  expect(most).toBe(2);
});
