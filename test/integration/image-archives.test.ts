// Images through archives and the store's own layout, judged by programs that are not ours: the docker command line, skopeo, du.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, test } from 'vitest';
import { cli, cliNames } from '../harness/clis.ts';
import { run, runDetached } from '../harness/containers.ts';
import { eventually, sleep } from '../harness/eventually.ts';
import { testNeeding } from '../harness/needs.ts';
import { tarOf } from '../harness/tars.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();

interface Inspect {
  Id: string;
  RootFS: { Layers: string[] };
  RepoTags: string[];
}
const image = (ref: string) => fixture.daemon.api.get<Inspect>(`/images/${ref}/json`);

/** busybox with a layer on top, as `layered:NAME`. */
async function layered(name: string): Promise<string> {
  const { daemon } = fixture;
  const id = await runDetached(daemon, `echo ${name} > /name; mkdir /d; rm /bin/vi 2>/dev/null; sleep 1000`);
  await eventually(
    'it wrote',
    async () => (await daemon.api.send('GET', `/containers/${id}/archive?path=/d`)).status === 200,
  );
  const { Id } = await daemon.api.post<{ Id: string }>(`/commit?container=${id}&repo=layered&tag=${name}`);
  await daemon.api.delete(`/containers/${id}?force=1`);
  return Id;
}

