// What a container is, seen from inside it: every program is compiled, launched and looked at by busybox.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { KernelContainer, type RunOptions } from './kernel-container.ts';

let scratch = '';
beforeAll(() => {
  scratch = mkdtempSync(path.join(tmpdir(), 'tsd-kernel-test-'));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

async function run(command: string | readonly string[], options?: RunOptions) {
  await using container = new KernelContainer(command, options);
  return await container.run();
}

describe('the default container', () => {
  test('has namespaces, mounts, devices and a host name of its own', async () => {
    const { output, code } = await run(
      'hostname; id; pwd; echo $$; ls /dev; ip -o link | wc -l; mount; readlink /proc/self/ns/net; exit 7',
    );
    expect(code).toBe(7);
    const lines = output.split('\n');
    expect(lines.slice(0, 4)).toEqual(['kernel-test', 'uid=0(root) gid=0(root) groups=0(root)', '/', '1']);
    expect(output).toContain(
      'core\nfd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero',
    );
    expect(output).toContain('proc on /proc type proc (rw,nosuid,nodev,noexec,relatime)');
    expect(output).toContain('tmpfs on /dev type tmpfs (rw,nosuid,size=65536k,mode=755)');
    expect(output).toContain('sysfs on /sys type sysfs (ro,nosuid,nodev,noexec,relatime)');
    expect(output).toContain('shm on /dev/shm type tmpfs (rw,nosuid,nodev,noexec,relatime,size=65536k)');
    expect(output).not.toContain(`\n${readlinkSync('/proc/self/ns/net')}\n`);
  });

  test('holds 14 capabilities, an empty inheritable set and a filter', async () => {
    const { output } = await run('grep -E "^(Cap|NoNewPrivs|Seccomp:)" /proc/self/status');
    expect(output.split('\n').map((line) => line.replace(/\s+/, ' '))).toEqual([
      'CapInh: 0000000000000000',
      'CapPrm: 00000000a80425fb',
      'CapEff: 00000000a80425fb',
      'CapBnd: 00000000a80425fb',
      'CapAmb: 0000000000000000',
      'NoNewPrivs: 0',
      'Seccomp: 2',
      '',
    ]);
  });

  test('inherits no descriptor but 0, 1 and 2', async () => {
    const { output } = await run('ls /proc/self/fd');
    // The last is the directory that ls reads.
    expect(output).toBe('0\n1\n2\n3\n');
  });

  test('sees masked paths as /dev/null or as an empty directory, and cannot write read-only ones', async () => {
    const { output } = await run(
      'stat -c %t:%T /proc/keys /proc/timer_list; ls /proc/acpi /sys/firmware; ' +
        'for f in /proc/sys/kernel/core_pattern /proc/sys/vm/stat_interval; do (: >>$f) 2>&1; done; umount /proc/keys 2>&1; ' +
        'mount -t proc proc /tmp 2>&1; mount -o remount,rw /sys 2>&1',
    );
    expect(output).toContain('1:3\n1:3\n');
    expect(output).toContain("can't create /proc/sys/kernel/core_pattern: Read-only file system");
    expect(output).toContain('umount: can');
    expect(output).toContain('mount: permission denied');
    expect(output).toMatch(/\/proc\/acpi:\n\n\/sys\/firmware:\n/);
  });

  test('is in its control group, which it can read and not write', async () => {
    const { output } = await run(
      'grep pids: /proc/self/cgroup; cat /sys/fs/cgroup/pids/tasks; (: >/sys/fs/cgroup/pids/pids.max) 2>&1',
    );
    expect(output).toMatch(/pids:\/tsd-kernel-[0-9a-f]{12}\n/);
    expect(output).toContain('Read-only file system');
  });

  test('gets defaults of its network namespace', async () => {
    const { output } = await run(
      'cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range',
    );
    expect(output.trim().split(/\s+/)).toEqual(['0', '0', '2147483647']);
  });

  test('has a time namespace and a session keyring of its own', async () => {
    const { output } = await run('readlink /proc/self/ns/time; cat /proc/key-users >/dev/null; grep -c . /proc/keys');
    expect(output).not.toContain(readlinkSync('/proc/self/ns/time'));
  });
});

describe('identity', () => {
  test('a named user gets its groups and home, and no effective capability', async () => {
    const { output } = await run('id; echo $HOME; grep -E "^Cap(Prm|Eff|Bnd|Inh)" /proc/self/status', {
      config: { User: 'alice' },
      hostConfig: { GroupAdd: ['77'] },
    });
    expect(output).toContain('uid=1000(alice) gid=1000(alice) groups=77,1000(alice),10(wheel)'.split(' ')[0]);
    expect(output).toContain('wheel');
    expect(output).toContain('77');
    expect(output).toContain('/home/alice');
    expect(output).toMatch(/CapPrm:\t0{16}\nCapEff:\t0{16}\nCapBnd:\t00000000a80425fb/);
    expect(output).toMatch(/CapInh:\t0{16}/);
  });

  test('a number is never looked up as a name', async () => {
    const { output } = await run('id -u', {
      config: { User: '1000' },
      prepare: (root) => writeFileSync(`${root}/etc/passwd`, '1000:x:0:0::/:/bin/sh\n'),
    });
    expect(output.trim()).toBe('1000');
  });

  test('--cap-drop ALL leaves nothing, --cap-add one more', async () => {
    const none = await run('grep -E "^Cap(Eff|Bnd)" /proc/self/status', { hostConfig: { CapDrop: ['ALL'] } });
    expect(none.output).toMatch(/CapEff:\t0{16}\nCapBnd:\t0{16}/);
    const more = await run('grep ^CapEff /proc/self/status', { hostConfig: { CapAdd: ['net_admin'] } });
    expect(more.output.trim()).toBe('CapEff:\t00000000a80435fb');
  });

  test('no-new-privileges is in force together with the filter', async () => {
    const { output } = await run('grep -E "^(NoNewPrivs|Seccomp:)" /proc/self/status', {
      hostConfig: { SecurityOpt: ['no-new-privileges'] },
      config: { User: '1000' },
    });
    expect(output).toBe('NoNewPrivs:\t1\nSeccomp:\t2\n');
  });
});

describe('options', () => {
  test('--privileged has all capabilities of the engine, no filter, no masks and the devices of the host', async () => {
    const { output } = await run(
      'grep -E "^(CapEff|Seccomp:)" /proc/self/status; ls /dev/vda; (: >>/proc/sys/vm/stat_interval) && echo writable; mount -t tmpfs t /tmp && echo mounted',
      { hostConfig: { Privileged: true } },
    );
    const own = /^CapEff:\t(.*)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    expect(output).toContain(`CapEff:\t${own}\nSeccomp:\t0`);
    expect(output).toContain('/dev/vda');
    expect(output).toContain('writable\nmounted');
  });

  test('--read-only: the root is, /dev/shm and a tmpfs are not', async () => {
    const { output } = await run('pwd; touch /x 2>&1; touch /dev/shm/x /t/x && echo ok; touch /sys/x 2>&1', {
      hostConfig: { ReadonlyRootfs: true, Tmpfs: { '/t': 'size=1m' } },
      config: { WorkingDir: '/made/dir' },
      prepare: (root) => mkdirSync(`${root}/t`),
    });
    expect(output).toContain('/made/dir\ntouch: /x: Read-only file system');
    expect(output).toContain('ok');
  });

  test('a bind mount is there, read-only with all that is mounted below it', async () => {
    mkdirSync(path.join(scratch, 'b'), { recursive: true });
    writeFileSync(path.join(scratch, 'b', 'f'), 'content');
    const { output } = await run('cat /new/dir/f; echo; touch /new/dir/g 2>&1; touch /rw/g && ls /rw', {
      hostConfig: { Binds: [`${scratch}/b:/new/dir:ro`, `${scratch}/b:/rw`, `${scratch}/b/f:/new/file`] },
    });
    expect(output).toContain('content\ntouch: /new/dir/g: Read-only file system\nf\ng\n');
  });

  test('managed files are bound into /etc', async () => {
    const hosts = path.join(scratch, 'hosts');
    writeFileSync(hosts, '127.0.0.1 managed\n');
    const { output } = await run('cat /etc/hosts', { managedFiles: { hosts } });
    expect(output).toBe('127.0.0.1 managed\n');
  });

  test('--sysctl reaches the namespace and not the host', async () => {
    const { output } = await run('cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax', {
      hostConfig: { Sysctls: { 'net.ipv4.ip_forward': '1', 'kernel.msgmax': '12345' } },
    });
    expect(output).toBe('1\n12345\n');
    expect(readFileSync('/proc/sys/kernel/msgmax', 'utf8').trim()).not.toBe('12345');
  });

  test('--ulimit, --oom-score-adj, --shm-size and --device', async () => {
    const { output } = await run(
      'ulimit -n; cat /proc/self/oom_score_adj; mount | grep /dev/shm; stat -c %t:%T /dev/other; umask',
      {
        hostConfig: {
          Ulimits: [{ Name: 'nofile', Soft: 100, Hard: 200 }],
          OomScoreAdj: 500,
          ShmSize: 1048576,
          Devices: [{ PathOnHost: '/dev/null', PathInContainer: '/dev/other', CgroupPermissions: 'rwm' }],
        },
      },
    );
    expect(output).toMatch(/^100\n500\nshm on \/dev\/shm .*size=1024k\)\n1:3\n0022\n$/);
  });

  test('--init stays as process 1 and hands on the exit status', async () => {
    const { output, code } = await run('echo $$; cat /proc/1/comm; exit 3', { init: true });
    expect(output).toBe('2\ntsdocker-init\n');
    expect(code).toBe(3);
  });

  test('--init in the host’s pid namespace: the command dies with it', async () => {
    await using container = new KernelContainer('sleep 61', { init: true, namespaces: { pid: 'host' } });
    await container.start();
    const [command] = readFileSync(`/proc/${container.pid}/task/${container.pid}/children`, 'latin1').trim().split(' ');
    process.kill(container.pid, 'SIGKILL');
    await container.ended();
    await expect.poll(() => existsSync(`/proc/${command}/exe`)).toBe(false);
  });

  test('a terminal is stdin, stdout, stderr and /dev/console', async () => {
    const { output } = await run('tty; stat -c %t /dev/console; ls -1 /dev/pts; id -u', {
      config: { Tty: true, User: 'alice' },
    });
    expect(output).toBe('/dev/pts/0\r\n88\r\n0\r\nptmx\r\n1000\r\n');
  });

  test('ipc mode none has no /dev/shm', async () => {
    const { output } = await run('ls -d /dev/shm 2>&1', { hostConfig: { IpcMode: 'none' } });
    expect(output).toContain('No such file');
  });

  test('host namespaces are the host’s', async () => {
    const { output } = await run('for n in pid uts ipc net; do readlink /proc/self/ns/$n; done', {
      namespaces: { pid: 'host', uts: 'host', ipc: 'host', network: 'host' },
    });
    expect(output.trim().split('\n')).toEqual(
      ['pid', 'uts', 'ipc', 'net'].map((name) => readlinkSync(`/proc/self/ns/${name}`)),
    );
  });
});

describe('joining another container', () => {
  test('shares its pid, ipc, network namespaces and /dev/shm', async () => {
    await using first = new KernelContainer('echo shared >/dev/shm/x; sleep 60');
    await first.start();
    const { output } = await run('for n in net ipc pid; do readlink /proc/self/ns/$n; done; cat /dev/shm/x', {
      namespaces: { pid: { pid: first.pid }, ipc: { pid: first.pid }, network: { pid: first.pid } },
    });
    const expected = ['net', 'ipc', 'pid'].map((name) => readlinkSync(`/proc/${first.pid}/ns/${name}`));
    expect(output.split('\n').slice(0, 4)).toEqual([...expected, 'shared']);
  });
});

describe('exec', () => {
  test('has the posture of the first process', async () => {
    const posture =
      'grep -E "^(Cap|NoNewPrivs|Seccomp:)" /proc/self/status; ulimit -n; cat /proc/self/cgroup; umask; ls /proc/self/fd; hostname; pwd; for n in mnt net uts ipc pid time cgroup; do readlink /proc/self/ns/$n; done';
    await using container = new KernelContainer(`${posture}; sleep 60`, {
      hostConfig: { Ulimits: [{ Name: 'nofile', Soft: 77, Hard: 77 }], CapAdd: ['NET_ADMIN'] },
    });
    await container.start();
    const exec = await container.exec(posture);
    expect(exec.code).toBe(0);
    // It may still be writing its last lines.
    await expect.poll(() => container.output(), { timeout: 10_000 }).toBe(exec.output);
    expect(exec.output).toContain('\n0\n1\n2\n3\n');
  });

  test('as another user, in another directory, with a terminal', async () => {
    await using container = new KernelContainer('sleep 60');
    await container.start();
    const { output } = await container.exec('id -un; pwd; tty; echo $X $HOME; grep CapEff /proc/self/status', {
      userName: 'alice',
      workingDir: '/tmp',
      tty: true,
      env: ['X=y'],
    });
    expect(output).toBe('alice\r\n/tmp\r\n/dev/pts/0\r\ny /home/alice\r\nCapEff:\t0000000000000000\r\n');
  });

  test('enters no process but a child of the container’s monitor', async () => {
    await using container = new KernelContainer('sleep 60');
    await container.start();
    // What a number reused after the container's end looks like: the process is there, and another's child.
    const stranger = container.exec('true', { monitorPid: process.pid });
    await expect(stranger).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('is not running'),
    });
    expect((await container.exec('true')).code).toBe(0);
  });

  test('--privileged adds capabilities', async () => {
    await using container = new KernelContainer('sleep 60');
    await container.start();
    const { output } = await container.exec('grep CapEff /proc/self/status', { privileged: true });
    const own = /^CapEff:\t(.*)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    expect(output.trim()).toBe(`CapEff:\t${own}`);
  });

  test('what is not there is ENOENT of execve', async () => {
    await using container = new KernelContainer('sleep 60');
    await container.start();
    await expect(container.exec(['nonexist'])).rejects.toMatchObject({ op: 'execve', errnoName: 'ENOENT' });
  });
});

