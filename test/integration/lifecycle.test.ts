import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { create, exec, inspect, logs, remove, run, runDetached, start, wait } from '../harness/containers.ts';
import { eventually, sleep } from '../harness/eventually.ts';
import { isAlive } from '../harness/ledger.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();

function status(method: string, path: string, body?: unknown): Promise<number> {
  return fixture.daemon.api.send(method, path, body === undefined ? {} : { body }).then((answer) => answer.status);
}

describe('a container from create to rm', () => {
  test('runs its command, keeps its output and exit code, and goes without a trace', async () => {
    const { daemon } = fixture;
    const id = await create(daemon, 'echo out; echo err >&2; exit 7');
    expect(id).toMatch(/^[0-9a-f]{64}$/);
    const created = await inspect(daemon, id);
    expect(created.State).toMatchObject({ Status: 'created', Running: false, Pid: 0, ExitCode: 0 });
    expect(created.State.StartedAt).toBe('0001-01-01T00:00:00Z');
    await start(daemon, id);
    expect(await wait(daemon, id)).toBe(7);
    expect(await logs(daemon, id)).toEqual({ stdout: 'out\n', stderr: 'err\n' });
    const ended = await inspect(daemon, id);
    expect(ended.State).toMatchObject({
      Status: 'exited',
      Running: false,
      Pid: 0,
      ExitCode: 7,
      OOMKilled: false,
      Error: '',
    });
    expect(Date.parse(ended.State.FinishedAt)).toBeGreaterThanOrEqual(Date.parse(ended.State.StartedAt));
    await daemon.api.delete(`/containers/${id}`);
    expect(await status('GET', `/containers/${id}/json`)).toBe(404);
    expect(await daemon.leftovers()).toEqual([]);
  });

  test('starts again after it has ended, with the same files and a longer log', async () => {
    const { daemon } = fixture;
    const id = await create(daemon, 'echo x >> /count; wc -l < /count');
    for (const expected of ['1\n', '1\n2\n', '1\n2\n3\n']) {
      await start(daemon, id);
      await wait(daemon, id);
      expect((await logs(daemon, id)).stdout).toBe(expected);
    }
  });

  test('is found by id, unique prefix and name; the full id wins over a name', async () => {
    const { daemon } = fixture;
    const id = await create(daemon, 'true', {}, 'found');
    for (const ref of [id, id.slice(0, 12), id.slice(0, 20), 'found', '/found']) {
      expect((await inspect(daemon, encodeURIComponent(ref))).Id).toBe(id);
    }
    expect((await inspect(daemon, id)).Name).toBe('/found');
  });

  test('an ambiguous prefix is refused and nothing is deleted', async () => {
    const { daemon } = fixture;
    const byFirstLetter = new Map<string, number>();
    for (let n = 0; n < 17; n++) {
      const id = await create(daemon, 'true');
      byFirstLetter.set(id.slice(0, 1), (byFirstLetter.get(id.slice(0, 1)) ?? 0) + 1);
    }
    const shared = [...byFirstLetter].find(([, count]) => count > 1)?.[0] ?? '';
    const answer = await daemon.api.send('DELETE', `/containers/${shared}?force=1`);
    expect([400, 404]).toContain(answer.status);
    expect(answer.text).toContain('multiple IDs found with provided prefix');
    expect(await daemon.api.get<unknown[]>('/containers/json?all=1')).toHaveLength(17);
  });

  test('a generated name is an adjective and a noun', async () => {
    const { daemon } = fixture;
    const id = await create(daemon, 'true');
    expect((await inspect(daemon, id)).Name).toMatch(/^\/[a-z]+_[a-z]+\d*$/);
  });

  test('a name is taken once, is free after rm, and can be changed', async () => {
    const { daemon } = fixture;
    const first = await create(daemon, 'true', {}, 'taken');
    const again = await daemon.api.send('POST', '/containers/create?name=taken', { body: { Image: 'busybox' } });
    expect(again.status).toBe(409);
    expect(again.text).toContain(`The container name \\"/taken\\" is already in use by container \\"${first}\\"`);
    expect(await status('POST', `/containers/${first}/rename?name=other`)).toBe(204);
    const second = await create(daemon, 'true', {}, 'taken');
    expect(await status('POST', `/containers/${second}/rename?name=other`)).toBe(409);
    await remove(daemon, second);
    await create(daemon, 'true', {}, 'taken');
  });

  test('AutoRemove removes it at its end and wakes those who wait for that', async () => {
    const { daemon } = fixture;
    const id = await create(daemon, 'exit 3', { HostConfig: { AutoRemove: true } });
    const removed = wait(daemon, id, 'removed');
    await sleep(50);
    await start(daemon, id);
    expect(await removed).toBe(3);
    expect(await status('GET', `/containers/${id}/json`)).toBe(404);
    expect(await daemon.leftovers()).toEqual([]);
  });
});

