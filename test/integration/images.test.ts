import { readFileSync } from 'node:fs';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { create, inspect, run, runDetached, wait } from '../harness/containers.ts';
import { busyboxTar } from '../harness/fixtures.ts';
import { readTar, tarOf } from '../harness/tars.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();

async function commit(ref: string, query: string, body?: unknown): Promise<string> {
  const { Id } = await fixture.daemon.api.post<{ Id: string }>(`/commit?container=${ref}&${query}`, body);
  return Id;
}

interface ImageInspect {
  Id: string;
  RepoTags: string[];
  Author: string;
  Comment: string;
  Parent: string;
  Size: number;
  Config: Record<string, unknown>;
  RootFS: { Type: string; Layers: string[] };
}

const image = (ref: string) => fixture.daemon.api.get<ImageInspect>(`/images/${ref}/json`);

describe('import', () => {
  test.each([
    ['plain', (tar: Buffer) => tar],
    ['gzip', (tar: Buffer) => gzipSync(tar, { level: 1 })],
    ['zstd', (tar: Buffer) => zstdCompressSync(tar)],
  ])('a %s tar runs', async (name, pack) => {
    const { daemon } = fixture;
    await daemon.importTar(pack(readFileSync(busyboxTar())), `imported/${name}`, '1', [
      'CMD ["echo","cmd"]',
      'ENV X=y',
    ]);
    expect((await run(daemon, [], { Image: `imported/${name}:1`, Cmd: null })).stdout).toBe('cmd\n');
    const { Config, RootFS, RepoTags } = await image(`imported/${name}:1`);
    expect(RepoTags).toEqual([`imported/${name}:1`]);
    expect((await image(`imported/${name}:1`)).Comment).toBe('Imported from -');
    expect(Config).toMatchObject({ Cmd: ['echo', 'cmd'], Env: ['X=y'] });
    expect(RootFS.Layers).toHaveLength(1);
  });

  test('the same bytes give the same layer', async () => {
    const { daemon } = fixture;
    const tar = readFileSync(busyboxTar());
    await daemon.importTar(tar, 'twin', 'a');
    await daemon.importTar(gzipSync(tar, { level: 1 }), 'twin', 'b');
    expect((await image('twin:a')).RootFS.Layers).toEqual((await image('twin:b')).RootFS.Layers);
  });

  test('owners, modes, links, devices and extended attributes survive', async () => {
    const { daemon } = fixture;
    const tar = tarOf([
      { name: 'bin/' },
      { name: 'bin/busybox', data: readFileSync('/bin/busybox'), mode: 0o755 },
      { name: 'bin/sh', type: 'link', linkname: 'bin/busybox' },
      { name: 'f', data: 'x', mode: 0o4711, uid: 12, gid: 34 },
      { name: 'l', type: 'symlink', linkname: '/nowhere/at/all' },
      { name: 'c', type: 'char', major: 1, minor: 3, mode: 0o600 },
      { name: 'p', type: 'fifo' },
      { name: 'd/', mode: 0o1777, uid: 7 },
    ]);
    await daemon.importTar(tar, 'exact');
    const busybox = (applet: string) => `/bin/busybox ${applet}`;
    const { stdout } = await run(
      daemon,
      [
        '/bin/sh',
        '-c',
        `${busybox('stat')} -c '%n %a %u %g %F' /f /d /c /p; ${busybox('readlink')} /l; ${busybox('stat')} -c '%t:%T' /c; ${busybox('stat')} -c %h /bin/sh`,
      ],
      { Image: 'exact' },
    );
    expect(stdout).toBe(
      '/f 4711 12 34 regular file\n/d 1777 7 0 directory\n/c 600 0 0 character special file\n/p 644 0 0 fifo\n/nowhere/at/all\n1:3\n2\n',
    );
  });
});

