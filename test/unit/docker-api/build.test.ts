// POST /build on the wire: what is read of a request, and docker's classic stream.
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { BuildOutcome, BuildRequest, PlannedStep } from '../../../daemon/build/build-request.ts';
import { ExecFailed } from '../../../daemon/build/steps/exec-failed.ts';
import { createApp, registerRoutes } from '../../../daemon/docker-api/api-server.ts';
import type { App } from '../../../daemon/docker-api/app.ts';
import { EngineError } from '../../../daemon/errors/engine-error.ts';
import { type FakeServices, fakeServices } from './fake-services.ts';

let app: App;
let fake: FakeServices;
let asked: BuildRequest | undefined;

const id = `sha256:${'5'.repeat(64)}`;
const vertex = (letter: string) => `sha256:${letter.repeat(64)}`;
const done: BuildOutcome = { imageId: id, metadata: { a: 'b' }, unusedArgs: [] };

beforeEach(async () => {
  fake = fakeServices();
  asked = undefined;
  fake.on('build.receive', () => ({ kind: 'dockerfile', text: 'FROM a' }));
  app = createApp(fake.services);
  registerRoutes(app, fake.services);
  await app.ready();
});
afterEach(() => app.close());

type Work = (request: BuildRequest, plan: (steps: readonly PlannedStep[]) => void) => BuildOutcome;

async function build(query: string, work: Work) {
  fake.on('build.build', async (request: BuildRequest, plan: (steps: readonly PlannedStep[]) => void) => {
    asked = request;
    return work(request, plan);
  });
  const answer = await app.inject({ method: 'POST', url: `/build?${query}`, payload: 'x' });
  const lines =
    answer.statusCode === 200
      ? answer.body
          .trim()
          .split('\r\n')
          .map((line) => JSON.parse(line))
      : [];
  return { answer, lines, text: lines.map((line) => line.stream ?? '').join('') };
}

const ran = (digest: string, inputs: string[] = []) =>
  ({ kind: 'vertex', digest, inputs, name: '', startedMs: 1, completedMs: 2, isCached: false }) as const;

test('the classic stream tells steps in their order, though later ones run first', async () => {
  const { text, lines } = await build('t=a&t=b:2', ({ tell }, plan) => {
    plan([
      { text: 'FROM x', vertex: vertex('a') },
      { text: 'RUN one', vertex: vertex('b') },
      { text: 'RUN two', vertex: vertex('c') },
      { text: 'CMD ["x"]', vertex: undefined },
    ]);
    tell({ kind: 'log', vertex: vertex('c'), stream: 'stdout', bytes: Buffer.from('second\n'), atMs: 1 });
    tell(ran(vertex('c')));
    tell({ kind: 'vertex', digest: vertex('b'), inputs: [vertex('a')], name: '', startedMs: 1, isCached: false });
    tell({ kind: 'log', vertex: vertex('b'), stream: 'stdout', bytes: Buffer.from('first ä').subarray(0, 7), atMs: 1 });
    tell({ kind: 'log', vertex: vertex('b'), stream: 'stdout', bytes: Buffer.from('ä\n').subarray(1), atMs: 1 });
    tell(ran(vertex('b'), [vertex('a')]));
    return done;
  });
  const [a, b, c] = ['a', 'b', 'c'].map((letter) => letter.repeat(12));
  expect(text).toBe(
    `Step 1/4 : FROM x\n ---> ${a}\n` +
      `Step 2/4 : RUN one\n ---> Running in ${b}\nfirst ä\n ---> Removed intermediate container ${b}\n ---> ${b}\n` +
      `Step 3/4 : RUN two\n ---> Running in ${c}\nsecond\n ---> Removed intermediate container ${c}\n ---> ${c}\n` +
      `Step 4/4 : CMD ["x"]\n ---> ${c}\n` +
      'Successfully built 555555555555\nSuccessfully tagged a:latest\nSuccessfully tagged b:2\n',
  );
  expect(lines.find(({ aux }) => aux)).toEqual({ aux: { ID: id } });
});

