// Containers against the files that both they and the engine write.
import { expect, test } from 'vitest';
import { exec, inspect, logs, runDetached } from '../harness/containers.ts';
import { eventually, sleep, timeFactor } from '../harness/eventually.ts';
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

test('leases on its files let a container delay nobody: they are passed over, and told where they matter', async () => {
  const { daemon } = fixture;
  await createNetwork(daemon, 'leased', { subnet: '172.28.8.0/24' });
  const files = ['/etc/passwd', '/etc/group', '/etc/hosts', '/etc/resolv.conf', '/etc/hostname'];
  const id = await runDetached(daemon, ['/bin/probe', 'lease', ...files], {}, 'leases');
  await eventually('it has them', async () => (await logs(daemon, id)).stdout.includes('leased'));
  const other = await runDetached(daemon, ['sleep', '1000'], {});
  const pings: number[] = [];
  const stop = new AbortController();
  const pinging = (async () => {
    for (; !stop.signal.aborted; await sleep(20)) {
      const begun = performance.now();
      await daemon.api.send('GET', '/_ping');
      pings.push(performance.now() - begun);
    }
  })();
  const within = async <T>(what: string, work: Promise<T>): Promise<T> => {
    const begun = performance.now();
    const result = await work;
    expect(performance.now() - begun, what).toBeLessThan(5000 * timeFactor);
    return result;
  };
  try {
    expect((await within('exec', exec(daemon, id, 'echo fine', { User: '0' }))).stdout).toBe('fine\n');
    const named = await within(
      'exec by name',
      daemon.api.send('POST', `/containers/${id}/exec`, { body: { Cmd: ['true'], User: 'nobody' } }),
    );
    expect(named).toMatchObject({
      status: 400,
      json: { message: expect.stringContaining('a process has a lease on') },
    });
    await within('connect', daemon.api.post('/networks/leased/connect', { Container: id }));
    await within('disconnect', daemon.api.post('/networks/leased/disconnect', { Container: id }));
    expect(daemon.log()).toContain('one of its processes has a lease on it');
    for (const path of [`/containers/${id}/export`, `/containers/${id}/archive?path=/etc/passwd`]) {
      const answer = await within(
        path,
        daemon.api.send('GET', path).catch((error: unknown) => String(error)),
      );
      const text = typeof answer === 'string' ? answer : answer.status === 200 ? 'cut off' : answer.text;
      expect(text, path).toMatch(/has a lease on it|cut off|aborted|ECONNRESET|socket hang up/);
    }
    // The next run has files of its own again, though the last one may not be quite gone.
    await within('restart', daemon.api.post(`/containers/${id}/restart?t=0`));
    expect((await exec(daemon, other, 'echo fine')).stdout).toBe('fine\n');
  } finally {
    stop.abort();
    await pinging;
  }
  expect(Math.max(...pings)).toBeLessThan(2000 * timeFactor);
  await daemon.api.delete(`/containers/${id}?force=1`);
  await daemon.api.delete('/networks/leased');
});
