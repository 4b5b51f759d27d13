// Several stages: their names and numbers, which are built, what is taken from them; and ONBUILD, which a later build does.
import { describe, expect, test } from 'vitest';
import { build, failureOf, imageOf, outputOf } from '../../harness/build/build-engine.ts';
import { imageConfig, imageFiles, listBelow } from '../../harness/build/image-files.ts';
import { useBuilder } from '../../harness/build/use-builder.ts';

const fixture = useBuilder();

const three = `FROM busybox AS One
RUN echo one >/made
FROM busybox AS two
RUN echo two >/made
FROM scratch
COPY --from=one /made /from-name
COPY --from=1 /made /from-number
`;

test('files come from stages by name, in any case, and by number', async () => {
  const files = await imageFiles(fixture.engine, await imageOf(fixture.engine, three));
  expect([...files].map(([path, { text }]) => [path, text])).toEqual([
    ['from-name', 'one\n'],
    ['from-number', 'two\n'],
  ]);
});

test('--target ends the build there, by name in any case', async () => {
  const { engine } = fixture;
  for (const [target, made] of Object.entries({ ONE: 'one\n', two: 'two\n' })) {
    const image = await imageOf(engine, three, {}, { target });
    expect(await outputOf(engine, image, { Cmd: ['cat', '/made'] })).toBe(made);
  }
  const { error } = await failureOf(engine, { Dockerfile: three }, { target: 'none-such' });
  expect(error).toContain('target stage "none-such" could not be found');
});

test('a stage on another one continues it, and has its settings', async () => {
  const dockerfile = `FROM busybox AS base
ENV A=1
LABEL l=base
WORKDIR /w
USER 5
EXPOSE 80
RUN true
FROM base
RUN echo "$A $(pwd) $(id -u)"
`;
  const { id, output } = await build(fixture.engine, { Dockerfile: dockerfile }, { noCache: true });
  expect(output).toBe('1 /w 5\n');
  expect(await imageConfig(fixture.engine, id)).toMatchObject({
    WorkingDir: '/w',
    User: '5',
    Labels: { l: 'base' },
    ExposedPorts: { '80/tcp': {} },
  });
});

test('what the target does not need is not built', async () => {
  const dockerfile = `FROM busybox AS broken
RUN echo never && false
FROM none-such:none AS missing
RUN true
FROM busybox AS good
RUN echo built
FROM busybox AS later
COPY --from=good /bin/sh /x
`;
  const built = await build(fixture.engine, { Dockerfile: dockerfile }, { noCache: true });
  expect(built.output).toBe('built\n');
  const only = await build(fixture.engine, { Dockerfile: dockerfile }, { target: 'good', noCache: true });
  expect(only.output).toBe('built\n');
});

test('stages that do not need each other run side by side', async () => {
  // Each waits for the other one's sign in a cache that both have.
  const stage = (own: string, other: string) => `FROM busybox AS ${own}
RUN --mount=type=cache,id=signs,target=/signs touch /signs/${own}; n=0; \\
  until [ -e /signs/${other} ]; do n=$((n + 1)); [ $n -lt 100 ] || exit 9; sleep 0.1; done; touch /made-${own}
`;
  const dockerfile = `${stage('a', 'b')}${stage('b', 'a')}FROM scratch
COPY --from=a /made-a /
COPY --from=b /made-b /
`;
  const image = await imageOf(fixture.engine, dockerfile, {}, { noCache: true });
  expect(listBelow(await imageFiles(fixture.engine, image))).toEqual(['made-a', 'made-b']);
});

test('files come from an image by its name, and a stage of that name is before it', async () => {
  const { engine } = fixture;
  const image = await imageOf(engine, 'FROM scratch\nCOPY --from=busybox /etc/passwd /p');
  expect(listBelow(await imageFiles(engine, image))).toEqual(['p']);
  const dockerfile = 'FROM busybox AS busybox\nRUN echo stage >/x\nFROM scratch\nCOPY --from=busybox /x /x';
  expect((await imageFiles(engine, await imageOf(engine, dockerfile))).get('x')?.text).toBe('stage\n');
});

test('nothing but settings on scratch is an image without layers', async () => {
  const image = await imageOf(fixture.engine, 'FROM scratch\nLABEL a=b\nCMD ["x"]');
  expect(await imageConfig(fixture.engine, image)).toMatchObject({ Labels: { a: 'b' }, Cmd: ['x'] });
  const { RootFS } = await fixture.engine.api.get<{ RootFS: { Layers?: string[] } }>(`/images/${image}/json`);
  expect(RootFS.Layers ?? []).toEqual([]);
});

test.each([
  [
    'COPY --from a later stage',
    { stage: 'FROM scratch AS a\nCOPY --from=later /x /\nFROM busybox AS later\nFROM a' },
    'later',
  ],
  ['COPY --from a number that is not there', { stage: 'FROM scratch\nCOPY --from=7 /x /' }, '7'],
  ['COPY --from its own stage', { stage: 'FROM busybox AS own\nCOPY --from=own /bin/sh /x' }, 'circular dependency'],
  ['a name that is none', { stage: 'FROM busybox AS 1up\nRUN true' }, 'invalid name for build stage'],
  ['no stage at all', { stage: '# nothing\n' }, 'file with no instructions'],
  ['a RUN before FROM', { stage: 'RUN true\nFROM busybox' }, 'no build stage in current context'],
  ['an empty FROM', { stage: 'ARG EMPTY\nFROM $EMPTY' }, 'base name ($EMPTY) should not be blank'],
])('%s fails the build', async (_name, { stage }, words) => {
  expect((await failureOf(fixture.engine, { Dockerfile: stage })).error).toContain(words);
});

describe('ONBUILD', () => {
  const base = `FROM busybox
ONBUILD COPY *.txt /texts/
ONBUILD RUN cat /texts/* && echo "in $(pwd)"
ONBUILD ENV WAS=here
`;

  test('is done after the FROM of the next build, and not again in the one after it', async () => {
    const { engine } = fixture;
    const parent = await imageOf(engine, base, {}, { tags: ['onbuild:1'] });
    expect((await imageConfig(engine, parent)).OnBuild).toEqual([
      'COPY *.txt /texts/',
      'RUN cat /texts/* && echo "in $(pwd)"',
      'ENV WAS=here',
    ]);
    const files = { Dockerfile: 'FROM onbuild:1\nRUN echo "$WAS"', 'a.txt': 'text a\n' };
    const child = await build(engine, files, { noCache: true, tags: ['onbuild:2'] });
    expect(child.output).toBe('text a\nin /\nhere\n');
    expect((await imageConfig(engine, child.id)).OnBuild ?? []).toEqual([]);
    const grandchild = await build(engine, { Dockerfile: 'FROM onbuild:2\nRUN echo last' }, { noCache: true });
    expect(grandchild.output).toBe('last\n');
  });

  test('of a stage counts for a stage on it', async () => {
    const dockerfile = 'FROM busybox AS a\nONBUILD RUN echo triggered\nFROM a\nRUN echo own';
    expect((await build(fixture.engine, { Dockerfile: dockerfile }, { noCache: true })).output).toBe(
      'triggered\nown\n',
    );
  });

  test.each(['ONBUILD ONBUILD RUN x', 'ONBUILD FROM busybox', 'ONBUILD MAINTAINER x', 'ONBUILD'])(
    '%s is refused',
    async (line) => {
      expect((await failureOf(fixture.engine, { Dockerfile: `FROM busybox\n${line}` })).error).toMatch(/ONBUILD/);
    },
  );
});
