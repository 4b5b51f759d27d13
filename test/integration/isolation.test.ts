import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { create, exec, facts, inspect, namespaceOf, run, runDetached } from '../harness/containers.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();

const kinds = ['mnt', 'pid', 'uts', 'ipc', 'net', 'time'] as const;

describe('namespaces', () => {
  test('a container has its own of every kind, and exec joins exactly those', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, ['sleep', '1000']);
    const { Pid } = (await inspect(daemon, id)).State;
    for (const kind of kinds) expect(namespaceOf(Pid, kind), kind).not.toBe(namespaceOf('self', kind));
    const { stdout } = await exec(daemon, id, ['probe', 'ns']);
    const inside = facts(stdout);
    for (const kind of [...kinds, 'cgroup', 'user'])
      expect(inside.get(`ns.${kind}`), kind).toBe(namespaceOf(Pid, kind));
  });

  test.each([
    ['uts', 'UTSMode'],
    ['pid', 'PidMode'],
    ['ipc', 'IpcMode'],
    ['net', 'NetworkMode'],
  ])('%s can be the host’s', async (kind, field) => {
    const { daemon } = fixture;
    const { stdout } = await run(daemon, ['probe', 'ns'], { HostConfig: { [field]: 'host' } });
    const inside = facts(stdout);
    expect(inside.get(`ns.${kind}`)).toBe(namespaceOf(daemon.pid, kind));
    for (const other of kinds)
      if (other !== kind) expect(inside.get(`ns.${other}`), other).not.toBe(namespaceOf(daemon.pid, other));
  });

  test.each([
    ['pid', 'PidMode'],
    ['ipc', 'IpcMode'],
    ['net', 'NetworkMode'],
  ])('%s can be another container’s', async (kind, field) => {
    const { daemon } = fixture;
    const owner = await runDetached(daemon, ['sleep', '1000'], { HostConfig: { IpcMode: 'shareable' } }, 'owner');
    const { Pid } = (await inspect(daemon, owner)).State;
    const { stdout } = await run(daemon, ['probe', 'ns'], { HostConfig: { [field]: 'container:owner' } });
    expect(facts(stdout).get(`ns.${kind}`)).toBe(namespaceOf(Pid, kind));
  });

  test('joining a container that does not run or does not exist is refused', async () => {
    const { daemon } = fixture;
    const idle = await create(daemon, 'true', {}, 'idle');
    for (const target of ['idle', 'nosuch']) {
      const made = await daemon.api.send('POST', '/containers/create', {
        body: { Image: 'busybox', Cmd: ['true'], HostConfig: { PidMode: `container:${target}` } },
      });
      if (made.status === 201) {
        const started = await daemon.api.send('POST', `/containers/${(made.json as { Id: string }).Id}/start`);
        expect(started.status).toBeGreaterThanOrEqual(400);
        expect(started.text).toContain(target === 'idle' ? idle : target);
      } else {
        expect([400, 404, 409]).toContain(made.status);
      }
    }
  });

  test('the process sees itself as number 1 and no process of the host', async () => {
    const { stdout } = await run(fixture.daemon, 'echo $$; ls /proc | grep -c "^[0-9]*$"');
    expect(stdout.split('\n')[0]).toBe('1');
    expect(Number(stdout.split('\n')[1])).toBeLessThan(5);
  });

  test('--network none is a private loopback that is up, and no route', async () => {
    const { stdout } = await run(
      fixture.daemon,
      'cat /proc/net/dev | tail -n +3 | cut -d: -f1 | tr -d " "; ip addr show lo; ip route',
      { HostConfig: { NetworkMode: 'none' } },
    );
    expect(stdout.split('\n')[0]).toBe('lo');
    expect(stdout).toContain('inet 127.0.0.1/8');
    expect(stdout).toMatch(/<LOOPBACK,UP,LOWER_UP>/);
    expect(stdout).not.toMatch(/eth|default/);
  });
});

