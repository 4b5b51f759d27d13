// RUN steps against the kernel: what they see, what becomes of what they write, and how they end.
import { existsSync, lstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ExecFailed } from '../../../../daemon/build/steps/exec-failed.ts';
import { ExecRig } from './exec-rig.ts';

let rig: ExecRig;
beforeAll(async () => {
  rig = await ExecRig.open();
});
afterEach(async () => {
  await rig.step.settled();
  expect(rig.leftovers()).toEqual([]);
  expect(rig.warnings).toEqual([]);
});
afterAll(async () => {
  expect(await rig.close()).toEqual([]);
});

describe('a step', () => {
  it('makes a layer of exactly what it writes', async () => {
    const [result] = await rig.run('mkdir /made && echo one > /made/file && rm /etc/group');
    using layer = result as NonNullable<typeof result>;
    expect(rig.ownFiles(layer)).toEqual(['/etc', '/etc/group', '/made', '/made/file']);
    rig.within(layer, (root) => {
      expect(readFileSync(join(root, 'made/file'), 'utf8')).toBe('one\n');
      expect(existsSync(join(root, 'etc/group'))).toBe(false);
      expect(existsSync(join(root, 'etc/passwd'))).toBe(true);
    });
  });

  it('leaves nothing of its surroundings in the layer', async () => {
    const [result] = await rig.run(
      'cat /etc/hosts /etc/resolv.conf >/dev/null; ls /proc /sys /dev > /dev/null; echo x > /dev/shm/x',
    );
    using layer = result as NonNullable<typeof result>;
    expect(rig.ownFiles(layer)).toEqual([]);
  });

  it('does not wait for the disk: what it writes is synced when something is made of it', async () => {
    expect(await rig.output('grep -c "^overlay / overlay rw.*volatile" /proc/mounts; sync')).toBe('1\n');
  });

  it('stands on what the one before it wrote', async () => {
    const [first] = await rig.run('echo one > /tmp/a');
    using one = first as NonNullable<typeof first>;
    const [second] = await rig.runOn(one, 'cat /tmp/a > /tmp/b; echo two >> /tmp/a');
    using two = second as NonNullable<typeof second>;
    expect(rig.ownFiles(two)).toEqual(['/tmp', '/tmp/a', '/tmp/b']);
    rig.within(two, (root) => expect(readFileSync(join(root, 'tmp/b'), 'utf8')).toBe('one\n'));
    rig.within(one, (root) => expect(readFileSync(join(root, 'tmp/a'), 'utf8')).toBe('one\n'));
  });

  it('has its own environment, and no other', async () => {
    const text = await rig.output('env | sort', { env: ['A=1', 'A=2'], proxyEnv: ['HTTP_PROXY=p'] });
    expect(text.split('\n').filter((line) => !/^(PWD|SHLVL|OLDPWD)=/.test(line))).toEqual([
      'A=2',
      'HOME=/root',
      'HTTP_PROXY=p',
      'PATH=/bin',
      '',
    ]);
    expect(await rig.output('echo $HOME; id', { user: 'alice' })).toBe(
      '/home/alice\nuid=1000(alice) gid=1000(alice) groups=10(wheel),1000(alice)\n',
    );
  });

  it('has the name and the files that BuildKit gives it, and cannot change them', async () => {
    expect(await rig.output('hostname; head -n 2 /etc/hosts; (echo x >> /etc/hosts) 2>&1 || echo refused')).toMatch(
      /^buildkitsandbox\n127\.0\.0\.1\tlocalhost buildkitsandbox\n::1\tlocalhost ip6-localhost ip6-loopback\n.*\nrefused\n$/,
    );
    expect(
      await rig.output('tail -n 2 /etc/hosts 2>/dev/null || sed -n 3,4p /etc/hosts', {
        settings: {
          extraHosts: [
            { name: 'one', address: '10.1.2.3' },
            { name: 'gate', address: 'host-gateway' },
          ],
        },
      }),
    ).toMatch(/^10\.1\.2\.3\tone\n172\.\d+\.\d+\.1\tgate\n$/);
  });

  it('is closed in as a container is', async () => {
    const text = await rig.output(
      'grep -E "^(CapEff|Seccomp):" /proc/self/status; mount -t tmpfs x /tmp 2>&1 || echo refused; cat /proc/keys | wc -c; echo $$; cat </dev/stdin | wc -c',
    );
    expect(text).toMatch(/CapEff:\t00000000a80425fb\nSeccomp:\t2\n.*refused\n0\n1\n0\n$/s);
  });

  it('runs in a directory that may be missing', async () => {
    const [result] = await rig.run('pwd > where', { workingDir: '/new/dir' });
    using layer = result as NonNullable<typeof result>;
    rig.within(layer, (root) => expect(readFileSync(join(root, 'new/dir/where'), 'utf8')).toBe('/new/dir\n'));
  });

  it('tells all that it writes, in order, whatever the amount', async () => {
    const told = { stdout: '', stderr: '', both: '' };
    const [result] = await rig.run('seq 1 200000; echo end >&2', { told });
    result?.[Symbol.dispose]();
    const lines = told.stdout.split('\n');
    expect(lines.length).toBe(200_001);
    expect(lines.findIndex((line, n) => n < 200_000 && line !== String(n + 1))).toBe(-1);
    expect(told.stderr).toBe('end\n');
  });

  it('has limits', async () => {
    const text = await rig.output('ulimit -n; stat -f -c "%b %S" /dev/shm', {
      settings: { rlimits: [{ name: 'nofile', soft: 100, hard: 200 }], shmBytes: 1024 * 1024 },
    });
    expect(text).toBe('100\n256 4096\n');
  });

  it('runs on a directory as on a layer', async () => {
    const [made] = await rig.run('true');
    made?.[Symbol.dispose]();
    const top = rig.base.top as number;
    const directory = rig.directory(() => undefined);
    const [result] = await rig.runOn({ ...directory, path: rig.storage.layers.dirOf(top) }, 'echo x > /x');
    using layer = result as NonNullable<typeof result>;
    rig.within(layer, (root) => {
      expect(readFileSync(join(root, 'x'), 'utf8')).toBe('x\n');
      expect(lstatSync(join(root, 'bin/busybox')).isFile()).toBe(true);
    });
  });
});

