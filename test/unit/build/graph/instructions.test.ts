// What instructions become, where BuildKit's answers (as-buildkit.test.ts) do not show it: their operations.
import { describe, expect, it } from 'vitest';
import type { ContextChoice } from '../../../../daemon/build/build-request.ts';
import { createdBy, execOf, lookupsOf, names, operationOf, planText, vertices } from './plan-fixture.ts';

describe('mounts of RUN', () => {
  it('are in the order of their targets, with what nobody said', async () => {
    const flags = [
      'type=tmpfs,target=/z,size=1m',
      'type=cache,target=c',
      'type=bind,target=/b',
      'type=ssh',
      'type=secret,id=s',
    ];
    const plan = await planText(`FROM base\nWORKDIR /w\nRUN ${flags.map((flag) => `--mount=${flag}`).join(' ')} x`);
    const { mounts } = execOf(plan, ' x');
    expect(mounts).toEqual([
      { type: 'bind', target: '/', input: 0, selector: '', isReadonly: false, output: 0 },
      { type: 'bind', target: '/b', input: 1, selector: '', isReadonly: true, output: -1 },
      expect.objectContaining({
        type: 'cache',
        target: '/w/c',
        id: '/c',
        sharing: 'shared',
        input: -1,
        mode: 0o755,
        uid: 0,
        gid: 0,
      }),
      { type: 'tmpfs', target: '/z', sizeBytes: 1024 * 1024 },
      {
        type: 'ssh',
        target: '/run/buildkit/ssh_agent.0',
        id: 'default',
        isOptional: true,
        mode: 0o600,
        uid: 0,
        gid: 0,
      },
      { type: 'secret', target: '/run/secrets/s', id: 's', isOptional: true, mode: 0o400, uid: 0, gid: 0 },
    ]);
  });

  it('come from stages and images', async () => {
    const lookups = lookupsOf({ 'docker.io/library/tool:2': {} });
    const text =
      'FROM base AS a\nRUN one\nFROM base\nRUN --mount=from=a,source=/s,target=/a --mount=from=tool:2,target=/t,rw x';
    const plan = await planText(text, {}, lookups);
    const run = vertices(plan.target).at(-1);
    expect(run?.inputs.map(({ vertex }) => vertex.name)).toEqual([
      '[a 1/2] FROM docker.io/library/base:latest',
      '[a 2/2] RUN one',
      'FROM docker.io/library/tool:2',
    ]);
    expect(execOf(plan, ' x').mounts.slice(1)).toEqual([
      { type: 'bind', target: '/a', input: 1, selector: '/s', isReadonly: true, output: -1 },
      { type: 'bind', target: '/t', input: 2, selector: '', isReadonly: false, output: -1 },
    ]);
  });

  it('have caches in the name space that is asked for', async () => {
    const plan = await planText('FROM base\nRUN --mount=type=cache,id=../up,target=/c x', {
      buildArgs: new Map([['BUILDKIT_CACHE_MOUNT_NS', 'ns']]),
    });
    expect(execOf(plan, ' x').mounts[1]).toMatchObject({ id: 'ns/../up' });
  });

  it('give secrets as variables, which no name of a step shows', async () => {
    const plan = await planText('FROM base\nRUN --mount=type=secret,id=s,env=TOK,required use $TOK');
    expect(execOf(plan, 'use ****')).toMatchObject({
      secretEnv: [{ name: 'TOK', id: 's', isOptional: false }],
      args: ['/bin/sh', '-c', 'use $TOK'],
    });
  });
});

describe('RUN', () => {
  it('runs a script that names its interpreter as a file', async () => {
    const plan = await planText('FROM base\nRUN <<X\n#!/usr/bin/env python3\nprint(1)\nX\n');
    const run = vertices(plan.target).at(-1);
    expect(run?.operation).toMatchObject({ args: ['/bin/sh', '-c', '/dev/pipes/X'] });
    expect(run?.inputs[1]?.vertex.operation).toMatchObject({
      actions: [
        { path: '/X', mode: 0o755, data: Buffer.from('#!/usr/bin/env python3\nprint(1)\n').toString('base64') },
      ],
    });
  });

  it('has user, directory, network and security', async () => {
    const text = 'FROM base\nUSER app:staff\nWORKDIR /w\nRUN --network=host --security=insecure x\nRUN y';
    const plan = await planText(text, { network: 'none' });
    expect(execOf(plan, ' x')).toMatchObject({
      user: 'app:staff',
      workingDir: '/w',
      network: 'host',
      security: 'insecure',
    });
    expect(execOf(plan, ' y')).toMatchObject({ network: 'none', security: 'sandbox' });
  });

  it('ignores the cache for all stages, or those that are named', async () => {
    const text = 'FROM base AS one\nRUN a\nFROM base AS two\nCOPY --from=one /x /x\nRUN b';
    const ignoring = async (options: Parameters<typeof planText>[1]) =>
      vertices((await planText(text, options)).target)
        .filter(({ ignoresCache }) => ignoresCache)
        .map(({ name }) => name);
    expect(await ignoring({ ignoresCache: true })).toHaveLength(3);
    expect(await ignoring({ ignoresCacheOf: ['ONE'] })).toEqual(['[one 2/2] RUN a']);
  });
});

