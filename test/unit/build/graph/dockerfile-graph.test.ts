import { describe, expect, it } from 'vitest';
import { createdBy, execOf, lookupsOf, names, operationOf, planText, vertices } from './plan-fixture.ts';

describe('stages', () => {
  it('plans only what the target needs, and asks only for its images', async () => {
    const lookups = lookupsOf({ 'docker.io/library/other:latest': {} });
    const text = 'FROM other AS unused\nRUN make\nFROM base AS build\nRUN one\nFROM scratch\nCOPY --from=build /x /y';
    const plan = await planText(text, {}, lookups);
    expect(lookups.asked).toEqual(['docker.io/library/base:latest']);
    expect(names(plan)).toEqual([
      '[build 1/2] FROM docker.io/library/base:latest',
      '[build 2/2] RUN one',
      '[stage-2 1/1] COPY --from=build /x /y',
    ]);
  });

  it('makes equal steps of two stages one vertex', async () => {
    const plan = await planText(
      'FROM base AS a\nRUN make\nFROM base AS b\nRUN make\nFROM scratch\nCOPY --from=a /x /x\nCOPY --from=b /y /y',
    );
    expect(names(plan).filter((name) => name.includes('make'))).toHaveLength(1);
  });

  it('finds stages by name in any case, and by index', async () => {
    const plan = await planText(
      'FROM base AS Build\nRUN one\nFROM scratch\nCOPY --from=BUILD /a /a\nCOPY --from=0 /b /b',
    );
    expect(names(plan).filter((name) => name.includes('RUN one'))).toHaveLength(1);
  });

  it('goes through ten thousand stages of each other', async () => {
    const count = 10_000;
    const stages = Array.from({ length: count }, (_, index) => `FROM s${index} AS s${index + 1}\nRUN step ${index}`);
    const plan = await planText(`FROM base AS s0\n${stages.join('\n')}`);
    expect(vertices(plan.target)).toHaveLength(count + 1);
    expect(plan.history).toHaveLength(count);
  });

  it.each([
    [
      'FROM base AS a\nCOPY --from=b / /\nFROM base AS b\nCOPY --from=a / /',
      'circular dependency detected on stage: a',
    ],
    ['FROM base AS a\nCOPY --from=a / /', 'circular dependency detected on stage: a'],
    [
      'FROM base AS a\nCOPY --from=1 / /\nFROM base AS b\nFROM a',
      'cannot copy from stage "1", it needs to be defined before current stage "a"',
    ],
    ['FROM base\nCOPY --from=7 / /', 'invalid stage index 7'],
    ['FROM base\nCOPY --from=$x / /', 'variable expansion is not supported for --from'],
    ['ARG X\nFROM $X', 'base name ($X) should not be blank'],
  ])('says what is wrong with %j, and where', async (text, message) => {
    const planned = planText(text);
    await expect(planned).rejects.toThrow(message);
    await expect(planned).rejects.toThrow(/Dockerfile:\d+\n-+\n/);
    await expect(planned).rejects.toMatchObject({ code: 'invalid' });
  });

  it('suggests a target', async () => {
    await expect(planText('FROM base AS build', { target: 'biuld' })).rejects.toThrow(
      'target stage "biuld" could not be found (did you mean build?)',
    );
  });
});

describe('variables', () => {
  it('has ARGs of a stage in the environment of RUN and in its history', async () => {
    const plan = await planText('ARG V=1\nFROM base\nARG V\nARG W=$V.0\nENV E=$W\nRUN x', {
      buildArgs: new Map([['V', '2']]),
    });
    expect(execOf(plan, 'RUN x').env).toEqual(['PATH=/bin', 'V=2', 'W=2.0', 'E=2.0']);
    expect(createdBy(plan).at(-1)).toBe('RUN |2 V=2 W=2.0 /bin/sh -c x # buildkit');
  });

  it('keeps ARGs before the first FROM out of stages that do not ask for them', async () => {
    const plan = await planText('ARG V=1\nFROM base\nRUN x');
    expect(execOf(plan, 'RUN x').env).toEqual(['PATH=/bin']);
  });

  it('reads all pairs of an ENV with what held before it', async () => {
    const plan = await planText('FROM base\nENV a=1\nENV a=2 b=$a\nRUN x');
    expect(execOf(plan, 'RUN x').env).toEqual(['PATH=/bin', 'a=2', 'b=1']);
  });

  it('tells which --build-arg nobody asked for', async () => {
    const buildArgs = new Map([
      ['A', '1'],
      ['B', '2'],
      ['http_proxy', 'p'],
      ['BUILDKIT_INLINE_CACHE', '1'],
    ]);
    const plan = await planText('FROM base\nARG A\nRUN x', { buildArgs });
    expect(plan.unusedArgs).toEqual(['B']);
    expect(execOf(plan, 'RUN x').proxyEnv).toEqual(['HTTP_PROXY=p', 'http_proxy=p']);
  });
});

describe('checks', () => {
  it('are told with the plan, with what is known of the images', async () => {
    const images = { 'docker.io/library/base:latest': { config: { Env: ['PATH=/bin', 'KNOWN=1'] } } };
    const plan = await planText('FROM base\nENV a=$KNOWN b=$UNKNOWN\nCMD x', {}, lookupsOf(images));
    expect(plan.warnings.map(({ rule, lines }) => [rule, lines.start])).toEqual([
      ['UndefinedVar', 2],
      ['JSONArgsRecommended', 3],
    ]);
  });

  it('end the build where the file says so', async () => {
    await expect(planText('# check=error=true\nFROM base\nCMD x')).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringContaining('lint violation found for rules: JSONArgsRecommended'),
    });
  });

  it('see what the ignore file leaves out', async () => {
    const plan = await planText('# check=experimental=CopyIgnoredFile\nFROM base\nCOPY a /a', {
      context: { kind: 'local', name: 'context', exclude: ['a'] },
    });
    expect(plan.warnings.map(({ rule }) => rule)).toEqual(['CopyIgnoredFile']);
    // What would take minutes goes unchecked.
    const part = `${'a'.repeat(200)}/`.repeat(19);
    const exclude = Array.from({ length: 200 }, (_, i) => `${'**/*a'.repeat(400)}${i}`);
    const large = await planText(
      `# check=experimental=CopyIgnoredFile\nFROM base\n${`COPY ${part} /a\n`.repeat(20)}COPY b /`,
      {
        context: { kind: 'local', name: 'context', exclude: [...exclude, 'b'] },
      },
    );
    expect(large.warnings).toEqual([]);
  });
});

describe('steps', () => {
  it('transfers what is copied and no more', async () => {
    const plan = await planText('FROM base\nWORKDIR /w\nCOPY a b/c ./\nRUN --mount=type=bind,source=d,target=/d x');
    expect(operationOf(plan, 'load build context')).toMatchObject({ source: { followPaths: ['a', 'b/c', 'd'] } });
  });

  it("tells docker's classic stream every instruction with its vertex", async () => {
    const plan = await planText('ARG A\nFROM base\nENV x=1\nRUN make');
    const digests = new Map(vertices(plan.target).map(({ name, digest }) => [name, digest]));
    expect(plan.steps).toEqual([
      { text: 'ARG A', vertex: undefined },
      { text: 'FROM base', vertex: digests.get('[1/2] FROM docker.io/library/base:latest') },
      { text: 'ENV x=1', vertex: undefined },
      { text: 'RUN make', vertex: digests.get('[2/2] RUN make') },
    ]);
  });
});
