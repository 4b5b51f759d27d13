// What a process may do, by profile. exec has the same posture as run: every table is checked for both.
import { chmodSync, statSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type Body, exec, facts, run, runDetached } from '../harness/containers.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();

const defaultCaps = '00000000a80425fb';
const noCaps = '0000000000000000';

/** The probe's facts from the container's first process, and again from an exec in a second one of the same kind. */
async function both(
  sections: string[],
  body: Body,
  check: (found: Map<string, string>, from: string) => void,
): Promise<void> {
  const { daemon } = fixture;
  const first = await run(daemon, ['probe', ...sections], body);
  expect(first.stderr).toBe('');
  check(facts(first.stdout), 'run');
  const id = await runDetached(daemon, ['sleep', '1000'], body);
  const second = await exec(daemon, id, ['probe', ...sections]);
  check(facts(second.stdout), 'exec');
}

const host = (fields: Record<string, unknown>): Body => ({ HostConfig: fields });

describe('capabilities', () => {
  const sets = ['CapBnd', 'CapPrm', 'CapEff'];
  test.each<[string, Body, Record<string, string>]>([
    ['by default: Docker’s fourteen', {}, { CapBnd: defaultCaps, CapPrm: defaultCaps, CapEff: defaultCaps }],
    [
      'of another user: in the bounding set only',
      { User: '1000' },
      { CapBnd: defaultCaps, CapPrm: noCaps, CapEff: noCaps },
    ],
    ['cap-drop ALL', host({ CapDrop: ['ALL'] }), { CapBnd: noCaps, CapPrm: noCaps, CapEff: noCaps }],
    [
      'cap-drop ALL, cap-add CHOWN',
      host({ CapDrop: ['all'], CapAdd: ['chown'] }),
      { CapBnd: '0000000000000001', CapEff: '0000000000000001' },
    ],
    [
      'cap-add CAP_SYS_PTRACE',
      host({ CapAdd: ['CAP_SYS_PTRACE'] }),
      { CapBnd: '00000000a80c25fb', CapEff: '00000000a80c25fb' },
    ],
    ['cap-drop MKNOD', host({ CapDrop: ['MKNOD'] }), { CapBnd: '00000000a00425fb', CapEff: '00000000a00425fb' }],
  ])('%s', async (_name, body, expected) => {
    await both(['status'], body, (found, from) => {
      for (const [set, value] of Object.entries(expected)) expect(found.get(set), `${from} ${set}`).toBe(value);
      expect(found.get('CapInh'), from).toBe(noCaps);
      expect(found.get('CapAmb'), from).toBe(noCaps);
    });
  });

  test('privileged: all that the daemon has, none inheritable', async () => {
    await both(['status'], host({ Privileged: true }), (found, from) => {
      for (const set of sets)
        expect(BigInt(`0x${found.get(set)}`) & 0x1fffffffffn, `${from} ${set}`).toBeGreaterThan(0x1f00000000n);
      expect(found.get('CapInh'), from).toBe(noCaps);
      expect(found.get('CapAmb'), from).toBe(noCaps);
      expect(found.get('Seccomp'), from).toBe('0');
    });
  });

  test('privileged exec in an ordinary container gets all capabilities', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, ['sleep', '1000']);
    const { stdout } = await exec(daemon, id, ['probe', 'status'], { Privileged: true });
    expect(BigInt(`0x${facts(stdout).get('CapEff')}`)).toBeGreaterThan(0x1f00000000n);
  });

  test('an unknown capability is refused', async () => {
    const answer = await fixture.daemon.api.send('POST', '/containers/create', {
      body: { Image: 'busybox', HostConfig: { CapAdd: ['NOSUCH'] } },
    });
    expect(answer.status).toBe(400);
    expect(answer.text).toContain('NOSUCH');
  });
});

