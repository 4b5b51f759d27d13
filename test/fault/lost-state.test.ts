// The database is lost or damaged while no daemon runs, or its disk is full: the next start has everything, says what it found, and ends nothing.
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { afterEach, describe, expect } from 'vitest';
import { create, exec, inspect, run, runDetached, start, wait } from '../harness/containers.ts';
import { testNeeding } from '../harness/needs.ts';
import { TestDaemon } from '../harness/test-daemon.ts';

const cleanups: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  const problems: unknown[] = [];
  for (const cleanup of cleanups.splice(0).reverse()) {
    try {
      await cleanup();
    } catch (error) {
      problems.push(error);
    }
  }
  if (problems.length > 0) throw problems[0];
});

function newDir(): string {
  const dir = mkdtempSync('/tmp/tsdt-');
  cleanups.push(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

async function daemonIn(dir: string): Promise<TestDaemon> {
  const daemon = await TestDaemon.start({ dir });
  cleanups.push(() => daemon.dispose());
  return daemon;
}

const isOfState = (name: string) => name.startsWith('state.db') && !name.includes('damaged');

/** What a user sees of it. */
async function world(daemon: TestDaemon): Promise<object> {
  const { api } = daemon;
  const containers = await api.get<{ Id: string }[]>('/containers/json?all=1');
  const inspected = await Promise.all(containers.map(({ Id }) => inspect(daemon, Id)));
  const images = await api.get<{ Id: string; RepoTags: string[] }[]>('/images/json?all=1');
  const { Volumes } = await api.get<{ Volumes: { Name: string; Labels: object }[] }>('/volumes');
  const networks = await api.get<{ Id: string; Name: string; IPAM: object }[]>('/networks');
  const { ID } = await api.get<{ ID: string }>('/info');
  return {
    ID,
    containers: inspected.map(({ Id, Name, State, Config }) => ({ Id, Name, State, Config })),
    images: images.map(({ Id, RepoTags }) => ({ Id, RepoTags })),
    volumes: Volumes.map(({ Name, Labels }) => ({ Name, Labels })),
    networks: networks.map(({ Id, Name, IPAM }) => ({ Id, Name, IPAM })).sort((a, b) => (a.Id < b.Id ? -1 : 1)),
  };
}

describe('a database that is lost', () => {
  const losses: Record<string, (root: string) => void> = {
    'deleted with its log': (root) => {
      for (const name of readdirSync(root).filter(isOfState)) rmSync(`${root}/${name}`);
    },
    empty: (root) => {
      rmSync(`${root}/state.db-wal`, { force: true });
      truncateSync(`${root}/state.db`, 0);
    },
    'without its log': (root) => rmSync(`${root}/state.db-wal`, { force: true }),
    'something else': (root) => {
      rmSync(`${root}/state.db-wal`, { force: true });
      writeFileSync(`${root}/state.db`, 'a letter '.repeat(1000));
    },
    'with zeros in its middle': (root) => {
      rmSync(`${root}/state.db-wal`, { force: true });
      const fd = openSync(`${root}/state.db`, 'r+');
      writeSync(fd, Buffer.alloc(40_960), 0, 40_960, 8192);
      closeSync(fd);
    },
  };

  testNeeding()(
    'every image, name, volume, network and container is there, what runs goes on, it is told, and the database can be put back',
    async () => {
      const daemon = await daemonIn(newDir());
      const { api, dataRoot } = daemon;
      const network = await api.post<{ Id: string }>('/networks/create', { Name: 'mine', Labels: { a: 'b' } });
      await api.post('/volumes/create', { Name: 'kept', Labels: { who: 'me' } });
      const runner = await runDetached(daemon, 'while :; do date; sleep 0.2; done', {
        Hostname: 'runner',
        HostConfig: { NetworkMode: 'mine', Binds: ['kept:/kept'], Init: true },
      });
      const ended = await create(daemon, 'echo x > /x; exit 3', {}, 'ended');
      await start(daemon, ended);
      await wait(daemon, ended);
      await api.post(`/commit?container=${ended}&repo=made&tag=1`);
      await api.post('/images/made:1/tag?repo=made&tag=2');
      await run(daemon, 'true');
      expect(network.Id).toHaveLength(64);
      // When it was started is told by the monitor from then on; and all copies are written.
      await daemon.restart();
      for (const [n, [name, lose]] of Object.entries(losses).entries()) {
        // Something that is in the log only.
        await api.post(`/images/made:1/tag?repo=made&tag=again${n}`);
        const before = await world(daemon);
        await daemon.crash();
        const put = `${daemon.dir}/put-back`;
        mkdirSync(put);
        for (const file of readdirSync(dataRoot).filter(isOfState)) cpSync(`${dataRoot}/${file}`, `${put}/${file}`);
        lose(dataRoot);
        const logged = daemon.log().length;
        await daemon.start();
        expect(await world(daemon), name).toEqual(before);
        expect(daemon.log().slice(logged), name).toMatch(/lost|damaged|missing/);
        expect((await exec(daemon, runner, 'echo fine')).stdout, name).toBe('fine\n');
        expect((await run(daemon, 'cat /x', { Image: 'made:2' })).stdout, name).toBe('x\n');
        await daemon.stop();
        for (const file of readdirSync(dataRoot).filter(isOfState)) rmSync(`${dataRoot}/${file}`);
        for (const file of readdirSync(put)) cpSync(`${put}/${file}`, `${dataRoot}/${file}`);
        rmSync(put, { recursive: true });
        await daemon.start();
        expect(await world(daemon), `${name}, put back`).toEqual(before);
      }
      expect(readdirSync(dataRoot).filter((file) => file.startsWith('state.db.damaged-')).length).toBeGreaterThan(0);
    },
    90_000,
  );

  testNeeding()(
    'without its copies too: the daemon does not start over what it does not know, and nothing is touched',
    async () => {
      const dir = newDir();
      const daemon = await daemonIn(dir);
      await daemon.stop();
      for (const name of ['state.db', 'rows.log']) cpSync(`${daemon.dataRoot}/${name}`, `${dir}/${name}`);
      rmSync(`${daemon.dataRoot}/state.db`);
      rmSync(`${daemon.dataRoot}/rows.log`);
      const layers = readdirSync(`${daemon.dataRoot}/layers`);
      daemon.spawn();
      expect(await daemon.ended()).toBe(1);
      expect(daemon.logTail()).toMatch(/state\.db: it is missing, or empty, but there is something in layers/);
      expect(readdirSync(`${daemon.dataRoot}/layers`)).toEqual(layers);
      rmSync(`${daemon.dataRoot}/state.db`, { force: true });
      cpSync(`${dir}/state.db`, `${daemon.dataRoot}/state.db`);
      await daemon.start();
      expect((await run(daemon, 'echo well')).stdout).toBe('well\n');
    },
  );

  testNeeding()(
    'a container of which neither row nor copy is left is left alone by this start and all later ones',
    async () => {
      const dir = newDir();
      const daemon = await daemonIn(dir);
      const lost = await create(daemon, ['true'], {}, 'lost');
      await create(daemon, ['true'], {}, 'other');
      await daemon.stop();
      const path = `${daemon.dataRoot}/rows.log`;
      const lines = readFileSync(path, 'latin1').split('\n');
      writeFileSync(path, lines.filter((line) => !line.includes(`"id":"${lost}"`)).join('\n'), 'latin1');
      rmSync(`${daemon.dataRoot}/state.db`);
      for (let n = 0; n < 2; n++) {
        await daemon.start();
        expect(existsSync(`${daemon.dataRoot}/containers/${lost}/upper`), `start ${n}`).toBe(true);
        expect(daemon.logTail()).toContain(`containers/${lost}`);
        const all = await daemon.api.get<{ Names: string[] }[]>('/containers/json?all=1');
        expect(all.map(({ Names }) => Names[0])).toEqual(['/other']);
        await daemon.stop();
      }
      rmSync(`${daemon.dataRoot}/containers/${lost}`, { recursive: true });
    },
  );
});

describe('a disk that is full at the start', () => {
  for (const [free, isKilled] of [
    [0, false],
    [0, true],
    [64, false],
    [256, true],
  ] as const) {
    testNeeding()(
      `${free} KiB free after ${isKilled ? 'a kill' : 'a stop'} of the daemon: it starts, reads, stops and removes`,
      async () => {
        const dir = newDir();
        mkdirSync(`${dir}/data`);
        execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tsdt', `${dir}/data`]);
        cleanups.push(() => void execFileSync('umount', ['-l', `${dir}/data`]));
        const daemon = await daemonIn(dir);
        const idle = await runDetached(daemon, 'echo hello; exec sleep 1000', { HostConfig: { Init: true } });
        const ended = await create(daemon, 'true', {}, 'ended');
        await start(daemon, ended);
        await wait(daemon, ended);
        if (isKilled) await daemon.crash();
        else await daemon.stop();
        fillUpTo(dir, free);
        await daemon.start();
        expect((await inspect(daemon, idle)).State.Running).toBe(true);
        expect(await daemon.api.get<object[]>('/images/json')).toHaveLength(1);
        expect((await daemon.api.send('GET', `/containers/${idle}/logs?stdout=1`)).text).toContain('hello');
        expect((await daemon.api.send('POST', `/containers/${idle}/stop?t=1`)).status).toBe(204);
        expect((await daemon.api.send('DELETE', `/containers/${ended}`)).status).toBe(204);
        expect((await daemon.api.send('DELETE', `/containers/${idle}`)).status).toBe(204);
        await daemon.restart();
        expect(await daemon.api.get<object[]>('/containers/json?all=1')).toEqual([]);
        rmSync(`${dir}/data/fill`);
        expect((await run(daemon, 'echo well')).stdout).toBe('well\n');
      },
      40_000,
    );
  }
});

function fillUpTo(dir: string, freeKiB: number): void {
  const path = `${dir}/data/fill`;
  const fd = openSync(path, 'w');
  const block = Buffer.alloc(4096, 1);
  try {
    for (;;) writeSync(fd, block);
  } catch {
    // It is full.
  } finally {
    closeSync(fd);
  }
  truncateSync(path, Math.max(0, statSync(path).size - freeKiB * 1024));
  const { bavail, bsize } = statfsSync(`${dir}/data`);
  expect(bavail * bsize).toBe(freeKiB * 1024);
}

describe('a disk that cannot be written', () => {
  testNeeding('mkfs.ext4', 'loop devices')(
    'the daemon starts, says so, shows, reads and stops what is there; all is as it was when it can be written again',
    async () => {
      const dir = newDir();
      execFileSync('truncate', ['-s', '96M', `${dir}/disk.img`]);
      execFileSync('mkfs.ext4', ['-qF', `${dir}/disk.img`]);
      mkdirSync(`${dir}/data`);
      execFileSync('mount', ['-o', 'loop', `${dir}/disk.img`, `${dir}/data`]);
      cleanups.push(() => void execFileSync('umount', ['-l', `${dir}/data`]));
      const daemon = await daemonIn(dir);
      const { api } = daemon;
      const runner = await runDetached(daemon, 'echo hello; exec sleep 1000', { HostConfig: { Init: true } });
      const ended = await create(daemon, 'exit 3', {}, 'ended');
      await start(daemon, ended);
      await wait(daemon, ended);
      await api.post('/volumes/create', { Name: 'kept' });
      await daemon.crash();
      // What runs has files open for writing, as when a kernel makes a failing disk read-only: so another mount covers this one.
      execFileSync('mount', ['--bind', `${dir}/data`, `${dir}/data`]);
      let isCovered = true;
      const uncover = () => {
        if (isCovered) execFileSync('umount', ['-l', `${dir}/data`]);
        isCovered = false;
      };
      cleanups.push(uncover);
      execFileSync('mount', ['-o', 'remount,bind,ro', `${dir}/data`]);
      await daemon.start();
      expect(daemon.log()).toContain('the data root is read-only');
      const all = await api.get<{ Names: string[]; State: string }[]>('/containers/json?all=1');
      expect(all.map(({ State }) => State).sort()).toEqual(['exited', 'running']);
      expect((await inspect(daemon, ended)).State).toMatchObject({ ExitCode: 3 });
      expect((await api.send('GET', `/containers/${runner}/logs?stdout=1`)).text).toContain('hello');
      expect(await api.get<object[]>('/images/json')).toHaveLength(1);
      for (const path of ['/system/df', '/volumes', '/networks', '/info'])
        expect((await api.send('GET', path)).status, path).toBe(200);
      const made = await api.send('POST', '/containers/create', { body: { Image: 'busybox', Cmd: ['true'] } });
      expect(made.status).toBe(500);
      expect(made.text).toMatch(/read-only file system/i);
      expect((await api.send('POST', `/containers/${runner}/stop?t=1`)).status).toBe(204);
      expect((await inspect(daemon, runner)).State.Running).toBe(false);
      expect(await daemon.stop()).toBe(0);
      expect(daemon.log()).not.toMatch(/"level":50/);
      uncover();
      await daemon.start();
      expect((await inspect(daemon, runner)).State.Running).toBe(false);
      expect((await inspect(daemon, ended)).State).toMatchObject({ ExitCode: 3 });
      expect((await run(daemon, 'echo well')).stdout).toBe('well\n');
    },
    60_000,
  );

  testNeeding()('where there is nothing to serve: one sentence', async () => {
    const dir = newDir();
    mkdirSync(`${dir}/data`);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'ro', 'tsdt', `${dir}/data`]);
    cleanups.push(() => void execFileSync('umount', ['-l', `${dir}/data`]));
    const daemon = new TestDaemon({ dir });
    cleanups.push(() => daemon.dispose());
    daemon.spawn();
    expect(await daemon.ended()).toBe(1);
    const lines = daemon
      .log()
      .trimEnd()
      .split('\n')
      .filter((line) => !line.startsWith('{'));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^tsdockerd: .*read-only file system/i);
  });
});
