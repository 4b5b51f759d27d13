// Stopping and restarting where the obvious way would do something else.
import { expect, test } from 'vitest';
import { inspect, runDetached } from '../harness/containers.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();

test('a restart does not remove a container that removes itself', async () => {
  const { daemon } = fixture;
  const id = await runDetached(daemon, ['sleep', '1000'], { HostConfig: { AutoRemove: true } });
  const before = (await inspect(daemon, id)).State.Pid;
  expect((await daemon.api.send('POST', `/containers/${id}/restart?t=0`)).status).toBe(204);
  const after = await inspect(daemon, id);
  expect(after.State.Running).toBe(true);
  expect(after.State.Pid).not.toBe(before);
  expect((await daemon.api.send('POST', `/containers/${id}/stop?t=0`)).status).toBe(204);
  expect((await daemon.api.send('GET', `/containers/${id}/json`)).status).toBe(404);
});

test('a stop with a time of more than 24 days waits for the process', async () => {
  const { daemon } = fixture;
  const id = await runDetached(daemon, 'trap "sleep 0.5; exit 7" TERM; echo ready; while :; do sleep 0.05; done');
  expect((await daemon.api.send('POST', `/containers/${id}/stop?t=2147484`)).status).toBe(204);
  expect((await inspect(daemon, id)).State.ExitCode).toBe(7);
});
