// The monitor dies, is stopped, or the container dies behind everyone's back.
import { expect, test } from 'vitest';
import { answerClock } from '../harness/answer-clock.ts';
import { exec, inspect, monitorOf, runDetached, wait } from '../harness/containers.ts';
import { eventually, sleep, timeFactor } from '../harness/eventually.ts';
import { isAlive, processIds, pssBytes } from '../harness/ledger.ts';
import { usualMs } from '../harness/pace.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();

test('kill -9 of the monitor: the container is told as dead and goes without a trace', async () => {
  const { daemon } = fixture;
  const id = await runDetached(daemon, 'sleep 1000 & sleep 1000 & sleep 1000');
  const { Pid } = (await inspect(daemon, id)).State;
  process.kill(monitorOf(Pid), 'SIGKILL');
  await eventually('it is told as dead', async () => !(await inspect(daemon, id)).State.Running, { timeoutMs: 3000 });
  expect([137, 255]).toContain((await inspect(daemon, id)).State.ExitCode);
  expect(isAlive(Pid)).toBe(false);
  await daemon.api.delete(`/containers/${id}`);
  expect(await daemon.leftovers()).toEqual([]);
});

test('kill -9 of monitor and daemon together: the next start finds no container alive and cleans up', async () => {
  const { daemon } = fixture;
  const id = await runDetached(daemon, 'sleep 1000 & sleep 1000', {}, 'both');
  const { Pid } = (await inspect(daemon, id)).State;
  const monitor = monitorOf(Pid);
  await daemon.crash();
  process.kill(monitor, 'SIGKILL');
  await daemon.start();
  await eventually('it is told as dead', async () => !(await inspect(daemon, id)).State.Running);
  expect(isAlive(Pid)).toBe(false);
  expect((await daemon.api.send('POST', '/containers/both/start')).status).toBe(204);
  await daemon.api.delete('/containers/both?force=1');
  expect(await daemon.leftovers()).toEqual([]);
});

test('a stopped monitor blocks its container only; the API goes on', async () => {
  const { daemon } = fixture;
  const stuck = await runDetached(daemon, 'while :; do echo x; sleep 0.1; done');
  const other = await runDetached(daemon, ['sleep', '1000']);
  const monitor = monitorOf((await inspect(daemon, stuck)).State.Pid);
  process.kill(monitor, 'SIGSTOP');
  try {
    const answered = answerClock(daemon.pid).begin();
    expect((await exec(daemon, other, 'echo fine')).stdout).toBe('fine\n');
    expect((await daemon.api.send('GET', '/containers/json')).status).toBe(200);
    expect(answered()).toBeLessThan(1500 * usualMs());
  } finally {
    process.kill(monitor, 'SIGCONT');
  }
  await daemon.api.delete(`/containers/${stuck}?force=1`);
});

test('a stopped monitor, of the container or of an exec, keeps no stop and no removal waiting for long', async () => {
  const { daemon } = fixture;
  for (const whose of ['exec', 'container']) {
    const id = await runDetached(daemon, ['sleep', '1000'], {}, `stopped-${whose}`);
    const { Id } = await daemon.api.post<{ Id: string }>(`/containers/${id}/exec`, { Cmd: ['sleep', '1000'] });
    await daemon.api.post(`/exec/${Id}/start`, { Detach: true });
    const { Pid } =
      whose === 'exec' ? await daemon.api.get<{ Pid: number }>(`/exec/${Id}/json`) : (await inspect(daemon, id)).State;
    process.kill(monitorOf(Pid), 'SIGSTOP');
    const begun = Date.now();
    await daemon.api.post(`/containers/${id}/stop?t=0`);
    expect(Date.now() - begun, whose).toBeLessThan(8000 * timeFactor);
    expect((await inspect(daemon, id)).State).toMatchObject({ Running: false, ExitCode: 137 });
    await daemon.api.delete(`/containers/${id}`);
  }
  expect(daemon.log()).toContain('a monitor does not let its processes go');
  expect(await daemon.leftovers()).toEqual([]);
});

test('a container whose first process is killed from the host ends with 137', async () => {
  const { daemon } = fixture;
  const id = await runDetached(daemon, ['sleep', '1000']);
  const { Pid } = (await inspect(daemon, id)).State;
  process.kill(Pid, 'SIGKILL');
  expect(await wait(daemon, id)).toBe(137);
  expect((await inspect(daemon, id)).State.OOMKilled).toBe(false);
});

test('a monitor takes less than a megabyte', async () => {
  const { daemon } = fixture;
  const id = await runDetached(daemon, 'while :; do echo some output; sleep 0.01; done');
  await sleep(300);
  expect(pssBytes(monitorOf((await inspect(daemon, id)).State.Pid))).toBeLessThan(1 << 20);
});

test('signals that a terminal sends to the daemon’s group do not reach monitors', async () => {
  const { daemon } = fixture;
  const id = await runDetached(daemon, ['sleep', '1000']);
  const monitor = monitorOf((await inspect(daemon, id)).State.Pid);
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT'] as const) process.kill(monitor, signal);
  await sleep(100);
  expect(isAlive(monitor)).toBe(true);
  expect((await inspect(daemon, id)).State.Running).toBe(true);
  expect(processIds()).toContain(monitor);
});
