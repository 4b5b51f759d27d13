import { createSocket } from 'node:dgram';
import { expect, test } from 'vitest';
import { askOverUdp } from '../../../../daemon/networks/dns/exchange.ts';

test('a server that cannot be reached is an error of the question', async () => {
  const asked = { bytes: Buffer.alloc(12), questionEnd: 12, timeoutMs: 1000 };
  // The kernel lets nobody connect to the broadcast address unasked (udp(7), SO_BROADCAST).
  await expect(askOverUdp(createSocket('udp4'), '255.255.255.255', asked)).rejects.toThrow(/EACCES/);
});
