// Projects as people have them (test/fixtures/projects), built and run: a C program on a Debian with its packages, a Node application with npm's
// cache, a site on nothing, a Go program. apt and npm reach the mirror and the registry of this machine's configuration by a proxy.
import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { build, failureOf, outputOf } from '../../harness/build/build-engine.ts';
import { type BuildFiles, filesBelow } from '../../harness/build/build-files.ts';
import { imageConfig, imageFiles, listBelow } from '../../harness/build/image-files.ts';
import { useBuilder } from '../../harness/build/use-builder.ts';
import { debianNeeds, debianTar } from '../../harness/debian-image.ts';
import { eventually } from '../../harness/eventually.ts';
import { debianMirror, npmSetting, registryPackage } from '../../harness/fresh-base.ts';
import { FreshProxy } from '../../harness/fresh-proxy.ts';
import { testNeeding } from '../../harness/needs.ts';
import { fixturesDir, projectRoot } from '../../harness/paths.ts';

const fixture = useBuilder();
const project = (name: string) => filesBelow(`${fixturesDir}/projects/${name}`);

const buildLimitMs = 240_000;
const testDebian = testNeeding('a Debian mirror', ...debianNeeds());
const testNode = testNeeding('npm’s registry', 'a Debian mirror', ...debianNeeds());

let proxy: FreshProxy | undefined;
const proxyDir = `${projectRoot}build/fixtures`;
beforeAll(async () => {
  if (testDebian.isSkipped) return;
  const hosts = [debianMirror(), npmSetting('registry')].map((url) => new URL(url).hostname);
  proxy = await FreshProxy.start(fixture.engine.network, `${proxyDir}/proxy-${process.pid}`, hosts);
  await fixture.engine.importTar(readFileSync(debianTar()), 'bootstrapped');
  // As Debian's own images have it: a layer need not survive a power cut.
  const dockerfile =
    'FROM bootstrapped\nRUN echo force-unsafe-io >/etc/dpkg/dpkg.cfg.d/docker-apt-speedup\nCMD ["bash"]\n';
  await build(fixture.engine, { Dockerfile: dockerfile }, { tags: ['debian'] });
}, buildLimitMs);
afterAll(() => proxy?.close());

/** On the host's network, where the proxy is; the arguments for it are docker's predefined ones. */
const online = () => ({
  networkMode: 'host',
  buildArgs: { http_proxy: proxy?.url ?? '', https_proxy: proxy?.url ?? '' },
});

describe('a C program in two stages', () => {
  testDebian(
    'is compiled by Debian’s gcc and runs on a Debian that has none',
    async () => {
      const { engine } = fixture;
      const { id } = await build(engine, project('c'), { ...online(), tags: ['greet:c'] });
      expect(await outputOf(engine, id)).toBe('hello, world\n');
      expect(await outputOf(engine, id, { Cmd: ['one', 'two'] })).toBe('hello, one\nhello, two\n');
      expect(await outputOf(engine, id, { Entrypoint: ['sh', '-c'], Cmd: ['id -un; which gcc || true'] })).toBe(
        'nobody\n',
      );

      const changed: BuildFiles = {
        ...project('c'),
        'greet.c': '#include "greet.h"\n#include <stdio.h>\nvoid greet(const char *w) { printf("bye, %s\\n", w); }\n',
      };
      const again = await build(engine, changed, online());
      expect(
        again.steps
          .filter(({ isCached }) => !isCached)
          .map(({ text }) => text.slice(0, 10))
          .sort(),
      ).toEqual(['COPY --fro', 'COPY Makef', 'RUN make C']);
      expect(await outputOf(engine, again.id)).toBe('bye, world\n');

      const broken = await failureOf(engine, { ...project('c'), 'greet.c': 'int x' }, online());
      expect(broken).toMatchObject({ code: 2, output: expect.stringContaining('error: expected') });
    },
    buildLimitMs,
  );
});

describe('a Node application', () => {
  const authorities = npmSetting('cafile') || '/etc/ssl/certs/ca-certificates.crt';
  const context = (): BuildFiles => ({
    ...project('node'),
    'ca.crt': existsSync(authorities) ? readFileSync(authorities) : '',
    'node_modules/ms/index.js': 'not to be copied',
  });

  testNode(
    'gets its packages by npm ci, into a cache that a later build has without a network',
    async () => {
      const { engine } = fixture;
      const npm = filesBelow(await registryPackage('npm@11.21.2'), 'npm/');
      const node = readFileSync(`${projectRoot}node_modules/node-linux-${process.arch}/bin/node`);
      const base = `FROM debian
COPY node /usr/local/bin/
COPY npm /usr/local/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && chmod 755 /usr/local/lib/node_modules/npm/bin/npm-cli.js
`;
      const files = { Dockerfile: base, node: { data: node, mode: 0o755 }, ...npm };
      await build(engine, files, { tags: ['node'] });

      const { id } = await build(engine, context(), online());
      expect(await outputOf(engine, id)).toBe('two days are 172800000 ms, and 60000 ms are 1m\n');
      const found = await imageFiles(engine, id);
      expect(listBelow(found, 'app').filter((name) => !name.startsWith('node_modules/'))).toEqual([
        'ca.crt',
        'index.js',
        'package-lock.json',
        'package.json',
      ]);
      expect(found.get('app/index.js')?.owner).toBe('65534:65534');
      expect(listBelow(found, 'root').filter((name) => name.startsWith('.npm/'))).toEqual([]);

      const json = String(readFileSync(`${fixturesDir}/projects/node/package.json`)).replace('1.0.0', '1.0.1');
      const offline = project('node').Dockerfile;
      const text = String(typeof offline === 'object' && 'data' in offline ? offline.data : offline);
      const later: BuildFiles = {
        ...context(),
        'package.json': json,
        Dockerfile: text.replace('npm ci', 'npm ci --offline'),
      };
      const again = await build(engine, later, { networkMode: 'none' });
      expect(await outputOf(engine, again.id)).toContain('two days');
    },
    buildLimitMs,
  );
});

test('a site of static pages on an image of nothing else', async () => {
  const { engine } = fixture;
  const { id } = await build(engine, project('site'));
  expect(listBelow(await imageFiles(engine, id))).toEqual([
    'busybox',
    'site/',
    'site/deep/',
    'site/deep/other.html',
    'site/index.html',
  ]);
  expect((await imageConfig(engine, id)).ExposedPorts).toEqual({ '8080/tcp': {} });
  const { Id } = await engine.api.post<{ Id: string }>('/containers/create', {
    Image: id,
    HostConfig: { NetworkMode: 'host' },
  });
  try {
    await engine.api.post(`/containers/${Id}/start`);
    const page = await eventually('the page', () => engine.network.fetch('http://127.0.0.1:8080/deep/other.html'));
    expect(page).toBe('<!doctype html>\n<p>Another one.</p>');
  } finally {
    await engine.api.delete(`/containers/${Id}?force=1`);
  }
});

testDebian(
  'a Go program in the classic two stages: compiled by Debian’s Go, alone in its image',
  async () => {
    const { engine } = fixture;
    const base = `FROM debian
RUN --mount=type=cache,target=/var/cache/apt --mount=type=cache,target=/var/lib/apt/lists \\
    apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends golang-go
`;
    await build(engine, { Dockerfile: base }, { ...online(), tags: ['golang'] });
    const { id } = await build(engine, project('go'));
    expect(listBelow(await imageFiles(engine, id))).toEqual(['greet']);
    expect(await outputOf(engine, id, { Cmd: ['you', 'me'] })).toBe('hello, you\nhello, me\n');
  },
  buildLimitMs,
);
