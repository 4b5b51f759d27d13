// Volumes as users meet them: made and removed by both command lines, filled from images, shared, kept and forgotten. What is in them is read by
// processes in containers.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cli, cliNames } from '../harness/clis.ts';
import { create, inspect, run, runDetached, wait } from '../harness/containers.ts';
import { eventually } from '../harness/eventually.ts';
import { tarOf } from '../harness/tars.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();
let dir = '';
beforeAll(async () => {
  dir = mkdtempSync('/tmp/tsdt-vol-');
  const files = tarOf([
    { name: 'data/', mode: 0o1751, uid: 12, gid: 34 },
    { name: 'data/file', data: 'from the image', mode: 0o640, uid: 7 },
    { name: 'data/again', type: 'link', linkname: 'data/file' },
    { name: 'data/link', type: 'symlink', linkname: '/etc/passwd' },
    { name: 'data/dir/', mode: 0o700 },
    { name: 'data/dir/deep', data: 'x', pax: { 'SCHILY.xattr.user.note': 'hello' } },
    { name: 'to-data', type: 'symlink', linkname: 'data' },
    { name: 'out', type: 'symlink', linkname: dir },
    { name: 'plain', data: 'a file' },
  ]);
  const { daemon } = fixture;
  writeFileSync(`${dir}/secret`, 'of the host');
  await daemon.importTar(files, 'files');
  const id = await create(daemon, ['true']);
  await daemon.api.send('PUT', `/containers/${id}/archive?path=/`, { raw: files });
  await daemon.api.post(`/commit?container=${id}&repo=filled`);
  await daemon.api.delete(`/containers/${id}`);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const volumes = async () => {
  const { Volumes } = await fixture.daemon.api.get<{ Volumes: { Name: string }[] }>('/volumes');
  return Volumes.map(({ Name }) => Name);
};
const withBinds = (Binds: string[], Image = 'busybox') => ({ Image, HostConfig: { Binds } });
const mountOf = (fields: object) => ({ HostConfig: { Mounts: [{ Type: 'volume', Target: '/v', ...fields }] } });

describe.each(cliNames)('%s volume', (name) => {
  test('create, ls, inspect, rm and prune', async () => {
    const { daemon } = fixture;
    const call = (...args: string[]) => cli(daemon, name, ['volume', ...args]);
    expect(await call('create', '--label', 'a=b', 'v1')).toMatchObject({ code: 0, stdout: 'v1\n' });
    expect(await call('create', 'v1')).toMatchObject({ code: 0, stdout: 'v1\n' });
    const made = (await call('create')).stdout.trim();
    expect(made).toMatch(/^[0-9a-f]{64}$/);
    expect((await call('ls', '-q', '-f', 'label=a=b')).stdout).toBe('v1\n');
    expect((await call('ls')).stdout).toMatch(/^DRIVER +VOLUME NAME\n(local +\S+\n){2}$/);
    const [shown] = JSON.parse((await call('inspect', 'v1')).stdout);
    expect(shown).toMatchObject({ Name: 'v1', Driver: 'local', Scope: 'local', Labels: { a: 'b' } });
    expect(shown.Mountpoint).toBe(`${daemon.dataRoot}/volumes/v1/_data`);
    expect((await call('prune', '-f')).stdout).toMatch(new RegExp(`Deleted Volumes:\n${made}\n\nTotal reclaimed`));
    expect((await call('rm', 'v1', 'none')).stderr).toContain('get none: no such volume');
    expect(await volumes()).toEqual([]);
    expect(await call('create', '-d', 'nope', 'v2')).toMatchObject({ code: 1 });
    expect((await call('create', '../up')).stderr).toContain('includes invalid characters for a local volume name');
    expect((await call('rm', '-f', 'none')).code).toBe(0);
  });
});

test('a volume outlives its containers, is shared by them, and is not removed while one has it', async () => {
  const { daemon } = fixture;
  const first = await runDetached(daemon, ['sleep', '1000'], withBinds(['shared:/a']));
  const created = await create(daemon, ['true'], withBinds(['shared:/b:ro']));
  expect(await run(daemon, 'echo hi > /x/f && cat /x/f', withBinds(['shared:/x']))).toMatchObject({ stdout: 'hi\n' });
  const read = await run(daemon, 'cat /x/f; echo no > /x/g', withBinds(['shared:/x:ro']));
  expect(read.stdout).toBe('hi\n');
  expect(read.stderr).toContain('Read-only file system');
  const refused = await daemon.api.send('DELETE', '/volumes/shared?force=1');
  expect(refused.status).toBe(409);
  expect(refused.text).toContain('remove shared: volume is in use - [');
  for (const id of [first, created]) expect(refused.text).toContain(id);
  for (const id of [first, created]) await daemon.api.delete(`/containers/${id}?force=1&v=1`);
  expect(await run(daemon, 'cat /x/f', withBinds(['shared:/x']))).toMatchObject({ stdout: 'hi\n' });
  expect((await inspect(daemon, await create(daemon, ['true'], withBinds(['shared:/x/'])))).Mounts).toEqual([
    {
      Type: 'volume',
      Name: 'shared',
      Source: `${daemon.dataRoot}/volumes/shared/_data`,
      Destination: '/x',
      Driver: 'local',
      Mode: 'z',
      RW: true,
      Propagation: '',
    },
  ]);
});

test('an empty volume gets what the image has there: owners, modes, links, attributes', async () => {
  const { daemon } = fixture;
  const look = 'cd /data; stat -c "%n %a %u %g %h %F" . file again link dir; readlink link; cat file dir/deep';
  const plain = await run(daemon, look, { Image: 'filled' });
  expect(plain.stdout).toContain('. 1751 12 34');
  expect(await run(daemon, look, withBinds(['fill:/data'], 'filled'))).toMatchObject({ stdout: plain.stdout });
  expect(await run(daemon, look, withBinds(['anew:/to-data'], 'filled'))).toMatchObject({ stdout: plain.stdout });
  expect(existsSync(`${daemon.dataRoot}/volumes/fill/_copy`)).toBe(false);
  // Not again, not with nocopy, and not into one that has something.
  await run(daemon, 'rm /v/file; echo mine > /v/own', withBinds(['fill:/v']));
  expect((await run(daemon, 'ls /data', withBinds(['fill:/data'], 'filled'))).stdout).toBe('again\ndir\nlink\nown\n');
  expect((await run(daemon, 'ls /data', withBinds(['bare:/data:nocopy'], 'filled'))).stdout).toBe('');
  const never = {
    Image: 'filled',
    HostConfig: { Mounts: [{ Type: 'volume', Source: 'never', Target: '/data', VolumeOptions: { NoCopy: true } }] },
  };
  expect((await run(daemon, 'ls /data', never)).stdout).toBe('');
});

test('a link of the image that leads out of it fills nothing with the host’s files', async () => {
  const { daemon } = fixture;
  for (const target of ['/out', `/out/../../../..${dir}`, '/data/link']) {
    const id = await create(daemon, ['true'], withBinds([`tt:${target}`], 'filled'));
    expect(existsSync(`${daemon.dataRoot}/volumes/tt/_data/secret`), target).toBe(false);
    await daemon.api.delete(`/containers/${id}`);
  }
});

test('anonymous volumes go with --rm and rm -v, and stay without; the image’s VOLUME is one', async () => {
  const { daemon } = fixture;
  const image = { Image: 'filled', Volumes: { '/data': {}, '/more': {} } };
  await daemon.api.post('/containers/create?name=base', { ...image, Cmd: ['true'] });
  await daemon.api.post('/commit?container=base&repo=with-volumes');
  const used = await volumes();
  expect(used).toHaveLength(2);
  await daemon.api.delete('/containers/base?v=1');
  expect(await volumes()).toEqual([]);

  expect((await run(daemon, 'cat /data/file; touch /more/x', { Image: 'with-volumes' })).stdout).toBe('from the image');
  await daemon.removeAllContainers();
  expect(await volumes()).toEqual([]);

  const gone = await create(daemon, ['true'], {
    Image: 'with-volumes',
    HostConfig: { AutoRemove: true, Binds: ['kept:/more'] },
  });
  await daemon.api.post(`/containers/${gone}/start`);
  await eventually(
    'it is removed',
    async () => (await daemon.api.send('GET', `/containers/${gone}/json`)).status === 404,
  );
  expect(await volumes()).toEqual(['kept']);

  const stays = await create(daemon, ['true'], { Volumes: { '/v': {} } });
  await daemon.api.delete(`/containers/${stays}`);
  expect(await volumes()).toHaveLength(2);
  await daemon.api.post('/volumes/prune');
  expect(await volumes()).toEqual(['kept']);
  await daemon.api.call('POST', '/v1.41/volumes/prune');
  expect(await volumes()).toEqual([]);
});

test('a volume over a file of the image, or over /proc, is refused and leaves nothing', async () => {
  const { daemon } = fixture;
  const attempt = (volume: string) =>
    daemon.api.send('POST', '/containers/create', {
      body: { Image: 'filled', Cmd: ['true'], Volumes: { [volume]: {} } },
    });
  const over = await attempt('/plain');
  expect(over.status).toBe(400);
  expect(over.text).toContain('cannot mount volume over existing file, file exists /plain');
  for (const target of ['/proc', '/proc/self/attr', '/']) expect((await attempt(target)).status, target).toBe(400);
  expect(await volumes()).toEqual([]);
});

test('--volumes-from brings another container’s volumes and binds, read-only when asked', async () => {
  const { daemon } = fixture;
  mkdirSync(`${dir}/bound`, { recursive: true });
  await create(
    daemon,
    ['true'],
    { Volumes: { '/anon': {} }, HostConfig: { Binds: ['data:/data', `${dir}/bound:/host`] } },
    'donor',
  );
  const from = (spec: string) => ({ HostConfig: { VolumesFrom: [spec] } });
  expect((await run(daemon, 'echo 1 > /data/f; echo 2 > /anon/f; echo 3 > /host/f', from('donor'))).code).toBe(0);
  expect(readFileSync(`${dir}/bound/f`, 'utf8')).toBe('3\n');
  const readonly = await run(daemon, 'cat /data/f /anon/f; touch /anon/g || touch /host/g', from('donor:ro'));
  expect(readonly.stdout).toBe('1\n2\n');
  expect(readonly.code).not.toBe(0);
  // The anonymous one has two users: it goes with the last.
  const user = await create(daemon, ['true'], from('donor'));
  await daemon.api.delete('/containers/donor?v=1');
  expect(await volumes()).toHaveLength(2);
  await daemon.removeAllContainers();
  expect(await volumes()).toEqual(['data']);
  expect((await daemon.api.send('GET', `/containers/${user}/json`)).status).toBe(404);
  const none = await daemon.api.send('POST', '/containers/create', { body: { Image: 'busybox', ...from('nobody') } });
  expect(none.status).toBe(400);
});

test('--mount: labels and options of a volume that it makes, a path below it, an image', async () => {
  const { daemon } = fixture;
  const make = mountOf({ Source: 'made', VolumeOptions: { Labels: { k: 'v' } } });
  await run(daemon, 'mkdir -p /v/a/b; echo deep > /v/a/b/f; ln -s /a /v/up; ln -s /etc /v/etc', make);
  expect(await daemon.api.get('/volumes/made')).toMatchObject({ Labels: { k: 'v' } });
  const below = (Subpath: string) => mountOf({ Source: 'made', VolumeOptions: { Subpath } });
  expect((await run(daemon, 'cat /v/f', below('a/b'))).stdout).toBe('deep\n');
  // Links mean what they mean in the volume, not on the host.
  expect((await run(daemon, 'cat /v/b/f', below('up'))).stdout).toBe('deep\n');
  expect((await run(daemon, 'cat /v', below('a/b/f'))).stdout).toBe('deep\n');
  for (const path of ['none', 'etc']) {
    const id = await create(daemon, ['true'], below(path));
    const refused = await daemon.api.send('POST', `/containers/${id}/start`);
    expect(refused.status).toBe(400);
    expect(refused.text).toContain(`cannot access path ${path} of the volume`);
  }
  const image = (fields: object) => ({
    HostConfig: { Mounts: [{ Type: 'image', Source: 'files', Target: '/i', ...fields }] },
  });
  const whole = await run(daemon, 'cat /i/data/file; touch /i/new', image({}));
  expect(whole.stdout).toBe('from the image');
  expect(whole.stderr).toContain('Read-only file system');
  expect((await run(daemon, 'ls /i', image({ ImageOptions: { Subpath: 'data/dir' } }))).stdout).toBe('deep\n');
  const user = await create(daemon, ['true'], image({}));
  expect((await inspect(daemon, user)).Mounts).toMatchObject([{ Type: 'image', Name: 'files', RW: false }]);
  expect((await daemon.api.send('DELETE', '/images/files')).status).toBe(409);
});

test('what is in a volume is in no commit, export or diff; cp goes into it, running and stopped', async () => {
  const { daemon } = fixture;
  const id = await runDetached(daemon, 'echo only-in-the-volume > /vol/s; sleep 1000', withBinds(['data:/vol']));
  await eventually('it has written', () => existsSync(`${daemon.dataRoot}/volumes/data/_data/s`));
  const put = (name: string) =>
    daemon.api.call('PUT', `/containers/${id}/archive?path=/vol`, { raw: tarOf([{ name, data: name }]) });
  await put('running');
  const exported = async () =>
    (await daemon.api.send('GET', `/containers/${id}/export`)).body.includes('only-in-the-volume');
  expect(await exported()).toBe(false);
  expect(await daemon.api.get(`/containers/${id}/changes`)).toBeNull();
  await daemon.api.post(`/commit?container=${id}&repo=copy`);
  await daemon.api.post(`/containers/${id}/stop?t=0`);
  await put('stopped');
  expect(await exported()).toBe(false);
  expect(
    (await daemon.api.send('GET', `/containers/${id}/archive?path=/vol/s`)).body.includes('only-in-the-volume'),
  ).toBe(true);
  expect((await run(daemon, 'ls /vol', withBinds(['data:/vol']))).stdout).toBe('running\ns\nstopped\n');
  expect((await run(daemon, 'ls /vol', { Image: 'copy' })).stdout).toBe('');
  const ro = await create(daemon, ['true'], withBinds(['data:/vol:ro']));
  const refused = await daemon.api.send('PUT', `/containers/${ro}/archive?path=/vol`, {
    raw: tarOf([{ name: 'x', data: 'x' }]),
  });
  expect([refused.status, refused.text]).toEqual([400, expect.stringContaining('mounted volume is marked read-only')]);
});

test('a tmpfs volume is one for all that run, also for a daemon that comes later, and is gone with the last', async () => {
  const { daemon } = fixture;
  const DriverOpts = { type: 'tmpfs', device: 'tmpfs', o: 'size=64k,uid=7' };
  await daemon.api.post('/volumes/create', { Name: 'mem', DriverOpts });
  const first = await runDetached(daemon, 'echo 1 > /a/one; sleep 1000', withBinds(['mem:/a']));
  const seen = () =>
    run(daemon, 'until [ -e /b/one ]; do sleep 0.01; done; stat -c %u /b; ls /b; touch /b/two', withBinds(['mem:/b']));
  expect((await seen()).stdout).toBe('7\none\n');
  await daemon.crash();
  await daemon.start();
  expect((await seen()).stdout).toBe('7\none\ntwo\n');
  expect(readFileSync(`/proc/${daemon.pid}/mountinfo`, 'utf8')).not.toContain(`${daemon.dataRoot}/volumes`);
  await daemon.api.delete(`/containers/${first}?force=1`);
  expect((await run(daemon, 'ls /b', withBinds(['mem:/b']))).stdout).toBe('');
});

test('a volume that is a directory of the host’s; one whose device is not there is told at the start', async () => {
  const { daemon } = fixture;
  mkdirSync(`${dir}/device/sub`, { recursive: true });
  const make = (Name: string, device: string) =>
    daemon.api.post('/volumes/create', { Name, DriverOpts: { type: 'none', o: 'bind,nosuid', device } });
  await make('dev', `${dir}/device`);
  expect((await run(daemon, 'ls /d; echo x > /d/f; grep " /d " /proc/mounts', withBinds(['dev:/d']))).stdout).toMatch(
    /^sub\n.*nosuid/,
  );
  expect(readFileSync(`${dir}/device/f`, 'utf8')).toBe('x\n');
  expect((await run(daemon, 'ls /v', mountOf({ Source: 'dev', VolumeOptions: { Subpath: 'sub' } }))).code).toBe(0);
  await daemon.removeAllContainers();
  await daemon.api.delete('/volumes/dev');
  expect(existsSync(`${dir}/device/f`)).toBe(true);
  await make('no', `${dir}/none`);
  const id = await create(daemon, ['true'], withBinds(['no:/d']));
  const refused = await daemon.api.send('POST', `/containers/${id}/start`);
  expect(refused.status).toBe(400);
  expect(refused.text).toContain("error while mounting volume 'no'");
});

test('df and events tell of volumes', async () => {
  const { daemon } = fixture;
  const since = Math.floor(Date.now() / 1000);
  const id = await runDetached(daemon, 'head -c 5000 /dev/zero > /v/f', withBinds(['sized:/v']));
  await wait(daemon, id);
  const { Volumes } = await daemon.api.get<{ Volumes: unknown[] }>('/system/df?type=volume');
  expect(Volumes).toMatchObject([{ Name: 'sized', UsageData: { Size: 5000, RefCount: 1 } }]);
  await daemon.removeAllContainers();
  await daemon.api.delete('/volumes/sized');
  const events = await daemon.api.send(
    'GET',
    `/events?since=${since}&until=${Date.now() / 1000 + 0.05}&filters=${encodeURIComponent('{"volume":["sized"]}')}`,
  );
  const lines = events.text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines.map(({ Action }) => Action)).toEqual(['create', 'mount', 'unmount', 'destroy']);
  expect(lines[1].Actor.Attributes).toMatchObject({ destination: '/v', driver: 'local', 'read/write': 'true' });
});

test('a device that is made in a volume cannot be opened in any container but a privileged one', async () => {
  const { daemon } = fixture;
  const script = 'mknod /v/null c 1 3 2>/dev/null; (: > /v/null) && echo opened';
  const mounts = (Privileged: boolean) => ({ HostConfig: { Binds: ['with-device:/v'], Privileged } });
  expect((await run(daemon, script, mounts(false))).stdout).toBe('');
  expect((await run(daemon, script, mounts(true))).stdout).toBe('opened\n');
});
