import { request } from 'node:http';
import { describe, expect, test } from 'vitest';
import { create, exec, runDetached, start, wait } from '../harness/containers.ts';
import { eventually, sleep } from '../harness/eventually.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();

interface Event {
  Type: string;
  Action: string;
  Actor: { ID: string; Attributes: Record<string, string> };
  time: number;
  timeNano: number;
  scope: string;
}

const now = () => (Date.now() / 1000).toFixed(3);

async function events(query: string): Promise<Event[]> {
  const answer = await fixture.daemon.api.send('GET', `/events?${query}`);
  expect(answer.status).toBe(200);
  return answer.text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Event);
}

describe('what the daemon says of itself', () => {
  test('_ping, version, info', async () => {
    const { daemon } = fixture;
    const ping = await daemon.api.send('GET', '/_ping');
    expect(ping.text).toBe('OK');
    expect(ping.headers).toMatchObject({
      'api-version': '1.51',
      ostype: 'linux',
      'docker-experimental': 'false',
      'builder-version': '1',
    });
    expect((await daemon.api.send('HEAD', '/_ping')).body).toHaveLength(0);
    const version = await daemon.api.get<{
      ApiVersion: string;
      MinAPIVersion: string;
      Components: unknown[];
      Os: string;
    }>('/version');
    expect(version).toMatchObject({ ApiVersion: '1.51', MinAPIVersion: '1.24', Os: 'linux' });
    expect(version.Components.length).toBeGreaterThan(0);
    const id = await runDetached(daemon, ['sleep', '1000']);
    const info = await daemon.api.get<Record<string, unknown>>('/info');
    expect(info).toMatchObject({
      Containers: 1,
      ContainersRunning: 1,
      Driver: 'overlay2',
      CgroupDriver: 'cgroupfs',
      OSType: 'linux',
      DockerRootDir: daemon.dataRoot,
      Swarm: expect.objectContaining({ LocalNodeState: 'inactive' }),
    });
    expect(info.NCPU).toBeGreaterThan(0);
    expect(info.MemTotal).toBeGreaterThan(1 << 28);
    for (const list of ['SecurityOptions', 'Warnings'])
      if (info[list] !== null) expect(Array.isArray(info[list])).toBe(true);
    expect(JSON.stringify(info.SecurityOptions)).toContain('seccomp');
    await daemon.api.delete(`/containers/${id}?force=1`);
  });

  test('versions of the API: in the path, too new, too old', async () => {
    const { api } = fixture.daemon;
    for (const path of [
      '/containers/json',
      '/v1.24/containers/json',
      '/v1.41/containers/json',
      '/v1.51/containers/json',
    ]) {
      expect((await api.send('GET', path)).status, path).toBe(200);
    }
    const tooNew = await api.send('GET', '/v1.99/containers/json');
    expect(tooNew.status).toBe(400);
    expect(tooNew.text).toContain('client version 1.99 is too new. Maximum supported API version is 1.51');
    const tooOld = await api.send('GET', '/v1.12/containers/json');
    expect(tooOld.status).toBe(400);
    expect(tooOld.text).toContain('client version 1.12 is too old. Minimum supported API version is 1.24');
  });

  test('what is not there: 404, swarm is 503, plugins are none', async () => {
    const { api } = fixture.daemon;
    const missing = await api.send('GET', '/nosuch');
    expect(missing.status).toBe(404);
    expect(missing.json).toEqual({ message: 'page not found' });
    expect(missing.headers['content-type']).toBe('application/json');
    expect((await api.send('GET', '/services')).status).toBe(503);
    expect((await api.send('GET', '/plugins')).json).toEqual([]);
    expect((await api.send('GET', '/networks')).status).toBe(200);
  });

  test('the API describes itself', async () => {
    const doc = await fixture.daemon.api.get<{ openapi: string; paths: Record<string, unknown> }>('/openapi.json');
    expect(doc.openapi).toMatch(/^3\./);
    for (const path of ['/containers/create', '/containers/{id}/start', '/images/json', '/_ping', '/exec/{id}/start']) {
      expect(Object.keys(doc.paths), path).toContain(path);
    }
  });

  test('system df counts images and containers', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, 'head -c 300000 /dev/zero > /f');
    await wait(daemon, id);
    const df = await daemon.api.get<{
      LayersSize: number;
      Images: { Size: number }[];
      Containers: { SizeRw: number }[];
      Volumes: unknown[];
      BuildCache: unknown[];
    }>('/system/df');
    expect(df.LayersSize).toBeGreaterThan(1 << 20);
    expect(df.Containers[0]?.SizeRw).toBeGreaterThanOrEqual(300000);
    expect(df.Volumes).toEqual([]);
    expect(df.BuildCache).toEqual([]);
  });
});

