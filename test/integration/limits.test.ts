// Limits are read from the host's cgroup files and felt from inside.
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type Body, create, exec, inspect, logs, run, runDetached, start, wait } from '../harness/containers.ts';
import { eventually, sleep } from '../harness/eventually.ts';
import { cgroupHierarchies } from '../harness/ledger.ts';
import { testNeeding } from '../harness/needs.ts';
import { TestDaemon } from '../harness/test-daemon.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();
const host = (fields: Record<string, unknown>): Body => ({ HostConfig: fields });
const isV1 = existsSync('/sys/fs/cgroup/memory/memory.limit_in_bytes');

/** The value of the first of these files (v1 name, v2 name) of a container's cgroup. */
function cgroupFile(id: string, ...names: string[]): string {
  for (const hierarchy of cgroupHierarchies()) {
    for (const name of names) {
      const path = `${hierarchy}${fixture.daemon.cgroupParent}/${id}/${name}`;
      if (existsSync(path)) return readFileSync(path, 'utf8').trim();
    }
  }
  throw new Error(`no cgroup file ${names.join(' or ')} of ${id}`);
}

describe('memory', () => {
  test('three execs that are killed for want of memory are three events at once, and the container says so', async () => {
    const { daemon } = fixture;
    const since = Date.now() / 1000 - 1;
    const id = await runDetached(daemon, ['sleep', '1000'], host({ Memory: 64 << 20, MemorySwap: 64 << 20 }));
    const told = async () => {
      const filters = encodeURIComponent(JSON.stringify({ event: ['oom'], container: [id] }));
      const answer = await daemon.api.send(
        'GET',
        `/events?since=${since}&until=${Date.now() / 1000 + 1}&filters=${filters}`,
      );
      return answer.text.trim().split('\n').filter(Boolean).length;
    };
    for (let n = 1; n <= 3; n++) {
      expect((await exec(daemon, id, ['probe', 'hog', '200'])).code).toBe(137);
      await eventually(`event ${n}`, async () => (await told()) === n, { timeoutMs: 2000 });
      expect((await inspect(daemon, id)).State).toMatchObject({ Running: true, OOMKilled: true });
    }
    await daemon.crash();
    await daemon.start();
    expect((await inspect(daemon, id)).State).toMatchObject({ Running: true, OOMKilled: true });
    await daemon.api.post(`/containers/${id}/stop?t=0`);
    // The next daemon knows of them, and tells nobody again.
    expect(await told()).toBe(0);
  });

  testNeeding('cgroup v1 memory')('with the killer switched off, standing still is one event', async () => {
    const { daemon } = fixture;
    const since = Date.now() / 1000 - 1;
    const body = host({ Memory: 32 << 20, MemorySwap: 32 << 20, OomKillDisable: true });
    const id = await runDetached(daemon, ['probe', 'hog', '100'], body);
    const told = async () => {
      const filters = encodeURIComponent(JSON.stringify({ event: ['oom'], container: [id] }));
      const answer = await daemon.api.send(
        'GET',
        `/events?since=${since}&until=${Date.now() / 1000 + 1}&filters=${filters}`,
      );
      return answer.text.trim().split('\n').filter(Boolean).length;
    };
    await eventually('the event', async () => (await told()) > 0, { timeoutMs: 5000 });
    await sleep(500);
    expect(await told()).toBe(1);
    expect((await inspect(daemon, id)).State).toMatchObject({ Running: true, OOMKilled: false });
    await daemon.api.delete(`/containers/${id}?force=1`);
  });

  test('the limit stands in the cgroup; a hog dies, is told as OOMKilled, and the event comes once', async () => {
    const { daemon } = fixture;
    const since = Date.now() / 1000;
    const id = await runDetached(daemon, ['probe', 'hog', '200'], host({ Memory: 64 << 20 }));
    expect(await wait(daemon, id)).toBe(137);
    const { State } = await inspect(daemon, id);
    expect(State.OOMKilled).toBe(true);
    const events = await daemon.api.send(
      'GET',
      `/events?since=${since - 1}&until=${Date.now() / 1000 + 1}&filters=${encodeURIComponent(JSON.stringify({ event: ['oom'] }))}`,
    );
    expect(
      events.text
        .trim()
        .split('\n')
        .filter((line) => line !== ''),
    ).toHaveLength(1);
    const ordinary = await runDetached(daemon, 'sleep 1000');
    await daemon.api.post(`/containers/${ordinary}/kill`);
    await wait(daemon, ordinary);
    expect((await inspect(daemon, ordinary)).State).toMatchObject({ ExitCode: 137, OOMKilled: false });
  });

  test('a child’s death by memory is told too, with the first process’s own status', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, 'probe hog 200; exit 0', host({ Memory: 64 << 20 }));
    expect(await wait(daemon, id)).toBe(0);
    expect((await inspect(daemon, id)).State.OOMKilled).toBe(true);
  });

  test('the files: limit, swap, reservation; and inside the container', async () => {
    const { daemon } = fixture;
    const id = await runDetached(
      daemon,
      ['sleep', '1000'],
      host({ Memory: 64 << 20, MemorySwap: 128 << 20, MemoryReservation: 32 << 20 }),
    );
    expect(cgroupFile(id, 'memory.limit_in_bytes', 'memory.max')).toBe(String(64 << 20));
    expect(cgroupFile(id, 'memory.soft_limit_in_bytes', 'memory.low')).toBe(String(32 << 20));
    const { stdout } = await exec(
      daemon,
      id,
      'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null',
    );
    expect(stdout.trim()).toBe(String(64 << 20));
  });

  test.each([
    [{ Memory: 1024 }, /Minimum memory limit allowed is 6MB/],
    [{ Memory: 64 << 20, MemorySwap: 32 << 20 }, /Minimum memoryswap limit should be larger than memory limit/],
    [
      { Memory: 64 << 20, MemoryReservation: 128 << 20 },
      /Minimum memory limit (should be|can not be less than memory reservation)/i,
    ],
    [{ MemorySwap: 64 << 20 }, /You should always set the Memory limit when using Memoryswap limit/],
    [{ NanoCpus: 1, CpuQuota: 5 }, /Conflicting options/],
    [{ NanoCpus: 1e15 }, /CPUs/],
    [{ CpuPeriod: 1 }, /CPU cfs period/],
    [{ CpuQuota: 1 }, /CPU cfs quota/],
    [{ CpusetCpus: 'a' }, /cpuset/i],
    [{ CpusetCpus: '0-9999' }, /cpu/i],
    [{ BlkioWeight: 5 }, /Range of blkio weight is from 10 to 1000/],
    [{ OomScoreAdj: 2000 }, /Invalid value 2000, range for oom score adj is \[-1000, 1000\]/],
    [{ ShmSize: -1 }, /SHM size/],
    [{ CgroupParent: '../../x' }, /cgroup/i],
    [{ CgroupParent: '/a/../../b' }, /cgroup/i],
  ])('%j is refused', async (fields, message) => {
    const answer = await fixture.daemon.api.send('POST', '/containers/create', {
      body: { Image: 'busybox', Cmd: ['true'], ...host(fields) },
    });
    expect(answer.status).toBe(400);
    expect((answer.json as { message: string }).message).toMatch(message);
  });
});

