import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { ContextChoice } from '../../../../daemon/build/build-request.ts';
import { answerCall } from '../../../../daemon/build/graph/answer-call.ts';
import { loadDockerfile } from '../../../../daemon/build/graph/load-dockerfile.ts';
import type { Edge } from '../../../../daemon/build/graph/operation.ts';
import { amd64 } from './plan-fixture.ts';

const plain = { dockerfile: '', buildArgs: new Map<string, string>(), buildPlatform: amd64 };
const client: ContextChoice = { kind: 'client', name: 'context' };

/** Files by path, whatever they are read of; what was read is noted, with the vertex's name. */
function filesOf(files: Readonly<Record<string, string | Buffer>>) {
  const read: string[] = [];
  const edges: Edge[] = [];
  const readFile = async (edge: Edge, path: string, { maxBytes }: { maxBytes: number }) => {
    read.push(path);
    edges.push(edge);
    const file = files[path];
    return file === undefined ? undefined : Buffer.from(file).subarray(0, maxBytes);
  };
  return { read, edges, lookups: { readFile } };
}

describe('a directory of the client', () => {
  it('takes the Dockerfile, or one in lower case', async () => {
    const { read, lookups } = filesOf({ dockerfile: 'FROM lower' });
    const { name, dockerfile } = await loadDockerfile({ ...plain, context: client }, lookups);
    expect(read).toEqual(['Dockerfile', 'dockerfile', 'Dockerfile.dockerignore', '.dockerignore']);
    expect(name).toBe('Dockerfile');
    expect(dockerfile.instructions[0]).toMatchObject({ kind: 'FROM', base: 'lower' });
  });

  it('transfers for it only what may be asked for', async () => {
    const { edges, lookups } = filesOf({ 'sub/Dockerfile': 'FROM x' });
    await loadDockerfile({ ...plain, context: client, dockerfile: 'sub/Dockerfile' }, lookups);
    expect(edges[0]?.vertex).toMatchObject({
      name: '[internal] load build definition from sub/Dockerfile',
      operation: { source: { followPaths: ['sub/Dockerfile', 'sub/Dockerfile.dockerignore', 'sub/dockerfile'] } },
    });
  });

  it('has the patterns of the .dockerignore that is named for the Dockerfile, else of the one there is', async () => {
    const files = {
      'a.Dockerfile': 'FROM x',
      Dockerfile: 'FROM x',
      'a.Dockerfile.dockerignore': '*.own\n',
      '.dockerignore': '# c\n\n/all/ \n! ./keep\n',
    };
    const own = await loadDockerfile({ ...plain, context: client, dockerfile: 'a.Dockerfile' }, filesOf(files).lookups);
    expect(own.context).toEqual({ kind: 'local', name: 'context', exclude: ['*.own'] });
    const common = await loadDockerfile({ ...plain, context: client }, filesOf(files).lookups);
    expect(common.context).toEqual({ kind: 'local', name: 'context', exclude: ['all', '!keep'] });
  });

  it('lets others have their turn while it reads a long one', async () => {
    const { lookups } = filesOf({ Dockerfile: `${'#\n'.repeat(4_000_000)}FROM a` });
    let isRead = false;
    const loading = loadDockerfile({ ...plain, context: client }, lookups).finally(() => {
      isRead = true;
    });
    let turns = 0;
    for (; !isRead; turns++) await setImmediate();
    expect(turns).toBeGreaterThan(5);
    expect((await loading).dockerfile.instructions).toHaveLength(1);
  });

  it("says in docker's words that there is none", async () => {
    const loading = loadDockerfile({ ...plain, context: client, dockerfile: 'no/file' }, filesOf({}).lookups);
    await expect(loading).rejects.toMatchObject({
      code: 'invalid',
      message: 'failed to read dockerfile: open no/file: no such file or directory',
    });
  });

  it('shows the lines around what is wrong', async () => {
    const loading = loadDockerfile({ ...plain, context: client }, filesOf({ Dockerfile: 'FROM x\nRUNN y\n' }).lookups);
    await expect(loading).rejects.toThrow(
      /^dockerfile parse error on line 2: unknown instruction: RUNN \(did you mean RUN\?\)\nDockerfile:2\n-+\n {3}1 \| {5}FROM x\n {3}2 \| >>> RUNN y\n/,
    );
  });

  it('shows of a long line only its beginning', async () => {
    const text = `FROM x\nRUNN ${'y'.repeat(1_000_000)}\n`;
    const error = await loadDockerfile({ ...plain, context: client }, filesOf({ Dockerfile: text }).lookups).catch(
      String,
    );
    expect(error).toContain('dockerfile line greater than max allowed size of 65535');
    expect(String(error).length).toBeLessThan(3000);
  });

  it('holds no NUL', async () => {
    const loading = loadDockerfile(
      { ...plain, context: client },
      filesOf({ Dockerfile: 'FROM x\nENV a=\0\n' }).lookups,
    );
    await expect(loading).rejects.toMatchObject({ code: 'invalid', lines: { start: 2, end: 2 } });
  });

  it('needs no file when the text is given', async () => {
    const { read, lookups } = filesOf({});
    const { dockerfile } = await loadDockerfile({ ...plain, context: client, dockerfileText: 'FROM given' }, lookups);
    expect(read).toEqual(['.dockerignore']);
    expect(dockerfile.instructions).toHaveLength(1);
  });
});

