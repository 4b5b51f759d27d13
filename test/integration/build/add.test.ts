// ADD: archives in every packing, files by HTTP with their checksum, and git.
import { createHash } from 'node:crypto';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { failureOf, imageOf } from '../../harness/build/build-engine.ts';
import type { BuildFiles } from '../../harness/build/build-files.ts';
import { imageFiles, listBelow } from '../../harness/build/image-files.ts';
import { bzip2, xz } from '../../harness/build/packings.ts';
import { isReference, useBuilder } from '../../harness/build/use-builder.ts';
import { gitRepository, WebServer } from '../../harness/build/web-server.ts';
import { testNeeding } from '../../harness/needs.ts';
import { tarOf } from '../../harness/tars.ts';

const fixture = useBuilder();
const archive = tarOf([
  { name: 'd/', mode: 0o750, uid: 5, gid: 6 },
  { name: 'd/file', data: 'inside', mode: 0o4711, uid: 7, gid: 8 },
  { name: 'd/link', type: 'symlink', linkname: 'file' },
  { name: 'hard', type: 'link', linkname: 'd/file', mode: 0o4711, uid: 7, gid: 8 },
  { name: 'top', data: 'top' },
]);
const filesOf = async (lines: string, files: BuildFiles = {}) =>
  imageFiles(fixture.engine, await imageOf(fixture.engine, `FROM scratch\n${lines}`, files));

describe('an archive of the context is unpacked', () => {
  const unpacked = async (data: Buffer, name = 'a.bin') => {
    const files = await filesOf(`ADD ${name} /x/`, { [name]: data });
    expect(listBelow(files)).toEqual(['x/', 'x/d/', 'x/d/file', 'x/d/link', 'x/hard', 'x/top']);
    expect(files.get('x/d/file')).toMatchObject({ owner: '7:8', mode: '4711', text: 'inside' });
    expect(files.get('x/d')).toMatchObject({ owner: '5:6', mode: '750' });
    expect(files.get('x/hard')?.text).toBe('inside');
  };

  test('plain, gzip and zstd, by their content and not their name', async () => {
    await unpacked(archive, 'a.tar');
    await unpacked(gzipSync(archive), 'a.txt');
    await unpacked(zstdCompressSync(archive));
  });

  testNeeding('bzip2', 'xz')('bzip2 and xz', async () => {
    await unpacked(bzip2(archive));
    await unpacked(xz(archive), 'a.tar.xz');
  });

  test('by COPY it is not, and a packed file that is no archive stays as it is', async () => {
    const packed = gzipSync('only text');
    const files = await filesOf('COPY a.tar /copied\nADD packed.gz /packed.gz\nADD broken.tar.gz /b/', {
      'a.tar': archive,
      'packed.gz': packed,
      'broken.tar.gz': 'not an archive',
    });
    expect(files.get('copied')?.data).toEqual(archive);
    expect(files.get('packed.gz')?.data).toEqual(packed);
    expect(files.get('b/broken.tar.gz')?.text).toBe('not an archive');
  });

  test('over what is there, and with --chown', async () => {
    const image = await imageOf(
      fixture.engine,
      'FROM busybox\nRUN mkdir -p /x/d && echo own >/x/d/own && echo old >/x/top\nADD a.tar /x\nADD --chown=1:2 a.tar /y',
      { 'a.tar': archive },
    );
    const files = await imageFiles(fixture.engine, image);
    expect([files.get('x/d/own')?.text, files.get('x/top')?.text]).toEqual(['own\n', 'top']);
    expect(files.get('y/d/file')?.owner).toBe('1:2');
  });

  test('--unpack=false leaves it, and patterns and several sources work as with COPY', async () => {
    const files = await filesOf('ADD --unpack=false a.tar /kept\nADD *.txt a.tar /x/', {
      'a.tar': archive,
      '1.txt': '1',
    });
    expect(files.get('kept')?.data).toEqual(archive);
    expect([files.get('x/1.txt')?.text, files.get('x/top')?.text]).toEqual(['1', 'top']);
  });
});