describe('states', () => {
  test('a second start and a second stop are 304; removing a running one is refused', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, ['sleep', '1000'], { HostConfig: { Init: true } });
    expect(await status('POST', `/containers/${id}/start`)).toBe(304);
    const refused = await daemon.api.send('DELETE', `/containers/${id}`);
    expect(refused.status).toBe(409);
    expect(refused.text).toMatch(/container is running: stop the container before removing or force remove/);
    expect(await status('POST', `/containers/${id}/stop?t=5`)).toBe(204);
    expect(await status('POST', `/containers/${id}/stop`)).toBe(304);
    expect((await inspect(daemon, id)).State.ExitCode).toBe(143);
    expect(await status('POST', `/containers/${id}/kill`)).toBe(409);
  });

  test('stop asks first and kills after its time; a paused container is stopped too', async () => {
    const { daemon } = fixture;
    const deaf = await runDetached(daemon, "trap '' TERM; while :; do sleep 0.05; done");
    await sleep(100);
    const before = Date.now();
    expect(await status('POST', `/containers/${deaf}/stop?t=1`)).toBe(204);
    expect(Date.now() - before).toBeGreaterThan(900);
    expect(Date.now() - before).toBeLessThan(3000);
    expect((await inspect(daemon, deaf)).State.ExitCode).toBe(137);

    const paused = await runDetached(daemon, ['sleep', '1000'], { HostConfig: { Init: true } });
    await daemon.api.post(`/containers/${paused}/pause`);
    expect(await status('POST', `/containers/${paused}/stop?t=1`)).toBe(204);
    expect((await inspect(daemon, paused)).State.Running).toBe(false);
  });

  test('StopSignal and StopTimeout of the container are used', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, "trap 'exit 44' USR1; while :; do sleep 0.05; done", {
      StopSignal: 'SIGUSR1',
      StopTimeout: 20,
    });
    await sleep(100);
    expect(await status('POST', `/containers/${id}/stop`)).toBe(204);
    expect((await inspect(daemon, id)).State.ExitCode).toBe(44);
  });

  test('kill sends any signal by name or number', async () => {
    const { daemon } = fixture;
    for (const [signal, code] of [
      ['SIGUSR1', 11],
      ['USR2', 12],
      ['10', 11],
      ['SIGKILL', 137],
    ] as const) {
      const id = await runDetached(
        daemon,
        "trap 'exit 11' USR1; trap 'exit 12' USR2; echo up; while :; do sleep 0.02; done",
      );
      await eventually('the traps are set', async () => (await logs(daemon, id)).stdout === 'up\n');
      expect(await status('POST', `/containers/${id}/kill?signal=${signal}`)).toBe(204);
      expect(await wait(daemon, id)).toBe(code);
    }
    const id = await runDetached(daemon, ['sleep', '1000']);
    expect(await status('POST', `/containers/${id}/kill?signal=NOPE`)).toBe(400);
  });

  test('pause stops every process and unpause lets them go on', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, 'i=0; while :; do i=$((i+1)); echo $i > /n; sleep 0.01; done');
    await sleep(100);
    expect(await status('POST', `/containers/${id}/pause`)).toBe(204);
    expect((await inspect(daemon, id)).State).toMatchObject({ Status: 'paused', Paused: true, Running: true });
    expect(await status('POST', `/containers/${id}/pause`)).toBe(409);
    const refused = await daemon.api.send('POST', `/containers/${id}/exec`, { body: { Cmd: ['true'] } });
    expect(refused.status).toBe(409);
    expect(refused.text).toContain('is paused, unpause the container before exec');
    const pid = (await inspect(daemon, id)).State.Pid;
    const readCounter = () => readFileSync(`/proc/${pid}/root/n`, 'utf8');
    const first = readCounter();
    await sleep(150);
    expect(readCounter()).toBe(first);
    expect(await status('POST', `/containers/${id}/unpause`)).toBe(204);
    expect(await status('POST', `/containers/${id}/unpause`)).toBe(409);
    await eventually('it goes on', () => readCounter() !== first);
  });

  test('restart gives a new process, also to one that has ended', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, ['sleep', '1000'], { HostConfig: { Init: true } });
    const before = (await inspect(daemon, id)).State.Pid;
    expect(await status('POST', `/containers/${id}/restart?t=2`)).toBe(204);
    const after = (await inspect(daemon, id)).State.Pid;
    expect(after).not.toBe(before);
    expect(isAlive(before)).toBe(false);
    await daemon.api.post(`/containers/${id}/kill`);
    await wait(daemon, id);
    expect(await status('POST', `/containers/${id}/restart`)).toBe(204);
    expect((await inspect(daemon, id)).State.Running).toBe(true);
  });

  test('force removes a running and a paused container with every process it has', async () => {
    const { daemon } = fixture;
    for (const isPaused of [false, true]) {
      const id = await runDetached(daemon, 'sleep 1000 & sleep 1000 & setsid sleep 1000 & sleep 1000');
      await sleep(50);
      const top = await daemon.api.get<{ Processes: string[][]; Titles: string[] }>(`/containers/${id}/top`);
      const column = top.Titles.indexOf('PID');
      const pids = top.Processes.map((row) => Number(row[column]));
      expect(pids.length).toBe(4);
      if (isPaused) await daemon.api.post(`/containers/${id}/pause`);
      await remove(daemon, id);
      expect(pids.filter(isAlive)).toEqual([]);
    }
    expect(await daemon.leftovers()).toEqual([]);
  });

  test('wait: not-running answers at once for one that ended; next-exit and removed wait', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, 'exit 5');
    expect(await wait(daemon, id)).toBe(5);
    expect(await wait(daemon, id)).toBe(5);
    const next = wait(daemon, id, 'next-exit');
    await sleep(80);
    await start(daemon, id);
    expect(await next).toBe(5);
    const removed = wait(daemon, id, 'removed');
    await sleep(50);
    await remove(daemon, id);
    expect(await removed).toBe(5);
    const bad = await daemon.api.send('POST', `/containers/${await create(daemon, 'true')}/wait?condition=maybe`);
    expect(bad.status).toBe(400);
  });
});