describe('WORKDIR', () => {
  it.each([
    ['/a/', '/a/', '/a'],
    ['/x//y/./z', '/x//y/./z', '/x/y/z'],
    ['b/../c/', '/w/c', '/w/c'],
    ['../../..', '/', '/'],
  ])('%s is %s in the config, and %s', async (path, shown, directory) => {
    const plan = await planText(`FROM base\nWORKDIR /w\nWORKDIR ${path}\nRUN x`);
    expect(plan.image.config?.WorkingDir).toBe(shown);
    expect(createdBy(plan).at(-2)).toBe(`WORKDIR ${shown}`);
    expect(execOf(plan, 'RUN x').workingDir).toBe(directory);
  });
});

describe('COPY and ADD', () => {
  it.each([
    ['COPY ../../up ./..//x/ d', { sources: ['/up', '/x'], destination: '/w/d' }],
    ['COPY a /w/.', { destination: '/w/' }],
    ['COPY a .', { destination: '/w/' }],
    ['COPY a ../../..', { destination: '/' }],
    ['COPY --parents x/./y/*.c z ./', { sources: ['/x/./y/*.c', '/z'], keepsParents: true, allowsNoMatch: true }],
    ['COPY --parents x/./y ./', { allowsNoMatch: false }],
    ['COPY --chown=1:2 --chmod=u+x a b', { owner: { user: '1', group: '2' }, mode: 'u+x' }],
    ['COPY --chown=:g a b', { owner: { user: '', group: 'g' } }],
    ['COPY --exclude=*.o --exclude=t a b', { exclude: ['*.o', 't'] }],
    ['ADD a b', { unpacks: true }],
    ['ADD --unpack=false a b', { unpacks: false }],
  ])('%s', async (line, copy) => {
    const text = line.endsWith(' d') ? line.replace(/ d$/, ' d/') : line;
    const plan = await planText(`FROM base\nWORKDIR /w\n${text}`);
    const wanted = line.endsWith(' d') ? { ...copy, destination: '/w/d/' } : copy;
    expect(operationOf(plan, text)).toMatchObject({ actions: [wanted] });
  });

  it('takes several kinds of sources in the order in which they are written', async () => {
    const sum = `sha256:${'c'.repeat(64)}`;
    const plan = await planText(
      `FROM base\nADD a b http://x/y/z.tgz?q https://h/r.git#v1:s c <<D /d/\ntext\nD\nADD --checksum=${sum} http://x/ /e`,
    );
    const add = vertices(plan.target).find(
      ({ operation, name }) => operation.kind === 'file' && name.includes('ADD a'),
    );
    expect(add?.operation).toMatchObject({
      actions: [
        { from: 1, input: 0, output: -1, sources: ['/a', '/b'], unpacks: true },
        { from: 2, input: 6, output: -1, sources: ['/z.tgz'], unpacks: false },
        { from: 3, input: 7, output: -1, sources: ['/'] },
        { from: 1, input: 8, output: -1, sources: ['/c'] },
        { from: 4, input: 9, output: 0, sources: ['/D'], hasWildcards: false },
      ].map((action) => ({ ...action, input: action.input === 0 ? 0 : action.input - 1 })),
    });
    const sources = vertices(plan.target).flatMap(({ operation }) =>
      operation.kind === 'source' ? [operation.source] : [],
    );
    expect(sources).toContainEqual({
      type: 'http',
      url: 'http://x/y/z.tgz?q',
      checksum: '',
      filename: 'z.tgz',
      uid: 0,
      gid: 0,
    });
    expect(sources).toContainEqual({
      type: 'git',
      url: 'https://h/r.git',
      ref: 'v1',
      subdirectory: 's',
      keepsGitDirectory: false,
      checksum: '',
    });
    expect(sources).toContainEqual({
      type: 'http',
      url: 'http://x/',
      checksum: sum,
      filename: '__unnamed__',
      uid: 0,
      gid: 0,
    });
  });

  it('stacks what --link copies, which knows nothing of the files below', async () => {
    const plan = await planText('FROM base\nRUN x\nCOPY --link a /b/');
    const top = plan.target?.vertex;
    expect(top).toMatchObject({ operation: { kind: 'merge' }, name: '[3/3] LINK COPY --link a /b/' });
    expect(top?.inputs.map(({ vertex }) => vertex.name)).toEqual(['[2/3] RUN x', '[3/3] COPY --link a /b/']);
    expect(operationOf(plan, '] COPY --link a /b/')).toMatchObject({ actions: [{ input: -1, replacesLinks: true }] });
  });

  it.each(['--chown=app', '--chown=1:staff', '--chmod=600'])(
    'does not stack with %s, for which the files below count',
    async (flag) => {
      const plan = await planText(`FROM base\nCOPY --link ${flag} a /b/`);
      expect(operationOf(plan, `COPY --link ${flag} a /b/`)).toMatchObject({
        actions: [{ input: 0, replacesLinks: false }],
      });
    },
  );

  it('makes files of documents, with variables where they are wanted', async () => {
    const plan = await planText('FROM base\nENV v=1\nCOPY <<a <<"b" /\n$v "q"\na\n$v\nb\n');
    const texts = vertices(plan.target).flatMap(({ operation }) =>
      operation.kind === 'file'
        ? operation.actions.flatMap((action) =>
            action.action === 'make-file' ? [Buffer.from(action.data, 'base64').toString()] : [],
          )
        : [],
    );
    expect(texts).toEqual(['1 "q"\n', '$v\n']);
  });
});