const digestOf = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`;

describe('a file by HTTP', () => {
  const withServer = async (files: Record<string, string | Buffer>, work: (server: WebServer) => Promise<void>) => {
    const server = await WebServer.start(fixture.engine.network, files);
    try {
      await work(server);
    } finally {
      await server.stop();
    }
  };

  test('has mode 600 and the name of its address, or of the destination; it is not unpacked', async () => {
    await withServer({ 'file.txt': 'remote', 'a.tar': archive }, async ({ url }) => {
      const files = await filesOf(
        `ADD ${url}/file.txt /named\nADD ${url}/file.txt /d/\nADD ${url}/a.tar /t/\nADD --chmod=644 --chown=3:4 ${url}/file.txt /own`,
      );
      expect(files.get('named')).toMatchObject({ text: 'remote', mode: '600', owner: '0:0' });
      expect(listBelow(files)).toEqual(['d/', 'd/file.txt', 'named', 'own', 't/', 't/a.tar']);
      expect(files.get('own')).toMatchObject({ mode: '644', owner: '3:4' });
    });
  });

  test('is unpacked with --unpack', async () => {
    await withServer({ 'a.tar': archive }, async ({ url }) => {
      const files = await filesOf(`ADD --unpack ${url}/a.tar /t/`);
      expect(listBelow(files, 't')).toEqual(['d/', 'd/file', 'd/link', 'hard', 'top']);
    });
  });

  test('is taken when --checksum is right, and fails the build when it is not, or there is no such file', async () => {
    await withServer({ 'file.txt': 'remote' }, async ({ url }) => {
      const good = await filesOf(`ADD --checksum=${digestOf('remote')} ${url}/file.txt /x`);
      expect(good.get('x')?.text).toBe('remote');
      const failure = async (source: string) =>
        (await failureOf(fixture.engine, { Dockerfile: `FROM scratch\nADD ${source} /x` })).error;
      expect(await failure(`--checksum=${digestOf('other')} ${url}/file.txt`)).toMatch(/digest mismatch/);
      expect(await failure(`--checksum=md5:00 ${url}/file.txt`)).toMatch(/digest|checksum/);
      expect(await failure(`${url}/none`)).toMatch(/404/);
    });
    const local = { Dockerfile: `FROM scratch\nADD --checksum=${digestOf('x')} file /x`, file: 'x' };
    expect((await failureOf(fixture.engine, local)).error).toMatch(/checksum/);
  });

  test('is asked for at each build, and makes another image only when it has changed', async () => {
    const { engine } = fixture;
    await withServer({ 'file.txt': 'remote' }, async (server) => {
      const dockerfile = `FROM scratch\nADD ${server.url}/file.txt /x`;
      const first = await imageOf(engine, dockerfile);
      expect(await imageOf(engine, dockerfile)).toBe(first);
      server.put('file.txt', 'changed');
      expect((await imageFiles(engine, await imageOf(engine, dockerfile))).get('x')?.text).toBe('changed');
    });
  });
});

testNeeding('git')(
  'a git repository: its files at a branch, a tag or a commit, of a directory of it, without .git',
  async () => {
    const server = await WebServer.start(fixture.engine.network, {});
    try {
      const commits = gitRepository(server.dir);
      const url = `${server.url}/repo.git`;
      const list = async (words: string) => listBelow(await filesOf(`ADD ${words} /x/`), 'x');
      expect(await list(url)).toEqual(['README', 'sub/', 'sub/second']);
      expect(await list(`${url}#first`)).toEqual(['README']);
      expect(await list(`${url}#main:sub`)).toEqual(['second']);
      expect(await list(`--keep-git-dir=true ${url}#${commits[1]}`)).toEqual(
        expect.arrayContaining(['.git/', '.git/HEAD', 'README']),
      );
      expect(await list(`--checksum=${commits[0]} ${url}#first`)).toEqual(['README']);
      // dockerd 28.5 takes the commit that the checksum names.
      if (!isReference) await expect(list(`--checksum=${commits[1]} ${url}#first`)).rejects.toThrow(/checksum|commit/);
      await expect(list(`${url}#none-such`)).rejects.toThrow(/none-such/);
    } finally {
      await server.stop();
    }
  },
);
