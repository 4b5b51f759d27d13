// What makes a step be done again, and what does not.
import { describe, expect, test } from 'vitest';
import { type BuildOptions, build, failureOf } from '../../harness/build/build-engine.ts';
import type { BuildFiles } from '../../harness/build/build-files.ts';
import { imageContent } from '../../harness/build/image-files.ts';
import { useBuilder } from '../../harness/build/use-builder.ts';

const fixture = useBuilder();

/** The first words of the steps that were done, and of those that were not. */
async function steps(files: BuildFiles, options: BuildOptions = {}): Promise<{ done: string[]; cached: string[] }> {
  const built = await build(fixture.engine, files, options);
  const short = (isCached: boolean) =>
    built.steps.filter((step) => step.isCached === isCached).map(({ text }) => text.split(' ').slice(0, 3).join(' '));
  return { done: short(false), cached: short(true) };
}

test('the second build does nothing, and gives the same image', async () => {
  const { engine } = fixture;
  const files = { Dockerfile: 'FROM busybox\nRUN echo again >/x\nCOPY a /a\nWORKDIR /again\nCMD true', a: '1' };
  const first = await build(engine, files);
  expect(await steps(files)).toMatchObject({
    done: [],
    cached: expect.arrayContaining(['RUN echo again', 'COPY a /a']),
  });
  expect((await build(engine, files)).id).toBe(first.id);
});

test('--no-cache does it all again', async () => {
  const files = { Dockerfile: 'FROM busybox\nRUN date +%N >/x\nCOPY a /a', a: '1' };
  const first = await build(fixture.engine, files);
  const second = await build(fixture.engine, files, { noCache: true });
  expect(second.steps.map(({ isCached }) => isCached)).toEqual([false, false]);
  expect(second.id).not.toBe(first.id);
});

test('a changed line changes what follows it, and nothing before', async () => {
  const dockerfile = (middle: string) => `FROM busybox\nRUN echo before\nRUN echo ${middle}\nRUN echo after`;
  await steps({ Dockerfile: dockerfile('one') });
  expect(await steps({ Dockerfile: dockerfile('two') })).toEqual({
    done: ['RUN echo two', 'RUN echo after'],
    cached: ['RUN echo before'],
  });
});

test('lines that only set something may be added without doing steps again; what RUN sees may not', async () => {
  const dockerfile = (line: string) => `FROM busybox\n${line}\nRUN echo settings`;
  await steps({ Dockerfile: dockerfile('') });
  for (const line of ['LABEL a=b', 'EXPOSE 80', 'CMD ["x"]', 'STOPSIGNAL 9', '# only words', 'ARG UNUSED']) {
    expect(await steps({ Dockerfile: dockerfile(line) }), line).toMatchObject({ done: [] });
  }
  for (const line of ['ENV SEEN=1', 'USER 5', 'ARG GIVEN=1', 'SHELL ["/bin/sh", "-ec"]']) {
    expect(await steps({ Dockerfile: dockerfile(line) }), line).toMatchObject({ done: ['RUN echo settings'] });
  }
});

describe('a file of the context', () => {
  const dockerfile = 'FROM scratch\nCOPY dir /d\nCOPY other /o\n';
  const base: BuildFiles = {
    Dockerfile: dockerfile,
    'dir/': {},
    'dir/a': { data: 'content', mode: 0o644 },
    other: 'o',
    outside: '1',
  };
  const doneWith = async (change: BuildFiles) => {
    await steps(base);
    return (await steps({ ...base, ...change })).done.map((step) => step.split(' ')[1]);
  };

  test('that is touched, owned by another, or not copied, changes nothing', async () => {
    expect(await doneWith({ 'dir/a': { data: 'content', mode: 0o644, mtime: 1_000_000_000 } })).toEqual([]);
    expect(await doneWith({ 'dir/a': { data: 'content', mode: 0o644, uid: 7, gid: 8 } })).toEqual([]);
    expect(await doneWith({ outside: '2', another: 'x' })).toEqual([]);
  });

  test('with other content, another mode, another name, or beside a new one, is copied again', async () => {
    expect(await doneWith({ 'dir/a': { data: 'CONTENT', mode: 0o644 } })).toContain('dir');
    expect(await doneWith({ 'dir/a': { data: 'content', mode: 0o755 } })).toContain('dir');
    expect(await doneWith({ 'dir/new': '' })).toContain('dir');
    const { 'dir/a': moved = '', ...rest } = base;
    await steps(base);
    expect((await steps({ ...rest, 'dir/b': moved })).done).toContain('COPY dir /d');
    expect(await doneWith({ other: 'O' })).toEqual(['other']);
  });
});