describe('commit', () => {
  test('keeps files, message, author, changes; a second commit shares the first layer', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, 'echo one > /one; rm /etc/group; mkdir /dir; chown 5:6 /dir');
    await wait(daemon, id);
    const query = new URLSearchParams({ repo: 'made', tag: 'v1', comment: 'said so', author: 'Ann <ann@example.org>' });
    for (const change of ['ENV K=v', 'CMD ["cat","/one"]', 'WORKDIR /dir', 'LABEL a=b', 'EXPOSE 80', 'USER 5'])
      query.append('changes', change);
    const imageId = await commit(id, query.toString());
    const made = await image('made:v1');
    expect(made).toMatchObject({ Id: imageId, Comment: 'said so', Author: 'Ann <ann@example.org>' });
    expect(made.Config).toMatchObject({
      Cmd: ['cat', '/one'],
      WorkingDir: '/dir',
      User: '5',
      Labels: { a: 'b' },
      ExposedPorts: { '80/tcp': {} },
    });
    const base = await image('busybox');
    expect(made.RootFS.Layers.slice(0, -1)).toEqual(base.RootFS.Layers);
    expect((await run(daemon, [], { Image: 'made:v1', Cmd: null })).stdout).toBe('one\n');
    const { stdout } = await run(daemon, 'ls /etc/group 2>&1; stat -c %u:%g /dir; echo $K; pwd', {
      Image: 'made:v1',
      User: '0',
    });
    expect(stdout).toMatch(/No such file[^\n]*\n5:6\nv\n\/dir\n/);
    const history = await daemon.api.get<{ Comment: string; Id: string; Size: number }[]>('/images/made:v1/history');
    expect(history[0]).toMatchObject({ Comment: 'said so' });
    expect(history.length).toBeGreaterThan(1);
  });

  test('of a running container pauses it by default, and it goes on after', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, 'while :; do date +%N > /now; done');
    await commit(id, 'repo=running');
    expect((await inspect(daemon, id)).State).toMatchObject({ Running: true, Paused: false });
    expect((await run(daemon, 'ls /now', { Image: 'running' })).code).toBe(0);
  });

  test('twenty layers deep, the last one wins', async () => {
    const { daemon } = fixture;
    let ref = 'busybox';
    for (let n = 0; n < 20; n++) {
      const id = await runDetached(daemon, `echo ${n} > /n; touch /f${n}; rm -f /f${n - 2}`, { Image: ref });
      await wait(daemon, id);
      ref = `deep:${n}`;
      await commit(id, `repo=deep&tag=${n}`);
    }
    expect((await run(daemon, 'cat /n; ls -d /f*', { Image: ref })).stdout).toBe('19\n/f18\n/f19\n');
  });

  test('a directory deleted and made anew hides what was below it', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, 'rm -r /var; mkdir /var; touch /var/new');
    await wait(daemon, id);
    await commit(id, 'repo=opaque');
    expect((await run(daemon, 'ls /var', { Image: 'opaque' })).stdout).toBe('new\n');
  });

  test('a mistake in a change is refused and makes nothing', async () => {
    const { daemon } = fixture;
    const id = await create(daemon, 'true');
    const before = await daemon.api.get<unknown[]>('/images/json?all=1');
    const answer = await daemon.api.send(
      'POST',
      `/commit?container=${id}&repo=bad&changes=${encodeURIComponent('RUN x')}`,
    );
    expect(answer.status).toBe(400);
    expect(await daemon.api.get<unknown[]>('/images/json?all=1')).toHaveLength(before.length);
  });
});

describe('export', () => {
  test('is one flat tar of what the container sees of its own', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, 'echo mine > /mine; rm -r /home');
    await wait(daemon, id);
    const answer = await daemon.api.send('GET', `/containers/${id}/export`);
    const entries = new Map(
      readTar(answer.body).map((entry) => [entry.name.replace(/^\.?\/+/, '').replace(/\/$/, ''), entry]),
    );
    expect(entries.get('mine')?.data.toString()).toBe('mine\n');
    expect(entries.has('home')).toBe(false);
    expect(entries.get('bin/sh')?.linkname).toBe('busybox');
    expect(entries.get('tmp')?.mode).toBe(0o1777);
    expect([...entries.keys()].filter((name) => /^(proc|sys)\/./.test(name))).toEqual([]);
    await daemon.importTar(answer.body, 'again', 'latest', ['CMD ["cat","/mine"]']);
    expect((await run(daemon, [], { Image: 'again', Cmd: null })).stdout).toBe('mine\n');
  });
});

