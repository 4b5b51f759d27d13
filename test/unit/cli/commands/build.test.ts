// `build` as a process against a scripted daemon: what is sent, what is shown, where the result goes.
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FakeDaemon, runCli } from './fake-daemon.ts';

const id = `sha256:${'5'.repeat(64)}`;
let daemon: FakeDaemon;
let context: string;

beforeEach(async () => {
  daemon = await new FakeDaemon().listen();
  context = join(daemon.directory, 'context');
  mkdirSync(context);
  writeFileSync(join(context, 'Dockerfile'), 'FROM scratch\n');
});
afterEach(() => daemon.close());

function answers(...lines: object[]): void {
  daemon.on('POST /build', (_, response) => {
    response.writeHead(200, { 'Content-Type': 'application/json' });
    response.end(lines.map((line) => `${JSON.stringify(line)}\r\n`).join(''));
  });
}

const result = { id: 'tsdocker.build.result', aux: { imageId: id, metadata: { a: 'b' }, unusedArgs: [] } };
const sent = () => daemon.seen.find(({ path }) => path === '/build');

/** Names, kinds and owners of the archive that was sent. */
function archive(): string[] {
  const list = execFileSync('tar', ['tv', '--full-time', '--numeric-owner'], { input: sent()?.body ?? '' }).toString();
  return list
    .trim()
    .split('\n')
    .map((line) => {
      const [mode, owner, , , , ...name] = line.split(/\s+/);
      return `${mode} ${owner} ${name.join(' ')}`;
    });
}

test('a directory is sent without what its .dockerignore names, as root’s', async () => {
  answers(result);
  mkdirSync(join(context, 'src/deep'), { recursive: true });
  mkdirSync(join(context, 'node_modules/a'), { recursive: true });
  writeFileSync(join(context, 'node_modules/a/x'), 'x');
  writeFileSync(join(context, 'node_modules/keep'), 'x');
  writeFileSync(join(context, 'src/deep/run'), 'x');
  chmodSync(join(context, 'src/deep/run'), 0o755);
  symlinkSync('deep/run', join(context, 'src/link'));
  writeFileSync(join(context, 'a.log'), 'x');
  writeFileSync(join(context, '.dockerignore'), '# no\n*.log\nnode_modules\n!node_modules/keep\nDockerfile\n');
  const { status } = await runCli(daemon, ['build', '-q', context]);
  expect(status).toBe(0);
  expect(archive()).toEqual([
    '-rw-r--r-- 0/0 .dockerignore',
    '-rw-r--r-- 0/0 Dockerfile',
    'drwxr-xr-x 0/0 node_modules/',
    '-rw-r--r-- 0/0 node_modules/keep',
    'drwxr-xr-x 0/0 src/',
    'drwxr-xr-x 0/0 src/deep/',
    '-rwxr-xr-x 0/0 src/deep/run',
    'lrwxrwxrwx 0/0 src/link -> deep/run',
  ]);
});

test('a daemon that keeps contexts is sent a list, and of the files what it asks for', async () => {
  answers(result);
  daemon.on('POST /build/contexts/*', (_, response) => {
    response.end('{"update":"u1","files":1,"bytes":1}\n[1,1]\n');
  });
  mkdirSync(join(context, 'd'));
  writeFileSync(join(context, 'd/b'), 'x');
  const { status } = await runCli(daemon, ['build', '-q', context]);
  expect(status).toBe(0);
  const list = (daemon.seen.find(({ path }) => path.startsWith('/build/contexts/'))?.body ?? '').trim().split('\n');
  expect(list.map((line) => JSON.parse(line).slice(0, 2))).toEqual([
    ['f', 'Dockerfile'],
    ['d', 'd'],
    ['f', 'd/b'],
  ]);
  expect(sent()?.query.get('context')).toBe('u1');
  expect(archive()).toEqual(['-rw-r--r-- 0/0 d/b']);
});

test('a Dockerfile from elsewhere, or from standard input, comes under a name of its own', async () => {
  answers(result);
  const elsewhere = join(daemon.directory, 'other.Dockerfile');
  writeFileSync(elsewhere, 'FROM a\n');
  writeFileSync(`${elsewhere}.dockerignore`, 'Dockerfile\n');
  await runCli(daemon, ['build', '-f', elsewhere, context]);
  const name = sent()?.query.get('dockerfile') ?? '';
  expect(name).toMatch(/^\.dockerfile\.[0-9a-f]+$/);
  expect(archive()).toEqual([`-rw------- 0/0 ${name}`]);
  daemon.seen.length = 0;
  await runCli(daemon, ['build', '-f', '-', context], { stdin: 'FROM b\n' });
  expect(sent()?.body).toContain('FROM b\n');
});

test('flags become docker’s parameters', async () => {
  answers(result);
  const flags = [
    '-t',
    'a',
    '-t',
    'b:1',
    '--build-arg',
    'A=1',
    '--build-arg',
    'MISSING',
    '--label',
    'l=v',
    '--no-cache',
  ];
  const more = [
    '--pull',
    '--target',
    'x',
    '-m',
    '64m',
    '--network',
    'none',
    '--ulimit',
    'nofile=1:2',
    '--add-host',
    'a:1.2.3.4',
  ];
  await runCli(daemon, ['build', ...flags, ...more, '--platform', 'linux/arm64', '--shm-size', '1m', context]);
  const query = Object.fromEntries(sent()?.query ?? []);
  expect(sent()?.query.getAll('t')).toEqual(['a', 'b:1']);
  expect(query).toMatchObject({
    buildargs: '{"A":"1","MISSING":null}',
    labels: '{"l":"v"}',
    nocache: '1',
    pull: '1',
    target: 'x',
    memory: '67108864',
    networkmode: 'none',
    ulimits: '[{"Name":"nofile","Hard":2,"Soft":1}]',
    extrahosts: 'a:1.2.3.4',
    platform: 'linux/arm64',
    shmsize: '1048576',
    dockerfile: 'Dockerfile',
    events: '1',
    version: '1',
  });
});

