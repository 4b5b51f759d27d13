// The flags of COPY and ADD: --chown, --chmod, --link, --parents, --exclude.
import { describe, expect, test } from 'vitest';
import { build, failureOf, imageOf } from '../../harness/build/build-engine.ts';
import type { BuildFiles } from '../../harness/build/build-files.ts';
import { imageContent, imageFiles, listBelow } from '../../harness/build/image-files.ts';
import { ownTest, useBuilder } from '../../harness/build/use-builder.ts';

const fixture = useBuilder();
const context: BuildFiles = {
  'a.txt': 'a',
  'b.md': 'b',
  'dir/': { mode: 0o755 },
  'dir/one.txt': 'one',
  'dir/run': { data: 'r', mode: 0o755 },
  'dir/sub/two.txt': 'two',
  'dir/sub/keep.md': 'keep',
};
const filesOf = async (dockerfile: string) =>
  imageFiles(fixture.engine, await imageOf(fixture.engine, dockerfile, context));

describe('--chown', () => {
  test.each([
    ['7:8', '7:8'],
    ['7', '7:7'],
    ['www-data', '33:33'],
    ['www-data:mail', '33:8'],
    ['mail:0', '8:0'],
    ['0:users', '0:100'],
    ['4711:4712', '4711:4712'],
  ])('%s', async (value, owner) => {
    const files = await filesOf(`FROM busybox\nCOPY --chown=${value} dir a.txt /d/deep/`);
    const names = ['d/deep/a.txt', 'd/deep/run', 'd/deep/sub', 'd/deep/sub/two.txt'];
    expect(names.map((name) => files.get(name)?.owner)).toEqual(names.map(() => owner));
    expect(files.get('d')?.owner, 'a directory made on the way').toBe(owner);
  });

  test('with variables, names of the image that is built, and none where there are no accounts', async () => {
    const files = await filesOf(
      'FROM busybox\nRUN echo own:x:77:78::/:/bin/sh >>/etc/passwd\nARG WHO=own\nCOPY --chown=$WHO a.txt /x',
    );
    expect(files.get('x')?.owner).toBe('77:78');
    await failureOf(fixture.engine, { Dockerfile: 'FROM scratch\nCOPY --chown=own a.txt /x', ...context });
    const numbers = await filesOf('FROM scratch\nCOPY --chown=5:6 a.txt /x');
    expect(numbers.get('x')?.owner).toBe('5:6');
  });

  test('changes what comes from a stage too', async () => {
    const files = await filesOf(
      'FROM busybox AS s\nRUN mkdir /s && echo 1 >/s/f && chown 3:4 /s/f\nFROM scratch\nCOPY --from=s --chown=5:6 /s /d/',
    );
    expect(files.get('d/f')?.owner).toBe('5:6');
  });
});

describe('--chmod', () => {
  test.each([
    ['600', '600', '600', '600'],
    ['0755', '755', '755', '755'],
    ['4750', '4750', '4750', '4750'],
    ['u=rwX,go=rX', '644', '755', '755'],
    ['go-r', '600', '711', '711'],
    ['a+x', '755', '755', '755'],
    ['u+s', '4644', '4755', '4755'],
  ])('%s', async (value, plain, program, directory) => {
    const files = await filesOf(`FROM scratch\nCOPY --chmod=${value} dir /d/\nCOPY --chmod=${value} a.txt /`);
    expect([files.get('a.txt')?.mode, files.get('d/run')?.mode, files.get('d/sub')?.mode]).toEqual([
      plain,
      program,
      directory,
    ]);
  });

  test('with a variable', async () => {
    expect((await filesOf('FROM scratch\nARG M=711\nCOPY --chmod=$M a.txt /x')).get('x')?.mode).toBe('711');
  });
});

