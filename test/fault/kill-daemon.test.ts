// kill -9 of the daemon at any time: containers, execs, their output and exit codes are there when it starts again.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { startClock } from '../harness/answer-clock.ts';
import { cli } from '../harness/clis.ts';
import { create, exec, inspect, logs, runDetached, start, wait } from '../harness/containers.ts';
import { eventually, timeFactor } from '../harness/eventually.ts';
import { isAlive } from '../harness/ledger.ts';
import { hijack } from '../harness/raw-stream.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();

async function crashAndStart(downMs = 0): Promise<void> {
  await fixture.daemon.crash();
  await sleep(downMs);
  await fixture.daemon.start();
}

test('a counter loses and doubles no line over ten crashes', async () => {
  const { daemon } = fixture;
  const id = await runDetached(
    daemon,
    'i=0; while [ $i -lt 60000 ]; do echo $i; echo e$i >&2; i=$((i+1)); done; sleep 1000',
    {
      HostConfig: { LogConfig: { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '5' } } },
    },
  );
  const { Pid } = (await inspect(daemon, id)).State;
  for (let n = 0; n < 10; n++) {
    await sleep(Math.random() * 150);
    await crashAndStart(n % 3 === 0 ? 100 : 0);
    expect((await inspect(daemon, id)).State).toMatchObject({ Running: true, Pid });
  }
  await eventually(
    'all lines are written',
    async () => {
      // Each stream comes in pieces of up to a pipe's size: the last lines of the log may be of one of them alone.
      const all = await logs(daemon, id);
      return all.stdout.endsWith('\n59999\n') && all.stderr.endsWith('\ne59999\n');
    },
    { timeoutMs: 30_000, everyMs: 500 },
  );
  const { stdout, stderr } = await logs(daemon, id);
  const numbers = stdout.trim().split('\n');
  expect(numbers.length).toBe(60000);
  expect(numbers.findIndex((line, n) => line !== String(n))).toBe(-1);
  expect(
    stderr
      .trim()
      .split('\n')
      .findIndex((line, n) => line !== `e${n}`),
  ).toBe(-1);
}, 120_000);

test('lines of 70 kB and pieces without a line end come through whole', async () => {
  const { daemon } = fixture;
  const id = await runDetached(
    daemon,
    'i=0; while [ $i -lt 40 ]; do head -c 70000 /dev/zero | tr "\\0" x; echo " $i"; sleep 0.02; i=$((i+1)); done; printf end; sleep 1000',
  );
  for (let n = 0; n < 3; n++) {
    await sleep(150);
    await crashAndStart();
  }
  await eventually('the end', async () => (await logs(daemon, id, '&tail=1')).stdout.endsWith('end'), {
    timeoutMs: 20_000,
  });
  const lines = (await logs(daemon, id)).stdout.split('\n');
  expect(lines).toHaveLength(41);
  for (let n = 0; n < 40; n++) expect(lines[n]?.length).toBe(70000 + 1 + String(n).length);
}, 60_000);

test('what ends while the daemon is away has its true exit code and end time after', async () => {
  const { daemon } = fixture;
  const id = await runDetached(daemon, 'sleep 0.4; echo bye; exit 23');
  const killed = await runDetached(daemon, ['sleep', '1000']);
  const { Pid } = (await inspect(daemon, killed)).State;
  await daemon.crash();
  process.kill(Pid, 'SIGKILL');
  await sleep(700);
  await daemon.start();
  const { State } = await inspect(daemon, id);
  expect(State).toMatchObject({ Status: 'exited', ExitCode: 23, Running: false });
  expect(Date.now() - Date.parse(State.FinishedAt)).toBeGreaterThan(100);
  expect((await inspect(daemon, killed)).State).toMatchObject({ ExitCode: 137 });
  expect((await logs(daemon, id)).stdout).toBe('bye\n');
  expect(await wait(daemon, id)).toBe(23);
});

test('--rm: what ended while the daemon was away is removed at its start; what runs is removed at its end', async () => {
  const { daemon } = fixture;
  const gone = await runDetached(daemon, 'sleep 0.2', { HostConfig: { AutoRemove: true } });
  const stays = await runDetached(daemon, ['sleep', '1000'], { HostConfig: { AutoRemove: true } });
  await daemon.crash();
  await sleep(500);
  await daemon.start();
  await eventually(
    'it is removed',
    async () => (await daemon.api.send('GET', `/containers/${gone}/json`)).status === 404,
  );
  await daemon.api.post(`/containers/${stays}/kill`);
  await eventually(
    'it is removed',
    async () => (await daemon.api.send('GET', `/containers/${stays}/json`)).status === 404,
  );
  expect(await daemon.leftovers()).toEqual([]);
});

