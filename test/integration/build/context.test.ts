// Where the files of a build come from: an archive in every packing, a lone Dockerfile, an address.
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { expect } from 'vitest';
import { type BuildOptions, queryOf } from '../../harness/build/build-engine.ts';
import { type BuildFiles, contextTar } from '../../harness/build/build-files.ts';
import { imageFiles, listBelow } from '../../harness/build/image-files.ts';
import { bzip2, xz } from '../../harness/build/packings.ts';
import { ownTest, useBuilder } from '../../harness/build/use-builder.ts';
import { gitRepository, WebServer } from '../../harness/build/web-server.ts';
import { findCommand } from '../../harness/paths.ts';

const fixture = useBuilder();
const files: BuildFiles = { Dockerfile: 'FROM scratch\nCOPY f /f\n', f: 'file' };

const contentOf = async (raw: Uint8Array, query = queryOf({})) => {
  const built = await fixture.own.send(raw, query);
  expect(built.error).toBeUndefined();
  return (await imageFiles(fixture.own, built.id)).get('f')?.text;
};

ownTest('a tar, plain and packed, whatever it is called', async () => {
  const tar = contextTar(files);
  expect(await contentOf(tar)).toBe('file');
  expect(await contentOf(gzipSync(tar))).toBe('file');
  expect(await contentOf(zstdCompressSync(tar))).toBe('file');
  if (findCommand('bzip2') !== undefined) expect(await contentOf(bzip2(tar))).toBe('file');
  if (findCommand('xz') !== undefined) expect(await contentOf(xz(tar))).toBe('file');
});

ownTest('names that begin with ./, and a Dockerfile below a directory', async () => {
  const query = queryOf({ dockerfile: './docker/My.File' });
  expect(
    await contentOf(contextTar({ './': {}, './docker/My.File': 'FROM scratch\nCOPY ./f /f', './f': 'dot' }), query),
  ).toBe('dot');
});

const withRemote = async (served: Record<string, string | Buffer>, work: (server: WebServer) => Promise<void>) => {
  const server = await WebServer.start(fixture.own.network, served);
  try {
    await work(server);
  } finally {
    await server.stop();
  }
};

async function remote(address: string, options: BuildOptions = {}) {
  const query = queryOf(options);
  query.set('remote', address);
  return fixture.own.send(Buffer.alloc(0), query);
}

ownTest('an address: of an archive, of a Dockerfile alone, and of nothing', async () => {
  const packed = gzipSync(contextTar({ ...files, 'other/Dockerfile': 'FROM scratch\nCOPY f /other' }));
  await withRemote({ 'c.tgz': packed, plain: 'FROM busybox\nRUN echo alone\n' }, async ({ url }) => {
    const archived = await remote(`${url}/c.tgz`);
    expect((await imageFiles(fixture.own, archived.id)).get('f')?.text).toBe('file');
    const other = await remote(`${url}/c.tgz`, { dockerfile: 'other/Dockerfile' });
    expect((await imageFiles(fixture.own, other.id)).get('other')?.text).toBe('file');
    expect((await remote(`${url}/plain`, { noCache: true })).output).toBe('alone\n');
    expect((await remote(`${url}/none`)).error).toMatch(/404|not found/i);
  });
});

ownTest('a git repository at a branch, a tag, and a directory of it', async () => {
  await withRemote({}, async (server) => {
    gitRepository(server.dir, {
      Dockerfile: 'FROM scratch\nCOPY . /',
      'sub/Dockerfile': 'FROM scratch\nCOPY second /only',
    });
    const list = async (suffix: string) =>
      listBelow(await imageFiles(fixture.own, (await remote(`${server.url}/repo.git${suffix}`)).id));
    expect(await list('')).toEqual(['Dockerfile', 'README', 'sub/', 'sub/Dockerfile', 'sub/second']);
    expect(await list('#first')).toEqual(['Dockerfile', 'README', 'sub/', 'sub/Dockerfile']);
    expect(await list('#main:sub')).toEqual(['only']);
    expect((await remote(`${server.url}/repo.git#none-such`)).error).toMatch(/none-such/);
    expect((await remote(`${server.url}/none.git`)).error).toMatch(/none\.git|not found/);
  });
});

ownTest('a Dockerfile on standard input is all there is, and COPY finds nothing', async () => {
  const { own } = fixture;
  const dockerfile = 'FROM busybox\nRUN echo piped\n';
  const result = await own.buildCommand({}, ['-q', '-f', '-'], { input: dockerfile });
  expect(result).toMatchObject({ code: 0, stdout: expect.stringMatching(/^sha256:[0-9a-f]{64}\n$/) });
});
