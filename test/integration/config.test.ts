import { describe, expect, test } from 'vitest';
import { create, exec, inspect, run, runDetached } from '../harness/containers.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();

async function imageWith(changes: string[], name: string): Promise<void> {
  const { daemon } = fixture;
  const id = await create(daemon, 'mkdir -p /work/dir; adduser -D -u 1234 alice 2>/dev/null; true');
  await daemon.api.post(`/containers/${id}/start`);
  await daemon.api.post(`/containers/${id}/wait`);
  const query = new URLSearchParams({ container: id, repo: name });
  for (const change of changes) query.append('changes', change);
  await daemon.api.post(`/commit?${query}`);
}

describe('image and container configuration', () => {
  test('Entrypoint, Cmd, Env, User, WorkingDir and Labels merge as Docker does', async () => {
    const { daemon } = fixture;
    await imageWith(
      [
        'ENTRYPOINT ["echo","from-image"]',
        'CMD ["default"]',
        'ENV A=image B=image',
        'WORKDIR /work/dir',
        'LABEL l=image m=image',
      ],
      'configured',
    );
    const base = { Image: 'configured' };
    expect((await run(daemon, [], { ...base, Cmd: null })).stdout).toBe('from-image default\n');
    expect((await run(daemon, ['mine'], base)).stdout).toBe('from-image mine\n');
    // A new entrypoint drops the image's command; an empty one resets it.
    expect((await run(daemon, [], { ...base, Cmd: null, Entrypoint: ['pwd'] })).stdout).toBe('/work/dir\n');
    expect((await run(daemon, ['echo', 'plain'], { ...base, Entrypoint: [''] })).stdout).toBe('plain\n');
    const printed = await run(daemon, ['-c', 'echo $A/$B/$C'], {
      ...base,
      Entrypoint: ['sh'],
      Env: ['B=mine', 'C=mine'],
    });
    expect(printed.stdout).toBe('image/mine/mine\n');
    const id = await create(daemon, ['x'], { ...base, Labels: { m: 'mine', n: 'mine' } });
    const { Config } = await inspect(daemon, id);
    expect(Config.Labels).toEqual({ l: 'image', m: 'mine', n: 'mine' });
    expect(Config.Image).toBe('configured');
  });

  test('HOME, PATH, HOSTNAME and TERM are set, and Env wins', async () => {
    const { daemon } = fixture;
    const { stdout, id } = await run(daemon, 'echo $HOME; echo $HOSTNAME; echo $PATH; echo [$TERM]');
    expect(stdout).toBe(
      `/root\n${id.slice(0, 12)}\n/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n[]\n`,
    );
    const mine = await run(daemon, 'echo $HOME $PATH', { Env: ['HOME=/h', 'PATH=/bin'] });
    expect(mine.stdout).toBe('/h /bin\n');
    expect((await run(daemon, 'echo $TERM', { Tty: true })).stdout).toBe('xterm\r\n');
  });

  test('WorkingDir is made when the image lacks it, owned by root', async () => {
    const { stdout } = await run(fixture.daemon, 'pwd; stat -c %u:%g:%a .', { WorkingDir: '/made/here' });
    expect(stdout).toBe('/made/here\n0:0:755\n');
  });

  test('Hostname and Domainname', async () => {
    const { stdout } = await run(
      fixture.daemon,
      'hostname; cat /etc/hostname; cat /proc/sys/kernel/domainname; grep web /etc/hosts',
      {
        Hostname: 'web',
        Domainname: 'example.org',
      },
    );
    expect(stdout.split('\n')[0]).toBe('web');
    expect(stdout).toContain('example.org');
  });

  test('the managed files: hosts, hostname and resolv.conf', async () => {
    const { daemon } = fixture;
    const { stdout } = await run(daemon, 'cat /etc/hosts /etc/resolv.conf', {
      HostConfig: {
        ExtraHosts: ['db:10.1.2.3'],
        Dns: ['192.0.2.1'],
        DnsSearch: ['corp.example'],
        DnsOptions: ['ndots:3'],
      },
    });
    expect(stdout).toMatch(/127\.0\.0\.1\s+localhost/);
    expect(stdout).toMatch(/10\.1\.2\.3\s+db/);
    expect(stdout).toContain('nameserver 192.0.2.1');
    expect(stdout).toContain('search corp.example');
    expect(stdout).toContain('options ndots:3');
  });
});