describe('mounts', () => {
  test('a container has Docker’s mounts with Docker’s flags, and nothing of the host', async () => {
    const { stdout } = await run(fixture.daemon, ['probe', 'mounts']);
    const mounts = facts(stdout);
    const flags = (path: string) => new Set((mounts.get(`mount.${path}`) ?? '').split(' ')[1]?.split(','));
    const type = (path: string) => mounts.get(`mount.${path}`)?.split(' ')[0];
    expect(type('/')).toBe('overlay');
    expect(type('/proc')).toBe('proc');
    expect(type('/dev')).toBe('tmpfs');
    expect(type('/dev/pts')).toBe('devpts');
    expect(type('/dev/shm')).toBe('tmpfs');
    expect(type('/dev/mqueue')).toBe('mqueue');
    expect(type('/sys')).toBe('sysfs');
    for (const flag of ['nosuid', 'nodev', 'noexec']) {
      for (const path of ['/proc', '/sys', '/dev/shm', '/dev/mqueue'])
        expect(flags(path).has(flag), `${path} ${flag}`).toBe(true);
    }
    for (const path of ['/dev', '/dev/pts']) expect(flags(path).has('nosuid'), path).toBe(true);
    expect(flags('/sys').has('ro')).toBe(true);
    for (const path of ['bus', 'fs', 'irq', 'sys', 'sysrq-trigger'].filter((name) => existsSync(`/proc/${name}`)))
      expect(flags(`/proc/${path}`).has('ro'), path).toBe(true);
    for (const path of ['/etc/hosts', '/etc/hostname', '/etc/resolv.conf'])
      expect(mounts.has(`mount.${path}`), path).toBe(true);
    // Nothing else may be mounted, and nothing may propagate to or from the host.
    const known =
      /^mount\.(\/|\/proc(\/.*)?|\/dev(\/(pts|shm|mqueue|console))?|\/sys(\/.*)?|\/etc\/(hosts|hostname|resolv\.conf))$/;
    expect([...mounts.keys()].filter((name) => !known.test(name))).toEqual([]);
    expect(stdout).not.toMatch(/ (shared|slave)$/m);
  });

  test('every cgroup mount is read-only', async () => {
    const { stdout } = await run(fixture.daemon, ['probe', 'mounts']);
    const cgroups = stdout.split('\n').filter((line) => line.startsWith('mount./sys/fs/cgroup'));
    expect(cgroups.length).toBeGreaterThan(0);
    for (const line of cgroups) expect(line).toMatch(/^\S+ ro,/);
  });

  test('the host sees no mount of a running container', async () => {
    const { daemon } = fixture;
    await runDetached(daemon, ['sleep', '1000'], { HostConfig: { Tmpfs: { '/t': '' } } });
    for (const process of ['self', String(daemon.pid)]) {
      expect(readFileSync(`/proc/${process}/mountinfo`, 'utf8')).not.toContain(daemon.dir);
    }
  });

  test('/dev holds Docker’s nodes and links', async () => {
    const { stdout } = await run(
      fixture.daemon,
      'cd /dev; for n in null zero full random urandom tty; do stat -c "%n %F %t:%T %a" $n; done; for l in fd stdin stdout stderr ptmx core; do echo $l $(readlink $l); done',
    );
    for (const [name, device] of [
      ['null', '1:3'],
      ['zero', '1:5'],
      ['full', '1:7'],
      ['random', '1:8'],
      ['urandom', '1:9'],
      ['tty', '5:0'],
    ]) {
      expect(stdout).toContain(`${name} character special file ${device} 666`);
    }
    expect(stdout).toContain('fd /proc/self/fd');
    expect(stdout).toContain('stdin /proc/self/fd/0');
    expect(stdout).toContain('ptmx pts/ptmx');
  });
});

test('a tmpfs is shared when it is asked to be, and keeps its other options', async () => {
  const mountOf = async (options: string) => {
    const HostConfig = { Tmpfs: { '/x': options } };
    return (await run(fixture.daemon, 'grep " /x " /proc/self/mountinfo', { HostConfig })).stdout;
  };
  expect(await mountOf('shared')).toMatch(/ \/x rw,nosuid,nodev,noexec,relatime shared:\d+ - tmpfs /);
  expect(await mountOf('size=1m,rshared,ro')).toMatch(
    / \/x ro,nosuid,nodev,noexec,relatime shared:\d+ - tmpfs .*size=1024k/,
  );
  for (const options of ['', 'private', 'rslave'])
    expect(await mountOf(options)).toMatch(/ relatime - tmpfs |relatime - tmpfs /);
});
