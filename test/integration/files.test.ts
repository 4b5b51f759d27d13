import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Body, create, inspect, run, runDetached, start, wait } from '../harness/containers.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();
let dir = '';

beforeAll(() => {
  dir = mkdtempSync('/tmp/tsdt-host-');
  mkdirSync(`${dir}/sub`);
  writeFileSync(`${dir}/file`, 'from the host\n');
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const host = (fields: Record<string, unknown>): Body => ({ HostConfig: fields });

describe('binds', () => {
  test('-v shows a directory, read-write and read-only', async () => {
    const { daemon } = fixture;
    const written = await run(daemon, 'cat /b/file; echo inside > /b/new', host({ Binds: [`${dir}:/b`] }));
    expect(written.stdout).toBe('from the host\n');
    expect(readFileSync(`${dir}/new`, 'utf8')).toBe('inside\n');
    const refused = await run(daemon, 'echo x > /b/new', host({ Binds: [`${dir}:/b:ro`] }));
    expect(refused.stderr).toMatch(/Read-only file system/);
    expect(readFileSync(`${dir}/new`, 'utf8')).toBe('inside\n');
  });

  test('a single file, a nested target and a target that the image lacks', async () => {
    const { stdout } = await run(
      fixture.daemon,
      'cat /etc/motd; cat /a/b/c/file; ls -d /a/b/c/sub',
      host({ Binds: [`${dir}/file:/etc/motd`, `${dir}:/a/b/c:ro`] }),
    );
    expect(stdout).toBe('from the host\nfrom the host\n/a/b/c/sub\n');
  });

  test('read-only holds for mounts below the source too', async () => {
    execFileSync('mount', ['-t', 'tmpfs', 'tsdt', `${dir}/sub`]);
    try {
      const { stderr } = await run(fixture.daemon, 'touch /b/sub/x', host({ Binds: [`${dir}:/b:ro`] }));
      expect(stderr).toMatch(/Read-only file system/);
    } finally {
      execFileSync('umount', [`${dir}/sub`]);
    }
  });

  test('by default no mount passes from the host into a running container; rslave lets it, one way', async () => {
    const { daemon } = fixture;
    execFileSync('mount', ['--bind', dir, dir]);
    execFileSync('mount', ['--make-shared', dir]);
    try {
      const script = 'while [ ! -e /b/go ]; do sleep 0.02; done; ls /b/sub';
      const isolated = await runDetached(daemon, script, host({ Binds: [`${dir}:/b`] }));
      const slave = await runDetached(daemon, script, host({ Binds: [`${dir}:/b:rslave`] }));
      execFileSync('mount', ['-t', 'tmpfs', 'tsdt', `${dir}/sub`]);
      writeFileSync(`${dir}/sub/later`, '');
      writeFileSync(`${dir}/go`, '');
      await wait(daemon, isolated);
      await wait(daemon, slave);
      const read = async (id: string) => (await daemon.api.send('GET', `/containers/${id}/logs?stdout=1`)).text;
      expect(await read(isolated)).not.toContain('later');
      expect(await read(slave)).toContain('later');
    } finally {
      execFileSync('umount', [`${dir}/sub`]);
      execFileSync('umount', [dir]);
      rmSync(`${dir}/go`, { force: true });
    }
  });

  test('a missing -v source is made; a missing --mount source is refused', async () => {
    const { daemon } = fixture;
    await run(daemon, 'true', host({ Binds: [`${dir}/made/here:/b`] }));
    expect(statSync(`${dir}/made/here`).isDirectory()).toBe(true);
    const answer = await daemon.api.send('POST', '/containers/create', {
      body: { Image: 'busybox', HostConfig: { Mounts: [{ Type: 'bind', Source: `${dir}/nosuch`, Target: '/b' }] } },
    });
    expect(answer.status).toBe(400);
    expect(answer.text).toContain(`bind source path does not exist: ${dir}/nosuch`);
    expect(existsSync(`${dir}/nosuch`)).toBe(false);
  });

  test('a source that vanished before the start is an error that names it', async () => {
    const { daemon } = fixture;
    mkdirSync(`${dir}/brief`);
    const id = await create(daemon, 'true', host({ Mounts: [{ Type: 'bind', Source: `${dir}/brief`, Target: '/b' }] }));
    rmSync(`${dir}/brief`, { recursive: true });
    const answer = await daemon.api.send('POST', `/containers/${id}/start`);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.text).toContain(`${dir}/brief`);
  });

  test.each([
    [{ Binds: ['./relative:/b'] }, 400],
    [{ Binds: ['/tmp:relative'] }, 400],
    [{ Binds: ['/tmp:/'] }, 400],
    [{ Binds: ['/tmp:/a', '/tmp:/a'] }, 400],
    [{ Binds: ['/tmp:/a:nonsense'] }, 400],
    [{ Binds: ['/tmp:/a:suid'] }, 400],
    [{ Mounts: [{ Type: 'nosuch', Target: '/a' }] }, 400],
    [{ Mounts: [{ Type: 'bind', Source: '/tmp', Target: '' }] }, 400],
    [{ Binds: ['../name:/b'] }, 400],
    [{ Binds: ['name:/b:rshared'] }, 400],
    [{ Mounts: [{ Type: 'volume', Source: '../name', Target: '/b' }] }, 400],
    [
      { Mounts: [{ Type: 'volume', Source: 'name', Target: '/b', VolumeOptions: { DriverConfig: { Name: 'x' } } }] },
      404,
    ],
    [{ Mounts: [{ Type: 'image', Source: 'nosuch', Target: '/b' }] }, 404],
    [{ Mounts: [{ Type: 'volume', Source: 'name', Target: '/b', VolumeOptions: { Subpath: '../x' } }] }, 400],
    [{ VolumesFrom: ['nobody'] }, 400],
    [{ VolumesFrom: ['nobody:x'] }, 400],
  ])('%j is refused', async (fields, status) => {
    const answer = await fixture.daemon.api.send('POST', '/containers/create', {
      body: { Image: 'busybox', ...host(fields) },
    });
    expect(answer.status, answer.text).toBe(status);
    expect((answer.json as { message: string }).message.length).toBeGreaterThan(10);
    // Whatever was made on the way is gone again.
    expect((await fixture.daemon.api.get<{ Volumes: [] }>('/volumes')).Volumes).toEqual([]);
  });

  test('inspect tells the mounts', async () => {
    const id = await create(fixture.daemon, 'true', host({ Binds: [`${dir}:/b:ro`] }));
    expect((await inspect(fixture.daemon, id)).Mounts).toEqual([
      expect.objectContaining({ Type: 'bind', Source: dir, Destination: '/b', RW: false }),
    ]);
  });
});

describe('tmpfs', () => {
  test('--tmpfs with options, and --mount type=tmpfs', async () => {
    const { stdout } = await run(
      fixture.daemon,
      "stat -f -c %T /t /u; stat -c %a /t /u; df -k /t | tail -n 1 | awk '{print $2}'; cp /bin/busybox /t/b && /t/b true || echo noexec",
      host({
        Tmpfs: { '/t': 'size=1m,mode=700' },
        Mounts: [{ Type: 'tmpfs', Target: '/u', TmpfsOptions: { SizeBytes: 65536, Mode: 0o750 } }],
      }),
    );
    const lines = stdout.split('\n');
    expect(lines.slice(0, 4)).toEqual(['tmpfs', 'tmpfs', '700', '750']);
    expect(stdout).toMatch(/noexec|No space/);
  });
});

describe('the root file system', () => {
  test('--read-only refuses writes but leaves tmpfs and managed files', async () => {
    const { stderr, stdout } = await run(
      fixture.daemon,
      'touch /x; touch /etc/x; echo ok > /t/x && cat /t/x; touch /dev/shm/y && echo shm',
      host({ ReadonlyRootfs: true, Tmpfs: { '/t': '' } }),
    );
    expect(stderr.match(/Read-only file system/g)).toHaveLength(2);
    expect(stdout).toBe('ok\nshm\n');
  });

  test('lower layers never change; deleting leaves a whiteout; copy-up works; diff says A, C and D', async () => {
    const { daemon } = fixture;
    const id = await runDetached(
      daemon,
      'echo more >> /etc/passwd; rm /etc/group; echo new > /root/new; mkdir /added; touch /added/f; chmod 700 /home',
    );
    await wait(daemon, id);
    const changes = await daemon.api.get<{ Path: string; Kind: number }[]>(`/containers/${id}/changes`);
    const kinds = new Map(changes.map((change) => [change.Path, change.Kind]));
    expect(Object.fromEntries([...kinds].sort())).toEqual({
      '/added': 1,
      '/added/f': 1,
      '/etc': 0,
      '/etc/group': 2,
      '/etc/passwd': 0,
      '/home': 0,
      '/root': 0,
      '/root/new': 1,
    });
    const other = await run(daemon, 'cat /etc/group | head -n 1; grep -c more /etc/passwd; ls /root');
    expect(other.stdout).toBe('root:x:0:\n0\n');
    await start(daemon, id);
    await wait(daemon, id);
  });

  test('managed files are not part of diff, export or commit, whatever the container writes to them', async () => {
    const { daemon } = fixture;
    const id = await runDetached(
      daemon,
      'echo 10.0.0.1 mine >> /etc/hosts; cat /etc/hosts > /seen',
      host({ Binds: [`${dir}:/mnt/made/by/engine`], Tmpfs: { '/tmpfs': '' } }),
    );
    await wait(daemon, id);
    const changes = await daemon.api.get<{ Path: string }[]>(`/containers/${id}/changes`);
    expect(changes.map((change) => change.Path).sort()).toEqual(['/seen']);
    await daemon.api.post(`/commit?container=${id}&repo=committed`);
    const { stdout } = await run(
      daemon,
      'cat /seen | tail -n 1; grep -c mine /etc/hosts; ls -d /mnt/made /tmpfs 2>&1 | grep -c "No such"',
      { Image: 'committed' },
    );
    expect(stdout).toBe('10.0.0.1 mine\n0\n2\n');
  });

  test('a file of the image can be bigger than the write; sparse files, hard links, symlinks and modes survive', async () => {
    const { stdout } = await run(
      fixture.daemon,
      'cd /root; dd if=/dev/zero of=s bs=1 count=1 seek=10485760 2>/dev/null; stat -c %s s; [ $(stat -c %b s) -lt 64 ] && echo sparse; echo a > a; ln a b; stat -c %h a; ln -s a l; readlink l; chmod 4755 a; stat -c %a a; mkfifo p; stat -c %F p',
    );
    expect(stdout).toBe('10485761\nsparse\n2\na\n4755\nfifo\n');
  });
});
