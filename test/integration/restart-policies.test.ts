import { rmSync } from 'node:fs';
import { expect, test } from 'vitest';
import { inspect, logs, runDetached, wait } from '../harness/containers.ts';
import { eventually, sleep } from '../harness/eventually.ts';
import { processTraces } from '../harness/ledger.ts';
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

test('one that the daemon started again after a stop is watched over as before', async () => {
  const { daemon } = fixture;
  const id = await runDetached(daemon, ['sleep', '1000'], {
    HostConfig: { Init: true, ...policy('always').HostConfig },
  });
  await daemon.api.post(`/containers/${id}/stop?t=1`);
  await daemon.restart();
  const pid = await eventually(
    'it runs with the daemon',
    async () => (await inspect(daemon, id)).State.Pid || undefined,
  );
  process.kill(pid, 'SIGKILL');
  await eventually('a new process', async () => {
    const { Pid } = (await inspect(daemon, id)).State;
    return Pid > 0 && Pid !== pid;
  });
});

test('a stop that comes while a restart is due or under way is the end of it', async () => {
  const { daemon } = fixture;
  for (let n = 0; n < 6; n++) {
    const id = await runDetached(daemon, 'exit 1', policy('always'));
    await sleep(n * 25);
    const { status } = await daemon.api.send('POST', `/containers/${id}/stop?t=0`);
    expect([204, 304]).toContain(status);
    await sleep(150);
    if (status === 204) expect((await inspect(daemon, id)).State.Status).toBe('exited');
    await daemon.api.delete(`/containers/${id}?force=1`);
  }
});

/** What a reboot leaves: the data root, and the run directory when that is on a disk. No process, no exit record of what ran. */
async function reboot(keepsRunDirectory: boolean): Promise<void> {
  const { daemon } = fixture;
  await daemon.crash();
  const place = { dir: daemon.dir, cgroupParent: daemon.cgroupParent };
  await eventually('nothing runs', () => {
    const pids = processTraces(place).map((line) => Number(/^process (\d+)/.exec(line)?.[1]));
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It went with its monitor.
      }
    }
    return pids.length === 0;
  });
  if (!keepsRunDirectory) rmSync(daemon.execRoot, { recursive: true, force: true });
  await daemon.start();
}

test.each([
  ['emptied', false],
  ['kept', true],
])('after a reboot (the run directory is %s) the policies say what runs', async (_, keepsRunDirectory) => {
  const { daemon } = fixture;
  const make = (name: string, retries = 0) =>
    runDetached(daemon, ['sleep', '1000'], { HostConfig: { Init: true, ...policy(name, retries).HostConfig } });
  const ran = {
    no: await make('no'),
    always: await make('always'),
    unless: await make('unless-stopped'),
    fails: await make('on-failure', 3),
  };
  const stopped = { always: await make('always'), unless: await make('unless-stopped') };
  for (const id of Object.values(stopped)) await daemon.api.post(`/containers/${id}/stop?t=1`);
  const failed = await runDetached(daemon, 'exit 3', policy('on-failure', 1));
  await eventually('it has given up', async () => (await inspect(daemon, failed)).State.Status === 'exited');

  await reboot(keepsRunDirectory);
  for (const id of [ran.always, ran.unless, ran.fails, stopped.always]) {
    await eventually('it runs again', async () => (await inspect(daemon, id)).State.Status === 'running');
  }
  expect((await inspect(daemon, ran.no)).State).toMatchObject({ Status: 'exited', ExitCode: 255 });
  expect((await inspect(daemon, stopped.unless)).State.Status).toBe('exited');
  expect((await inspect(daemon, failed)).State).toMatchObject({ Status: 'exited', ExitCode: 3 });
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