describe('the system call filter', () => {
  const allowed = [
    'openat2',
    'pidfd_open',
    'memfd_create',
    'landlock_create_ruleset',
    'name_to_handle_at',
    'socket_inet',
  ];
  const adminOnly = [
    ...['mount', 'umount2', 'fsopen', 'open_tree', 'move_mount', 'mount_setattr', 'fspick', 'setns', 'bpf', 'quotactl'],
    ...[
      'perf_event_open',
      'fanotify_init',
      'lookup_dcookie',
      'unshare_user',
      'unshare_mount',
      'unshare_uts',
      'clone_user',
      'mount_proc',
    ],
  ];
  const never = [
    'keyctl',
    'add_key',
    'request_key',
    'io_uring_setup',
    'userfaultfd',
    'kexec_load',
    'pivot_root',
    'swapon',
    'swapoff',
  ];

  test('by default: what needs rights is refused, what programs need is not, unknown numbers do not exist', async () => {
    await both(['status', 'calls', 'keys'], {}, (found, from) => {
      const call = (name: string) => found.get(`call.${name}`);
      expect(found.get('Seccomp'), from).toBe('2');
      for (const name of [...adminOnly, ...never]) expect(call(name), `${from} ${name}`).toBe('EPERM');
      for (const name of allowed) expect(['EPERM', 'ENOSYS'], `${from} ${name}`).not.toContain(call(name));
      // glibc falls back to clone when clone3 does not exist, and would fail when it is forbidden.
      for (const name of ['clone3', 'unknown_600', 'unknown_9999'])
        expect(call(name), `${from} ${name}`).toBe('ENOSYS');
      for (const name of [
        'socket_vsock',
        'socket_alg',
        'personality',
        'reboot',
        'init_module',
        'delete_module',
        'acct',
        'iopl',
      ]) {
        expect(call(name), `${from} ${name}`).toMatch(/^E(PERM|AFNOSUPPORT|INVAL)$/);
        expect(call(name)).not.toBe('ok');
      }
      for (const name of ['chroot', 'setuid', 'socket_raw', 'ptrace_traceme'])
        expect(call(name), `${from} ${name}`).toBe('ok');
      expect(call('sethostname_real'), from).toBe('EPERM');
      expect(found.get('keyring'), from).toBe('EPERM');
    });
  });

  test('cap-add SYS_ADMIN opens the calls that need it', async () => {
    await both(['calls'], host({ CapAdd: ['SYS_ADMIN'] }), (found, from) => {
      for (const name of ['mount', 'umount2', 'fsopen', 'open_tree', 'setns']) {
        expect(found.get(`call.${name}`), `${from} ${name}`).not.toBe('EPERM');
      }
      expect(found.get('call.unshare_uts'), from).toBe('ok');
      for (const name of ['keyctl', 'io_uring_setup'])
        expect(found.get(`call.${name}`), `${from} ${name}`).toBe('EPERM');
    });
  });

  test('seccomp=unconfined has no filter', async () => {
    await both(['status', 'calls'], host({ SecurityOpt: ['seccomp=unconfined'] }), (found, from) => {
      expect(found.get('Seccomp'), from).toBe('0');
      expect(found.get('call.keyctl'), from).not.toBe('EPERM');
      expect(found.get('call.unshare_user'), from).toBe('ok');
    });
  });

  test('a profile of one’s own is applied', async () => {
    const profile = JSON.stringify({
      defaultAction: 'SCMP_ACT_ALLOW',
      architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_AARCH64'],
      syscalls: [{ names: ['chmod', 'fchmodat', 'fchmodat2'], action: 'SCMP_ACT_ERRNO', errnoRet: 13 }],
    });
    const result = await run(fixture.daemon, 'touch /f; chmod 600 /f', host({ SecurityOpt: [`seccomp=${profile}`] }));
    expect(result.code).not.toBe(0);
    expect(result.stderr).toMatch(/Permission denied/);
  });

  test('a profile that is not one is refused', async () => {
    for (const profile of ['{', '{"defaultAction":"NOPE"}', '[]']) {
      const made = await fixture.daemon.api.send('POST', '/containers/create', {
        body: { Image: 'busybox', Cmd: ['true'], HostConfig: { SecurityOpt: [`seccomp=${profile}`] } },
      });
      const answer =
        made.status === 201
          ? await fixture.daemon.api.send('POST', `/containers/${(made.json as { Id: string }).Id}/start`)
          : made;
      expect([400, 500]).toContain(answer.status);
      expect(answer.text).toMatch(/seccomp/i);
    }
  });
});