function skopeo(...args: string[]): string {
  return execFileSync('skopeo', ['--insecure-policy', ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

describe('save and load', () => {
  test.each(cliNames)('with %s: gone and back with the same id, and it runs', async (name) => {
    const { daemon } = fixture;
    const id = await layered(`cli-${name}`);
    const file = `${daemon.dir}/saved.tar`;
    expect((await cli(daemon, name, ['save', '-o', file, `layered:cli-${name}`, 'busybox'])).code).toBe(0);
    await daemon.api.delete(`/images/layered:cli-${name}`);
    const loaded = await cli(daemon, name, ['load', '-q', '-i', file]);
    expect(loaded.stdout).toBe(`Loaded image: layered:cli-${name}\nLoaded image: busybox:latest\n`);
    expect((await image(`layered:cli-${name}`)).Id).toBe(id);
    expect((await run(daemon, 'cat /name; ls -d /d', { Image: id })).stdout).toBe(`cli-${name}\n/d\n`);
    rmSync(file);
  });

  test('clients that leave in the middle leave nothing, and no word in the log of what went wrong', async () => {
    const { daemon } = fixture;
    const file = `${daemon.dir}/left.tar`;
    await cli(daemon, 'tsdocker', ['save', '-o', file, 'busybox']);
    const bytes = readFileSync(file);
    rmSync(file);
    const logged = daemon.log().length;
    for (const path of ['/images/load', '/images/create?fromSrc=-&repo=left', '/images/busybox/get']) {
      const method = path.endsWith('/get') ? 'GET' : 'POST';
      const headers = method === 'GET' ? {} : { 'Content-Length': bytes.length };
      const leaving = request({ socketPath: daemon.socketPath, method, path, headers, agent: false });
      leaving.on('error', () => {});
      leaving.write(method === 'GET' ? '' : bytes.subarray(0, bytes.length >> 1));
      leaving.flushHeaders();
      await sleep(100);
      leaving.destroy();
    }
    await eventually('nothing is left', () => readdirSync(`${daemon.dataRoot}/staging`).length === 0);
    await daemon.api.get('/_ping').catch(() => undefined);
    expect(daemon.log().slice(logged)).not.toMatch(/"level":[456]0/);
  });

  testNeeding('skopeo')('skopeo reads the archive in both of its forms, and writes ones that load', async () => {
    const { daemon } = fixture;
    const id = await layered('skopeo');
    const [saved, copied] = [`${daemon.dir}/s.tar`, `${daemon.dir}/c.tar`];
    await cli(daemon, 'tsdocker', ['save', '-o', saved, 'layered:skopeo']);
    for (const source of [`docker-archive:${saved}`, `oci-archive:${saved}`]) {
      for (const form of ['docker-archive', 'oci-archive']) {
        skopeo('copy', source, `${form}:${copied}:layered:${form}`);
        const lines = await cli(daemon, 'tsdocker', ['load', '-q', '-i', copied]);
        expect(lines.stdout).toBe(`Loaded image: layered:${form}\n`);
        const { RootFS } = await image(`layered:${form}`);
        expect(RootFS.Layers).toEqual((await image(id)).RootFS.Layers);
        expect((await run(daemon, 'cat /name', { Image: `layered:${form}` })).stdout).toBe('skopeo\n');
        await daemon.api.delete(`/images/layered:${form}`);
        rmSync(copied);
      }
    }
    rmSync(saved);
  });

  test('what is wrong is said, and the stream of a broken load ends with it', async () => {
    const { daemon } = fixture;
    const answer = await daemon.api.send('POST', '/images/load', { raw: tarOf([{ name: 'x', data: 'y' }]) });
    expect([answer.status, answer.text]).toEqual([
      200,
      expect.stringMatching(
        /^\{"errorDetail":\{"message":".*"\},"error":".*neither manifest\.json nor index\.json.*"\}\r\n$/,
      ),
    ]);
    expect((await daemon.api.send('GET', '/images/nothing/get')).status).toBe(404);
    expect((await daemon.api.send('GET', '/images/get')).status).toBe(400);
    const elsewhere = encodeURIComponent('{"os":"linux","architecture":"s390x"}');
    expect((await daemon.api.send('GET', `/images/busybox/get?platform=${elsewhere}`)).status).toBe(404);
  });
});

function namesInLayout(dataRoot: string): string[] {
  const { manifests } = JSON.parse(readFileSync(`${dataRoot}/content/index.json`, 'utf8')) as {
    manifests: { annotations: Record<string, string> }[];
  };
  return manifests.map(({ annotations }) => String(annotations['org.opencontainers.image.ref.name'])).sort();
}

describe('the store', () => {
  testNeeding('skopeo')('is an OCI layout that names every image', async () => {
    const { daemon } = fixture;
    const id = await layered('layout');
    await daemon.api.post('/images/layered:layout/tag?repo=localhost:5000/other/name&tag=2');
    const inspect = (name: string) => JSON.parse(skopeo('inspect', `oci:${daemon.dataRoot}/content:${name}`));
    for (const name of ['busybox:latest', 'layered:layout', 'localhost:5000/other/name:2']) {
      const found = await eventually(`${name} is named`, async () => {
        try {
          return inspect(name);
        } catch {
          return undefined;
        }
      });
      expect(found.Architecture).toBe('amd64');
      expect(found.Layers).toHaveLength((await image(name)).RootFS.Layers.length);
    }
    // What came with its blobs can be copied out of it.
    const saved = `${daemon.dir}/l.tar`;
    await cli(daemon, 'tsdocker', ['save', '-o', saved, 'layered:layout']);
    await daemon.api.delete(`/images/${id}?force=1`);
    await cli(daemon, 'tsdocker', ['load', '-q', '-i', saved]);
    rmSync(saved);
  });

  test('forgets blobs with the last image that has them', async () => {
    const { daemon } = fixture;
    const blobs = () => readdirSync(`${daemon.dataRoot}/content/blobs/sha256`).sort();
    // The layout is written a moment after names changed: manifests of the images that are here may still come or go.
    await eventually('the layout names all images and no others', async () => {
      const images = await daemon.api.get<{ RepoTags: string[] | null }[]>('/images/json');
      const tags = images.flatMap(({ RepoTags }) => RepoTags ?? []).filter((tag) => !tag.startsWith('<none>'));
      return isDeepStrictEqual(namesInLayout(daemon.dataRoot), tags.sort()) || undefined;
    });
    const before = blobs();
    const id = await layered('gone');
    const saved = `${daemon.dir}/g.tar`;
    await cli(daemon, 'tsdocker', ['save', '-o', saved, 'layered:gone']);
    await daemon.api.delete('/images/layered:gone');
    await cli(daemon, 'tsdocker', ['load', '-q', '-i', saved]);
    expect(blobs()).toContain(id.slice(7));
    await daemon.api.delete('/images/layered:gone');
    await daemon.api.post('/images/prune');
    await eventually('its blobs are gone, and no others', () => isDeepStrictEqual(blobs(), before) || undefined);
    rmSync(saved);
  });

  test('system df agrees with du', async () => {
    const { daemon } = fixture;
    await layered('df');
    const id = await runDetached(daemon, 'dd if=/dev/zero of=/fill bs=1M count=9; echo done; sleep 1000');
    await eventually('it wrote', async () =>
      (await daemon.api.send('GET', `/containers/${id}/logs?stdout=1`)).text.includes('done'),
    );
    interface Usage {
      LayersSize: number;
      Containers: { SizeRw: number }[];
    }
    await eventually('the two agree within a megabyte', async () => {
      execFileSync('sync', ['-f', daemon.dataRoot]);
      const { LayersSize, Containers } = await daemon.api.get<Usage>('/system/df');
      const told = LayersSize + Containers.reduce((sum, { SizeRw }) => sum + SizeRw, 0);
      const parts = ['layers', 'content', 'containers'].map((name) => `${daemon.dataRoot}/${name}`);
      const counted = execFileSync('du', ['-scB1', ...parts], { encoding: 'utf8' })
        .trim()
        .split('\n')
        .at(-1);
      const real = Number.parseInt(counted ?? '', 10);
      expect(real).toBeGreaterThan(10 << 20);
      return Math.abs(told - real) < 1 << 20 || undefined;
    });
  });
});

describe('removing', () => {
  test.each(cliNames)('%s: prune takes what has no name, system prune needs no build cache', async (name) => {
    const { daemon } = fixture;
    await layered('one');
    const first = await layered('two');
    await daemon.api.post('/images/layered:one/tag?repo=layered&tag=two');
    const pruned = await cli(daemon, name, ['image', 'prune', '-f']);
    expect(pruned.stdout).toContain(`deleted: ${first}`);
    const labelled = await cli(daemon, name, ['image', 'prune', '-af', '--filter', 'label=nobody']);
    expect(labelled.stdout).toBe('Total reclaimed space: 0B\n');
    expect((await cli(daemon, name, ['system', 'prune', '-f'])).code).toBe(0);
    expect((await image('layered:one')).RepoTags).toEqual(['layered:one', 'layered:two']);
    await daemon.api.delete(`/images/layered:one`);
    await daemon.api.delete(`/images/layered:two`);
  });

  test('history has ids of images that are here and <missing> for others', async () => {
    const { daemon } = fixture;
    const id = await layered('history');
    const [top, base] = await daemon.api.get<{ Id: string; Size: number }[]>('/images/layered:history/history');
    expect(top?.Id).toBe(id);
    expect(base?.Id).toBe((await image('busybox')).Id);
    const saved = `${daemon.dir}/h.tar`;
    await cli(daemon, 'tsdocker', ['save', '-o', saved, 'layered:history']);
    await daemon.api.delete('/images/layered:history');
    await cli(daemon, 'tsdocker', ['load', '-q', '-i', saved]);
    const [, missing] = await daemon.api.get<{ Id: string }[]>('/images/layered:history/history');
    expect(missing?.Id).toBe('<missing>');
    rmSync(saved);
    expect(existsSync(saved)).toBe(false);
  });
});