describe('--exclude', () => {
  test.each([
    ['--exclude=*.md .', ['a.txt', 'dir/', 'dir/one.txt', 'dir/run', 'dir/sub/', 'dir/sub/keep.md', 'dir/sub/two.txt']],
    ['--exclude=**/*.md .', ['a.txt', 'dir/', 'dir/one.txt', 'dir/run', 'dir/sub/', 'dir/sub/two.txt']],
    ['--exclude=dir --exclude=b.md .', ['a.txt']],
    [
      '--exclude=**/*.txt --exclude=!dir/sub/two.txt .',
      ['b.md', 'dir/', 'dir/run', 'dir/sub/', 'dir/sub/keep.md', 'dir/sub/two.txt'],
    ],
  ])('COPY %s', async (source, expected) => {
    const found = listBelow(await filesOf(`FROM scratch\nCOPY --exclude=Dockerfile ${source} /`));
    expect(found).toEqual(expected);
  });
});

// Not in the frontend that comes with dockerd 28.5, but in docker/dockerfile:1.20.
describe('--parents', () => {
  const parents: [string, string[]][] = [
    ['dir/sub/two.txt /x/', ['x/', 'x/dir/', 'x/dir/sub/', 'x/dir/sub/two.txt']],
    ['dir/./sub/two.txt /x/', ['x/', 'x/sub/', 'x/sub/two.txt']],
    ['**/*.txt /x/', ['x/', 'x/a.txt', 'x/dir/', 'x/dir/one.txt', 'x/dir/sub/', 'x/dir/sub/two.txt']],
    ['./dir/*/*.md a.txt /', ['a.txt', 'dir/', 'dir/sub/', 'dir/sub/keep.md']],
  ];
  for (const [words, expected] of parents) {
    ownTest(`COPY --parents ${words}`, async () => {
      const dockerfile = `# syntax=docker/dockerfile:1-labs\nFROM scratch\nCOPY --parents ${words}`;
      expect(listBelow(await filesOf(dockerfile))).toEqual(expected);
    });
  }
});

// Where dockerd keeps images in graph drivers, --link is no other than COPY: these are of BuildKit as it is elsewhere.
describe('--link', () => {
  ownTest('is a layer of its own, which stands whatever is below it', async () => {
    const { engine } = fixture;
    const layerOn = async (base: string) => {
      const image = await imageOf(engine, `FROM busybox\nRUN ${base}\nCOPY --link a.txt /own`, context);
      return (await imageContent(engine, image)).config.rootfs.diff_ids.at(-1);
    };
    const layer = await layerOn('echo one >/one');
    expect(await layerOn('echo two >/two')).toBe(layer);
  });

  ownTest('keeps what is below, and does not follow links there', async () => {
    const files = await filesOf(
      'FROM busybox\nRUN mkdir -p /real /d && echo old >/d/old && ln -s real /link\nCOPY --link dir /d/\nCOPY --link a.txt /link/',
    );
    expect([files.get('d/old')?.text, files.get('d/one.txt')?.text]).toEqual(['old\n', 'one']);
    expect([files.get('link')?.kind, files.get('link/a.txt')?.text]).toEqual(['directory', 'a']);
  });

  test('with owners by number and modes, and from a stage', async () => {
    const files = await filesOf(
      'FROM busybox AS s\nRUN echo s >/s\nFROM busybox\nCOPY --link --chown=5:6 --chmod=600 a.txt /x\nCOPY --link --from=s /s /y',
    );
    expect(files.get('x')).toMatchObject({ owner: '5:6', mode: '600' });
    expect(files.get('y')?.text).toBe('s\n');
  });

  ownTest('is not built again when only what is below has changed', async () => {
    const { engine } = fixture;
    const dockerfile = (text: string) => `FROM busybox\nRUN echo ${text} >/x\nCOPY --link a.txt /link-cache/\n`;
    await build(engine, { Dockerfile: dockerfile('first'), ...context });
    const { steps } = await build(engine, { Dockerfile: dockerfile('second'), ...context });
    expect(steps.map(({ text, isCached }) => [text.split(' ')[0], isCached])).toEqual([
      ['RUN', false],
      ['COPY', true],
    ]);
  });
});
