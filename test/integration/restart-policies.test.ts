import { expect, test } from 'vitest';
import { inspect, logs, runDetached, wait } from '../harness/containers.ts';
import { eventually, sleep } from '../harness/eventually.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();
const policy = (Name: string, MaximumRetryCount = 0) => ({
  HostConfig: { RestartPolicy: { Name, MaximumRetryCount } },
});

test('on-failure:2 tries twice more, with a growing pause, and keeps the last exit code', async () => {
  const { daemon } = fixture;
  const before = Date.now();
  const id = await runDetached(daemon, 'echo try; exit 6', policy('on-failure', 2));
  await eventually('it has given up', async () => (await inspect(daemon, id)).State.Status === 'exited');
  expect(Date.now() - before).toBeGreaterThan(280);
  const { State, RestartCount } = await inspect(daemon, id);
  expect(State.ExitCode).toBe(6);
  expect(RestartCount).toBe(2);
  expect((await logs(daemon, id)).stdout).toBe('try\ntry\ntry\n');
});

test('on-failure leaves a success alone', async () => {
  const { daemon } = fixture;
  const id = await runDetached(daemon, 'exit 0', policy('on-failure', 5));
  expect(await wait(daemon, id)).toBe(0);
  await sleep(300);
  expect(await inspect(daemon, id)).toMatchObject({ RestartCount: 0, State: { Status: 'exited' } });
});

test('always starts again after a crash, not after stop, and again with the daemon', async () => {
  const { daemon } = fixture;
  const id = await runDetached(daemon, ['sleep', '1000'], {
    HostConfig: { Init: true, RestartPolicy: { Name: 'always' } },
  });
  const first = (await inspect(daemon, id)).State.Pid;
  process.kill(first, 'SIGKILL');
  await eventually('a new process', async () => {
    const { Pid } = (await inspect(daemon, id)).State;
    return Pid > 0 && Pid !== first;
  });
  await daemon.api.post(`/containers/${id}/stop?t=1`);
  await sleep(400);
  expect((await inspect(daemon, id)).State.Running).toBe(false);
  await daemon.restart();
  await eventually('it runs with the daemon', async () => (await inspect(daemon, id)).State.Running);
  const stays = await runDetached(daemon, ['sleep', '1000'], {
    HostConfig: { Init: true, RestartPolicy: { Name: 'unless-stopped' } },
  });
  await daemon.api.post(`/containers/${stays}/stop?t=1`);
  await daemon.restart();
  await sleep(300);
  expect((await inspect(daemon, stays)).State.Running).toBe(false);
});

test('one that crashes at once waits longer and longer, costs little, and can be removed meanwhile', async () => {
  const { daemon } = fixture;
  const id = await runDetached(daemon, 'exit 1', policy('always'));
  await sleep(1200);
  const { RestartCount, State } = await inspect(daemon, id);
  expect(RestartCount).toBeGreaterThanOrEqual(2);
  expect(RestartCount).toBeLessThanOrEqual(5);
  expect(['restarting', 'running', 'exited']).toContain(State.Status);
  expect((await daemon.api.send('DELETE', `/containers/${id}?force=1`)).status).toBe(204);
  await sleep(1000);
  expect((await daemon.api.send('GET', `/containers/${id}/json`)).status).toBe(404);
  expect(await daemon.leftovers()).toEqual([]);
});
