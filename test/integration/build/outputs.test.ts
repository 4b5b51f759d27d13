// --output: where the result of a build goes besides the store, and what these archives hold.
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { run } from '../../harness/containers.ts';
import { readTar, tarOf } from '../../harness/tars.ts';
import { useDaemon } from '../../harness/use-daemon.ts';

const fixture = useDaemon();

interface Line {
  id?: string;
  aux?: { output?: number; data?: string; imageId?: string; metadata?: Record<string, string> };
  error?: string;
}

interface Output {
  Type: string;
  Attrs?: Record<string, string>;
}

async function build(dockerfile: string, outputs: readonly Output[], more: Record<string, string> = {}) {
  const raw = tarOf([{ name: 'Dockerfile', data: dockerfile }]);
  const query = new URLSearchParams({ events: '1', outputs: JSON.stringify(outputs), ...more });
  const headers = { 'Content-Type': 'application/x-tar' };
  const answer = await fixture.daemon.api.send('POST', `/build?${query}`, { raw, headers, timeoutMs: 60_000 });
  const lines = answer.text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => JSON.parse(line) as Line & { message?: string });
  const error = lines.map((line) => line.error ?? line.message).find((text) => text !== undefined);
  if (error !== undefined) throw new Error(error);
  const archive = (index: number) =>
    Buffer.concat(
      lines
        .filter(({ id, aux }) => id === 'tsdocker.build.output' && aux?.output === index)
        .map(({ aux }) => Buffer.from(aux?.data ?? '', 'base64')),
    );
  return { result: lines.at(-1)?.aux, archive };
}

function jsonOf<T>(archive: Buffer, name: string): T {
  const entry = readTar(archive).find((one) => one.name === name);
  if (entry === undefined) throw new Error(`the archive has no ${name}`);
  return JSON.parse(Buffer.from(entry.data).toString()) as T;
}

const dockerfile = `FROM busybox
RUN mkdir /d && echo kept > /d/f && rm /etc/group
LABEL made=here
`;

test('local and tar are the files of the result, without what was removed', async () => {
  const { archive, result } = await build(dockerfile, [{ Type: 'tar' }, { Type: 'local' }]);
  for (const index of [0, 1]) {
    const entries = readTar(archive(index));
    const names = entries.map(({ name }) => name);
    expect(names).toContain('bin/busybox');
    expect(names).not.toContain('etc/group');
    expect(names.some((name) => name.includes('.wh.'))).toBe(false);
    expect(Buffer.from(entries.find(({ name }) => name === 'd/f')?.data ?? []).toString()).toBe('kept\n');
  }
  expect(result?.imageId).toBeUndefined();
  expect(await fixture.daemon.api.get('/images/json?filters={"label":["made=here"]}')).toEqual([]);
});

test('oci is a layout of the image, with annotations and without a name in the store', async () => {
  const attributes = { name: 'some/name:tag', compression: 'gzip' };
  const { archive, result } = await build(dockerfile, [{ Type: 'oci', Attrs: attributes }], {
    annotations: '{"org.example.a":"b"}',
  });
  const bytes = archive(0);
  const names = readTar(bytes).map(({ name }) => name);
  expect(names).toContain('oci-layout');
  expect(names).not.toContain('manifest.json');
  const index = jsonOf<{ manifests: { digest: string; annotations: Record<string, string> }[] }>(bytes, 'index.json');
  expect(index.manifests.map(({ annotations }) => annotations['io.containerd.image.name'])).toEqual([
    'docker.io/some/name:tag',
  ]);
  const blob = (digest: string) => `blobs/${digest.replace(':', '/')}`;
  const manifest = jsonOf<{
    config: { digest: string };
    layers: { digest: string; mediaType: string }[];
    annotations: Record<string, string>;
  }>(bytes, blob(index.manifests[0]?.digest ?? ''));
  expect(manifest.annotations).toEqual({ 'org.example.a': 'b' });
  expect(manifest.layers.every(({ mediaType }) => mediaType.endsWith('+gzip'))).toBe(true);
  for (const { name, data } of readTar(bytes).filter((entry) => /^blobs\/sha256\/./.test(entry.name)))
    expect(createHash('sha256').update(data).digest('hex')).toBe(name.slice('blobs/sha256/'.length));
  const config = jsonOf<{ config: { Labels: Record<string, string> } }>(bytes, blob(manifest.config.digest));
  expect(config.config.Labels).toEqual({ made: 'here' });
  expect(result?.metadata?.['containerimage.config.digest']).toBe(manifest.config.digest);
  expect(await fixture.daemon.api.get('/images/json?filters={"label":["made=here"]}')).toEqual([]);
});

test('docker is an archive that load takes, beside an image in the store', async () => {
  const { archive, result } = await build(
    dockerfile,
    [
      { Type: 'docker', Attrs: { name: 'loaded:1' } },
      { Type: 'image', Attrs: { name: 'stored:1,stored:2' } },
    ],
    { t: 'other:1' },
  );
  const { daemon } = fixture;
  const { Id } = await daemon.api.get<{ Id: string }>('/images/stored:2/json');
  expect(result?.imageId).toBe(Id);
  expect(result?.metadata).toMatchObject({
    'containerimage.digest': Id,
    'image.name': 'docker.io/library/stored:1,docker.io/library/stored:2',
  });
  await daemon.api.send('DELETE', '/images/stored:1');
  await daemon.api.send('DELETE', '/images/stored:2');
  await daemon.api.send('POST', '/images/load', { raw: archive(0) });
  expect((await daemon.api.get<{ Id: string }>('/images/loaded:1/json')).Id).toBe(Id);
  expect(await run(daemon, [], { Image: 'loaded:1', Cmd: ['cat', '/d/f'] })).toMatchObject({ stdout: 'kept\n' });
});

test('with SOURCE_DATE_EPOCH files are no later, where that is asked for, and the image is the same each time', async () => {
  const lines = `FROM busybox
RUN echo $(date) >/dev/null && touch -d @100 /old && echo new > /new
`;
  const epoch = { buildargs: '{"SOURCE_DATE_EPOCH":"1000000000"}', nocache: '1' };
  const times = (bytes: Buffer) =>
    new Map(readTar(bytes).map(({ name, mtime }) => [name.replace(/^\.\//, ''), mtime] as const));
  const tar = await build(lines, [{ Type: 'tar' }], epoch);
  expect([...new Set(times(tar.archive(0)).values())]).toEqual([1_000_000_000]);
  const asked = [{ Type: 'image', Attrs: { 'rewrite-timestamp': 'true' } }];
  const [first, second] = [await build(lines, asked, epoch), await build(lines, asked, epoch)];
  expect(second.result?.imageId).toBe(first.result?.imageId);
  const { daemon } = fixture;
  const seen = await run(daemon, [], { Image: first.result?.imageId ?? '', Cmd: ['stat', '-c', '%Y', '/old', '/new'] });
  expect(seen.stdout).toBe('100\n1000000000\n');
});

test('what an output cannot do is refused before anything runs', async () => {
  await expect(build(dockerfile, [{ Type: 'oci', Attrs: { compression: 'estargz' } }])).rejects.toThrow('estargz');
  await expect(build(dockerfile, [{ Type: 'image', Attrs: { push: 'true' } }])).rejects.toThrow('"push"');
  await expect(build(dockerfile, [{ Type: 'image' }], { cacheto: '["type=registry,ref=a,x=y"]' })).rejects.toThrow(
    '--cache-to type=registry: the attribute "x"',
  );
});