describe('processor, processes, shared memory', () => {
  test('--cpus is a quota, and is felt', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, 'while :; do :; done', host({ NanoCpus: 2e8 }));
    if (isV1) {
      expect(cgroupFile(id, 'cpu.cfs_quota_us')).toBe('20000');
      expect(cgroupFile(id, 'cpu.cfs_period_us')).toBe('100000');
    }
    const usage = () =>
      Number(isV1 ? cgroupFile(id, 'cpuacct.usage') : /usage_usec (\d+)/.exec(cgroupFile(id, 'cpu.stat'))?.[1]) /
      (isV1 ? 1e6 : 1e3);
    const [before, at] = [usage(), performance.now()];
    await sleep(1000);
    const share = (usage() - before) / (performance.now() - at);
    expect(share).toBeGreaterThan(0.02);
    expect(share).toBeLessThan(0.35);
  });

  test('shares, period and quota, cpuset', async () => {
    const { daemon } = fixture;
    const id = await runDetached(
      daemon,
      ['sleep', '1000'],
      host({ CpuShares: 512, CpuPeriod: 50000, CpuQuota: 25000, CpusetCpus: '0' }),
    );
    if (isV1) {
      expect(cgroupFile(id, 'cpu.shares')).toBe('512');
      expect(cgroupFile(id, 'cpu.cfs_quota_us')).toBe('25000');
    }
    expect(cgroupFile(id, 'cpuset.cpus')).toBe('0');
    expect((await exec(daemon, id, 'grep Cpus_allowed_list /proc/self/status')).stdout).toMatch(/:\s*0\n/);
  });

  test('--pids-limit holds against a fork bomb, and rm -f ends it at once', async () => {
    const { daemon } = fixture;
    const counted = await run(daemon, ['probe', 'fork', '100'], host({ PidsLimit: 20 }));
    expect(counted.stdout).toMatch(/forks=1\d EAGAIN/);
    const bomb = await runDetached(daemon, 'b() { b | b & }; b; sleep 1000', host({ PidsLimit: 60 }));
    // Shells that cannot fork end, and there may be few of them again at any moment: the kernel counts how often the limit held.
    await eventually('the bomb meets its limit', () => /^max [1-9]/m.test(cgroupFile(bomb, 'pids.events')));
    const before = Date.now();
    expect((await daemon.api.send('GET', '/_ping')).status).toBe(200);
    await daemon.api.delete(`/containers/${bomb}?force=1`);
    // A stop would wait ten seconds for the shells, which do not hear of it.
    expect(Date.now() - before).toBeLessThan(9000);
    expect(await daemon.leftovers()).toEqual([]);
  });

  test('--shm-size', async () => {
    const shm = (size: number) =>
      run(fixture.daemon, "df -k /dev/shm | tail -n 1 | awk '{print $2}'", size === 0 ? {} : host({ ShmSize: size }));
    expect((await shm(0)).stdout).toBe('65536\n');
    expect((await shm(8 << 20)).stdout).toBe('8192\n');
  });

  test('no process ever runs outside its cgroup', async () => {
    const { stdout, id } = await run(fixture.daemon, 'cat /proc/self/cgroup', host({ CgroupnsMode: 'host' }));
    const lines = stdout
      .trim()
      .split('\n')
      .filter((line) => !/:(name=systemd)?:\/$|^0::\/$/.test(line));
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) expect(line).toContain(`${fixture.daemon.cgroupParent}/${id}`);
  });

  test('a cgroup namespace of its own shows the container’s cgroup as the root', async () => {
    const { stdout } = await run(fixture.daemon, 'cat /proc/self/cgroup', host({ CgroupnsMode: 'private' }));
    expect(stdout).not.toContain(fixture.daemon.cgroupParent);
  });
});

