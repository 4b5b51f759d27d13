// COPY: what its sources and its destination mean, and what the files in the image are like.
import { describe, expect, test } from 'vitest';
import { failureOf, imageOf, outputOf } from '../../harness/build/build-engine.ts';
import type { BuildFiles } from '../../harness/build/build-files.ts';
import { imageFiles, listBelow } from '../../harness/build/image-files.ts';
import { useBuilder } from '../../harness/build/use-builder.ts';

const fixture = useBuilder();

const context: BuildFiles = {
  'a.txt': 'a',
  'b.txt': 'b',
  'c.md': 'c',
  'dir/': {},
  'dir/one': 'one',
  'dir/sub/': { mode: 0o750 },
  'dir/sub/two': 'two',
  'dir/empty/': {},
  'dir/link': { type: 'symlink', linkname: 'one' },
  'file with space': 'space',
  'x[1].txt': 'bracket',
  tool: { data: '#!/bin/sh\n', mode: 0o755 },
};

/** Lines on scratch, in the order given; what is in the image. */
const filesOf = async (lines: string, files: BuildFiles = context) =>
  imageFiles(fixture.engine, await imageOf(fixture.engine, `FROM scratch\n${lines}`, files));
const listOf = async (lines: string) => listBelow(await filesOf(lines));

const cases: [string, string, string[]][] = [
  ['a file to a name', 'COPY a.txt /x', ['x']],
  ['a file into a directory that is made', 'COPY a.txt /d/', ['d/', 'd/a.txt']],
  ['a file below directories that are made', 'COPY a.txt /d/e/x', ['d/', 'd/e/', 'd/e/x']],
  ['a file without leading slash', 'COPY a.txt x', ['x']],
  ['a file to the working directory', 'WORKDIR /w\nCOPY a.txt .', ['w/', 'w/a.txt']],
  ['several files', 'COPY a.txt b.txt /d/', ['d/', 'd/a.txt', 'd/b.txt']],
  ['a pattern', 'COPY *.txt /d/', ['d/', 'd/a.txt', 'd/b.txt', 'd/x[1].txt']],
  ['a pattern with ? and a class', 'COPY ?.txt [b-c].md /d/', ['d/', 'd/a.txt', 'd/b.txt', 'd/c.md']],
  ['a pattern of one match, to a name', 'COPY a.tx? /x', ['x']],
  ['the content of a directory', 'COPY dir /d', ['d/', 'd/empty/', 'd/link', 'd/one', 'd/sub/', 'd/sub/two']],
  [
    'the content of a directory, with slashes',
    'COPY dir/ /d/',
    ['d/', 'd/empty/', 'd/link', 'd/one', 'd/sub/', 'd/sub/two'],
  ],
  [
    'a directory by a pattern: its content',
    'COPY di? /d/',
    ['d/', 'd/empty/', 'd/link', 'd/one', 'd/sub/', 'd/sub/two'],
  ],
  ['files and a directory', 'COPY a.txt dir/sub /d/', ['d/', 'd/a.txt', 'd/two']],
  ['names with spaces', 'COPY ["file with space", "/with space"]', ['with space']],
  ['names with special characters', 'COPY x[[]1].txt /x', ['x']],
  ['sources that begin with a slash', 'COPY /a.txt /dir/one /d/', ['d/', 'd/a.txt', 'd/one']],
  ['sources that would leave the context', 'COPY ../../a.txt /dir/../../b.txt /d/', ['d/', 'd/a.txt', 'd/b.txt']],
  ['a pattern below directories', 'COPY dir/*/two /d/', ['d/', 'd/two']],
  ['a pattern that matches nothing', 'COPY none* /x/', []],
];

test.each(cases)('%s: %s', async (_name, lines, expected) => {
  expect(await listOf(lines)).toEqual(expected);
});

test('the whole context', async () => {
  const found = await listOf('COPY . /');
  expect(found).toEqual(expect.arrayContaining(['a.txt', 'dir/sub/two', 'file with space', 'Dockerfile']));
});

test.each([
  ['COPY none /x', /"\/none": not found/],
  ['COPY a.txt', /COPY requires at least two arguments/],
  ['COPY --none=1 a.txt /x', /unknown flag: --none/],
  ['COPY --chmod=9999 a.txt /x', /chmod|mode/i],
  ['COPY --form=x a.txt /x', /unknown flag: --form[\s\S]*did you mean from/i],
])('%s fails the build', async (line, words) => {
  const dockerfile = `FROM busybox\n${line}`;
  expect((await failureOf(fixture.engine, { Dockerfile: dockerfile, ...context })).error).toMatch(words);
});