describe('no-new-privileges, signals, files, limits', () => {
  test('no-new-privileges is off by default and on when asked', async () => {
    await both(['status'], {}, (found, from) => expect(found.get('NoNewPrivs'), from).toBe('0'));
    for (const option of ['no-new-privileges', 'no-new-privileges:true', 'no-new-privileges=true']) {
      const result = await run(fixture.daemon, ['probe', 'status'], host({ SecurityOpt: [option] }));
      expect(facts(result.stdout).get('NoNewPrivs'), option).toBe('1');
    }
    await both(['status'], host({ SecurityOpt: ['no-new-privileges'] }), (found, from) => {
      expect(found.get('NoNewPrivs'), from).toBe('1');
      expect(found.get('Seccomp'), from).toBe('2');
    });
  });

  test('a process starts clean: three files, no blocked or ignored signal, umask 022, its own session', async () => {
    await both(['status', 'fds', 'cwd'], {}, (found, from) => {
      expect([...found.keys()].filter((name) => name.startsWith('fd.')).sort(), from).toEqual(['fd.0', 'fd.1', 'fd.2']);
      expect(found.get('blocked'), from).toBeUndefined();
      expect(found.get('ignored'), from).toBeUndefined();
      expect(found.get('Umask'), from).toBe('0022');
      expect(found.get('sid'), from).toBe(found.get('pid'));
      expect(found.get('oom_score_adj'), from).toBe('0');
      expect(found.get('cwd'), from).toBe('/');
    });
  });

  test('OomScoreAdj and ulimits', async () => {
    const body = host({
      OomScoreAdj: 300,
      Ulimits: [
        { Name: 'nofile', Soft: 100, Hard: 200 },
        { Name: 'core', Soft: 0, Hard: 0 },
      ],
    });
    await both(['status', 'limits'], body, (found, from) => {
      if (from === 'run') expect(found.get('oom_score_adj')).toBe('300');
      expect(found.get('limit.nofile'), from).toBe('100:200');
      expect(found.get('limit.core'), from).toBe('0:0');
    });
  });

  test('a hard limit above what the host allows is an answer, not a crash', async () => {
    const { daemon } = fixture;
    const body = host({ Ulimits: [{ Name: 'nofile', Soft: 500_000_000, Hard: 500_000_000 }] });
    const made = await daemon.api.send('POST', '/containers/create', {
      body: { Image: 'busybox', Cmd: ['true'], ...body },
    });
    const answer =
      made.status === 201
        ? await daemon.api.send('POST', `/containers/${(made.json as { Id: string }).Id}/start`)
        : made;
    // A refusal that names the limit, or what the host allows with a warning that says so.
    if (answer.status < 400) expect((made.json as { Warnings: string[] }).Warnings.join()).toMatch(/nofile/i);
    else expect(answer.text).toMatch(/nofile|rlimit/i);
  });

  test('each container has a session keyring of its own', async () => {
    const body = host({ SecurityOpt: ['seccomp=unconfined'] });
    const result = await run(fixture.daemon, ['probe', 'keys'], body);
    expect(facts(result.stdout).get('keyring')).toBe('readable');
    // /proc/keys lists what a process possesses: the daemon's own session must not be among it.
    const listed = await run(
      fixture.daemon,
      'cat /proc/keys',
      host({ SecurityOpt: ['seccomp=unconfined', 'systempaths=unconfined'] }),
    );
    expect(listed.stdout).not.toContain('_ses: 1 daemon');
  });
});