test('steps that nobody had to look at were there before', async () => {
  const { text } = await build('', ({ tell }, plan) => {
    plan([
      { text: 'FROM x', vertex: vertex('a') },
      { text: 'RUN one', vertex: vertex('b') },
      { text: 'COPY a b', vertex: vertex('c') },
    ]);
    tell({ kind: 'vertex', digest: vertex('c'), inputs: [vertex('b')], name: '', isCached: true, completedMs: 1 });
    return done;
  });
  expect(text.match(/ ---> Using cache\n/g)).toHaveLength(2);
  expect(text).not.toContain('Running in');
});

test('what stands on no files has no id', async () => {
  const { text } = await build('', (_, plan) => {
    plan([
      { text: 'ARG A=b', vertex: undefined },
      { text: 'FROM x', vertex: vertex('a') },
      { text: 'FROM scratch', vertex: undefined },
      { text: 'ENV a=b', vertex: undefined },
    ]);
    return { metadata: {}, unusedArgs: [] };
  });
  expect(text).toBe(
    `Step 1/4 : ARG A=b\nStep 2/4 : FROM x\n ---> ${'a'.repeat(12)}\nStep 3/4 : FROM scratch\nStep 4/4 : ENV a=b\n`,
  );
});

test('a step that fails has its exit code in the last line', async () => {
  const { lines, text } = await build('', ({ tell }, plan) => {
    plan([{ text: 'RUN exit 42', vertex: vertex('b') }]);
    tell({ kind: 'vertex', digest: vertex('b'), inputs: [], name: '', startedMs: 1, isCached: false });
    tell({ kind: 'log', vertex: vertex('b'), stream: 'stderr', bytes: Buffer.from('why\n'), atMs: 1 });
    tell({ ...ran(vertex('b')), error: 'exit code: 42' });
    throw new ExecFailed('/bin/sh -c exit 42', 42);
  });
  const message = "The command '/bin/sh -c exit 42' returned a non-zero code: 42";
  expect(lines.at(-1)).toEqual({ errorDetail: { code: 42, message }, error: message });
  expect(text).toContain('why\n');
  expect(text).not.toContain('Removed intermediate');
});

test('what is wrong before the first step is an answer of its own', async () => {
  const { answer } = await build('', () => {
    throw new EngineError('invalid', 'dockerfile parse error on line 1');
  });
  expect([answer.statusCode, answer.json()]).toEqual([400, { message: 'dockerfile parse error on line 1' }]);
});

test('quiet is the id alone; an unused argument is told', async () => {
  expect((await build('q=1', () => done)).text).toBe(`${id}\n`);
  const { text } = await build('', () => ({ ...done, unusedArgs: ['A', 'B'] }));
  expect(text).toContain('[Warning] One or more build-args [A B] were not consumed\n');
});

test('parameters are read', async () => {
  const query = new URLSearchParams({
    buildargs: '{"A":"1","B":null}',
    labels: '{"l":"v"}',
    ulimits: '[{"Name":"nofile","Soft":10,"Hard":20}]',
    networkmode: 'none',
    memory: '67108864',
    memswap: '-1',
    cachefrom: '["a:1","type=registry,ref=b"]',
    nocache: '1',
    pull: '1',
    target: 'x',
    platform: 'linux/arm64/v8',
    contexts: '{"base":"docker-image://y","src":"https://h/x.git","d":"local:d"}',
    session: 's',
    allow: 'network.host',
    securityopt: '["no-new-privileges"]',
    extrahosts: 'a:1.2.3.4,b:host-gateway',
  });
  fake.on('build.sessionClient', () => ({}));
  await build(query.toString(), () => done);
  expect(asked).toMatchObject({
    call: 'build',
    context: { kind: 'none' },
    dockerfileText: 'FROM a',
    buildArgs: new Map([
      ['A', '1'],
      ['B', undefined],
    ]),
    labels: new Map([['l', 'v']]),
    ignoresCache: true,
    pulls: true,
    target: 'x',
    platforms: [{ os: 'linux', architecture: 'arm64' }],
    namedContexts: new Map([
      ['base', { kind: 'image', reference: 'y' }],
      ['src', { kind: 'remote', url: 'https://h/x.git' }],
      ['d', { kind: 'client', name: 'd' }],
    ]),
    cacheFrom: [
      { type: 'image', attributes: { ref: 'a:1' } },
      { type: 'registry', attributes: { ref: 'b' } },
    ],
    exec: {
      memoryBytes: 67108864,
      memorySwapBytes: -1,
      network: { kind: 'none' },
      entitlements: ['network.host'],
      rlimits: [{ name: 'nofile', soft: 10, hard: 20 }],
      extraHosts: [
        { name: 'a', address: '1.2.3.4' },
        { name: 'b', address: 'host-gateway' },
      ],
      security: { noNewPrivileges: true, seccomp: { kind: 'default' } },
    },
  });
});