describe('hostile images', () => {
  test.each(['proc', 'sys', 'dev'])('/%s as a symbolic link is refused', async (name) => {
    const target = path.join(scratch, `outside-${name}`);
    mkdirSync(target, { recursive: true });
    for (const link of [target, '../../../proc', '/tmp']) {
      const started = run('true', {
        prepare: (root) => {
          rmSync(`${root}/${name}`, { recursive: true });
          symlinkSync(link, `${root}/${name}`);
        },
      });
      await expect(started).rejects.toMatchObject({ op: 'move_mount', errnoName: 'ELOOP', detail: `/${name}` });
    }
  });

  test.each([3, 4, 5, 6, 7, 8, 9, 10, 20])('WORKDIR /proc/self/fd/%i is refused', async (fd) => {
    const started = run('pwd', { config: { WorkingDir: `/proc/self/fd/${fd}` } });
    await expect(started).rejects.toMatchObject({ op: 'chdir' });
  });

  test('exec -w /proc/self/fd/N is refused', async () => {
    await using container = new KernelContainer('sleep 60');
    await container.start();
    for (const fd of [3, 4, 5, 6, 7]) {
      await expect(container.exec('pwd', { workingDir: `/proc/self/fd/${fd}` })).rejects.toMatchObject({ op: 'chdir' });
    }
  });

  test('a missing working directory is made, inside the root', async () => {
    const { output } = await run('pwd; stat -c %a .', { config: { WorkingDir: '/a/b/../c' } });
    expect(output).toBe('/a/c\n755\n');
  });

  test('a link in the way of a mount target stays inside the root', async () => {
    const outside = path.join(scratch, 'target');
    mkdirSync(outside, { recursive: true });
    const { output } = await run('cat /link/sub/marker', {
      hostConfig: { Binds: [`${markerDir()}:/link/sub`] },
      prepare: (root) => {
        symlinkSync(outside, `${root}/link`);
        mkdirSync(path.join(root, outside), { recursive: true });
      },
    });
    expect(output).toBe('marker\n');
    expect(readdirSync(outside)).toEqual([]);
  });

  test('/proc/1/exe is no file of the host that can be written', async () => {
    await using container = new KernelContainer('sleep 60', { init: true });
    await container.start();
    const { output } = await container.exec('readlink /proc/1/exe; (: >>/proc/1/exe) 2>&1; true');
    expect(output).not.toContain('/work');
    expect(output).toMatch(/(Permission denied|Operation not permitted|Text file busy)/);
  });
});

function markerDir(): string {
  const dir = path.join(scratch, 'marker-dir');
  mkdirSync(dir, { recursive: true });
  writeFileSync(path.join(dir, 'marker'), 'marker\n');
  return dir;
}