describe('masked and read-only paths', () => {
  const masked = [
    'acpi',
    'asound',
    'interrupts',
    'kcore',
    'keys',
    'latency_stats',
    'sched_debug',
    'scsi',
    'timer_list',
    'timer_stats',
  ];
  const script = `
    for p in ${masked.map((name) => `/proc/${name}`).join(' ')} /sys/firmware /sys/devices/virtual/powercap; do
      [ -e $p ] || continue
      if [ -d $p ]; then [ -z "$(ls -A $p)" ] && echo "$p masked" || echo "$p OPEN"
      else [ "$(stat -c %t:%T $p)" = 1:3 ] && echo "$p masked" || { [ -s $p ] || [ -n "$(head -c 1 $p)" ] && echo "$p OPEN"; }; fi
    done
    for w in /proc/sys/kernel/core_pattern /proc/sysrq-trigger /proc/irq/default_smp_affinity /sys/kernel/mm/ksm/run /proc/sys/vm/stat_interval; do
      [ -e $w ] || continue; (: >>$w) 2>/dev/null && echo "$w WRITABLE"
    done
    umount /proc/kcore 2>/dev/null && echo UNMOUNTED
    mount -t proc p /mnt 2>/dev/null && echo MOUNTED
    mount -o remount,rw /sys 2>/dev/null && echo REMOUNTED
    echo end`;

  test('hold for run and for exec', async () => {
    const { daemon } = fixture;
    const first = await run(daemon, script);
    const id = await runDetached(daemon, ['sleep', '1000']);
    for (const { stdout } of [first, await exec(daemon, id, script)]) {
      expect(stdout).toContain('/proc/keys masked');
      expect(stdout).not.toMatch(/OPEN|WRITABLE|MOUNTED/);
      expect(stdout.trimEnd()).toMatch(/end$/);
    }
  });

  test('what covers a file is the container’s own inode, read-only: nothing done to it reaches the host’s', async () => {
    const before = statSync('/dev/null');
    const attack = `stat -c 'inode %d:%i' /proc/keys; chmod 0676 /proc/keys && echo CHANGED; chown 5 /proc/keys && echo OWNED
      stat -c %t:%T:%a:%u /proc/keys; : > /proc/keys && echo written`;
    const forms: Record<string, unknown>[] = [
      {},
      { CapDrop: ['ALL'], ReadonlyRootfs: true, SecurityOpt: ['no-new-privileges'] },
      { Binds: ['/dev:/dev'] },
      { Tmpfs: { '/dev': '' } },
    ];
    try {
      for (const form of forms) {
        const { stdout } = await run(fixture.daemon, attack, host(form));
        expect(stdout, JSON.stringify(form)).toMatch(/^inode \d+:\d+\n1:3:666:0\nwritten\n$/);
        expect(stdout).not.toContain(`inode ${before.dev}:${before.ino}\n`);
      }
      expect(statSync('/dev/null').mode).toBe(before.mode);
    } finally {
      chmodSync('/dev/null', before.mode & 0o7777);
    }
  });

  test('systempaths=unconfined and privileged lift them', async () => {
    for (const fields of [{ SecurityOpt: ['systempaths=unconfined'] }, { Privileged: true }]) {
      const { stdout } = await run(
        fixture.daemon,
        'stat -c %t:%T /proc/keys; (: >>/proc/sys/vm/stat_interval) && echo writable',
        host(fields),
      );
      expect(stdout).not.toContain('1:3');
      expect(stdout).toContain('writable');
    }
  });

  test('the thermal throttle counters of the processors are masked where they exist', async () => {
    const { stdout } = await run(
      fixture.daemon,
      'cat /sys/devices/system/cpu/cpu*/thermal_throttle/* 2>/dev/null | wc -c',
    );
    expect(stdout.trim()).toBe('0');
  });
});

