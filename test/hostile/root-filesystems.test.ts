// Images whose own files try to lead the engine astray: symlinks where it mounts, users that are not what they say, directories
// that are descriptors. Every image has a shell, so that what happened can be judged from inside.
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Body, create, exec, inspect, run, runDetached } from '../harness/containers.ts';
import { fixtureProgram } from '../harness/fixtures.ts';
import { type TarEntry, tarOf } from '../harness/tars.ts';
import { Tripwire } from '../harness/tripwire.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();
let wire: Tripwire;
beforeAll(() => {
  wire = new Tripwire();
});
afterEach(() => wire.check());
afterAll(() => wire.remove());

const shell: TarEntry[] = [
  { name: 'bin/' },
  { name: 'bin/busybox', data: readFileSync('/bin/busybox'), mode: 0o755 },
  { name: 'bin/probe', data: readFileSync(fixtureProgram('probe')), mode: 0o755 },
  ...[
    'sh',
    'cat',
    'ls',
    'id',
    'echo',
    'stat',
    'pwd',
    'readlink',
    'sleep',
    'mount',
    'touch',
    'true',
    'grep',
    'head',
  ].map((name) => ({
    name: `bin/${name}`,
    type: 'symlink',
    linkname: 'busybox',
  })),
];

async function imageOf(entries: TarEntry[], changes: string[] = []): Promise<string> {
  return await fixture.daemon.importTar(tarOf([...shell, ...entries]), 'evil', 'latest', changes);
}

/** Runs, or tells that it was refused. */
async function attempt(
  body: Body,
  cmd: string | string[] = 'true',
): Promise<{ isRefused: boolean; stdout: string; message: string }> {
  try {
    const result = await run(fixture.daemon, cmd, body);
    return { isRefused: false, stdout: result.stdout, message: result.stderr };
  } catch (error) {
    return { isRefused: true, stdout: '', message: String(error) };
  }
}

