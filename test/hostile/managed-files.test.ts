// Containers against the files that both they and the engine write.
import { expect, test } from 'vitest';
import { exec, inspect, runDetached } from '../harness/containers.ts';
import { createNetwork } from '../harness/hosts.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();

test('a hosts file that its container has made huge is left as it is', async () => {
  const { daemon } = fixture;
  await createNetwork(daemon, 'late', { subnet: '172.28.7.0/24' });
  await runDetached(daemon, ['sleep', '1000'], {}, 'huge');
  await exec(daemon, 'huge', 'yes "" | head -c 2000000 > /etc/hosts');
  await daemon.api.post('/networks/late/connect', { Container: 'huge' });
  expect((await exec(daemon, 'huge', 'wc -c < /etc/hosts')).stdout.trim()).toBe('2000000');
  await daemon.api.post('/networks/late/disconnect', { Container: 'huge' });
  expect((await daemon.api.send('GET', '/_ping')).status).toBe(200);
});

test('what a container can fill is on the disk of its layers, not in the memory of the host', async () => {
  const { daemon } = fixture;
  await runDetached(daemon, ['sleep', '1000'], {}, 'files');
  const { HostsPath, HostnamePath, ResolvConfPath } = await inspect(daemon, 'files');
  for (const path of [HostsPath, HostnamePath, ResolvConfPath])
    expect(path.startsWith(`${daemon.dataRoot}/`)).toBe(true);
});