describe('devices', () => {
  test('only Docker’s devices can be opened; nodes can be made', async () => {
    await both(['devices'], {}, (found, from) => {
      for (const name of ['null', 'zero']) expect(found.get(`open.${name}`), `${from} ${name}`).toBe('ok');
      for (const name of ['mem', 'kmsg', 'loopctl', 'loop', 'fuse', 'sda', 'vda', 'tty0']) {
        expect(found.get(`mknod.${name}`), `${from} mknod ${name}`).toBe('ok');
        expect(found.get(`open.${name}`), `${from} open ${name}`).toBe('EPERM');
      }
    });
  });

  test('--device gives exactly that one, with its permissions', async () => {
    const device = (perms: string) =>
      host({ Devices: [{ PathOnHost: '/dev/loop-control', PathInContainer: '/dev/loopc', CgroupPermissions: perms }] });
    const { daemon } = fixture;
    const readable = await run(
      daemon,
      'stat -c %t:%T /dev/loopc; (exec 3</dev/loopc) && echo readable; (exec 3>/dev/loopc) && echo writable',
      device('r'),
    );
    expect(readable.stdout).toBe('a:ed\nreadable\n');
    const { stdout } = await run(daemon, ['probe', 'devices'], device('rwm'));
    expect(facts(stdout).get('open.loopctl')).toBe('ok');
    expect(facts(stdout).get('open.mem')).toBe('EPERM');
    const missing = await daemon.api.send('POST', '/containers/create', {
      body: {
        Image: 'busybox',
        Cmd: ['true'],
        HostConfig: { Devices: [{ PathOnHost: '/dev/nosuch', PathInContainer: '/dev/x', CgroupPermissions: 'rwm' }] },
      },
    });
    const answer =
      missing.status === 201
        ? await daemon.api.send('POST', `/containers/${(missing.json as { Id: string }).Id}/start`)
        : missing;
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.text).toContain('/dev/nosuch');
  });

  test('--device has its place anywhere, on a read-only root too, and leaves the image as it is', async () => {
    const { daemon } = fixture;
    const at = (...places: string[]) =>
      places.map((place) => ({ PathOnHost: '/dev/null', PathInContainer: place, CgroupPermissions: 'rwm' }));
    const script = 'for d in /xnull /opt/a/null /etc/passwd; do stat -c %t:%T:%F $d; echo x >$d || echo refused; done';
    for (const ReadonlyRootfs of [false, true]) {
      const { stdout } = await run(
        daemon,
        script,
        host({ Devices: at('/xnull', '/opt/a/null', '/etc/passwd'), ReadonlyRootfs }),
      );
      expect(stdout).toBe('1:3:character special file\n'.repeat(3));
    }
    expect((await run(daemon, 'head -c 5 /etc/passwd; ls /xnull 2>&1')).stdout).toMatch(/^root:.*No such file/);
    // A link of the image's leads nowhere but inside.
    const linked = await run(daemon, 'stat -c %t:%T /home/null; stat -c %F /etc', host({ Devices: at('/home/null') }));
    expect(linked.stdout).toBe('1:3\ndirectory\n');
    for (const place of ['/', '/dev', '/proc/x', '/sys/kernel/x']) {
      const body = { Image: 'busybox', Cmd: ['true'], HostConfig: { Devices: at(place) } };
      expect([place, (await daemon.api.send('POST', '/containers/create', { body })).status]).toEqual([place, 400]);
    }
  });

  test('--device-cgroup-rule allows, without a node', async () => {
    const { stdout } = await run(fixture.daemon, ['probe', 'devices'], host({ DeviceCgroupRules: ['c 10:237 rwm'] }));
    expect(facts(stdout).get('open.loopctl')).toBe('ok');
    expect(facts(stdout).get('open.mem')).toBe('EPERM');
    const bad = await fixture.daemon.api.send('POST', '/containers/create', {
      body: { Image: 'busybox', HostConfig: { DeviceCgroupRules: ['x 10:237 rwm'] } },
    });
    expect(bad.status).toBe(400);
  });

  test('a privileged container has the host’s devices', async () => {
    const { stdout } = await run(
      fixture.daemon,
      'ls /dev/kmsg /dev/loop-control; (exec 3</dev/loop-control) && echo opened',
      host({ Privileged: true }),
    );
    expect(stdout).toContain('/dev/kmsg');
    expect(stdout).toContain('opened');
  });
});

describe('sysctls', () => {
  test('namespaced ones are set, others refused', async () => {
    const { stdout } = await run(
      fixture.daemon,
      'cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shmmax /proc/sys/fs/mqueue/msg_max',
      host({
        Sysctls: { 'net.ipv4.ip_unprivileged_port_start': '7', 'kernel.shmmax': '123456', 'fs.mqueue.msg_max': '22' },
      }),
    );
    expect(stdout).toBe('7\n123456\n22\n');
    for (const name of [
      'vm.stat_interval',
      'kernel.core_pattern',
      'net..ipv4.x',
      'net.ipv4.../../vm/stat_interval',
      'kernel.panic',
    ]) {
      const answer = await fixture.daemon.api.send('POST', '/containers/create', {
        body: { Image: 'busybox', Cmd: ['true'], HostConfig: { Sysctls: { [name]: '1' } } },
      });
      const last =
        answer.status === 201
          ? await fixture.daemon.api.send('POST', `/containers/${(answer.json as { Id: string }).Id}/start`)
          : answer;
      expect(last.status, name).toBeGreaterThanOrEqual(400);
    }
  });

  test('by default unprivileged ports start at 0 and ping needs no capability', async () => {
    const { stdout } = await run(
      fixture.daemon,
      'cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range',
    );
    expect(stdout.split(/\s+/).slice(0, 3)).toEqual(['0', '0', '2147483647']);
  });

  test('a sysctl of the host’s network is refused', async () => {
    const answer = await fixture.daemon.api.send('POST', '/containers/create', {
      body: {
        Image: 'busybox',
        Cmd: ['true'],
        HostConfig: { NetworkMode: 'host', Sysctls: { 'net.ipv4.ip_forward': '0' } },
      },
    });
    const last =
      answer.status === 201
        ? await fixture.daemon.api.send('POST', `/containers/${(answer.json as { Id: string }).Id}/start`)
        : answer;
    expect(last.status).toBeGreaterThanOrEqual(400);
  });
});