describe('tags and removal', () => {
  const untag = (ref: string, query = '') => fixture.daemon.api.send('DELETE', `/images/${ref}?${query}`);

  test('tag, untag, delete; in use is a conflict', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, 'echo unique > /u');
    await wait(daemon, id);
    const imageId = await commit(id, 'repo=t1&tag=a');
    expect((await daemon.api.send('POST', '/images/t1:a/tag?repo=registry.example:5000/t2&tag=b')).status).toBe(201);
    expect((await daemon.api.send('POST', '/images/nosuch/tag?repo=x')).status).toBe(404);
    expect((await daemon.api.send('POST', '/images/t1:a/tag?repo=UPPER')).status).toBe(400);
    expect((await image('registry.example:5000/t2:b')).Id).toBe(imageId);
    expect((await untag(imageId)).status).toBe(409);
    expect((await untag('t1:a')).json).toEqual([{ Untagged: 't1:a' }]);
    const user = await create(daemon, 'true', { Image: 'registry.example:5000/t2:b' });
    const refused = await untag('registry.example:5000/t2:b');
    expect(refused.status).toBe(409);
    expect(refused.text).toContain(user.slice(0, 12));
    await daemon.api.delete(`/containers/${user}`);
    const gone = (await untag('registry.example:5000/t2:b')).json as Record<string, string>[];
    expect(gone[0]).toEqual({ Untagged: 'registry.example:5000/t2:b' });
    expect(gone.some((entry) => entry.Deleted === imageId)).toBe(true);
    expect((await untag(imageId)).status).toBe(404);
  });

  test('docker.io/library and short names are the same image', async () => {
    const { Id } = await image('busybox');
    for (const ref of [
      'busybox:latest',
      'library/busybox',
      'docker.io/library/busybox:latest',
      'index.docker.io/library/busybox',
      Id,
      Id.slice(7, 19),
    ]) {
      expect((await image(ref)).Id, ref).toBe(Id);
    }
  });

  test('a running container keeps working when its image’s tag goes to another', async () => {
    const { daemon } = fixture;
    await daemon.importBusybox('moving');
    const id = await runDetached(daemon, ['sleep', '1000'], { Image: 'moving' });
    const other = await runDetached(daemon, 'touch /other');
    await wait(daemon, other);
    await commit(other, 'repo=moving');
    const [entry] = (await daemon.api.get<{ Id: string; Image: string }[]>('/containers/json')).filter(
      (c) => c.Id === id,
    );
    expect(entry?.Image).toMatch(/^(sha256:)?[0-9a-f]{12}/);
    expect((await inspect(daemon, id)).State.Running).toBe(true);
  });

  test('list, filters, prune', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, 'echo dangling > /d');
    await wait(daemon, id);
    await daemon.api.post('/images/prune');
    const dangling = await commit(id, 'changes=LABEL%20kind%3Ddangling');
    await daemon.removeAllContainers();
    const list = async (filters: Record<string, string[]>) =>
      (
        await daemon.api.get<{ Id: string; RepoTags: string[] }[]>(
          `/images/json?filters=${encodeURIComponent(JSON.stringify(filters))}`,
        )
      ).map((i) => i.Id);
    expect(await list({ dangling: ['true'] })).toEqual([dangling]);
    expect(await list({ label: ['kind=dangling'] })).toEqual([dangling]);
    expect(await list({ reference: ['busy*'] })).toHaveLength(1);
    const pruned = await daemon.api.post<{ ImagesDeleted: Record<string, string>[]; SpaceReclaimed: number }>(
      '/images/prune',
    );
    expect(pruned.ImagesDeleted.some((entry) => entry.Deleted === dangling)).toBe(true);
    expect(await list({ dangling: ['true'] })).toEqual([]);
    expect((await daemon.api.send('GET', '/images/json?filters=%7B%22nosuch%22%3A%5B%221%22%5D%7D')).status).toBe(400);
  });

  test('a missing image is 404 in Docker’s words', async () => {
    const answer = await fixture.daemon.api.send('POST', '/containers/create', {
      body: { Image: 'nosuch:1', Cmd: ['true'] },
    });
    expect(answer.status).toBe(404);
    expect(answer.json).toEqual({ message: 'No such image: nosuch:1' });
  });
});