describe('update', () => {
  test('changes limits of a running container, and those of the next start', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, ['sleep', '1000'], host({ Memory: 64 << 20, MemorySwap: -1, PidsLimit: 50 }));
    const answer = await daemon.api.post<{ Warnings: string[] | null }>(`/containers/${id}/update`, {
      Memory: 128 << 20,
      MemorySwap: -1,
      PidsLimit: 77,
      CpuShares: 256,
    });
    expect(answer).toHaveProperty('Warnings');
    expect(cgroupFile(id, 'memory.limit_in_bytes', 'memory.max')).toBe(String(128 << 20));
    expect(cgroupFile(id, 'pids.max')).toBe('77');
    expect((await inspect(daemon, id)).HostConfig).toMatchObject({ Memory: 128 << 20, PidsLimit: 77, CpuShares: 256 });
    await daemon.api.post(`/containers/${id}/kill`);
    await wait(daemon, id);
    await start(daemon, id);
    expect(cgroupFile(id, 'memory.limit_in_bytes', 'memory.max')).toBe(String(128 << 20));
  });

  test('is taken by a container that has the host’s names', async () => {
    const { daemon } = fixture;
    const id = await create(daemon, 'true', host({ UTSMode: 'host' }));
    const answer = await daemon.api.send('POST', `/containers/${id}/update`, { body: { PidsLimit: 33 } });
    expect(answer.status, answer.text).toBe(200);
    expect((await inspect(daemon, id)).HostConfig).toMatchObject({ PidsLimit: 33, UTSMode: 'host' });
  });

  test('nothing that cannot be is taken', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, ['sleep', '1000'], host({ Memory: 64 << 20 }));
    const bad = await daemon.api.send('POST', `/containers/${id}/update`, { body: { Memory: 1000 } });
    expect(bad.status).toBe(400);
    expect(cgroupFile(id, 'memory.limit_in_bytes', 'memory.max')).toBe(String(64 << 20));
  });
});