describe('lists and changes', () => {
  test('ps tells the state, the command and the age, and filters', async () => {
    const { daemon } = fixture;
    const running = await runDetached(daemon, ['sleep', '1000'], { Labels: { a: '1', b: 'x' } }, 'runs');
    const ended = await runDetached(daemon, 'exit 2', { Labels: { a: '2' } }, 'ended');
    await wait(daemon, ended);
    await create(daemon, 'true', {}, 'created');
    const names = async (query: string) => {
      const list = await daemon.api.get<{ Names: string[] }[]>(`/containers/json?${query}`);
      return list.map((c) => c.Names[0]).sort();
    };
    const filter = (filters: Record<string, string[]>) =>
      `all=1&filters=${encodeURIComponent(JSON.stringify(filters))}`;
    expect(await names('')).toEqual(['/runs']);
    expect(await names('all=1')).toEqual(['/created', '/ended', '/runs']);
    expect(await names('limit=2')).toHaveLength(2);
    expect(await names(filter({ status: ['exited'] }))).toEqual(['/ended']);
    expect(await names(filter({ exited: ['2'] }))).toEqual(['/ended']);
    expect(await names(filter({ label: ['a'] }))).toEqual(['/ended', '/runs']);
    expect(await names(filter({ label: ['a=1', 'b=x'] }))).toEqual(['/runs']);
    expect(await names(filter({ name: ['^/en'] }))).toEqual(['/ended']);
    expect(await names(filter({ id: [running.slice(0, 12)] }))).toEqual(['/runs']);
    expect(await names(filter({ ancestor: ['busybox'] }))).toHaveLength(3);
    expect(await names(filter({ network: ['none'] }))).toEqual([]);
    expect(await status('GET', `/containers/json?${filter({ nonsense: ['1'] })}`)).toBe(400);
    const [one] = await daemon.api.get<Record<string, unknown>[]>('/containers/json');
    expect(one).toMatchObject({ Id: running, Image: 'busybox', Command: 'sleep 1000', State: 'running' });
    expect(one?.Status).toMatch(/^Up (Less than a second|\d+ seconds?)/);
  });

  test('prune removes what has ended and tells what it freed', async () => {
    const { daemon } = fixture;
    await runDetached(daemon, ['sleep', '1000'], {}, 'stays');
    const ended = await runDetached(daemon, 'head -c 100000 /dev/zero > /file');
    await wait(daemon, ended);
    const pruned = await daemon.api.post<{ ContainersDeleted: string[]; SpaceReclaimed: number }>('/containers/prune');
    expect(pruned.ContainersDeleted).toEqual([ended]);
    expect(pruned.SpaceReclaimed).toBeGreaterThanOrEqual(100000);
    expect(await daemon.api.get<unknown[]>('/containers/json?all=1')).toHaveLength(1);
  });
});

