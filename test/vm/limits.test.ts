// Every limit on cgroup v2, with both drivers: as it stands in the container's group, as the container reads it, and by what it does.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { describe, expect } from 'vitest';
import { type CliName, cli, cliNames } from '../harness/clis.ts';
import { type Body, exec, inspect, runDetached, start, wait } from '../harness/containers.ts';
import { eventually, sleep, timeFactor } from '../harness/eventually.ts';
import { type Need, testNeeding } from '../harness/needs.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const MB = 1 << 20;
const host = (fields: Record<string, unknown>): Body => ({ HostConfig: fields });
const drivers: ['cgroupfs' | 'systemd', Need][] = [
  ['cgroupfs', 'cgroup v2'],
  ['systemd', 'systemd on cgroup v2'],
];
/** Under emulation every container costs most of a second: a hundred with both drivers together. */
const oomRounds = timeFactor > 1 ? 50 : 100;

describe.each(drivers)('limits with %s', (cgroupDriver, need) => {
  const on = testNeeding(need);
  if (on.isSkipped) {
    on('all of them', async () => {});
    return;
  }
  const fixture = useDaemon({ cgroupDriver });
  const file = (id: string, name: string) =>
    readFileSync(`/sys/fs/cgroup${fixture.daemon.groupOf(id)}/${name}`, 'utf8').trim();
  const keyed = (id: string, name: string, key: string) =>
    Number(new RegExp(`^${key} (\\d+)$`, 'm').exec(file(id, name))?.[1] ?? Number.NaN);
  const inside = async (id: string, name: string) =>
    (await exec(fixture.daemon, id, ['cat', `/sys/fs/cgroup/${name}`])).stdout.trim();
  const update = (id: string, body: Record<string, unknown>) =>
    fixture.daemon.api.post(`/containers/${id}/update`, body);

  on('memory: limit, swap and reservation, read from both sides; update changes them while it runs', async () => {
    const { daemon } = fixture;
    const id = await runDetached(
      daemon,
      ['sleep', '1000'],
      host({ Memory: 64 * MB, MemorySwap: 96 * MB, MemoryReservation: 32 * MB }),
    );
    for (const read of [file, inside]) {
      expect(await read(id, 'memory.max')).toBe(`${64 * MB}`);
      expect(await read(id, 'memory.swap.max')).toBe(`${32 * MB}`);
      expect(await read(id, 'memory.low')).toBe(`${32 * MB}`);
    }
    await update(id, { Memory: 128 * MB, MemorySwap: -1, PidsLimit: 33, NanoCpus: 5e8, CpusetCpus: '0' });
    expect(await inside(id, 'memory.max')).toBe(`${128 * MB}`);
    expect(await inside(id, 'memory.swap.max')).toBe('max');
    expect(await inside(id, 'pids.max')).toBe('33');
    expect(await inside(id, 'cpu.max')).toBe('50000 100000');
    expect(await inside(id, 'cpuset.cpus.effective')).toBe('0');
    expect((await inspect(daemon, id)).State.Running).toBe(true);
  });

  on(
    `a hog is killed and told as OOMKilled in ${oomRounds} of ${oomRounds} runs, a neighbour’s end is not`,
    async () => {
      const { daemon } = fixture;
      const verdicts: string[] = [];
      for (let done = 0; done < oomRounds; done += 5) {
        const round = Array.from({ length: 5 }, async () => {
          const id = await runDetached(daemon, ['probe', 'hog', '64'], host({ Memory: 16 * MB, MemorySwap: 16 * MB }));
          const code = await wait(daemon, id);
          verdicts.push(`${code} ${(await inspect(daemon, id)).State.OOMKilled}`);
          await daemon.api.delete(`/containers/${id}`);
        });
        await Promise.all(round);
      }
      expect(new Set(verdicts)).toEqual(new Set(['137 true']));
      const other = await runDetached(daemon, ['sleep', '1000'], host({ Memory: 16 * MB }));
      await daemon.api.post(`/containers/${other}/kill`);
      await wait(daemon, other);
      expect((await inspect(daemon, other)).State).toMatchObject({ ExitCode: 137, OOMKilled: false });
    },
  );

  on('a child’s death for want of memory is told, and stands in memory.events while the container lives', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, 'probe hog 64; sleep 1000', host({ Memory: 16 * MB, MemorySwap: 16 * MB }));
    await eventually('the kernel counts a kill', () => keyed(id, 'memory.events', 'oom_kill') > 0);
    expect((await inspect(daemon, id)).State.Running).toBe(true);
    await daemon.api.post(`/containers/${id}/kill`);
    await wait(daemon, id);
    expect((await inspect(daemon, id)).State.OOMKilled).toBe(true);
  });

  on('processor: cpu.max throttles, cpu.weight comes from the shares, the cpuset holds', async () => {
    const { daemon } = fixture;
    const id = await runDetached(
      daemon,
      'while :; do :; done',
      host({ NanoCpus: 1e8, CpuShares: 512, CpusetCpus: '1' }),
    );
    expect(await inside(id, 'cpu.max')).toBe('10000 100000');
    expect(await inside(id, 'cpu.weight')).toBe('59');
    expect(await inside(id, 'cpuset.cpus.effective')).toBe('1');
    expect((await exec(daemon, id, 'grep Cpus_allowed_list /proc/self/status')).stdout).toMatch(/:\s*1\n/);
    await eventually('it is throttled', () => keyed(id, 'cpu.stat', 'nr_throttled') >= 5);
    const used = () => keyed(id, 'cpu.stat', 'usage_usec');
    const [before, at] = [used(), performance.now()];
    await sleep(1000);
    expect((used() - before) / 1000 / (performance.now() - at)).toBeLessThan(0.25);
  });

  on('processes: the limit holds, and rm -f ends a bomb with all its children', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, 'b() { b | b & }; b; sleep 1000', host({ PidsLimit: 50 }));
    await eventually('the bomb fills its limit', () => keyed(id, 'pids.events', 'max') > 0);
    expect(Number(file(id, 'pids.current'))).toBeLessThanOrEqual(50);
    expect(file(id, 'pids.max')).toBe('50');
    await daemon.api.delete(`/containers/${id}?force=1`);
    expect(await daemon.leftovers()).toEqual([]);
  });

  on('pause: the freezer stops the processes, inspect tells, kill and unpause get through', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, 'while :; do :; done');
    await daemon.api.post(`/containers/${id}/pause`);
    expect(keyed(id, 'cgroup.events', 'frozen')).toBe(1);
    const before = file(id, 'cpu.stat');
    await sleep(200);
    expect(file(id, 'cpu.stat')).toBe(before);
    expect((await inspect(daemon, id)).State.Status).toBe('paused');
    await daemon.api.post(`/containers/${id}/unpause`);
    expect(keyed(id, 'cgroup.events', 'frozen')).toBe(0);
    await eventually('it goes on', () => file(id, 'cpu.stat') !== before);
    await daemon.api.post(`/containers/${id}/pause`);
    await daemon.api.post(`/containers/${id}/kill`);
    expect(await wait(daemon, id)).toBe(137);
  });

  on('devices: the eBPF filter refuses what Docker refuses, and lets through what is asked for', async () => {
    const { daemon } = fixture;
    // The loop driver's control device: opening it needs no capability and does nothing.
    const tries =
      'mknod /d c 10 237; (exec 3</d) && echo read; (exec 3>/d) && echo written; echo >/dev/null && echo null';
    const opened = async (id: string) => (await exec(daemon, id, tries)).stdout;
    const given = (access: string) => ({
      PathOnHost: '/dev/loop-control',
      PathInContainer: '/dev/given',
      CgroupPermissions: access,
    });
    const usual = await runDetached(daemon, ['sleep', '1000']);
    const refused = await exec(daemon, usual, tries);
    expect(refused.stdout).toBe('null\n');
    expect(refused.stderr.match(/d: Operation not permitted/g)).toHaveLength(2);
    const byRule = await runDetached(daemon, ['sleep', '1000'], host({ DeviceCgroupRules: ['c 10:237 r'] }));
    expect(await opened(byRule)).toBe('read\nnull\n');
    const byDevice = await runDetached(daemon, ['sleep', '1000'], host({ Devices: [given('rw')] }));
    expect(await opened(byDevice)).toBe('read\nwritten\nnull\n');
    expect((await exec(daemon, byDevice, 'exec 3<>/dev/given && echo open')).stdout).toBe('open\n');
    const everything = await runDetached(daemon, ['sleep', '1000'], host({ Privileged: true }));
    expect(await opened(everything)).toBe('read\nwritten\nnull\n');
  });

  testNeeding(
    need,
    'loop devices',
    'mkfs.ext4',
  )('a disk: io.max on a loop device slows a writer, and io.stat counts', async () => {
    const { daemon } = fixture;
    const dir = mkdtempSync('/tmp/tsdt-disk-');
    const call = (file: string, ...args: string[]) =>
      execFileSync(file, args, { stdio: ['ignore', 'pipe', 'pipe'] })
        .toString()
        .trim();
    call('truncate', '-s', '64M', `${dir}/image`);
    call('mkfs.ext4', '-q', '-F', `${dir}/image`);
    const loop = call('losetup', '--find', '--show', '--direct-io=on', `${dir}/image`);
    try {
      mkdirSync(`${dir}/fs`);
      call('mount', loop, `${dir}/fs`);
      const number = readFileSync(`/sys/block/${loop.slice(5)}/dev`, 'utf8').trim();
      const id = await runDetached(
        daemon,
        'sleep 1000',
        host({ Binds: [`${dir}/fs:/disk`], BlkioDeviceWriteBps: [{ Path: loop, Rate: 2 * MB }] }),
      );
      expect(file(id, 'io.max')).toBe(`${number} rbps=max wbps=${2 * MB} riops=max wiops=max`);
      const at = performance.now();
      const written = await exec(
        daemon,
        id,
        'dd if=/dev/zero of=/disk/file bs=1M count=6 conv=fsync 2>/dev/null; echo $?',
      );
      expect(written.stdout).toBe('0\n');
      // Six megabytes at two a second; what is dirty at the beginning goes at once.
      expect(performance.now() - at).toBeGreaterThan(1500);
      const bytes = Number(new RegExp(`^${number} .*wbytes=(\\d+)`, 'm').exec(file(id, 'io.stat'))?.[1]);
      expect(bytes).toBeGreaterThanOrEqual(6 * MB);
      const stats = await daemon.api.get<{
        blkio_stats: { io_service_bytes_recursive: { op: string; value: number }[] };
      }>(`/containers/${id}/stats?stream=0&one-shot=1`);
      const told = stats.blkio_stats.io_service_bytes_recursive.filter(({ op }) => op === 'write');
      expect(Math.max(...told.map(({ value }) => value))).toBeGreaterThanOrEqual(6 * MB);
      await daemon.api.delete(`/containers/${id}?force=1`);
    } finally {
      try {
        call('umount', `${dir}/fs`);
      } finally {
        call('losetup', '--detach', loop);
        rmSync(dir, { recursive: true, force: true });
      }
    }
  });

  on(
    'a cgroup namespace of its own: the group is the root, cannot be written, and the host’s tree is not to be seen',
    async () => {
      const { daemon } = fixture;
      const id = await runDetached(daemon, ['sleep', '1000']);
      const { Pid } = (await inspect(daemon, id)).State;
      expect(readFileSync(`/proc/${Pid}/cgroup`, 'utf8')).toBe(`0::${daemon.groupOf(id)}\n`);
      const seen = await exec(
        daemon,
        id,
        'cat /proc/1/cgroup; (echo max >/sys/fs/cgroup/pids.max) 2>&1; ls -d /sys/fs/cgroup/*.slice 2>/dev/null; mount | grep cgroup',
      );
      expect(seen.stdout).toMatch(/^0::\/\n.*Read-only file system\n/);
      expect(seen.stdout).toMatch(/ on \/sys\/fs\/cgroup type cgroup2 \(ro,/);
      expect(seen.stdout).not.toContain('.slice');
      const shared = await runDetached(daemon, ['cat', '/proc/self/cgroup'], host({ CgroupnsMode: 'host' }));
      await wait(daemon, shared);
      const { text } = await daemon.api.send('GET', `/containers/${shared}/logs?stdout=1`);
      expect(text).toContain(`0::${daemon.groupOf(shared)}`);
    },
  );

  on('a container with an init of its own makes groups below its own and hands controllers down', async () => {
    const { daemon } = fixture;
    const id = await runDetached(
      daemon,
      'cd /sys/fs/cgroup && mkdir own inner && echo 1 >own/cgroup.procs && echo $$ >own/cgroup.procs; echo "+pids +memory" >cgroup.subtree_control && echo 20 >inner/pids.max && echo ready; sleep 1000',
      host({ Privileged: true, CgroupnsMode: 'private' }),
    );
    await eventually('it is ready', async () =>
      (await daemon.api.send('GET', `/containers/${id}/logs?stdout=1`)).text.includes('ready'),
    );
    // The group itself takes no process any more (no internal processes): exec finds one that does.
    expect((await exec(daemon, id, 'cat /proc/self/cgroup')).stdout).toBe('0::/own\n');
    await daemon.api.delete(`/containers/${id}?force=1`);
    expect(await daemon.leftovers()).toEqual([]);
  });

  on('stats: /stats and the command lines tell what the files say, pressure as well', async () => {
    const { daemon } = fixture;
    const id = await runDetached(
      daemon,
      'probe spin 300; dd if=/dev/zero of=/dev/shm/x bs=1M count=8; sleep 1000',
      host({ Memory: 64 * MB }),
    );
    await eventually('it has its memory', () => Number(file(id, 'memory.current')) > 8 * MB);
    const stats = await daemon.api.get<Record<string, Record<string, unknown>>>(`/containers/${id}/stats?stream=0`);
    expect(stats).toMatchObject({
      memory_stats: { limit: 64 * MB, stats: { shmem: 8 * MB } },
      pids_stats: { current: Number(file(id, 'pids.current')) },
      cpu_stats: { online_cpus: 2 },
    });
    expect(stats.memory_stats?.usage).toBeGreaterThan(8 * MB);
    const { total_usage: total } = (stats.cpu_stats as { cpu_usage: { total_usage: number } }).cpu_usage;
    expect(total / 1000).toBeLessThanOrEqual(keyed(id, 'cpu.stat', 'usage_usec'));
    expect(total).toBeGreaterThan(0);
    for (const name of cliNames satisfies CliName[]) {
      // docker shows "--" for what takes longer than two seconds.
      await eventually(`${name} stats shows it`, async () =>
        /^\d+(\.\d+)?MiB \/ 64MiB \d+\n$/.test(
          (await cli(daemon, name, ['stats', '--no-stream', '--format', '{{.MemUsage}} {{.PIDs}}', id])).stdout,
        ),
      );
    }
    expect(await inside(id, 'memory.pressure')).toMatch(/^some avg10=/);
    // It has spun: somebody waited for a processor at some time, and the file has gone on since.
    const { cpu } = stats.pressure_stats as { cpu: { some: { total_us: number } } };
    const now = Number(/^some .* total=(\d+)$/m.exec(file(id, 'cpu.pressure'))?.[1]);
    expect(cpu.some.total_us).toBeLessThanOrEqual(now);
    expect(Object.keys(stats.pressure_stats ?? {}).sort()).toEqual(['cpu', 'io', 'memory']);
  });

  on('a stop with many groups and a restart leave the same limits and nothing else', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, ['sleep', '1000'], host({ Memory: 32 * MB, PidsLimit: 30 }));
    for (let i = 0; i < 3; i++) {
      await daemon.api.post(`/containers/${id}/restart?t=0`);
      expect(file(id, 'memory.max')).toBe(`${32 * MB}`);
    }
    await daemon.api.post(`/containers/${id}/kill`);
    await wait(daemon, id);
    await start(daemon, id);
    expect(file(id, 'pids.max')).toBe('30');
  });

  on('a daemon that was killed finds its containers again, with their limits', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, ['sleep', '1000'], host({ Memory: 32 * MB }));
    const { Pid } = (await inspect(daemon, id)).State;
    await daemon.crash();
    await daemon.start();
    expect((await inspect(daemon, id)).State).toMatchObject({ Running: true, Pid });
    await update(id, { Memory: 48 * MB, MemorySwap: -1 });
    expect(await inside(id, 'memory.max')).toBe(`${48 * MB}`);
  });
});