describe('users', () => {
  test.each([
    ['', '0:0:root'],
    ['1000', '1000:0:'],
    ['1000:1000', '1000:1000:'],
    ['nobody', '65534:65534:nobody'],
    ['nobody:daemon', '65534:1:nobody'],
    ['33', '33:33:www-data'],
    ['0:33', '0:33:root'],
  ])('User %j is %s', async (user, expected) => {
    const result = await run(fixture.daemon, 'echo $(id -u):$(id -g):$(id -un 2>/dev/null); id -G', { User: user });
    const [ids, groups] = result.stdout.split('\n');
    const [uid, gid, name] = expected.split(':');
    expect(ids?.startsWith(`${uid}:${gid}:`)).toBe(true);
    if (name !== '') expect(ids).toBe(expected);
    expect(groups?.split(' ')).toContain(gid);
  });

  test('supplementary groups come from the image and from GroupAdd', async () => {
    const { stdout } = await run(fixture.daemon, 'id -G', { HostConfig: { GroupAdd: ['mail', '4242'] } });
    expect(
      stdout
        .trim()
        .split(' ')
        .map(Number)
        .sort((a, b) => a - b),
    ).toEqual([0, 8, 10, 4242]);
  });

  test.each(['nosuch', 'root:nosuch', '-1', '2147483648', '4294967296', '0x0', '1e3', '1000:99999999999', 'a b'])(
    'User %j is refused',
    async (user) => {
      const { daemon } = fixture;
      const made = await daemon.api.send('POST', '/containers/create', {
        body: { Image: 'busybox', Cmd: ['id'], User: user },
      });
      if (made.status !== 201) {
        expect(made.status).toBe(400);
        return;
      }
      const { Id } = made.json as { Id: string };
      const started = await daemon.api.send('POST', `/containers/${Id}/start`);
      expect([400, 404, 500]).toContain(started.status);
      expect((started.json as { message: string }).message).toMatch(/user|group|uids and gids/i);
      expect((await inspect(daemon, Id)).State.Running).toBe(false);
    },
  );

  test('exec takes a user of its own', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, ['sleep', '1000'], { User: 'www-data' });
    expect((await exec(daemon, id, 'id -u; id -g')).stdout).toBe('33\n33\n');
    expect((await exec(daemon, id, 'id -u; id -g', { User: '1' })).stdout).toBe('1\n1\n');
    expect((await exec(daemon, id, 'id -u; id -g', { User: '0:8' })).stdout).toBe('0\n8\n');
    const bad = await daemon.api.send('POST', `/containers/${id}/exec`, { body: { Cmd: ['id'], User: 'nosuch' } });
    if (bad.status < 400) {
      const { Id } = bad.json as { Id: string };
      const started = await daemon.api.send('POST', `/exec/${Id}/start`, { body: { Detach: false } });
      expect(started.text).toContain('nosuch');
    }
  });
});

describe('exit statuses of commands that cannot be run', () => {
  test.each([
    [['/nosuch'], 127, /no such file or directory/],
    [['nosuch'], 127, /executable file not found in \$PATH/],
    [['/etc/passwd'], 126, /permission denied/],
    [['/etc'], 126, /permission denied|is a directory/],
  ])('%j is %i', async (cmd, code, message) => {
    const { daemon } = fixture;
    const id = await create(daemon, cmd);
    const answer = await daemon.api.send('POST', `/containers/${id}/start`);
    expect(answer.status).toBe(400);
    expect((answer.json as { message: string }).message).toMatch(message);
    const { State } = await inspect(daemon, id);
    expect(State).toMatchObject({ Status: 'created', Running: false, ExitCode: code });
    expect(State.Error).toMatch(message);
    await daemon.api.delete(`/containers/${id}`);
    expect(await daemon.leftovers()).toEqual([]);
  });

  test('a failed start with AutoRemove removes the container and wakes its waiters', async () => {
    const { daemon } = fixture;
    const id = await create(daemon, ['/nosuch'], { HostConfig: { AutoRemove: true } });
    const removed = daemon.api.send('POST', `/containers/${id}/wait?condition=removed`);
    const started = await daemon.api.send('POST', `/containers/${id}/start`);
    expect(started.status).toBe(400);
    expect((await removed).json).toMatchObject({ StatusCode: 127 });
  });
});