describe('symlinks where the engine mounts', () => {
  test.each([
    ['proc', '/bad-proc'],
    ['proc', '../../../proc'],
    ['proc', '/'],
    ['sys', '/x'],
    ['dev', '/elsewhere'],
    ['dev', 'HOST'],
    ['proc', 'HOST'],
    ['sys', 'HOST'],
  ])('/%s -> %s is refused in words, or harmless', async (name, target) => {
    const to = target === 'HOST' ? wire.dir : target;
    const image = await imageOf([
      { name, type: 'symlink', linkname: to },
      { name: 'bad-proc/' },
      { name: 'x/' },
      { name: 'elsewhere/' },
    ]);
    const result = await attempt(
      { Image: image },
      'stat -f -c %T /proc/self/; head -n 1 /proc/self/mountinfo >/dev/null && grep Seccomp: /proc/self/status',
    );
    if (result.isRefused) expect(result.message).toMatch(new RegExp(`/?${name}`));
    else expect(result.stdout).toContain('proc\nSeccomp:\t2');
    wire.check();
  });

  test.each(['etc', 'etc/hosts', 'etc/hostname', 'etc/resolv.conf', 'dev/shm', 'dev/pts', 'dev/mqueue', '.dockerenv'])(
    '/%s as a symlink to the host writes nothing there',
    async (name) => {
      const parent = name.includes('/') ? [{ name: `${name.split('/')[0]}/` }] : [];
      const image = await imageOf([
        ...parent,
        { name, type: 'symlink', linkname: name === 'etc' ? wire.dir : `${wire.dir}/SENTINEL` },
      ]);
      await attempt({ Image: image }, 'echo x > /etc/hosts; cat /etc/hosts');
      wire.check();
    },
  );

  test.each(['/proc/sys', '/proc', '/proc/self', '/sys', '/sys/kernel', 'proc/../proc/sys'])(
    'a volume on a symlink to %s is refused by what is there',
    async (linkname) => {
      const image = await imageOf([{ name: 'd', type: 'symlink', linkname }, { name: 'fine/' }]);
      const mounts: Record<string, unknown>[] = [
        { Binds: ['kept:/d'] },
        { Binds: [`${wire.dir}:/d`] },
        { Tmpfs: { '/d': '' } },
        { Binds: ['kept:/d/kernel'] },
      ];
      for (const HostConfig of mounts) {
        const result = await attempt({ Image: image, HostConfig }, 'echo ran');
        expect(result.isRefused, JSON.stringify(HostConfig)).toBe(true);
        expect(result.message).toMatch(
          /inside \/proc or \/sys|no such file|operation not permitted|ENOENT|ELOOP|EACCES|EPERM|ENOTSUP|EROFS/i,
        );
      }
      expect((await attempt({ Image: image, HostConfig: { Binds: ['kept:/fine'] } }, 'echo ran')).stdout).toBe('ran\n');
    },
  );

  test('targets of binds and tmpfs through symlinks stay inside', async () => {
    const image = await imageOf([
      { name: 'abs', type: 'symlink', linkname: wire.dir },
      { name: 'rel', type: 'symlink', linkname: `${'../'.repeat(10)}${wire.dir.slice(1)}` },
      { name: 'd/' },
      { name: 'd/file', type: 'symlink', linkname: `${wire.dir}/new` },
    ]);
    for (const target of ['/abs', '/abs/x', '/rel', '/rel/dir/y', '/d/file', '/abs/../../..']) {
      await attempt({ Image: image, HostConfig: { Tmpfs: { [target]: '' } } });
      await attempt({ Image: image, HostConfig: { Binds: [`/bin/busybox:${target}`] } });
      await attempt({ Image: image, HostConfig: { Binds: [`/usr:${target}:ro`] } });
      wire.check();
    }
  });

  test('binds over /proc and /sys internals are refused', async () => {
    const { api } = fixture.daemon;
    for (const target of ['/proc', '/proc/self', '/proc/self/attr', '/proc/sys', '/proc/1/x']) {
      const made = await api.send('POST', '/containers/create', {
        body: { Image: 'busybox', Cmd: ['true'], HostConfig: { Binds: [`${wire.dir}/dir:${target}`] } },
      });
      const last =
        made.status === 201 ? await api.send('POST', `/containers/${(made.json as { Id: string }).Id}/start`) : made;
      expect(last.status, target).toBeGreaterThanOrEqual(400);
    }
  });

  test('a bind over /dev cannot turn the masks aside', async () => {
    const { daemon } = fixture;
    const hostDev = `${wire.dir}/../tsdt-dev-${process.pid}`;
    const { mkdirSync, rmSync, symlinkSync, writeFileSync } = await import('node:fs');
    for (const plant of ['symlink', 'file', 'absent', 'directory'] as const) {
      rmSync(hostDev, { recursive: true, force: true });
      mkdirSync(hostDev);
      if (plant === 'symlink') symlinkSync('/proc/sys/vm/stat_interval', `${hostDev}/null`);
      if (plant === 'file') writeFileSync(`${hostDev}/null`, 'planted');
      if (plant === 'directory') mkdirSync(`${hostDev}/null`);
      const result = await attempt(
        { HostConfig: { Binds: [`${hostDev}:/dev`] } },
        'stat -c "%n %t:%T %F" /proc/kcore /proc/keys; (: >/proc/sys/vm/stat_interval) 2>/dev/null && echo WRITABLE; head -c 4 /proc/kcore',
      );
      if (!result.isRefused) {
        expect(result.stdout, plant).not.toMatch(/WRITABLE|planted|ELF/);
        expect(result.stdout).toMatch(/keys 1:3 character/);
      }
      rmSync(hostDev, { recursive: true, force: true });
    }
    expect(await daemon.leftovers()).toEqual([]);
  });
});