describe('events', () => {
  test('tell a life in Docker’s order, with labels and the exit code', async () => {
    const { daemon } = fixture;
    const since = now();
    const id = await create(daemon, 'exit 3', { Labels: { color: 'red' }, HostConfig: { AutoRemove: true } }, 'told');
    const removed = wait(daemon, id, 'removed');
    await start(daemon, id);
    await removed;
    const seen = (await events(`since=${since}&until=${Number(now()) + 0.2}`)).filter((event) => event.Actor.ID === id);
    const actions = seen.filter((event) => event.Type === 'container').map((event) => event.Action);
    expect(actions).toEqual(['create', 'start', 'die', 'destroy']);
    const die = seen.find((event) => event.Action === 'die');
    expect(die?.Actor.Attributes).toMatchObject({ exitCode: '3', name: 'told', image: 'busybox', color: 'red' });
    expect(die?.scope).toBe('local');
    expect(Math.floor((die?.timeNano ?? 0) / 1e9)).toBe(die?.time);
  });

  test('stop is kill, die, stop; filters choose', async () => {
    const { daemon } = fixture;
    const since = now();
    const id = await runDetached(daemon, ['sleep', '1000'], { HostConfig: { Init: true } });
    const other = await runDetached(daemon, ['sleep', '1000']);
    await daemon.api.post(`/containers/${id}/stop`);
    await daemon.api.delete(`/containers/${other}?force=1`);
    const until = Number(now()) + 0.2;
    const filter = (filters: Record<string, string[]>) =>
      `since=${since}&until=${until}&filters=${encodeURIComponent(JSON.stringify(filters))}`;
    const mine = await events(filter({ container: [id], type: ['container'] }));
    expect(mine.map((event) => event.Action)).toEqual(['create', 'start', 'kill', 'die', 'stop']);
    expect(mine[2]?.Actor.Attributes.signal).toBe('15');
    const dies = await events(filter({ event: ['die', 'destroy'] }));
    expect(dies.map((event) => `${event.Action}:${event.Actor.ID}`).sort()).toEqual(
      [`destroy:${other}`, `die:${id}`, `die:${other}`].sort(),
    );
  });

  test('come as they happen, and a client that leaves costs nothing', async () => {
    const { daemon } = fixture;
    let text = '';
    const req = request(
      { socketPath: daemon.socketPath, path: '/events', headers: { Host: 'x' }, agent: false },
      (res) => {
        res.on('data', (chunk: Buffer) => {
          text += chunk.toString();
        });
        res.on('error', () => {});
      },
    );
    req.on('error', () => {});
    req.end();
    await sleep(100);
    const id = await create(daemon, 'true');
    await eventually('the create is told', () => text.includes(`"${id}"`));
    req.destroy();
  });

  test('exec tells its command and its end', async () => {
    const { daemon } = fixture;
    const since = now();
    const id = await runDetached(daemon, ['sleep', '1000']);
    await exec(daemon, id, ['sh', '-c', 'exit 4']);
    const actions = (await events(`since=${since}&until=${Number(now()) + 0.2}`)).filter((event) =>
      event.Action.startsWith('exec_'),
    );
    expect(actions.map((event) => event.Action)).toEqual([
      'exec_create: sh -c exit 4',
      'exec_start: sh -c exit 4',
      'exec_die',
    ]);
    expect(actions[2]?.Actor.Attributes.exitCode).toBe('4');
  });
});

describe('top and stats', () => {
  test('top lists the container’s processes with the host’s numbers', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, 'sleep 1001 & sleep 1002 & wait');
    await eventually('three processes', async () => {
      const top = await daemon.api.get<{ Titles: string[]; Processes: string[][] }>(`/containers/${id}/top`);
      expect(top.Titles).toContain('PID');
      expect(top.Titles).toContain('CMD');
      const commands = top.Processes.map((row) => row.at(-1) ?? '');
      return (
        top.Processes.length === 3 &&
        commands.some((c) => c.includes('1001')) &&
        commands.some((c) => c.includes('1002'))
      );
    });
    const chosen = await daemon.api.get<{ Titles: string[] }>(
      `/containers/${id}/top?ps_args=${encodeURIComponent('-o pid,comm')}`,
    );
    expect(chosen.Titles).toEqual(['PID', 'COMMAND']);
    const idle = await create(daemon, 'true');
    expect((await daemon.api.send('GET', `/containers/${idle}/top`)).status).toBe(409);
  });

  test('stats count processor time, memory and processes', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, 'while :; do :; done', { HostConfig: { Memory: 64 << 20 } });
    interface Stats {
      name: string;
      cpu_stats: { cpu_usage: { total_usage: number }; system_cpu_usage: number; online_cpus: number };
      precpu_stats: { cpu_usage: { total_usage: number }; system_cpu_usage: number };
      memory_stats: { usage: number; limit: number };
      pids_stats: { current: number };
    }
    const stats = await daemon.api.get<Stats>(`/containers/${id}/stats?stream=0`);
    const cpu = stats.cpu_stats.cpu_usage.total_usage - stats.precpu_stats.cpu_usage.total_usage;
    const system = stats.cpu_stats.system_cpu_usage - stats.precpu_stats.system_cpu_usage;
    const percent = (cpu / system) * stats.cpu_stats.online_cpus * 100;
    expect(percent).toBeGreaterThan(20);
    expect(percent).toBeLessThan(130);
    expect(stats.memory_stats.limit).toBe(64 << 20);
    expect(stats.memory_stats.usage).toBeGreaterThan(1000);
    expect(stats.pids_stats.current).toBe(1);
    const one = await daemon.api.send('GET', `/containers/${id}/stats?stream=0&one-shot=1`);
    expect(one.status).toBe(200);
    expect((await daemon.api.send('GET', `/containers/${id}/stats?stream=1&one-shot=1`)).status).toBe(400);
    const idle = await create(daemon, 'true');
    expect((await daemon.api.send('GET', `/containers/${idle}/stats?stream=0&one-shot=1`)).status).toBe(200);
  });
});