describe('a step that fails', () => {
  it('says how it ended', async () => {
    await expect(rig.run('exit 7')).rejects.toMatchObject({
      exitCode: 7,
      command: 'sh -c exit 7',
      message: 'process "sh -c exit 7" did not complete successfully: exit code: 7',
    });
    const told = { stdout: '', stderr: '', both: '' };
    await expect(rig.run(['/bin/nothing'], { told })).rejects.toMatchObject({ exitCode: 1 });
    expect(told.stderr).toBe(
      'runc run failed: unable to start container process: exec: "/bin/nothing": stat /bin/nothing: no such file or directory\n',
    );
    await expect(rig.run('true', { user: 'nobody-here' })).rejects.toThrow(
      /^process "sh -c true" did not complete successfully: unable to find user nobody-here/,
    );
  });

  it('keeps its root for who asks', async () => {
    const failed = await rig.run('echo half > /half; exit 3', { keepsFailed: true }).catch((error: unknown) => error);
    if (!(failed instanceof ExecFailed) || failed.root === undefined) throw new Error('no root was kept');
    using root = failed.root;
    rig.within(root, (path) => expect(readFileSync(join(path, 'half'), 'utf8')).toBe('half\n'));
  });

  it('says when it had no memory', async () => {
    await expect(
      rig.run('dd if=/dev/zero of=/dev/null bs=100M count=1', { settings: { memoryBytes: 8 * 1024 * 1024 } }),
    ).rejects.toMatchObject({
      exitCode: 137,
      message: expect.stringMatching(/did not complete successfully: cannot allocate memory$/),
    });
  });

  it('is ended when nobody wants it any more, with all that it started', async () => {
    const abort = new AbortController();
    const { promise: begun, resolve } = Promise.withResolvers<void>();
    const running = rig.run('sleep 1000 & trap "" TERM; echo begun; while :; do sleep 1000; done', {
      signal: abort.signal,
      onLog: () => resolve(),
    });
    await begun;
    abort.abort(new Error('gone'));
    await expect(running).rejects.toThrow('gone');
  });

  it('takes with it what it left running when it ends', async () => {
    expect(await rig.output('(sleep 1000 &) ; echo done')).toBe('done\n');
  });
});