test('a URL is the daemon’s to fetch, an archive on standard input goes on as it is', async () => {
  answers(result);
  await runCli(daemon, ['build', '-f', 'd/File', 'https://h/r.git#main:sub']);
  expect([sent()?.query.get('remote'), sent()?.query.get('dockerfile'), sent()?.body]).toEqual([
    'https://h/r.git#main:sub',
    'd/File',
    '',
  ]);
  daemon.seen.length = 0;
  await runCli(daemon, ['build', '-'], { stdin: 'FROM scratch\n' });
  expect(sent()?.body).toBe('FROM scratch\n');
});

test('the id goes to standard output when it is quiet, and to files', async () => {
  answers(result);
  const iidfile = join(daemon.directory, 'iid');
  const metadata = join(daemon.directory, 'meta');
  const { stdout } = await runCli(daemon, ['build', '-q', '--iidfile', iidfile, '--metadata-file', metadata, context]);
  expect(stdout).toBe(`${id}\n`);
  expect(readFileSync(iidfile, 'utf8')).toBe(id);
  expect(JSON.parse(readFileSync(metadata, 'utf8'))).toEqual({ a: 'b' });
});

test('files of an output land in a directory of this machine', async () => {
  const out = join(daemon.directory, 'out');
  const tar = execFileSync('tar', ['c', '-C', context, 'Dockerfile']);
  const chunk = (data: Buffer) => ({ id: 'tsdocker.build.output', aux: { output: 0, data: data.toString('base64') } });
  answers(chunk(tar.subarray(0, 700)), chunk(tar.subarray(700)), chunk(Buffer.alloc(0)), result);
  const { status, stderr } = await runCli(daemon, ['build', '-o', out, context]);
  expect([status, stderr]).toEqual([0, '']);
  expect(readFileSync(join(out, 'Dockerfile'), 'utf8')).toBe('FROM scratch\n');
  expect(sent()?.query.get('outputs')).toBe('[{"Type":"local","Attrs":{}}]');
});

test('a step that fails is the command’s exit code, its last words and its reason', async () => {
  const vertex = { kind: 'vertex', digest: 'a', inputs: [], name: '[2/2] RUN x', startedMs: 1, isCached: false };
  const lines = { start: 2, end: 2 };
  answers(
    { id: 'tsdocker.build.event', aux: vertex },
    { id: 'tsdocker.build.event', aux: { kind: 'log', vertex: 'a', stream: 'stderr', bytes: 'd2h5Cg==', atMs: 2 } },
    { id: 'tsdocker.build.event', aux: { ...vertex, completedMs: 3, error: 'exit code: 42' } },
    { id: 'tsdocker.build.event', aux: { kind: 'source', vertex: 'a', fileName: 'D', lines, excerpt: 'D:2\n' } },
    { error: 'exit code: 42', errorDetail: { code: 42, message: 'exit code: 42' } },
  );
  const { status, stderr } = await runCli(daemon, ['build', context]);
  expect(status).toBe(42);
  expect(stderr).toContain('#1 ERROR: exit code: 42\n------\n > [2/2] RUN x:\nwhy\n------\nD:2\n');
  expect(stderr.trimEnd()).toMatch(/ERROR: failed to build: failed to solve: exit code: 42$/);
});

test('what another engine streams is shown as it comes', async () => {
  answers({ stream: 'Step 1/1 : FROM scratch' }, { stream: '\n' }, { aux: { ID: id } });
  const { stderr, status } = await runCli(daemon, ['build', context]);
  expect([status, stderr]).toEqual([0, 'Step 1/1 : FROM scratch\n']);
});

test('what is not there, or not given, is said before anything is sent', async () => {
  for (const [args, message] of [
    [['build', '--sbom', 'true', context], /attestations .* not there yet/],
    [['build', '--progress', 'x', context], /invalid progress mode x/],
    [['build', '--rm=false', context], /no intermediate containers to keep/],
    [['build', '-o', 'type=local', context], /dest is required for local output/],
    [['build', join(context, 'nothing')], /unable to prepare context: path ".*" not found/],
    [['build'], /requires 1 argument/],
  ] as const) {
    const { status, stderr } = await runCli(daemon, args);
    expect([status, stderr]).toEqual([1, expect.stringMatching(message)]);
  }
  expect(sent()).toBeUndefined();
});

test('builder prune tells what went', async () => {
  daemon.json('POST /build/prune', 200, { CachesDeleted: ['abc'], SpaceReclaimed: 5000 });
  const { stdout } = await runCli(daemon, ['builder', 'prune', '-f', '-a', '--keep-storage', '1g']);
  expect(stdout).toBe('Deleted build cache objects:\nabc\n\nTotal reclaimed space: 5kB\n');
  expect(daemon.seen.at(-1)?.query.get('keep-storage')).toBe('1073741824');
});
