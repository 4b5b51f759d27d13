// The engine's own files below /etc and a container's working directory: there whatever is mounted around them, and in what `cp` sees of a
// container that does not run.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { create, run, runDetached, start, wait } from '../harness/containers.ts';
import { readTar, tarOf } from '../harness/tars.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();
let dir = '';
beforeAll(() => {
  dir = mkdtempSync('/tmp/tsdt-etc-');
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const path = (id: string, inside: string) => `/containers/${id}/archive?path=${encodeURIComponent(inside)}`;
const put = (id: string, inside: string, tar: Uint8Array) =>
  fixture.daemon.api.send('PUT', path(id, inside), { raw: tar, headers: { 'Content-Type': 'application/x-tar' } });

async function contentOf(id: string, inside: string): Promise<string> {
  const { status, body, text } = await fixture.daemon.api.send('GET', path(id, inside));
  if (status !== 200) throw new Error(`${status} ${text}`);
  return String(readTar(body)[0]?.data);
}

function hostDirectory(name: string, make: (path: string) => void = () => {}): string {
  const made = `${dir}/${name}`;
  mkdirSync(made);
  make(made);
  return made;
}

const look =
  'cat /etc/hostname; grep -c localhost /etc/hosts; grep -c nameserver /etc/resolv.conf; grep -c " /etc/hosts " /proc/mounts';

describe('the files of /etc lie on', () => {
  test.each<[string, () => Record<string, unknown>]>([
    ['a volume without a name', () => ({ Binds: ['/etc'] })],
    ['a volume', () => ({ Binds: ['etc-volume:/etc'] })],
    ['a directory of the host', () => ({ Binds: [`${hostDirectory('plain')}:/etc`] })],
    ['a mount below which nothing was', () => ({ Mounts: [{ Type: 'volume', Target: '/etc' }] })],
    ['a tmpfs', () => ({ Tmpfs: { '/etc': '' } })],
    ['a read-only tmpfs', () => ({ Tmpfs: { '/etc': 'ro' } })],
  ])('%s', async (_, hostConfig) => {
    const { stdout, stderr, code } = await run(fixture.daemon, look, { Hostname: 'boxed', HostConfig: hostConfig() });
    expect([code, stdout, stderr]).toEqual([0, expect.stringMatching(/^boxed\n[1-9]\n[1-9]\n1\n$/), '']);
  });

  test('a read-only tmpfs is read-only when it has them, and so for what else is mounted in one', async () => {
    const HostConfig = { Tmpfs: { '/etc': 'ro', '/t': 'ro' }, Binds: ['in-tmpfs:/t/deep'] };
    const { stdout } = await run(
      fixture.daemon,
      'touch /etc/x || echo refused; touch /t/x || echo refused; touch /t/deep/x && ls /t',
      {
        HostConfig,
      },
    );
    expect(stdout).toBe('refused\nrefused\ndeep\n');
  });

  test("a host's /etc, read-only, whose resolv.conf is a link to what the container does not have", async () => {
    const etc = hostDirectory('linked', (made) => {
      symlinkSync('../run/systemd/resolve/stub-resolv.conf', `${made}/resolv.conf`);
      symlinkSync('/elsewhere/hosts', `${made}/hosts`);
      writeFileSync(`${made}/hostname`, 'of the host\n');
    });
    const { stdout, stderr } = await run(
      fixture.daemon,
      'cat /etc/hostname; grep -c nameserver /etc/resolv.conf /run/systemd/resolve/stub-resolv.conf; grep -c localhost /etc/hosts',
      { Hostname: 'boxed', HostConfig: { Binds: [`${etc}:/etc:ro`] } },
    );
    expect([stdout, stderr]).toEqual([expect.stringMatching(/^boxed\n.*conf:[1-9]\n.*conf:[1-9]\n[1-9]\n$/), '']);
    expect(readdirSync(etc).sort()).toEqual(['hostname', 'hosts', 'resolv.conf']);
  });

  test('a link to itself, or a read-only directory without them, is told', async () => {
    const loop = hostDirectory('loop', (made) => symlinkSync('hosts', `${made}/hosts`));
    const bare = hostDirectory('bare');
    for (const [bind, why] of [
      [`${loop}:/etc`, /"\/etc\/hosts": ELOOP/],
      [`${bare}:/etc:ro`, /"\/etc\/resolv\.conf": EROFS/],
    ] as const) {
      const id = await create(fixture.daemon, 'true', { HostConfig: { Binds: [bind] } });
      const { json } = await fixture.daemon.api.send('POST', `/containers/${id}/start`);
      const { message: text } = json as { message: string };
      expect(text).toMatch(why);
      expect(text).not.toMatch(/\/dev of the image/);
    }
  });

  test("a mount of the user's own takes their place", async () => {
    const own = hostDirectory('own', (made) => writeFileSync(`${made}/f`, 'own hosts\n'));
    const HostConfig = { Binds: [`${own}/f:/etc/hosts`, 'etc-volume:/etc'] };
    expect((await run(fixture.daemon, 'cat /etc/hosts', { HostConfig })).stdout).toBe('own hosts\n');
  });
});

describe('cp of a container that does not run', () => {
  test('has the files as they were last, and nobody can put others there', async () => {
    const { daemon } = fixture;
    const id = await create(daemon, 'echo 10.9.8.7 mine >> /etc/hosts', {
      Hostname: 'boxed',
      HostConfig: { Binds: ['/data'] },
    });
    // Nothing is there before the first start.
    expect(await contentOf(id, '/etc/hostname')).toBe('');
    await start(daemon, id);
    await wait(daemon, id);
    expect(await contentOf(id, '/etc/hostname')).toBe('boxed\n');
    expect(await contentOf(id, '/etc/hosts')).toMatch(/localhost[\s\S]*10\.9\.8\.7 mine\n$/);
    expect(await contentOf(id, '/etc/resolv.conf')).toMatch(/^nameserver/);
    const etc = readTar((await daemon.api.send('GET', path(id, '/etc'))).body);
    expect(String(etc.find(({ name }) => name === 'etc/hostname')?.data)).toBe('boxed\n');
    const answer = await put(id, '/etc', tarOf([{ name: 'hosts', data: 'other' }]));
    expect([answer.status, answer.text]).toEqual([500, expect.stringMatching(/hosts.*device or resource busy/)]);
    expect((await put(id, '/etc', tarOf([{ name: 'new', data: 'new' }]))).status).toBe(200);
    expect(await contentOf(id, '/etc/new')).toBe('new');
    const changes = await daemon.api.get<{ Path: string }[]>(`/containers/${id}/changes`);
    expect(changes.map(({ Path }) => Path)).toEqual(['/etc', '/etc/new']);
    const exported = readTar((await daemon.api.send('GET', `/containers/${id}/export`)).body);
    expect(exported.find(({ name }) => name === 'etc/hosts')?.size).toBe(0);
  });

  test("has not those of another container that had its directory, has its network's owner's", async () => {
    const { daemon } = fixture;
    const owner = await runDetached(daemon, 'true', { Hostname: 'owner' });
    await wait(daemon, owner);
    for (let i = 0; i < 3; i++) await run(daemon, 'true', { Hostname: 'earlier' });
    const later = await create(daemon, 'true');
    expect(await contentOf(later, '/etc/hostname')).toBe('');
    const id = await create(daemon, 'true', { HostConfig: { NetworkMode: `container:${owner}` } });
    expect(await contentOf(id, '/etc/hosts')).toBe('');
  });
});

describe('the working directory', () => {
  test('is there when the container was made, to copy into, and in what is committed', async () => {
    const { daemon } = fixture;
    const id = await create(daemon, 'ls -ld /app /app/sub; cat f', { WorkingDir: '/app/sub', User: '1000' });
    expect((await put(id, '/app/sub', tarOf([{ name: 'f', data: 'copied\n' }]))).status).toBe(200);
    const changes = await daemon.api.get<{ Path: string; Kind: number }[]>(`/containers/${id}/changes`);
    expect(changes).toEqual(['/app', '/app/sub', '/app/sub/f'].map((Path) => ({ Path, Kind: 1 })));
    await daemon.api.post(`/commit?container=${id}&repo=workdir&tag=1`);
    await start(daemon, id);
    expect(await wait(daemon, id)).toBe(0);
    const { stdout } = await run(daemon, 'ls -ldn /app/sub | cut -c1-40; cat f; pwd', { Image: 'workdir:1' });
    expect(stdout).toMatch(/^drwxr-xr-x +\d+ 0 +0 .*\ncopied\n\/app\/sub\n$/);
    await daemon.api.delete('/images/workdir:1');
  });

  test('leaves no trace where the image has it, and is made behind links of the image', async () => {
    const { daemon } = fixture;
    for (const where of ['/', '/etc', '/bin/', '/etc/../tmp']) {
      const id = await create(daemon, 'true', { WorkingDir: where });
      expect(await daemon.api.get(`/containers/${id}/changes`)).toBeNull();
    }
    await daemon.importTar(
      tarOf([
        { name: 'real/' },
        { name: 'link', type: 'symlink', linkname: 'real' },
        { name: 'out', type: 'symlink', linkname: '../../../../made' },
      ]),
      'linked',
    );
    const id = await create(daemon, ['x'], { Image: 'linked', WorkingDir: '/link/deep' });
    const out = await create(daemon, ['x'], { Image: 'linked', WorkingDir: '/out' });
    const pathsOf = async (ref: string) =>
      (await daemon.api.get<{ Path: string }[]>(`/containers/${ref}/changes`)).map(({ Path }) => Path);
    expect(await pathsOf(id)).toEqual(['/real', '/real/deep']);
    expect(await pathsOf(out)).toEqual(['/made']);
    await daemon.removeAllContainers();
    await daemon.api.delete('/images/linked');
  });

  test('a file in its place is told, and nothing is made', async () => {
    const { daemon } = fixture;
    for (const where of ['/etc/passwd', '/etc/passwd/x']) {
      const body = { Image: 'busybox', WorkingDir: where };
      const answer = await daemon.api.send('POST', '/containers/create', { body });
      expect([answer.status, answer.text]).toEqual([
        400,
        expect.stringContaining(`Cannot mkdir: ${where} is not a directory`),
      ]);
    }
    expect(await daemon.api.get('/containers/json?all=1')).toEqual([]);
  });
});

describe('files that the kernel makes while they are read', () => {
  test('are copied out whole, with their true size', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, 'sleep 1000');
    expect(await contentOf(id, '/proc/version')).toMatch(/^Linux version .*\n$/s);
    expect(await contentOf(id, '/proc/sys/kernel/ostype')).toBe('Linux\n');
    const text = await contentOf(id, '/sys/kernel/mm/transparent_hugepage/enabled');
    expect(text).toMatch(/^[a-z[\] ]+\n$/);
    const { status, body } = await daemon.api.send('GET', path(id, '/proc/sys/kernel'));
    const entries = readTar(body);
    expect([status, String(entries.find(({ name }) => name === 'kernel/ostype')?.data)]).toEqual([200, 'Linux\n']);
  });
});
