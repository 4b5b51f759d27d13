// Rows that are no records, and those of an engine before networks: the daemon starts, says which, shows everything else, and they can be removed.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, expect } from 'vitest';
import { migrations } from '../../daemon/state/migrations.ts';
import { create, run, runDetached, wait } from '../harness/containers.ts';
import { testNeeding } from '../harness/needs.ts';
import { TestDaemon } from '../harness/test-daemon.ts';

const cleanups: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function daemonIn(): Promise<TestDaemon> {
  const dir = mkdtempSync('/tmp/tsdt-');
  cleanups.push(() => rmSync(dir, { recursive: true, force: true }));
  const daemon = new TestDaemon({ dir });
  cleanups.push(() => daemon.dispose());
  return daemon;
}

/** Changes the database while no daemon runs, and forgets the copies of its rows, as they are after an upgrade. */
function change(daemon: TestDaemon, work: (db: DatabaseSync) => void): void {
  const db = new DatabaseSync(`${daemon.dataRoot}/state.db`);
  work(db);
  db.close();
  rmSync(`${daemon.dataRoot}/rows.log`, { force: true });
}

testNeeding()(
  'records of containers, volumes and networks that cannot be read',
  async () => {
    const daemon = await daemonIn();
    await daemon.start();
    await daemon.importBusybox();
    const { api } = daemon;
    const good = await runDetached(daemon, ['sleep', '1000'], {}, 'good');
    const bad = await create(daemon, ['true'], {}, 'bad');
    const odd = await create(daemon, ['true'], {}, 'odd');
    await create(daemon, 'exit 3', {}, 'mended');
    const running = await runDetached(daemon, ['sleep', '1000'], { HostConfig: { Init: true } }, 'running');
    await api.post('/volumes/create', { Name: 'kept', Labels: { a: 'b' } });
    await api.post('/volumes/create', { Name: 'broken', Labels: { a: 'b' } });
    await api.post('/networks/create', { Name: 'net-broken' });
    await daemon.crash();
    change(daemon, (db) => {
      db.exec("UPDATE containers SET record = json_set(record, '$.spec.process.args', 5) WHERE name = 'mended'");
      db.exec("UPDATE containers SET record = 'not json' WHERE name IN ('bad', 'running')");
      db.exec("UPDATE containers SET record = json_set(record, '$.config', json('{}')) WHERE name = 'odd'");
      db.exec("UPDATE volumes SET record = '{' WHERE name = 'broken'");
      db.exec("UPDATE networks SET record = '[]' WHERE name = 'net-broken'");
    });
    await daemon.start();
    expect(daemon.log()).toContain('what is stored of a container cannot be read');
    expect(daemon.log()).toContain('the record of a volume cannot be read');
    expect(daemon.log()).toContain('the record of a network cannot be read');
    const all = await api.get<{ Id: string; Names: string[]; State: string }[]>('/containers/json?all=1');
    expect(Object.fromEntries(all.map(({ Names, State }) => [Names[0], State]))).toEqual({
      '/good': 'running',
      '/bad': 'dead',
      '/odd': 'created',
      '/mended': 'created',
      '/running': 'running',
    });
    expect(daemon.log()).toContain('the stored spec of a container is damaged');
    await api.post('/containers/mended/start');
    expect(await wait(daemon, 'mended')).toBe(3);
    expect((await api.send('GET', '/system/df')).status).toBe(200);
    for (const id of [good, bad, odd, running])
      expect((await api.send('GET', `/containers/${id}/json`)).status, id).toBe(200);
    expect((await api.send('POST', '/containers/bad/start')).text).toContain('is dead and cannot be started');
    expect((await api.send('POST', `/containers/running/stop?t=1`)).status).toBe(204);
    for (const ref of ['bad', odd, 'mended', 'running'])
      expect((await api.send('DELETE', `/containers/${ref}?force=1`)).status, ref).toBe(204);

    const { Volumes } = await api.get<{ Volumes: { Name: string }[] }>('/volumes');
    expect(Volumes.map(({ Name }) => Name)).toEqual(['broken', 'kept']);
    const user = { Image: 'busybox', Cmd: ['true'], HostConfig: { Binds: ['broken:/x'] } };
    expect((await api.send('POST', '/containers/create', { body: user })).text).toContain(
      'its stored record cannot be read',
    );
    expect((await api.send('DELETE', '/volumes/broken')).status).toBe(204);
    expect((await api.send('DELETE', '/networks/net-broken')).status).toBe(204);
    expect((await api.send('POST', '/networks/create', { body: { Name: 'net-broken' } })).status).toBe(201);
    expect((await run(daemon, 'echo well')).stdout).toBe('well\n');
    await daemon.restart();
    expect(await api.get<object[]>('/containers/json?all=1')).toHaveLength(1);
  },
  60_000,
);

testNeeding()(
  'a database of an engine before networks and volumes is migrated, and every list has its container',
  async () => {
    const daemon = await daemonIn();
    const id = 'c'.repeat(64);
    mkdirSync(daemon.dataRoot, { recursive: true });
    const db = new DatabaseSync(`${daemon.dataRoot}/state.db`);
    db.exec('CREATE TABLE migrations (name TEXT PRIMARY KEY, at TEXT NOT NULL) STRICT, WITHOUT ROWID');
    for (const { name, sql } of migrations.slice(0, 2)) {
      db.exec(sql);
      db.prepare('INSERT INTO migrations VALUES (?, ?)').run(name, '2026-11-20T21:25:46.000Z');
    }
    const record = oldRecord(id);
    const state = {
      status: 'exited',
      pid: 0,
      exitCode: 3,
      startedNs: '5',
      finishedNs: '6',
      sandboxId: 'x',
      endpointId: 'y',
    };
    db.prepare('INSERT INTO containers VALUES (?, ?, ?, ?, ?, ?)').run(
      id,
      record.name,
      record.createdNs.padStart(20, '0'),
      record.imageId,
      JSON.stringify(record),
      JSON.stringify(state),
    );
    db.close();
    await daemon.start();
    const all = await daemon.api.get<{ Names: string[]; State: string }[]>('/containers/json?all=1');
    expect(all).toMatchObject([{ Names: ['/old'], State: 'exited' }]);
    const inspected = await daemon.api.get<{ State: object; NetworkSettings: object }>(`/containers/${id}/json`);
    expect(inspected).toMatchObject({ State: { ExitCode: 3 }, NetworkSettings: { Networks: { bridge: {} } } });
    expect((await daemon.api.send('GET', '/system/df')).status).toBe(200);
    expect((await daemon.api.send('GET', '/networks')).status).toBe(200);
    expect((await daemon.api.send('DELETE', '/containers/old')).status).toBe(204);
  },
);

/** As the engine wrote it that had images and containers only. */
function oldRecord(id: string) {
  return {
    id,
    name: 'old',
    createdNs: '1763673946000000000',
    imageId: `sha256:${'a'.repeat(64)}`,
    config: { Hostname: 'old', Env: [], Cmd: ['true'], Image: 'busybox', Labels: {}, Entrypoint: null },
    hostConfig: {
      NetworkMode: 'default',
      Binds: null,
      LogConfig: { Type: 'json-file', Config: {} },
      RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
    },
    mounts: [],
    endpoints: { default: { aliases: null } },
  };
}