describe('named contexts', () => {
  const contexts = (entries: Record<string, ContextChoice>) => ({ namedContexts: new Map(Object.entries(entries)) });

  it('stand in for images, for stages and behind --from', async () => {
    const text = 'FROM alpine:latest AS build\nRUN x\nFROM base\nCOPY --from=build /a /a\nCOPY --from=docs b /b';
    const plan = await planText(
      text,
      contexts({ alpine: { kind: 'image', reference: 'other:1' }, docs: { kind: 'client', name: 'docs-dir' } }),
      lookupsOf({ 'docker.io/library/other:1': {} }),
    );
    expect(names(plan)).toContain('[context alpine:latest] other:1');
    expect(operationOf(plan, '[context docs] load from client')).toMatchObject({
      source: { name: 'docs-dir', followPaths: ['b'] },
    });
  });

  it('leave out the instructions of a stage that they stand in for', async () => {
    const plan = await planText(
      'FROM missing AS build\nRUN x\nFROM base\nCOPY --from=build a /a',
      contexts({ build: { kind: 'client', name: 'd' } }),
    );
    expect(names(plan)).toEqual([
      '[stage-1 1/2] FROM docker.io/library/base:latest',
      '[context build] load from client',
      '[stage-1 2/2] COPY --from=build a /a',
    ]);
  });

  it('are copied once where a stage goes on from them', async () => {
    const plan = await planText('FROM files\nRUN x', contexts({ files: { kind: 'remote', url: 'https://h/r.git' } }));
    expect(names(plan)).toEqual(['[context files] https://h/r.git', '[context files] copy', '[1/2] RUN x']);
  });

  it('leave out what their own .dockerignore says', async () => {
    const plan = await planText(
      'FROM base\nCOPY --from=c a /a',
      contexts({ c: { kind: 'client', name: 'c' } }),
      lookupsOf({}, { '.dockerignore': 'x\n' }),
    );
    expect(operationOf(plan, '[context c] load from client')).toMatchObject({ source: { exclude: ['x'] } });
  });
});

describe('ONBUILD', () => {
  const image = { config: { OnBuild: ['RUN t', 'COPY --from=tool /t /t'], Env: ['PATH=/bin'] } };

  it('runs right behind FROM, once, with the stages that it needs', async () => {
    const lookups = lookupsOf({ 'docker.io/library/on:latest': image, 'docker.io/library/tool:latest': {} });
    const plan = await planText('FROM on AS a\nRUN own\nFROM a\nRUN more', {}, lookups);
    expect(createdBy(plan)).toEqual([
      'RUN /bin/sh -c t # buildkit',
      'COPY /t /t # buildkit',
      'RUN /bin/sh -c own # buildkit',
      'RUN /bin/sh -c more # buildkit',
    ]);
    expect(plan.image.config?.OnBuild).toBeUndefined();
    expect(lookups.asked).toContain('docker.io/library/tool:latest');
  });
});

describe('what a stranger writes', () => {
  it('grows no further than there is work for', async () => {
    const doubling = Array.from({ length: 40 }, () => 'ENV a=$a$a').join('\n');
    await expect(planText(`FROM base\nENV a=aaaaaaaa\n${doubling}`)).rejects.toMatchObject({ code: 'invalid' });
  });

  const chain = (variables: number, stages: number) => {
    const env = Array.from({ length: variables }, (_, index) => `ENV v${index}=x`);
    const others = Array.from(
      { length: stages },
      (_, index) => `FROM s${index} AS s${index + 1}\nENV w=${index}\nRUN x`,
    );
    return ['FROM base AS s0', ...env, ...others].join('\n');
  };

  it('makes no image that could not be loaded again', async () => {
    const many = (line: string, count: number) => `FROM base\n${`${line}\n`.repeat(count)}`;
    await expect(planText(many('ENV a=1', 10_001))).rejects.toThrow(
      "the image's history has 10001 entries, more than 10000",
    );
  });

  it('may have many variables, or many stages', async () => {
    await expect(planText(chain(3000, 10))).resolves.toBeDefined();
    await expect(planText(chain(10, 3000))).resolves.toBeDefined();
  });

  it('may not have both', async () => {
    await expect(planText(chain(3000, 3000))).rejects.toMatchObject({ code: 'invalid' });
  });
});