test('a container that was adopted can do everything: exec, attach, stdin, resize, pause, stop, stats, top', async () => {
  const { daemon } = fixture;
  const id = await create(daemon, 'while read line; do echo got $line; done; echo closed', {
    OpenStdin: true,
    AttachStdin: true,
  });
  const tty = await create(daemon, 'trap "stty size" WINCH; while :; do sleep 0.05; done', {
    Tty: true,
    OpenStdin: true,
  });
  await start(daemon, id);
  await start(daemon, tty);
  const before = await hijack(daemon.socketPath, `/containers/${id}/attach?stream=1&stdin=1&stdout=1`);
  before.stream.write('one\n');
  await before.stream.until('the first answer', (s) => s.of(1) === 'got one\n');
  await crashAndStart();
  const after = await hijack(daemon.socketPath, `/containers/${id}/attach?stream=1&stdin=1&stdout=1&logs=1`);
  after.stream.write('two\n');
  await after.stream.until('the second answer', (s) => s.of(1) === 'got one\ngot two\n');
  expect((await exec(daemon, id, 'echo exec')).stdout).toBe('exec\n');
  const attached = await hijack(daemon.socketPath, `/containers/${tty}/attach?stream=1&stdin=1&stdout=1`);
  expect((await daemon.api.send('POST', `/containers/${tty}/resize?h=17&w=71`)).status).toBe(200);
  await attached.stream.until('the size', (s) => s.text.includes('17 71'));
  expect((await daemon.api.send('POST', `/containers/${id}/pause`)).status).toBe(204);
  await crashAndStart();
  expect((await inspect(daemon, id)).State).toMatchObject({ Paused: true, Running: true });
  expect((await daemon.api.send('POST', `/containers/${id}/unpause`)).status).toBe(204);
  expect((await daemon.api.send('GET', `/containers/${id}/stats?stream=0&one-shot=1`)).status).toBe(200);
  expect((await daemon.api.send('GET', `/containers/${id}/top`)).status).toBe(200);
  expect((await daemon.api.send('POST', `/containers/${id}/stop?t=1`)).status).toBe(204);
  expect((await inspect(daemon, id)).State.Running).toBe(false);
});

test('an exec lives on, and its exit code is there after', async () => {
  const { daemon } = fixture;
  const id = await runDetached(daemon, ['sleep', '1000']);
  const { Id } = await daemon.api.post<{ Id: string }>(`/containers/${id}/exec`, {
    AttachStdout: true,
    Cmd: ['sh', '-c', 'sleep 0.6; touch /done; exit 19'],
  });
  const { stream } = await hijack(daemon.socketPath, `/exec/${Id}/start`, { body: { Detach: false } });
  await sleep(100);
  await crashAndStart();
  stream.close();
  await eventually('it is done', async () => (await exec(daemon, id, 'ls /done')).code === 0);
  await eventually('its status', async () => {
    const state = await daemon.api.get<{ Running: boolean; ExitCode: number | null }>(`/exec/${Id}/json`);
    return !state.Running && state.ExitCode === 19;
  });
});

test('logs -f, attach and wait of a client that reconnects work on', async () => {
  const { daemon } = fixture;
  const id = await runDetached(daemon, 'i=0; while [ $i -lt 30 ]; do echo $i; sleep 0.05; i=$((i+1)); done; exit 21');
  const lost = cli(daemon, 'tsdocker', ['wait', id]);
  await sleep(200);
  await daemon.crash();
  expect((await lost).code).not.toBe(0);
  await daemon.start();
  const following = daemon.api.send('GET', `/containers/${id}/logs?stdout=1&follow=1`);
  expect(await wait(daemon, id)).toBe(21);
  const frames = (await following).text.replaceAll(/[^\d\n]/g, '');
  expect(frames.trim().split('\n').map(Number)).toEqual(Array.from({ length: 30 }, (_, n) => n));
});

test('twenty crashes in the middle of creates, starts and removes: each container is whole or gone, names are free', async () => {
  const { daemon } = fixture;
  for (let n = 0; n < 20; n++) {
    const work = Promise.allSettled(
      Array.from({ length: 6 }, async (_, k) => {
        const made = await daemon.api.post<{ Id: string }>(`/containers/create?name=w${k}`, {
          Image: 'busybox',
          Cmd: ['sh', '-c', 'echo x; sleep 0.05; exit 3'],
        });
        await daemon.api.send('POST', `/containers/${made.Id}/start`);
        await daemon.api.send('POST', `/containers/${made.Id}/wait`);
        await daemon.api.send('DELETE', `/containers/${made.Id}?force=1`);
      }),
    );
    await sleep(Math.random() * 60);
    await daemon.crash();
    await work;
    await daemon.start();
    const left = await daemon.api.get<{ Id: string; Names: string[]; State: string }[]>('/containers/json?all=1');
    for (const { Id } of left) {
      expect((await inspect(daemon, Id)).Id).toBe(Id);
      expect((await daemon.api.send('DELETE', `/containers/${Id}?force=1`)).status).toBe(204);
    }
    for (let k = 0; k < 6; k++) {
      const again = await daemon.api.send('POST', `/containers/create?name=w${k}`, {
        body: { Image: 'busybox', Cmd: ['true'] },
      });
      expect(again.status, again.text).toBe(201);
      await daemon.api.delete(`/containers/w${k}`);
    }
    expect(await daemon.leftovers()).toEqual([]);
  }
}, 180_000);

test('starting again with fifty running containers takes less than two seconds', async () => {
  const { daemon } = fixture;
  const ids = await Promise.all(Array.from({ length: 50 }, () => runDetached(daemon, ['sleep', '1000'])));
  await daemon.crash();
  const started = startClock();
  await daemon.start();
  expect(started(daemon.pid)).toBeLessThan(2500 * timeFactor);
  const listed = await daemon.api.get<unknown[]>('/containers/json');
  expect(listed).toHaveLength(50);
  const { Pid } = (await inspect(daemon, ids[0] ?? '')).State;
  expect(isAlive(Pid)).toBe(true);
}, 60_000);