describe('working directories that are descriptors', () => {
  const paths = [
    ...Array.from({ length: 24 }, (_, n) => `/proc/self/fd/${n}`),
    '/proc/1/fd/3',
    '/proc/self/cwd',
    '/proc/self/root/..',
    '/proc/thread-self/fd/7',
  ];

  test('run: refused, or a directory inside', async () => {
    for (const path of paths) {
      const result = await attempt(
        { WorkingDir: path },
        'pwd -P; ls -d ../../../../etc/shadow-of-the-host 2>/dev/null; ls / | head -n 3',
      );
      if (!result.isRefused) {
        expect(result.stdout, path).toMatch(/^\//);
        expect(result.stdout, path).not.toContain('unreachable');
      }
    }
  });

  test('exec: the same, and no descriptor of the engine is ever open', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, ['sleep', '1000']);
    for (const path of paths) {
      try {
        const result = await exec(daemon, id, ['probe', 'cwd', 'fds'], { WorkingDir: path });
        if (result.code === 0) {
          expect(result.stdout, path).toMatch(/^cwd=\//);
          expect(result.stdout, path).not.toMatch(/fd\.([3-9]|\d\d)/);
        }
      } catch (error) {
        expect(String(error)).toMatch(/start/);
      }
    }
  });

  test('an image’s WORKDIR is checked as well', async () => {
    for (const path of ['/proc/self/fd/7', '/file', '/loop/x', `${wire.dir}/../..`]) {
      const image = await imageOf(
        [
          { name: 'file', data: 'x' },
          { name: 'loop', type: 'symlink', linkname: 'loop' },
        ],
        [`WORKDIR ${path}`],
      ).catch(() => undefined);
      if (image === undefined) continue;
      const result = await attempt({ Image: image }, 'pwd -P');
      if (!result.isRefused) expect(result.stdout).toMatch(/^\//);
    }
  });
});

describe('users of the image', () => {
  test('a number is a number, whatever the image’s passwd says', async () => {
    const image = await imageOf([
      { name: 'etc/' },
      {
        name: 'etc/passwd',
        data: 'root:x:0:0::/:/bin/sh\n1000:x:0:0::/:/bin/sh\n-1:x:0:0::/:/bin/sh\n2147483648:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n',
      },
      { name: 'etc/group', data: 'root:x:0:\n1000:x:0:\n' },
    ]);
    const expected: Record<string, string | null> = {
      '1000': 'uid=1000',
      '1000:1000': 'uid=1000 gid=1000',
      '-1': null,
      '2147483648': null,
      '4294967296': null,
      '0x0': null,
      nobody: 'uid=65534',
    };
    for (const [user, wanted] of Object.entries(expected)) {
      const result = await attempt({ Image: image, User: user }, ['busybox', 'id']);
      if (wanted === null) expect(result.isRefused, user).toBe(true);
      else expect(result.stdout.replaceAll(/\([^)]*\)/g, ''), user).toContain(wanted);
    }
    const id = await runDetached(fixture.daemon, ['sleep', '1000'], { Image: image });
    expect((await exec(fixture.daemon, id, ['busybox', 'id', '-u'], { User: '1' })).stdout).toBe('1\n');
  });

  test.each([
    ['a pipe', [{ name: 'etc/passwd', type: 'fifo' }]],
    ['a device that never ends', [{ name: 'etc/passwd', type: 'char', major: 1, minor: 5 }]],
    ['a directory', [{ name: 'etc/passwd/' }]],
    ['a symlink to the host', [{ name: 'etc/passwd', type: 'symlink', linkname: '/proc/1/environ' }]],
    ['a symlink to itself', [{ name: 'etc/passwd', type: 'symlink', linkname: 'passwd' }]],
    ['a very long line', [{ name: 'etc/passwd', data: 'x'.repeat(8 << 20) }]],
  ] as [string, TarEntry[]][])('a passwd that is %s is an answer within two seconds', async (_name, entries) => {
    const image = await imageOf([{ name: 'etc/' }, ...entries]);
    const at = Date.now();
    const result = await attempt({ Image: image, User: 'nobody' }, ['busybox', 'id']);
    expect(Date.now() - at).toBeLessThan(3000);
    expect(result.isRefused).toBe(true);
  });
});