describe('a remote context', () => {
  it('is a repository, with the .dockerignore of which nothing is left out', async () => {
    const { edges, read, lookups } = filesOf({ Dockerfile: 'FROM x', '.dockerignore': '*' });
    const url = 'https://example.com/a.git#main:sub';
    const { context } = await loadDockerfile({ ...plain, context: { kind: 'remote', url } }, lookups);
    expect(read).toEqual(['Dockerfile']);
    expect(edges[0]?.vertex.operation).toMatchObject({
      source: { type: 'git', url: 'https://example.com/a.git', ref: 'main', subdirectory: 'sub' },
    });
    expect(context).toEqual({ kind: 'files', files: edges[0] });
  });

  it('is a Dockerfile alone, when it is no archive', async () => {
    const { lookups } = filesOf({ context: 'FROM alone\n' });
    const loaded = await loadDockerfile({ ...plain, context: { kind: 'remote', url: 'http://x/y' } }, lookups);
    expect(loaded).toMatchObject({ name: 'context', dockerfile: { instructions: [{ base: 'alone' }] } });
  });

  it('is an archive, which is unpacked', async () => {
    const { edges, lookups } = filesOf({ context: Buffer.alloc(1024), Dockerfile: 'FROM x' });
    await loadDockerfile({ ...plain, context: { kind: 'remote', url: 'http://x/y.tar' } }, lookups);
    expect(edges.at(-1)?.vertex.operation).toMatchObject({
      kind: 'file',
      actions: [{ action: 'copy', sources: ['/context'], unpacks: true }],
    });
  });

  it.each(['ftp://x/y', '--upload-pack=x', 'x', 'https://x/a.git#-oProxyCommand=x'])('is not %j', async (url) => {
    const loading = loadDockerfile({ ...plain, context: { kind: 'remote', url } }, filesOf({}).lookups);
    await expect(loading).rejects.toMatchObject({ code: 'invalid' });
  });
});

describe('frontends', () => {
  it.each([
    'docker/dockerfile:1',
    'docker/dockerfile',
    'docker.io/docker/dockerfile:1.7-labs',
    'docker/dockerfile-upstream@sha256:1',
  ])('%s is what is built in', async (reference) => {
    const { lookups } = filesOf({ Dockerfile: `# syntax=${reference}\nFROM x` });
    await expect(loadDockerfile({ ...plain, context: client }, lookups)).resolves.toBeDefined();
  });

  it('others are refused by their name', async () => {
    const { lookups } = filesOf({ Dockerfile: '# syntax=me/mine\nFROM x' });
    await expect(loadDockerfile({ ...plain, context: client }, lookups)).rejects.toMatchObject({
      code: 'not-implemented',
      message: expect.stringContaining('me/mine'),
    });
  });
});

describe('what is asked of a Dockerfile', () => {
  const text =
    '# check=error=true\nFROM base AS one\nARG X=1\nRUN --mount=type=secret,id=s x\nFROM one AS two\nCMD echo $Y\n';
  const ask = (call: 'check' | 'outline' | 'targets', dockerfile = text, target = '') => {
    const { lookups } = filesOf({ Dockerfile: dockerfile });
    const request = { ...plain, context: client, call, target, targetPlatform: undefined };
    return answerCall(request, { ...lookups, knownImage: () => undefined });
  };

  it('is checked', async () => {
    const { json, text: shown } = await ask('check');
    expect(json).toMatchObject({
      warnings: [{ ruleName: 'JSONArgsRecommended' }],
      buildError: { message: expect.stringContaining('lint violation') },
    });
    expect(shown).toContain('WARNING: JSONArgsRecommended');
  });

  it('is checked though it does not parse', async () => {
    const { json } = await ask('check', 'FROM x\nRUNN y\n');
    expect(json).toMatchObject({ buildError: { message: expect.stringContaining('unknown instruction: RUNN') } });
  });

  it('has an outline and targets', async () => {
    expect((await ask('outline')).json).toMatchObject({
      name: 'two',
      args: [{ name: 'X', value: '1' }],
      secrets: [{ name: 's' }],
    });
    expect((await ask('targets')).json).toMatchObject({ targets: [{ name: 'one' }, { name: 'two', default: true }] });
  });

  it('shows the lines around what is wrong', async () => {
    await expect(ask('outline', 'FROM x\nRUNN y\n')).rejects.toThrow(/Dockerfile:2\n-+\n/);
  });
});
