// --cache-to and --cache-from: what one daemon has built another takes, from a registry, a directory, an image. Each test has a builder and a daemon
// that has never built.
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { build, OwnBuilder } from '../../harness/build/build-engine.ts';
import type { BuildFiles } from '../../harness/build/build-files.ts';
import { DockerRegistry } from '../../harness/docker-registry.ts';
import { pull, push } from '../../harness/image-transfers.ts';
import { readTar } from '../../harness/tars.ts';
import { TestDaemon } from '../../harness/test-daemon.ts';
import { useDaemon } from '../../harness/use-daemon.ts';

const PORT = 5061;
const fixture = useDaemon();
const dir = mkdtempSync('/tmp/tsdt-cache-transfer-');
let registry: DockerRegistry;
let maker: OwnBuilder;
let fresh: TestDaemon;
let taker: OwnBuilder;

/** The base image is the same for both: an import makes another each time. */
beforeAll(async () => {
  const { daemon } = fixture;
  registry = await DockerRegistry.start(daemon.network, { port: PORT });
  maker = new OwnBuilder(daemon);
  fresh = await TestDaemon.start({ network: daemon.network, image: false });
  taker = new OwnBuilder(fresh);
  await fresh.api.send('POST', '/images/load', { raw: (await daemon.api.send('GET', '/images/busybox/get')).body });
});
beforeEach(async () => {
  await fixture.daemon.api.send('POST', '/build/prune?all=1');
  await fresh.api.send('POST', '/images/prune?filters={"dangling":["true"]}');
  await fresh.api.send('POST', '/build/prune?all=1');
});
afterAll(async () => {
  await fresh.dispose();
  await registry.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** A stage that the image copies one file of, and a step whose result is never the same. */
const files: BuildFiles = {
  Dockerfile: `FROM busybox AS made
RUN echo tools >/tools && cat /proc/sys/kernel/random/uuid >/of-the-stage
RUN cp /tools /out
FROM busybox
RUN cat /proc/sys/kernel/random/uuid >/random
COPY --from=made /out /out
COPY a /d/a
WORKDIR /d
RUN true
CMD ["cat", "/random", "/out"]
`,
  a: 'content',
};

interface Steps {
  readonly id: string;
  readonly cached: string[];
  readonly done: string[];
  readonly told: string;
}

/** By the command, whose lines tell what was cached. */
async function command(builder: OwnBuilder, args: readonly string[], given = files): Promise<Steps> {
  const idFile = `${dir}/iid`;
  const result = await builder.buildCommand(given, [
    '--progress=plain',
    '--network=none',
    '--iidfile',
    idFile,
    ...args,
  ]);
  if (result.code !== 0) throw new Error(`status ${result.code}: ${result.stderr}`);
  const names = new Map(
    [...result.stderr.matchAll(/^#(\d+) (\[.*\d+\/\d+\] (?:RUN|COPY|WORKDIR).*)$/gm)].map(
      ([, number = '', name = '']) => [number, name.replace(/^\[.*\] /, '')],
    ),
  );
  const cached = new Set([...result.stderr.matchAll(/^#(\d+) CACHED$/gm)].map(([, number]) => number));
  const chosen = (isCached: boolean) =>
    [...names]
      .filter(([number]) => cached.has(number) === isCached)
      .map(([, name]) => name.split(' ').slice(0, 3).join(' '));
  return {
    id: readFileSync(idFile, 'utf8'),
    cached: chosen(true).sort(),
    done: chosen(false).sort(),
    told: result.stderr,
  };
}

/** Names of the results that a daemon keeps. */
async function kept(builder: OwnBuilder): Promise<string[]> {
  const { BuildCache } = await builder.api.get<{ BuildCache: { Description: string }[] }>(
    '/system/df?type=build-cache',
  );
  return BuildCache.map(({ Description }) => Description.replace(/^\[.*\] /, ''));
}

const all = ['COPY --from=made /out', 'COPY a /d/a', 'RUN cat /proc/sys/kernel/random/uuid', 'RUN true', 'WORKDIR /d'];
const name = `127.0.0.1:${PORT}/caches/app`;

describe('a cache in a registry', () => {
  test('of mode=max: the next daemon runs nothing, fetches what the image needs, and makes the same image', async () => {
    const made = await command(maker, ['--no-cache', '--cache-to', `type=registry,ref=${name}:max,mode=max`]);
    const taken = await command(taker, ['--cache-from', `type=registry,ref=${name}:max`]);
    expect(taken.done).toEqual([]);
    expect(taken.cached).toEqual(expect.arrayContaining(all));
    expect(taken.id).toBe(made.id);
    const stage = ['RUN echo tools >/tools && cat /proc/sys/kernel/random/uuid >/of-the-stage', 'RUN cp /tools /out'];
    expect(await kept(taker)).toEqual(expect.not.arrayContaining(stage));
    // They are its own now.
    const again = await command(taker, []);
    expect(again.cached).toEqual(expect.arrayContaining(all));
    expect(again.id).toBe(made.id);
    // The stage's own steps are there, too.
    await fresh.api.send('POST', '/build/prune?all=1');
    const target = await command(taker, ['--target', 'made', '--cache-from', `type=registry,ref=${name}:max`]);
    expect(target.done).toEqual([]);
    expect(await kept(taker)).toEqual(expect.arrayContaining(stage));
  });

  test('is given on by who has taken it, with what that one did not need', async () => {
    const made = await command(maker, ['--cache-to', `type=registry,ref=${name}:one,mode=max`]);
    const from = ['--cache-from', `type=registry,ref=${name}:one`];
    await command(taker, [...from, '--cache-to', `type=registry,ref=${name}:two,mode=max`]);
    await fresh.api.send('POST', '/build/prune?all=1');
    const last = ['--cache-from', `type=registry,ref=${name}:two`];
    expect(await command(taker, ['--target', 'made', ...last])).toMatchObject({ done: [] });
    expect(await command(taker, last)).toMatchObject({ done: [], id: made.id });
  });

  test('of mode=min, as an index: the image needs no step of the stage, whose own are not there', async () => {
    const attributes = `type=registry,ref=${name}:min,image-manifest=false`;
    const made = await command(maker, ['--cache-to', attributes]);
    const from = ['--cache-from', `type=registry,ref=${name}:min`];
    const other = { ...files, a: 'changed' };
    const changed = await command(taker, from, other);
    expect(changed.done).toEqual(['COPY a /d/a', 'RUN true', 'WORKDIR /d']);
    expect(await command(taker, from)).toMatchObject({ done: [], id: made.id });
    expect((await command(taker, ['--target', 'made', ...from])).done).toHaveLength(2);
  });

  test('that is not there, or is none, is told, and the build goes on', async () => {
    const { told, done } = await command(taker, [
      ...['--cache-from', `${name}:none`, '--cache-from', 'type=registry,ref=127.0.0.1:1/x/y'],
    ]);
    expect(done).toEqual(expect.arrayContaining(all));
    expect(told).toMatch(/importing cache manifest from 127.0.0.1:5061\/caches\/app:none/);
    expect(told.match(/^#\d+ ERROR: /gm)).toHaveLength(2);
  });
});

describe('a cache in a directory', () => {
  const path = `${dir}/cache`;
  const blobs = `${path}/blobs/sha256`;
  const to = (tag: string) => ['--cache-to', `type=local,dest=${path},mode=max,tag=${tag}`];
  const from = (tag: string) => ['--cache-from', `type=local,src=${path},tag=${tag}`];

  interface Entry {
    digest: string;
    mediaType: string;
    annotations: Record<string, string>;
  }
  const jsonOf = <T>(file: string): T => JSON.parse(readFileSync(file, 'utf8')) as T;
  const blobOf = <T>(digest: string): T => jsonOf<T>(`${blobs}/${digest.slice(7)}`);
  const manifestOf = (tag: string) => {
    const { manifests } = jsonOf<{ manifests: Entry[] }>(`${path}/index.json`);
    const entry = manifests.find(({ annotations }) => annotations['org.opencontainers.image.ref.name'] === tag);
    return blobOf<{ config: Entry; layers: Entry[] }>(entry?.digest ?? '');
  };

  test('is an OCI layout in the format of BuildKit, beside others of other tags', async () => {
    await command(maker, to('other'), { Dockerfile: 'FROM busybox\nRUN echo other >/other' });
    const made = await command(maker, to('app'));
    const { config, layers } = manifestOf('app');
    expect(config.mediaType).toBe('application/vnd.buildkit.cacheconfig.v0');
    expect(layers.map(({ mediaType }) => mediaType)).toEqual(
      layers.map(() => 'application/vnd.oci.image.layer.v1.tar+gzip'),
    );
    for (const file of readdirSync(blobs))
      expect(
        createHash('sha256')
          .update(readFileSync(`${blobs}/${file}`))
          .digest('hex'),
      ).toBe(file);
    const document = blobOf<{ layers: { blob: string }[]; records: { layers?: object[] }[] }>(config.digest);
    expect(new Set(document.layers.map(({ blob }) => blob))).toEqual(new Set(layers.map(({ digest }) => digest)));
    expect(document.records.filter((record) => record.layers !== undefined).length).toBeGreaterThanOrEqual(7);
    expect(await command(taker, from('app'))).toMatchObject({ done: [], id: made.id });
    const other = await command(taker, from('other'), { Dockerfile: 'FROM busybox\nRUN echo other >/other' });
    expect(other.done).toEqual([]);
    expect((await command(taker, from('none'))).told).toContain('it names no cache');
  });

  test('with a layer that is cut, or another, or a circle of records, is told, and the steps run', async () => {
    const given = { Dockerfile: 'FROM busybox\nRUN cat /proc/sys/kernel/random/uuid >/damaged' };
    await command(maker, to('damaged'), given);
    const { config, layers } = manifestOf('damaged');
    const file = `${blobs}/${layers.at(-1)?.digest.slice(7)}`;
    const whole = readFileSync(file);
    for (const bytes of [whole.subarray(0, whole.length - 9), Buffer.from(whole).fill(7, 20)]) {
      writeFileSync(file, bytes);
      const { done, told } = await command(taker, from('damaged'), given);
      expect(done).toEqual(['RUN cat /proc/sys/kernel/random/uuid']);
      expect(told).toContain('a cache does not have what it says');
      await fresh.api.send('POST', '/build/prune?all=1');
    }
    rmSync(file);
    expect((await command(taker, from('damaged'), given)).done).toHaveLength(1);
    writeFileSync(`${blobs}/${config.digest.slice(7)}`, '{"records":[{"digest":"x","inputs":[[{"link":0}]]}]}');
    await fresh.api.send('POST', '/build/prune?all=1');
    expect((await command(taker, from('damaged'), given)).done).toHaveLength(1);
  });

  test('that is not there yet is told by the command', async () => {
    const { told } = await command(taker, ['--cache-from', `type=local,src=${dir}/none`]);
    expect(told).toContain(`WARNING: local cache import at ${dir}/none not found`);
  });
});

describe('a cache in an image', () => {
  test('comes with it from its registry, or from the store where the image is', async () => {
    const { id } = await command(maker, ['--cache-to', 'type=inline', '-t', `${name}:1`]);
    expect((await push(fixture.daemon, name, '1')).error).toBeUndefined();
    const asArgument = { networkMode: 'none', buildArgs: { BUILDKIT_INLINE_CACHE: '1' } };
    expect((await build(maker, files, asArgument)).id).toBe(id);
    const taken = await command(taker, ['--cache-from', `${name}:1`, '--cache-to', 'type=inline']);
    expect(taken).toMatchObject({ done: [], id });
    // As every client can ask for it.
    await fresh.api.send('POST', '/images/prune?filters={"dangling":["true"]}');
    await fresh.api.send('POST', '/build/prune?all=1');
    const classic = await build(taker, files, { cacheFrom: [`${name}:1`], networkMode: 'none' });
    expect(classic.steps.filter(({ isCached }) => !isCached)).toEqual([]);
    await fresh.api.send('POST', '/build/prune?all=1');
    expect((await pull(fresh, `${name}:1`)).error).toBeUndefined();
    await push(fixture.daemon, name, '1');
    const { told, done } = await command(taker, ['--cache-from', `type=registry,ref=${name}:1`]);
    expect(done).toEqual([]);
    expect(told).not.toContain('extracting');
    await fresh.api.send('POST', '/build/prune?all=1');
    expect((await command(taker, ['--cache-from', id])).done).toEqual([]);
    await fresh.api.send('DELETE', `/images/${encodeURIComponent(`${name}:1`)}`);
  });

  test('is not handed on to images that are built on it', async () => {
    await command(maker, ['--cache-to', 'type=inline', '-t', 'with-cache']);
    const { id } = await command(maker, [], { Dockerfile: 'FROM with-cache\nLABEL a=b' });
    const archive = await maker.api.send('GET', `/images/${id}/get`);
    const config = readTar(archive.body).find((entry) => entry.name.endsWith(id.slice(7)));
    expect(Buffer.from(config?.data ?? []).toString()).not.toContain('moby.buildkit.cache.v0');
    expect(Buffer.from(config?.data ?? []).toString()).toContain('diff_ids');
  });
});

test('what a cache cannot do is refused by its name', async () => {
  const refused = async (...args: string[]): Promise<string> => {
    const { code, stderr } = await maker.buildCommand({ Dockerfile: 'FROM scratch\nCOPY Dockerfile /' }, args);
    expect(code).not.toBe(0);
    return stderr;
  };
  expect(await refused('--cache-to', 'type=gha')).toContain('type gha is not there');
  expect(await refused('--cache-from', 'type=s3,bucket=x')).toContain('type s3 is not there');
  expect(await refused('--cache-from', 'type=inline')).toContain('type inline is not there');
  expect(await refused('--cache-to', 'type=registry,ref=a,force=1')).toContain('"force"');
  expect(await refused('--cache-from', `type=registry,ref=a,mode=max`)).toContain('"mode"');
  expect(await refused('--cache-to', 'type=registry,mode=max')).toContain('requires ref');
  expect(await refused('--cache-to', 'type=local,mode=max')).toContain('requires dest');
  expect(await refused('--cache-to', 'type=registry,ref=a,mode=most')).toContain('neither min nor max');
  expect(await refused('--cache-to', 'type=registry,ref=a,compression=zstd')).toContain('compression zstd');
  expect(await refused('--cache-to', 'type=registry,ref=127.0.0.1:1/a')).toMatch(/127\.0\.0\.1:1/);
  await command(maker, ['--cache-to', 'type=registry,ref=127.0.0.1:1/a,ignore-error=true']);
});