test('modes are kept, times too; owners are root’s, whoever they were', async () => {
  const files = await filesOf('COPY . /', {
    plain: { data: 'x', mode: 0o640, uid: 7, gid: 8 },
    'd/': { mode: 0o1770, uid: 7, gid: 8 },
    'd/s': { data: 'x', mode: 0o4755, uid: 7, gid: 8 },
    l: { type: 'symlink', linkname: '/nowhere', uid: 7 },
  });
  const short = (name: string) => `${files.get(name)?.mode} ${files.get(name)?.owner} ${files.get(name)?.kind}`;
  expect(['plain', 'd', 'd/s', 'l'].map(short)).toEqual([
    '640 0:0 file',
    '1770 0:0 directory',
    '4755 0:0 file',
    '777 0:0 symlink',
  ]);
  expect(files.get('l')?.text).toBe('/nowhere');
});

test('directories that are made on the way belong to root, whatever the USER', async () => {
  const image = await imageOf(fixture.engine, 'FROM busybox\nUSER 7:8\nCOPY a.txt /made/deep/a.txt', context);
  const files = await imageFiles(fixture.engine, image);
  expect(['made', 'made/deep', 'made/deep/a.txt'].map((name) => files.get(name)?.owner)).toEqual(['0:0', '0:0', '0:0']);
  expect(files.get('made')?.mode).toBe('755');
});

describe('what is there already', () => {
  const over = async (before: string, line: string) => {
    const dockerfile = `FROM busybox\nRUN mkdir /t && cd /t && ${before}\n${line}\n`;
    return imageFiles(fixture.engine, await imageOf(fixture.engine, dockerfile, context));
  };

  test('is kept beside what comes, and a file of the same name is replaced', async () => {
    const files = await over('mkdir d && echo old >d/one && echo kept >d/own', 'COPY dir /t/d');
    expect([files.get('t/d/one')?.text, files.get('t/d/own')?.text]).toEqual(['one', 'kept\n']);
  });

  test('a link to a directory is followed, and a link in a path', async () => {
    const files = await over('mkdir -p real && ln -s real link', 'COPY a.txt /t/link/\nCOPY dir /t/link/below');
    expect(files.get('t/link')?.kind).toBe('symlink');
    expect(files.get('t/real/a.txt')?.text).toBe('a');
    expect(files.get('t/real/below/sub/two')?.text).toBe('two');
  });

  test('an absolute link leads into the image, not to the host', async () => {
    const files = await over(
      'mkdir /real && ln -s /real abs && ln -s /../../../real up',
      'COPY a.txt /t/abs/\nCOPY b.txt /t/up/',
    );
    expect(['real/a.txt', 'real/b.txt'].map((name) => files.get(name)?.text)).toEqual(['a', 'b']);
  });

  test('a link to a file is written through', async () => {
    const files = await over('echo old >file && ln -s file link', 'COPY a.txt /t/link');
    expect([files.get('t/link')?.kind, files.get('t/file')?.text]).toEqual(['symlink', 'a']);
  });

  test('a directory takes the mode of the one that is copied', async () => {
    const files = await over('mkdir -p d/sub && chmod 700 d/sub', 'COPY dir /t/d');
    expect(files.get('t/d/sub')?.mode).toBe('750');
  });
});

describe('--from a stage', () => {
  const stage = `FROM busybox AS s
RUN mkdir -p /src/d && echo f >/src/f && chown 5:6 /src/f && chmod 4711 /src/f && ln -s f /src/l && ln /src/f /src/hard && \\
  ln -s /src/d /to-d && echo in >/src/d/in && mkfifo /src/p && touch -d @1000000000 /src/d/in
FROM scratch
`;
  const taken = async (lines: string) => imageFiles(fixture.engine, await imageOf(fixture.engine, stage + lines));

  test('keeps owners and modes; links, hard links and pipes are what they were', async () => {
    const files = await taken('COPY --from=s /src /');
    expect(files.get('f')).toMatchObject({ owner: '5:6', mode: '4711', text: 'f\n' });
    expect(files.get('l')).toMatchObject({ kind: 'symlink', text: 'f' });
    expect(files.get('hard')).toMatchObject({ owner: '5:6', text: 'f\n' });
    expect(files.get('p')?.kind).toBe('fifo');
  });

  test('follows a link that is its source', async () => {
    expect(listBelow(await taken('COPY --from=s /src/l /x\nCOPY --from=s /to-d /d')).sort()).toEqual([
      'd/',
      'd/in',
      'x',
    ]);
  });

  test('takes patterns', async () => {
    expect(listBelow(await taken('COPY --from=s /src/[fl] /'))).toEqual(['f', 'l']);
  });
});

test('a container can use what was copied', async () => {
  const image = await imageOf(fixture.engine, 'FROM busybox\nCOPY tool /bin/tool\nCMD tool && echo ran', context);
  expect(await outputOf(fixture.engine, image)).toBe('ran\n');
});
