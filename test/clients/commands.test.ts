// The commands of a working day, by our own command line and by the unmodified docker, against the same daemon.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CliName, cli, cliBinary, cliNames } from '../harness/clis.ts';
import { eventually, sleep } from '../harness/eventually.ts';
import { readTar } from '../harness/tars.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();
let dir = '';
beforeAll(() => {
  dir = mkdtempSync('/tmp/tsdt-host-');
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe.each(cliNames)('%s', (name: CliName) => {
  const call = (...args: string[]) => cli(fixture.daemon, name, args);
  const ok = async (...args: string[]) => {
    const result = await call(...args);
    expect(result, args.join(' ')).toMatchObject({ code: 0 });
    return result.stdout;
  };
  const withInput = (input: string | Uint8Array, ...args: string[]) => cli(fixture.daemon, name, args, { input });

  test('run --rm: output, streams apart, status, nothing left', async () => {
    const result = await call('run', '--rm', 'busybox', 'sh', '-c', 'echo out; echo err >&2; exit 42');
    expect(result).toMatchObject({ code: 42, stdout: 'out\n', stderr: 'err\n' });
    expect(await ok('ps', '-aq')).toBe('');
  });

  test.each([
    [['run', '--rm', 'busybox', '/nosuch'], 127],
    [['run', '--rm', 'busybox', 'nosuch'], 127],
    [['run', '--rm', 'busybox', '/etc/passwd'], 126],
    [['run', '--rm', '--nosuchflag', 'busybox', 'true'], 125],
    [['run', '--rm', '-u', 'nosuch', 'busybox', 'true'], 125],
    [['run', '--rm', '-v', 'relative/path:/x', 'busybox', 'true'], 125],
    [['run', '--rm', '--pull', 'never', 'nosuch:1', 'true'], 125],
    [['exec', 'nosuch', 'true'], 1],
    [['rm', 'nosuch'], 1],
    [['inspect', 'nosuch'], 1],
  ])('%j ends with %i', async (args, code) => {
    const result = await call(...args);
    expect(result.code, result.stderr).toBe(code);
    expect(result.stderr.length).toBeGreaterThan(10);
    expect(await ok('ps', '-aq')).toBe('');
  });

  test('-i passes stdin through and ends it', async () => {
    expect(await withInput('a\nb\n', 'run', '--rm', '-i', 'busybox', 'cat')).toMatchObject({
      code: 0,
      stdout: 'a\nb\n',
    });
    const big = Buffer.alloc(8 << 20, 'x');
    expect((await withInput(big, 'run', '--rm', '-i', 'busybox', 'wc', '-c')).stdout.trim()).toBe(String(8 << 20));
    expect((await withInput('unread', 'run', '--rm', '-i', 'busybox', 'true')).code).toBe(0);
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    const echoed = await cliBinary(fixture.daemon, name, ['run', '--rm', '-i', 'busybox', 'cat'], { input: bytes });
    expect(echoed.stdout).toEqual(bytes);
  });

  test('-d, ps, logs, wait, stop, start, restart, rm', async () => {
    const id = (
      await ok('run', '-d', '--name', 'web', '--init', 'busybox', 'sh', '-c', 'echo hello; sleep 1000')
    ).trim();
    expect(id).toMatch(/^[0-9a-f]{64}$/);
    await eventually('it said hello', async () => (await ok('logs', 'web')) === 'hello\n');
    const row = (await ok('ps')).split('\n')[1] ?? '';
    expect(row).toMatch(new RegExp(`^${id.slice(0, 12)}\\s+busybox\\s+"sh -c 'echo hello; …"\\s+.*Up .*\\s+web$`));
    expect(await ok('ps', '-q', '--no-trunc')).toBe(`${id}\n`);
    expect(await ok('ps', '--format', '{{.Names}}: {{.Image}} {{.State}}')).toBe('web: busybox running\n');
    expect(await ok('ps', '-a', '--filter', 'name=web', '--format', '{{.ID}}')).toBe(`${id.slice(0, 12)}\n`);
    expect(await ok('stop', '-t', '2', 'web')).toBe('web\n');
    expect(await ok('ps', '-q')).toBe('');
    expect(await ok('start', 'web')).toBe('web\n');
    expect(await ok('restart', '-t', '1', 'web')).toBe('web\n');
    expect(await ok('kill', 'web')).toBe('web\n');
    expect(await ok('wait', 'web')).toBe('137\n');
    expect(await ok('rename', 'web', 'web2')).toBe('');
    expect(await ok('rm', 'web2')).toBe('web2\n');
  });

  test('exec: output, status, environment, directory, user, stdin', async () => {
    await ok('run', '-d', '--name', 'c', 'busybox', 'sleep', '1000');
    expect(await call('exec', 'c', 'sh', '-c', 'echo o; echo e >&2; exit 5')).toMatchObject({
      code: 5,
      stdout: 'o\n',
      stderr: 'e\n',
    });
    expect(await ok('exec', '-e', 'A=b', '-w', '/tmp', '-u', 'nobody', 'c', 'sh', '-c', 'echo $A $PWD $(id -u)')).toBe(
      'b /tmp 65534\n',
    );
    expect(await withInput('in\n', 'exec', '-i', 'c', 'cat')).toMatchObject({ code: 0, stdout: 'in\n' });
    expect((await call('exec', 'c', 'nosuch')).code).toBe(127);
    expect((await call('exec', 'c', '/etc/passwd')).code).toBe(126);
    await ok('exec', '-d', 'c', 'touch', '/made');
    await eventually('the detached one ran', async () => (await call('exec', 'c', 'ls', '/made')).code === 0);
    await ok('rm', '-f', 'c');
  });

  test('configuration flags', async () => {
    writeFileSync(`${dir}/env`, '# comment\nFROM_FILE=yes\nPASSED\n');
    const result = await cli(
      fixture.daemon,
      name,
      [
        ...[
          'run',
          '--rm',
          '--env-file',
          `${dir}/env`,
          '-e',
          'MINE=1',
          '-h',
          'named',
          '-w',
          '/var',
          '-u',
          'mail:daemon',
          '--label',
          'l=v',
        ],
        ...[
          '--entrypoint',
          '/bin/sh',
          'busybox',
          '-c',
          'echo $FROM_FILE $PASSED $MINE $(hostname) $PWD $(id -un):$(id -gn)',
        ],
      ],
      { env: { PASSED: 'through' } },
    );
    expect(result).toMatchObject({ code: 0, stdout: 'yes through 1 named /var mail:daemon\n' });
  });

  test('limits and security flags', async () => {
    const { stdout, code } = await call(
      ...[
        'run',
        '--rm',
        '-m',
        '64m',
        '--cpus',
        '0.5',
        '--pids-limit',
        '20',
        '--ulimit',
        'nofile=64:128',
        '--cap-drop',
        'ALL',
        '--cap-add',
        'CHOWN',
      ],
      ...[
        '--security-opt',
        'no-new-privileges',
        '--read-only',
        '--tmpfs',
        '/t:size=1m',
        '--shm-size',
        '1m',
        '--group-add',
        '77',
        '--sysctl',
        'net.ipv4.ip_forward=1',
      ],
      ...[
        'busybox',
        'sh',
        '-c',
        'grep -E "CapEff|NoNewPrivs" /proc/self/status; ulimit -n; touch /x 2>&1; touch /t/x && echo t; id -G; cat /proc/sys/net/ipv4/ip_forward',
      ],
    );
    expect(code).toBe(0);
    expect(stdout).toMatch(/CapEff:\s+0000000000000001/);
    expect(stdout).toMatch(/NoNewPrivs:\s+1/);
    expect(stdout).toContain('\n64\n');
    expect(stdout).toContain('Read-only file system');
    expect(stdout).toContain('\nt\n');
    expect(stdout).toMatch(/\b77\b/);
    expect(stdout.trim().endsWith('1')).toBe(true);
  });

  test('binds and --mount', async () => {
    mkdirSync(`${dir}/m`, { recursive: true });
    writeFileSync(`${dir}/m/f`, 'bound\n');
    expect(await ok('run', '--rm', '-v', `${dir}/m:/b:ro`, 'busybox', 'cat', '/b/f')).toBe('bound\n');
    expect(
      await ok(
        'run',
        '--rm',
        '--mount',
        `type=bind,source=${dir}/m,target=/b,readonly`,
        '--mount',
        'type=tmpfs,target=/t,tmpfs-size=64k',
        'busybox',
        'sh',
        '-c',
        'cat /b/f; stat -f -c %T /t',
      ),
    ).toBe('bound\ntmpfs\n');
    const missing = await call('run', '--rm', '--mount', `type=bind,source=${dir}/nosuch,target=/b`, 'busybox', 'true');
    expect(missing.code).toBe(125);
    expect(missing.stderr).toContain(`bind source path does not exist: ${dir}/nosuch`);
  });

  test('--cidfile, create, start -a', async () => {
    const file = `${dir}/cid-${name}`;
    const id = (
      await ok('create', '--cidfile', file, '--name', 'made', 'busybox', 'sh', '-c', 'echo started; exit 6')
    ).trim();
    expect(readFileSync(file, 'utf8')).toBe(id);
    expect(await call('start', '-a', 'made')).toMatchObject({ code: 6, stdout: 'started\n' });
    const again = await call('run', '--rm', '--cidfile', file, 'busybox', 'true');
    expect(again.code).not.toBe(0);
    expect(again.stderr).toMatch(/[Cc]ontainer ID file found/);
    await ok('rm', 'made');
  });

  test('cp in and out, of files, directories and tars', async () => {
    await ok(
      'run',
      '-d',
      '--name',
      'cp',
      'busybox',
      'sh',
      '-c',
      'mkdir -p /d/sub; echo in > /d/sub/f; ln -s /d/sub /l; sleep 1000',
    );
    writeFileSync(`${dir}/out`, 'from outside\n');
    await ok('cp', `${dir}/out`, 'cp:/new');
    expect(await ok('exec', 'cp', 'cat', '/new')).toBe('from outside\n');
    await eventually('the files are there', async () => (await call('exec', 'cp', 'ls', '/l/f')).code === 0);
    rmSync(`${dir}/got`, { recursive: true, force: true });
    await ok('cp', 'cp:/d', `${dir}/got`);
    expect(readFileSync(`${dir}/got/sub/f`, 'utf8')).toBe('in\n');
    await ok('cp', `${dir}/got/.`, 'cp:/tmp');
    expect(await ok('exec', 'cp', 'cat', '/tmp/sub/f')).toBe('in\n');
    const tar = await cliBinary(fixture.daemon, name, ['cp', 'cp:/d', '-']);
    expect(readTar(tar.stdout).map((entry) => entry.name.replace(/\/$/, ''))).toContain('d/sub/f');
    const stopped = await call('cp', 'cp:/nosuch', `${dir}/x`);
    expect(stopped.code).toBe(1);
    expect(stopped.stderr).toContain('Could not find the file /nosuch in container cp');
    await ok('stop', '-t', '0', 'cp');
    await ok('cp', 'cp:/new', `${dir}/again`);
    expect(readFileSync(`${dir}/again`, 'utf8')).toBe('from outside\n');
    await ok('rm', 'cp');
  });

  test('diff, commit, history, tag, images, rmi, export, import', async () => {
    await ok('run', '--name', 'src', 'busybox', 'sh', '-c', 'echo x > /added; rm /etc/group; echo y >> /etc/passwd');
    expect((await ok('diff', 'src')).trim().split('\n').sort()).toEqual([
      'A /added',
      'C /etc',
      'C /etc/passwd',
      'D /etc/group',
    ]);
    const id = (
      await ok('commit', '-m', 'why', '-a', 'who', '-c', 'CMD ["cat","/added"]', 'src', `mine-${name}:1`)
    ).trim();
    expect(id).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(await ok('run', '--rm', `mine-${name}:1`)).toBe('x\n');
    expect(await ok('history', '--format', '{{.Comment}}', `mine-${name}:1`)).toMatch(/^why\n/);
    await ok('tag', `mine-${name}:1`, `other-${name}:2`);
    expect(await ok('images', '--format', '{{.Repository}}:{{.Tag}}', '--filter', `reference=*-${name}`)).toMatch(
      new RegExp(`(mine-${name}:1\\nother-${name}:2|other-${name}:2\\nmine-${name}:1)\\n`),
    );
    expect(await ok('images', '-q', `mine-${name}`)).toBe(`${id.slice(7, 19)}\n`);
    const conflict = await call('rmi', id);
    expect(conflict.code).toBe(1);
    expect(conflict.stderr).toMatch(/must be forced|conflict/);
    expect(await ok('rmi', `other-${name}:2`)).toBe(`Untagged: other-${name}:2\n`);
    const exported = await cliBinary(fixture.daemon, name, ['export', 'src']);
    const imported = await withInput(
      exported.stdout,
      'import',
      '-c',
      'CMD ["cat","/added"]',
      '-m',
      'taken in',
      '-',
      `imp-${name}`,
    );
    expect(imported.stdout.trim()).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(await ok('run', '--rm', `imp-${name}`)).toBe('x\n');
    await ok('rm', 'src');
    await ok('rmi', '-f', `imp-${name}`, `mine-${name}:1`);
    expect(await ok('image', 'ls', '-q', `mine-${name}`)).toBe('');
  });

  test('inspect, with a template', async () => {
    const id = (await ok('create', '--name', 'i', '--label', 'k=v', 'busybox', 'true')).trim();
    const [all] = JSON.parse(await ok('inspect', 'i')) as Record<string, unknown>[];
    expect(all).toMatchObject({ Id: id, Name: '/i' });
    expect(await ok('inspect', '-f', '{{.State.Status}} {{index .Config.Labels "k"}} {{json .Config.Cmd}}', 'i')).toBe(
      'created v ["true"]\n',
    );
    expect(await ok('container', 'inspect', '--format', '{{range .Config.Cmd}}<{{.}}>{{end}}', 'i')).toBe('<true>\n');
    const [image] = JSON.parse(await ok('image', 'inspect', 'busybox')) as { RepoTags: string[] }[];
    expect(image?.RepoTags).toEqual(['busybox:latest']);
    await ok('rm', 'i');
  });

  test('top, stats, events, update, pause, unpause', async () => {
    const busy = `busy-${name}`;
    await ok('run', '-d', '--name', busy, 'busybox', 'sh', '-c', 'while :; do :; done');
    expect(await ok('top', busy)).toContain('while :');
    const stats = await ok('stats', '--no-stream', '--format', '{{.Name}} {{.CPUPerc}} {{.PIDs}}', busy);
    expect(stats).toMatch(new RegExp(`^${busy} [\\d.]+% 1\\n$`));
    await ok('update', '-m', '128m', '--memory-swap', '-1', busy);
    expect(await ok('inspect', '-f', '{{.HostConfig.Memory}}', busy)).toBe(`${128 << 20}\n`);
    expect(await ok('pause', busy)).toBe(`${busy}\n`);
    expect(await ok('ps', '--format', '{{.Status}}')).toMatch(/\(Paused\)\n$/);
    expect(await ok('unpause', busy)).toBe(`${busy}\n`);
    await ok('rm', '-f', busy);
    // `--until 0s` goes over the wire in whole seconds.
    await sleep(1100);
    const events = await ok(
      'events',
      '--since',
      '1m',
      '--until',
      '0s',
      '--filter',
      `container=${busy}`,
      '--format',
      '{{.Action}}',
    );
    expect(
      events
        .trim()
        .split('\n')
        .filter((action) => !['attach', 'top'].includes(action)),
    ).toEqual(['create', 'start', 'update', 'pause', 'unpause', 'kill', 'die', 'destroy']);
  });

  test('logs: --tail, -t, --since, -f', async () => {
    await ok('run', '--name', 'l', 'busybox', 'sh', '-c', 'for i in 1 2 3; do echo $i; done; echo e >&2');
    expect(await call('logs', 'l')).toMatchObject({ stdout: '1\n2\n3\n', stderr: 'e\n' });
    expect((await call('logs', '--tail', '2', 'l')).stdout).toBe('3\n');
    expect((await call('logs', '-t', 'l')).stdout).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z 1\n/);
    expect((await call('logs', '-f', 'l')).stdout).toBe('1\n2\n3\n');
    expect((await call('logs', '--since', '2099-01-01T00:00:00Z', 'l')).stdout).toBe('');
    await ok('rm', 'l');
  });

  test('container, image and system forms; version; info; help', async () => {
    await ok('container', 'run', '--rm', 'busybox', 'true');
    await ok('container', 'create', '--name', 'f', 'busybox', 'true');
    expect(await ok('container', 'ls', '-a', '--format', '{{.Names}}')).toBe('f\n');
    await ok('container', 'prune', '-f');
    expect(await ok('container', 'ls', '-aq')).toBe('');
    expect(await ok('image', 'ls')).toMatch(/REPOSITORY\s+TAG\s+IMAGE ID\s+CREATED\s+SIZE\nbusybox\s+latest/);
    expect(await ok('system', 'df')).toMatch(/TYPE\s+TOTAL\s+ACTIVE\s+SIZE\s+RECLAIMABLE\nImages/);
    expect(await ok('version')).toMatch(/Server/);
    expect(await ok('version', '--format', '{{.Server.APIVersion}}')).toBe('1.51\n');
    expect(await ok('info', '--format', '{{.Driver}}')).toBe('overlay2\n');
    expect(await ok('info')).toMatch(/Storage Driver: overlay2/);
    for (const command of ['run', 'ps', 'exec', 'logs', 'cp', 'images', 'commit'])
      expect(await ok(command, '--help')).toMatch(/Usage:/);
  });

  test('signals reach the container: the client’s TERM is the container’s', async () => {
    const result = await cli(
      fixture.daemon,
      name,
      [
        'run',
        '--rm',
        '--name',
        'sig',
        'busybox',
        'sh',
        '-c',
        'trap "echo caught; exit 33" TERM; echo ready; while :; do sleep 0.02; done',
      ],
      {
        onSpawn: (child) => {
          child.stdout?.once('data', () => setTimeout(() => child.kill('SIGTERM'), 50));
        },
      },
    );
    expect(result).toMatchObject({ code: 33, stdout: 'ready\ncaught\n' });
  });

  test('attach to a running container, without stdin', async () => {
    await ok('run', '-d', '--name', 'at', 'busybox', 'sh', '-c', 'sleep 0.5; echo late; exit 8');
    const result = await call('attach', '--no-stdin', 'at');
    expect(result).toMatchObject({ code: 8, stdout: 'late\n' });
    await ok('rm', 'at');
  });

  test('a missing daemon is told by name', async () => {
    const result = await cli(fixture.daemon, name, ['ps'], { env: { DOCKER_HOST: `unix://${dir}/nosuch.sock` } });
    expect(result.code).not.toBe(0);
    expect(result.stderr).toContain(`${dir}/nosuch.sock`);
    expect(existsSync(`${dir}/nosuch.sock`)).toBe(false);
    await sleep(0);
  });
});