describe('what inspect says of a limit after an update is what the kernel has', () => {
  const kernel = (id: string) => ({
    pids: cgroupFile(id, 'pids.max'),
    memory: cgroupFile(id, 'memory.limit_in_bytes', 'memory.max'),
    shares: cgroupFile(id, 'cpu.shares', 'cpu.weight'),
    quota: isV1 ? cgroupFile(id, 'cpu.cfs_quota_us') : cgroupFile(id, 'cpu.max').split(' ')[0],
    period: isV1 ? cgroupFile(id, 'cpu.cfs_period_us') : cgroupFile(id, 'cpu.max').split(' ')[1],
  });
  const unlimited = isV1 ? '-1' : 'max';
  const update = (id: string, body: object) => fixture.daemon.api.send('POST', `/containers/${id}/update`, { body });

  test.each([
    [{ PidsLimit: 32 }, { PidsLimit: 0 }, { PidsLimit: null }, { pids: 'max' }],
    [{ PidsLimit: 32 }, { PidsLimit: -1 }, { PidsLimit: null }, { pids: 'max' }],
    [{ PidsLimit: 32 }, { PidsLimit: 7 }, { PidsLimit: 7 }, { pids: '7' }],
    [{ PidsLimit: 32 }, {}, { PidsLimit: 32 }, { pids: '32' }],
    [{ NanoCpus: 5e8 }, { CpuQuota: -1 }, { NanoCpus: 0, CpuQuota: -1 }, { quota: unlimited, period: '100000' }],
    [{ NanoCpus: 5e6 }, { CpuQuota: -1 }, { NanoCpus: 0, CpuQuota: -1 }, { quota: unlimited, period: '100000' }],
    [{ CpuQuota: -1 }, { NanoCpus: 25e7 }, { NanoCpus: 25e7, CpuQuota: 0 }, { quota: '25000' }],
    [{ CpuQuota: 20000 }, { CpuPeriod: 50000 }, { CpuPeriod: 50000 }, { quota: '20000', period: '50000' }],
    [{ CpuShares: 512 }, { CpuShares: 1 }, { CpuShares: 2 }, { shares: isV1 ? '2' : '1' }],
    [{}, { CpuShares: 99_999_999 }, { CpuShares: 262_144 }, { shares: isV1 ? '262144' : '10000' }],
  ])('%j, updated with %j', async (before, body, inspected, inKernel) => {
    const id = await runDetached(fixture.daemon, ['sleep', '1000'], host(before));
    const answer = await update(id, body);
    expect([answer.status, answer.text]).toEqual([200, expect.anything()]);
    expect((await inspect(fixture.daemon, id)).HostConfig).toMatchObject(inspected);
    expect(kernel(id)).toMatchObject(inKernel);
  });

  test.each([
    [{ NanoCpus: 5e8 }, { CpuQuota: 1000 }, 'CPU Quota cannot be updated as NanoCPUs has already been set'],
    [{ NanoCpus: 5e8 }, { CpuPeriod: 20000 }, 'CPU Period cannot be updated as NanoCPUs has already been set'],
    [{ CpuQuota: 20000 }, { NanoCpus: 5e8 }, 'Nano CPUs cannot be updated as CPU Quota has already been set'],
    [{ CpuPeriod: 20000 }, { NanoCpus: 5e8 }, 'Nano CPUs cannot be updated as CPU Period has already been set'],
    [{ Memory: 64 << 20 }, { Memory: 256 << 20 }, 'update the memoryswap at the same time'],
    [{ AutoRemove: true }, { RestartPolicy: { Name: 'always' } }, 'because AutoRemove is enabled'],
  ])('%j conflicts with %j', async (before, body, words) => {
    const id = await runDetached(fixture.daemon, ['sleep', '1000'], host(before));
    const had = kernel(id);
    const answer = await update(id, body);
    expect(answer.status).toBe(409);
    expect(answer.text).toContain(`Cannot update container ${id}: `);
    expect(answer.text).toContain(words);
    expect(kernel(id)).toEqual(had);
  });

  test('shares out of the range are told, at create too', async () => {
    const made = await fixture.daemon.api.post<{ Id: string; Warnings: string[] }>('/containers/create', {
      Image: 'busybox',
      HostConfig: { CpuShares: 1 },
    });
    expect(made.Warnings).toEqual(['CPU shares are from 2 to 262144: 2 instead of 1.']);
    expect((await inspect(fixture.daemon, made.Id)).HostConfig).toMatchObject({ CpuShares: 2 });
    expect((await update(made.Id, { CpuShares: 300_000 })).json).toEqual({
      Warnings: ['CPU shares are from 2 to 262144: 262144 instead of 300000.'],
    });
    expect((await update(made.Id, { CpuShares: 300 })).json).toEqual({ Warnings: null });
  });

  testNeeding('cgroup v1 memory')('OomKillDisable is taken back', async () => {
    const id = await runDetached(fixture.daemon, ['sleep', '1000'], host({ Memory: 64 << 20, OomKillDisable: true }));
    await update(id, { OomKillDisable: false });
    expect(cgroupFile(id, 'memory.oom_control')).toContain('oom_kill_disable 0');
  });

  test('a limit that the kernel refuses leaves the others as they were', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, 'head -c 40m /dev/zero > /dev/shm/x; echo ready; exec sleep 1000', {
      HostConfig: { Memory: 128 << 20, MemorySwap: 128 << 20, PidsLimit: 50, ShmSize: 64 << 20 },
    });
    await eventually('ready', async () => (await logs(daemon, id)).stdout.includes('ready'));
    const had = kernel(id);
    const answer = await update(id, { Memory: 16 << 20, MemorySwap: 16 << 20, PidsLimit: 7 });
    // cgroup v2 takes any limit and kills.
    if (!isV1) return;
    expect(answer.status).toBe(500);
    expect(kernel(id)).toEqual(had);
    expect((await inspect(daemon, id)).HostConfig).toMatchObject({ Memory: 128 << 20, PidsLimit: 50 });
  });
});