describe('an argument', () => {
  test('counts from the first step that can see it', async () => {
    const dockerfile = 'FROM busybox\nRUN echo before\nARG V=1\nWORKDIR /early\nRUN echo uses $V\nRUN echo after';
    await steps({ Dockerfile: dockerfile });
    const { done, cached } = await steps({ Dockerfile: dockerfile }, { buildArgs: { V: '2' } });
    expect(done).toEqual(['RUN echo uses', 'RUN echo after']);
    expect(cached).toEqual(['RUN echo before', 'WORKDIR /early']);
    expect(await steps({ Dockerfile: dockerfile }, { buildArgs: { V: '1' } })).toMatchObject({ done: [] });
  });

  test('in a COPY counts by its value', async () => {
    const files = { Dockerfile: 'FROM scratch\nARG N=a\nARG UNUSED\nCOPY $N /x', a: '1', b: '2' };
    await steps(files);
    expect(await steps(files, { buildArgs: { UNUSED: 'x' } })).toMatchObject({ done: [] });
    expect((await steps(files, { buildArgs: { N: 'b' } })).done).toHaveLength(1);
  });

  test('for a proxy does not count', async () => {
    const files = { Dockerfile: 'FROM busybox\nRUN echo proxied' };
    await steps(files, { buildArgs: { HTTP_PROXY: 'http://one' } });
    expect(await steps(files, { buildArgs: { HTTP_PROXY: 'http://two' } })).toMatchObject({ done: [] });
  });
});

test('a step that failed is done again', async () => {
  const files = { Dockerfile: 'FROM busybox\nRUN echo good\nRUN echo bad && exit 3' };
  expect((await failureOf(fixture.engine, files)).output).toContain('bad\n');
  const second = await failureOf(fixture.engine, files);
  expect(second).toMatchObject({ code: 3 });
  expect(second.output).toBe('bad\n');
});

test('equal beginnings of two stages and of two Dockerfiles are done once', async () => {
  const common = 'FROM busybox\nRUN echo common beginning >/c\n';
  const built = await build(fixture.engine, { Dockerfile: `${common}RUN true\n${common}COPY --from=0 /c /c2\n` });
  expect(built.error).toBeUndefined();
  expect(await steps({ Dockerfile: `# other words\n${common}RUN echo own\n` })).toEqual({
    done: ['RUN echo own'],
    cached: ['RUN echo common'],
  });
});

test('two builds at once that want the same step do it once', async () => {
  const { engine } = fixture;
  const files = { Dockerfile: 'FROM busybox\nRUN sleep 1; cat /proc/sys/kernel/random/uuid >/id' };
  const [one, two] = await Promise.all([build(engine, files), build(engine, files)]);
  const layer = async (id: string) => (await imageContent(engine, id)).config.rootfs.diff_ids.at(-1);
  expect(await layer(one.id)).toBe(await layer(two.id));
});

test('SOURCE_DATE_EPOCH and no cache: the same image again', async () => {
  const files = { Dockerfile: 'FROM scratch\nCOPY a /d/a\nLABEL x=y\nCMD ["x"]', a: '1' };
  const options = { noCache: true, buildArgs: { SOURCE_DATE_EPOCH: '1000000000' } };
  const first = await build(fixture.engine, files, options);
  const { config } = await imageContent(fixture.engine, first.id);
  expect(
    [config.created, ...config.history.map(({ created }) => created)].map((time) => Date.parse(String(time))),
  ).toEqual([1, 2, 3, 4].map(() => 1_000_000_000_000));
});