describe('code of the image', () => {
  test('nothing of it runs on the host for cp, export, top, commit or exec', async () => {
    const { daemon } = fixture;
    const trap = `#!/bin/sh\nbusybox touch ${wire.dir}/RAN /RAN-INSIDE\n`;
    const names = ['xz', 'unpigz', 'gzip', 'gunzip', 'zstd', 'bzip2', 'tar', 'ps', 'nsenter', 'getent', 'ldconfig'];
    const image = await imageOf([
      ...names.map((name) => ({ name: `bin/${name}`, data: trap, mode: 0o755 })),
      { name: 'etc/' },
      { name: 'etc/ld.so.preload', data: '/lib/evil.so\n' },
      { name: 'etc/nsswitch.conf', data: 'passwd: evil\ngroup: evil\n' },
      { name: 'lib/' },
      { name: 'lib/libnss_evil.so.2', data: 'not a library' },
      { name: 'lib/evil.so', data: 'not a library' },
      { name: 'package.json', data: '{"type":"module","main":"evil.js"}' },
      { name: 'node_modules/' },
      { name: 'node_modules/tar/' },
      { name: 'node_modules/tar/index.js', data: `require('fs').writeFileSync('/RAN-INSIDE','')` },
    ]);
    const id = await runDetached(daemon, ['busybox', 'sleep', '1000'], { Image: image });
    const magics = [
      Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]),
      Buffer.from([0x1f, 0x8b, 8, 0]),
      Buffer.from([0x28, 0xb5, 0x2f, 0xfd]),
      Buffer.from('BZh9'),
    ];
    for (const magic of magics)
      await daemon.api.send('PUT', `/containers/${id}/archive?path=/`, {
        raw: Buffer.concat([magic, Buffer.alloc(600, 7)]),
      });
    expect(
      (await daemon.api.send('PUT', `/containers/${id}/archive?path=/`, { raw: tarOf([{ name: 'ok', data: 'x' }]) }))
        .status,
    ).toBe(200);
    await daemon.api.send('GET', `/containers/${id}/archive?path=/etc`);
    await daemon.api.send('GET', `/containers/${id}/export`);
    await daemon.api.send('GET', `/containers/${id}/top`);
    await daemon.api.send('POST', `/commit?container=${id}`);
    expect((await exec(daemon, id, ['busybox', 'ls', '/RAN-INSIDE'])).code).not.toBe(0);
    wire.check();
  });

  test('the launcher cannot be reached through /proc/PID/exe, nor another process’s files', async () => {
    const { daemon } = fixture;
    const launcher = readFileSync(
      `${new URL('../..', import.meta.url).pathname}dist/linux-${process.arch}/tsdocker-launcher`,
    );
    const watch =
      'end=$(($(date +%s)+5)); while [ $(date +%s) -lt $end ]; do for p in /proc/[0-9]*; do e=$(readlink $p/exe); case "$e" in *busybox*|*probe*|"") ;; *) echo "EXE $e" ;; esac; (: >>$p/exe) 2>/dev/null && echo "WRITABLE $p $e"; for f in $p/fd/*; do t=$(readlink $f); case "$t" in /dev/null|pipe:*|socket:*|/proc/*|"") ;; /*) [ -e "$t" ] || echo "FD $t" ;; esac; done; done; done; echo watched';
    const id = await runDetached(daemon, watch, { HostConfig: { CapAdd: ['SYS_PTRACE'] } });
    let execs = 0;
    while ((await inspect(daemon, id)).State.Running) {
      // The watcher may end between the question and the exec.
      if ((await exec(daemon, id, ['true']).catch(() => undefined))?.code === 0) execs++;
    }
    expect(execs).toBeGreaterThan(20);
    const { text } = await daemon.api.send('GET', `/containers/${id}/logs?stdout=1`);
    expect(text).toContain('watched');
    expect(text).not.toMatch(/WRITABLE|EXE \/(usr|work|root|home|tmp)/);
    expect(
      readFileSync(`${new URL('../..', import.meta.url).pathname}dist/linux-${process.arch}/tsdocker-launcher`).equals(
        launcher,
      ),
    ).toBe(true);
  });

  test('an entry point that is the interpreter of itself', async () => {
    const image = await imageOf([{ name: 'self', data: '#!/proc/self/exe\n', mode: 0o755 }]);
    const result = await attempt({ Image: image }, ['/self']);
    expect(result.stdout).toBe('');
    wire.check();
  });
});

test('cgroup parents and names cannot climb', async () => {
  for (const CgroupParent of ['../../x', '/../..', 'a/../../b', '/a/../../../../tmp', '\0', 'a\nb']) {
    const answer = await fixture.daemon.api.send('POST', '/containers/create', {
      body: { Image: 'busybox', Cmd: ['true'], HostConfig: { CgroupParent } },
    });
    expect(answer.status, JSON.stringify(CgroupParent)).toBe(400);
  }
  await create(fixture.daemon, 'true');
});