describe('the end of the first process', () => {
  test('ends the container though its children hold the output open', async () => {
    const { daemon } = fixture;
    const before = Date.now();
    const result = await run(daemon, 'sleep 30 & echo done');
    expect(result).toMatchObject({ code: 0, stdout: 'done\n' });
    expect(Date.now() - before).toBeLessThan(5000);
    expect(await daemon.leftovers()).toEqual([]);
  });

  test.each([
    // Process 1 of a pid namespace does not die by a signal from inside that it has not asked for.
    ['kill -9 $$; exit 4', 4],
    ['kill -TERM $$; exit 5', 5],
    ['exit 255', 255],
    ['exec /bin/false', 1],
  ])('%s gives %i', async (script, code) => {
    expect((await run(fixture.daemon, script)).code).toBe(code);
  });

  test('with --init a signal death is told as 128 + signal, and orphans are reaped', async () => {
    const { daemon } = fixture;
    expect((await run(daemon, 'kill -9 $$', { HostConfig: { Init: true } })).code).toBe(137);
    expect((await run(daemon, 'exit 9', { HostConfig: { Init: true } })).code).toBe(9);
    const id = await runDetached(daemon, 'sh -c "sleep 0.1 & exit 0"; sleep 1000', { HostConfig: { Init: true } });
    await sleep(400);
    const { stdout } = await exec(daemon, id, 'ps -o pid,stat,comm; cat /proc/1/comm');
    expect(stdout).not.toMatch(/\bZ\b/);
    expect(stdout).toContain('\n    1 ');
    expect(stdout.trim().split('\n').at(-1)).not.toBe('sh');
  });
});