testNeeding('cgroup v1 memory')('OomKillDisable is written to the cgroup', async () => {
  const id = await runDetached(fixture.daemon, ['sleep', '1000'], host({ Memory: 64 << 20, OomKillDisable: true }));
  expect(cgroupFile(id, 'memory.oom_control')).toContain('oom_kill_disable 1');
});

test('throttled disks stand in the cgroup', async () => {
  const { daemon } = fixture;
  if (!existsSync('/dev/vda') || !isV1) return;
  const id = await create(
    daemon,
    ['sleep', '1000'],
    host({ BlkioDeviceReadBps: [{ Path: '/dev/vda', Rate: 1048576 }] }),
  );
  await start(daemon, id);
  expect(cgroupFile(id, 'blkio.throttle.read_bps_device')).toMatch(/^\d+:0 1048576$/);
});

test('default-pids-limit is for containers that set none', async () => {
  const daemon = await TestDaemon.start({ args: ['--default-pids-limit', '77'] });
  try {
    const shown: unknown[] = [];
    for (const PidsLimit of [undefined, null, 0, 55, -1]) {
      const id = await runDetached(daemon, ['sleep', '1000'], host(PidsLimit === undefined ? {} : { PidsLimit }));
      const { HostConfig } = await inspect(daemon, id);
      const file = cgroupHierarchies()
        .map((hierarchy) => `${hierarchy}${daemon.groupOf(id)}/pids.max`)
        .find((path) => existsSync(path));
      shown.push([HostConfig.PidsLimit, readFileSync(file ?? '', 'utf8').trim()]);
    }
    expect(shown).toEqual([
      [77, '77'],
      [77, '77'],
      [77, '77'],
      [55, '55'],
      [null, 'max'],
    ]);
  } finally {
    await daemon.dispose();
  }
});
