// .dockerignore: its patterns, in their order, and the one that belongs to a Dockerfile.
import { expect, test } from 'vitest';
import { failureOf, imageOf } from '../../harness/build/build-engine.ts';
import type { BuildFiles } from '../../harness/build/build-files.ts';
import { imageFiles, listBelow } from '../../harness/build/image-files.ts';
import { useBuilder } from '../../harness/build/use-builder.ts';

const fixture = useBuilder();
const tree: BuildFiles = {
  'README.md': '1',
  'README-secret.md': '2',
  'main.go': '3',
  'main.o': '4',
  'src/a.c': '5',
  'src/a.o': '6',
  'src/deep/b.o': '7',
  'src/deep/temp/c': '8',
  'temp/d': '9',
  'sub/temp/e': '10',
  'temporary/f': '11',
  'node_modules/x/y.js': '12',
  'a b.txt': '13',
};

/** What COPY . finds, without the Dockerfile and what ignores. */
async function kept(ignore: string, files: BuildFiles = tree): Promise<string[]> {
  const all = { ...files, '.dockerignore': ignore };
  const image = await imageOf(fixture.engine, 'FROM scratch\nCOPY . /', all);
  const found = listBelow(await imageFiles(fixture.engine, image));
  return found.filter((name) => !name.endsWith('/') && !['Dockerfile', '.dockerignore'].includes(name));
}

const without = (...gone: string[]) =>
  Object.keys(tree)
    .filter((name) => !gone.includes(name))
    .sort();

test.each<[string, string, string[]]>([
  ['nothing', '\n# a comment\n   \n', without()],
  ['a name', 'main.o', without('main.o')],
  ['a pattern, at the top only', '*.o', without('main.o')],
  ['a pattern anywhere', '**/*.o', without('main.o', 'src/a.o', 'src/deep/b.o')],
  ['one level down', '*/*.o', without('src/a.o')],
  ['? and classes', 'main.?\n[Rr]EADME.md', without('main.o', 'main.go', 'README.md').concat('main.go').sort()],
  ['a directory with what is in it', 'node_modules', without('node_modules/x/y.js')],
  ['a directory with slashes and spaces around', '  /node_modules/  ', without('node_modules/x/y.js')],
  ['a directory anywhere', '**/temp', without('src/deep/temp/c', 'temp/d', 'sub/temp/e')],
  ['a directory on some level', '*/temp*', without('sub/temp/e')],
  ['what begins so', 'temp*', without('temp/d', 'temporary/f')],
  ['an exception', '*.md\n!README.md', without('README-secret.md')],
  ['the last that matches decides', '*.md\n!README*.md\nREADME-secret.md', without('README-secret.md')],
  ['an exception that is taken back', '*.md\nREADME-secret.md\n!README*.md', without()],
  ['all but some', '*\n!src\nsrc/*.o', ['src/a.c', 'src/deep/b.o', 'src/deep/temp/c']],
  ['all but one deep below', '**\n!src/deep/b.o', ['src/deep/b.o']],
  ['names with spaces', 'a b.txt', without('a b.txt')],
  ['a parent that is no escape', '../main.o\n./main.go', without('main.o', 'main.go').concat('main.o').sort()],
  ['a byte order mark and line ends of Windows', '\uFEFFmain.o\r\nmain.go\r\n', without('main.o', 'main.go')],
])('%s', async (_name, ignore, expected) => {
  expect(await kept(ignore)).toEqual(expected);
});

test('what is ignored cannot be copied by its name, and the Dockerfile can be ignored', async () => {
  const files = { Dockerfile: 'FROM scratch\nCOPY main.o /', ...tree, '.dockerignore': 'main.o' };
  expect((await failureOf(fixture.engine, files)).error).toMatch(/main\.o.*not found/);
  const image = await imageOf(fixture.engine, 'FROM scratch\nCOPY . /', {
    a: '1',
    '.dockerignore': 'Dockerfile\n.dockerignore',
  });
  expect(listBelow(await imageFiles(fixture.engine, image))).toEqual(['a']);
});

test('the file of the Dockerfile’s own name is before the common one', async () => {
  const files: BuildFiles = {
    'docker/special': 'FROM scratch\nCOPY . /',
    'docker/special.dockerignore': 'main.go\ndocker',
    '.dockerignore': 'README.md',
    'main.go': '1',
    'README.md': '2',
  };
  const { engine } = fixture;
  const built = await engine.tryBuild(files, { dockerfile: 'docker/special' });
  expect(built.error).toBeUndefined();
  expect(listBelow(await imageFiles(engine, built.id))).toEqual(['.dockerignore', 'README.md']);
});

test('a pattern that is none fails the build', async () => {
  expect(
    (await failureOf(fixture.engine, { Dockerfile: 'FROM scratch\nCOPY . /', '.dockerignore': '[' })).error,
  ).toMatch(/syntax error in pattern|pattern/);
});