test('parameters that cannot be are refused, before anything is received', async () => {
  for (const [query, status] of [
    ['squash=1', 400],
    ['version=2', 501],
    ['buildargs=[', 400],
    ['buildargs={"A":1}', 400],
    ['labels=7', 400],
    ['ulimits=[{"Name":"x","Soft":1,"Hard":1}]', 400],
    ['t=A', 400],
    ['memory=5', 400],
    ['platform=a/b/c/d/e', 400],
    ['contexts={"a":"/etc"}', 400],
    ['contexts={"a":"local:gone"}', 404],
    ['outputs=[{"Type":"tar"}]', 501],
    ['outputs=[{"Type":"other"}]', 501],
    ['cachefrom=["type=gha"]', 501],
    ['cachefrom=["type=inline"]', 501],
    ['cachefrom=["type=local,src=local:gone"]', 404],
    ['cachefrom=["=a"]', 400],
    ['cacheto=["type=gha"]', 501],
    ['cacheto=["type=local"]', 501],
    ['call=x', 400],
    ['allow=all', 400],
    ['securityopt=["what"]', 400],
  ] as const) {
    const { answer } = await build(query, () => done);
    expect([query, answer.statusCode]).toEqual([query, status]);
  }
});

test('a named context comes before its build, which takes it once', async () => {
  let held = 0;
  const directory = {
    kind: 'directory',
    path: '/x',
    identity: 'i',
    again: () => directory,
    [Symbol.dispose]: () => held--,
  };
  fake.on('build.receiveChanges', () => {
    held++;
    return directory;
  });
  const put = await app.inject({ method: 'PUT', url: '/build/contexts/a?update=u', payload: 'x' });
  expect(put.statusCode).toBe(201);
  const query = `contexts=${JSON.stringify({ src: `local:${put.json().name}` })}`;
  const { answer } = await build(query, () => done);
  const [choice] = [...(asked?.namedContexts.values() ?? [])];
  expect([answer.statusCode, choice, held]).toEqual([200, { kind: 'client', name: put.json().name }, 0]);
  expect((await build(query, () => done)).answer.statusCode).toBe(404);
});

test('our own clients are told events, files, and what came of it', async () => {
  const { lines } = await build('events=1', ({ tell }) => {
    tell({ kind: 'log', vertex: vertex('b'), stream: 'stdout', bytes: Buffer.from('hi'), atMs: 5 });
    return done;
  });
  expect(lines).toEqual([
    { id: 'tsdocker.build.event', aux: { kind: 'log', vertex: vertex('b'), stream: 'stdout', bytes: 'aGk=', atMs: 5 } },
    { aux: { ID: id } },
    { id: 'tsdocker.build.result', aux: { imageId: id, metadata: { a: 'b' }, unusedArgs: [] } },
  ]);
});

test('prune tells what went', async () => {
  fake.on('build.cache.prune', () => ({ ids: ['a'], bytes: 7 }));
  const answer = await app.inject({ method: 'POST', url: '/build/prune?all=1&keep-storage=5' });
  expect(answer.json()).toEqual({ CachesDeleted: ['a'], SpaceReclaimed: 7 });
  expect(fake.calls.at(-1)?.args).toEqual([{ all: true, filters: new Map(), reservedBytes: 5 }]);
});
