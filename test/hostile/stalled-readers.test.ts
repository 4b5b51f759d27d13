// Clients that ask for files, read nothing and leave: what they held has to be free again.
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { create, start, wait } from '../harness/containers.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();

test('readers of a stopped container that leave, also while they wait for each other, do not keep it', async () => {
  const { daemon } = fixture;
  const id = await create(daemon, 'dd if=/dev/zero of=/big bs=1M count=60 2>/dev/null');
  await start(daemon, id);
  await wait(daemon, id);
  const clients = Array.from({ length: 3 }, () => {
    const client = connect(daemon.socketPath);
    client.on('error', () => undefined);
    client.pause();
    client.write(`GET /containers/${id}/archive?path=/big HTTP/1.1\r\nHost: x\r\n\r\n`);
    return client;
  });
  await sleep(500);
  for (const client of clients) client.destroy();
  const answer = await daemon.api.send('DELETE', `/containers/${id}?force=1`, { timeoutMs: 8000 });
  expect(answer.status).toBe(204);
}, 30_000);
