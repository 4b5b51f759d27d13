import { afterEach, beforeEach, expect, test } from 'vitest';
import { createApp, registerRoutes } from '../../../daemon/docker-api/api-server.ts';
import type { App } from '../../../daemon/docker-api/app.ts';
import { EngineError, type ErrorCode } from '../../../daemon/errors/engine-error.ts';
import type { ListedImage, SeenImage } from '../../../daemon/images/image-service.ts';
import { type FakeServices, fakeServices } from './fake-services.ts';

let app: App;
let fake: FakeServices;

beforeEach(async () => {
  fake = fakeServices();
  app = createApp(fake.services);
  registerRoutes(app, fake.services);
  await app.ready();
});
afterEach(() => app.close());

const get = (url: string, headers = {}) => app.inject({ method: 'GET', url, headers });
const post = (url: string, body?: unknown, headers = {}) =>
  app.inject({
    method: 'POST',
    url,
    headers: body === undefined ? headers : { 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { payload: typeof body === 'string' ? body : JSON.stringify(body) }),
  });

test('every answer tells versions, ping tells more', async () => {
  const ping = await get('/v1.24/_ping');
  expect(ping.body).toBe('OK');
  expect(ping.headers).toMatchObject({
    'api-version': '1.51',
    ostype: 'linux',
    'docker-experimental': 'false',
    server: 'Docker/28.5.2 (linux)',
    'builder-version': '1',
    swarm: 'inactive',
    'cache-control': 'no-cache, no-store, must-revalidate',
    'content-type': 'text/plain; charset=utf-8',
  });
  const head = await app.inject({ method: 'HEAD', url: '/_ping' });
  expect([head.statusCode, head.body, head.headers['content-length']]).toEqual([200, '', '0']);
  expect((await get('/nothing')).headers['api-version']).toBe('1.51');
});

test("the version of the path is checked, in Docker's words", async () => {
  expect((await get('/v1.52/_ping')).json()).toEqual({
    message: 'client version 1.52 is too new. Maximum supported API version is 1.51',
  });
  const old = await get('/v1.23/info');
  expect(old.statusCode).toBe(400);
  expect(old.json().message).toMatch(
    /^client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade/,
  );
  expect((await get('/v1.24/info')).statusCode).toBe(200);
  expect((await get('/v1/info')).statusCode).toBe(404);
});

test('errors are JSON with exactly that content type', async () => {
  const answer = await get('/no/such/path');
  expect([answer.statusCode, answer.headers['content-type'], answer.body]).toEqual([
    404,
    'application/json',
    '{"message":"page not found"}\n',
  ]);
  expect((await app.inject({ method: 'PATCH', url: '/info' })).statusCode).toBe(404);
});

test.each<[ErrorCode, number]>([
  ['invalid', 400],
  ['unauthorized', 401],
  ['forbidden', 403],
  ['not-found', 404],
  ['conflict', 409],
  ['too-large', 413],
  ['system', 500],
  ['not-implemented', 501],
  ['unavailable', 503],
])('an error %s becomes %d', async (code, status) => {
  fake.on('start', async () => {
    throw new EngineError(code, 'because', { cause: new Error('of this') });
  });
  const answer = await post('/containers/a/start');
  const message = code === 'system' ? 'because: of this' : 'because';
  expect([answer.statusCode, answer.json()]).toEqual([status, { message }]);
  expect(fake.logged).toEqual([]);
});

test('not modified has no body', async () => {
  fake.on('stop', async () => {
    throw new EngineError('not-modified', 'it does not run');
  });
  const answer = await post('/containers/a/stop');
  expect([answer.statusCode, answer.body, answer.headers['content-type']]).toEqual([304, '', undefined]);
});

test('a bug is a 500 and is logged', async () => {
  fake.on('pause', async () => {
    throw new TypeError('x is not a function');
  });
  const answer = await post('/containers/a/pause');
  expect([answer.statusCode, answer.json().message]).toEqual([500, 'internal error: x is not a function']);
  expect(fake.logged).toHaveLength(1);
});

test('create passes body, name and platform on, and answers 201', async () => {
  fake.on('create', async () => ({ Id: 'i', Warnings: [] }));
  const body = {
    Image: 'x',
    Cmd: ['a'],
    HostConfig: { Binds: null, Memory: 7 },
    NetworkingConfig: { EndpointsConfig: {} },
  };
  const answer = await post('/v1.43/containers/create?name=constructor&platform=', body);
  expect([answer.statusCode, answer.body]).toEqual([201, '{"Id":"i","Warnings":[]}\n']);
  expect(fake.calls[0]?.args).toEqual([body, { name: 'constructor' }]);
});

test('create reads what docker-py and careless clients send: nulls, other case, unknown fields', async () => {
  fake.on('create', async () => ({ Id: 'i', Warnings: [] }));
  await post('/containers/create', {
    image: 'x',
    Hostname: null,
    Tty: null,
    Detach: true,
    hostconfig: { privileged: true, Ulimits: null, ShmSize: null, NoSuchThing: { a: 1 } },
  });
  expect(fake.calls[0]?.args[0]).toEqual({ Image: 'x', HostConfig: { Privileged: true, Ulimits: null } });
});

test('create does not let prototypes be polluted, and keeps such words where they are data', async () => {
  fake.on('create', async () => ({ Id: 'i', Warnings: [] }));
  await post(
    '/containers/create',
    '{"Image":"x","Labels":{"__proto__":"l","constructor":"c"},"__proto__":{"HostConfig":{"Privileged":true}},' +
      '"HostConfig":{"__proto__":{"Privileged":true},"Tmpfs":{"toString":"x"}}}',
  );
  const body = fake.calls[0]?.args[0] as { Labels: object; HostConfig: { Privileged?: boolean } };
  expect(Object.entries(body.Labels)).toEqual([
    ['__proto__', 'l'],
    ['constructor', 'c'],
  ]);
  expect(Object.keys(body)).toEqual(['Image', 'Labels', 'HostConfig']);
  expect(body.HostConfig.Privileged).toBeUndefined();
  expect(({} as { Privileged?: boolean }).Privileged).toBeUndefined();
});

test.each([
  ['{"Image":5}', /invalid JSON at Image: expected string/],
  ['{"HostConfig":{"Memory":"64m"}}', /invalid JSON at HostConfig.Memory: expected/],
  ['{"HostConfig":{"Memory":9007199254740993}}', /invalid JSON at HostConfig.Memory/],
  ['{"HostConfig":{"Binds":{"a":1}}}', /invalid JSON at HostConfig.Binds/],
  ['{"Image":"x"} trailing', /invalid JSON: /],
  ['{', /invalid JSON: /],
  ['[]', /invalid JSON: expected object/],
  ['null', /EOF/],
])('create refuses the body %s', async (body, message) => {
  const answer = await post('/containers/create', body);
  expect(answer.statusCode).toBe(400);
  expect(answer.json().message).toMatch(message);
  expect(fake.calls).toEqual([]);
});

test('create needs a body, and needs it to be JSON', async () => {
  expect((await post('/containers/create')).json().message).toMatch(/EOF/);
  const form = await post('/containers/create', '{"Image":"x"}', { 'content-type': 'text/plain' });
  expect([form.statusCode, form.json().message]).toEqual([
    400,
    "unsupported Content-Type header (text/plain): must be 'application/json'",
  ]);
  const big = await post('/containers/create', JSON.stringify({ Image: 'x'.repeat(5_000_000) }));
  expect(big.statusCode).toBe(413);
});

test('a deep body does no harm', async () => {
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
  fake.on('create', async () => ({ Id: 'i', Warnings: [] }));
  expect((await post('/containers/create', `{"Image":"x","Unknown":${deep}}`)).statusCode).toBe(201);
  expect(fake.calls[0]?.args[0]).toEqual({ Image: 'x' });
  const open = await post('/containers/create', `{"HostConfig":{"DeviceRequests":[{"a":${deep}}]}}`);
  expect(open.statusCode).toBe(400);
});

test('lists read truth values, numbers and filters as Docker does', async () => {
  fake.on('list', async () => []);
  await get('/containers/json?all=True&limit=-1&size=none&filters=%7B%22label%22%3A%7B%22a%3Db%22%3Atrue%7D%7D');
  await get('/containers/json?all=0&filters=%7B%22status%22%3A%5B%22exited%22%5D%7D&since=x');
  expect(fake.calls.map((call) => call.args[0])).toEqual([
    { all: true, limit: -1, size: false, filters: new Map([['label', ['a=b']]]) },
    {
      all: false,
      limit: 0,
      size: false,
      filters: new Map([
        ['status', ['exited']],
        ['since', ['x']],
      ]),
    },
  ]);
});

test.each(['nonsense', '[]', '{"a":5}', '{"a":[{}]}', `{"a":[${'1,'.repeat(2000)}1]}`])(
  'filters %.20s are refused',
  async (text) => {
    const answer = await get(`/containers/json?filters=${encodeURIComponent(text)}`);
    expect(answer.statusCode).toBe(400);
    expect(answer.json().message).toMatch(/^invalid filter/);
  },
);

const seenImage = (config: SeenImage['image']['config']['config'] = {}): SeenImage => {
  const rootfs = { type: 'layers' as const, diff_ids: [] };
  const image = { id: 'i', parentId: undefined, sizeBytes: 5, config: { architecture: 'a', os: 'o', config, rootfs } };
  return { image, names: [], taggedAt: '', layerDirs: [] };
};

test('names with slashes reach image routes whole', async () => {
  fake.onImages('inspect', () => seenImage());
  fake.onImages('history', () => []);
  fake.onImages('tag', () => undefined);
  fake.onImages('remove', async () => []);
  await get('/v1.43/images/registry.example:5000/a/b:1/json');
  await get('/images/a%2Fb%3A1/history');
  await post('/images/docker.io/library/x:y/tag?repo=z&tag=1');
  await app.inject({ method: 'DELETE', url: '/v1.43/images/a/b/c:1?force=1' });
  expect(fake.calls.map((call) => [call.method, ...call.args])).toEqual([
    ['images.inspect', 'registry.example:5000/a/b:1', undefined],
    ['images.history', 'a/b:1', undefined],
    ['images.tag', 'docker.io/library/x:y', 'z', '1'],
    ['images.remove', 'a/b/c:1', { force: true, noPrune: false }],
  ]);
});

test('older clients get the image fields they know', async () => {
  const numbers = { createdSeconds: 9, sizeBytes: 5, sharedBytes: undefined, containers: 2 };
  const listed: ListedImage = { id: 'i', parentId: undefined, names: [], labels: null, ...numbers };
  fake.onImages('list', () => [listed]);
  const image = {
    ...{ Id: 'i', ParentId: '', RepoTags: [], RepoDigests: [], Labels: null },
    ...{ Created: 9, Size: 5, SharedSize: -1, Containers: 2 },
  };
  expect((await get('/v1.51/images/json')).json()).toEqual([image]);
  expect((await get('/v1.50/images/json')).json()).toEqual([{ ...image, Containers: -1 }]);
  expect((await get('/v1.42/images/json')).json()).toEqual([
    { ...image, Containers: -1, RepoTags: ['<none>:<none>'], RepoDigests: ['<none>@<none>'], VirtualSize: 5 },
  ]);
});

test('the config of an image has what clients index, whether it is set or not', async () => {
  const config = { Cmd: ['sh'], Healthcheck: { Test: ['CMD', 'true'] } };
  fake.onImages('inspect', () => seenImage(config));
  const inspected = async (version: string) => (await get(`/v${version}/images/x/json`)).json();
  const empty = { Entrypoint: null, Env: null, Labels: null, OnBuild: null, User: '', Volumes: null, WorkingDir: '' };
  const older = {
    ...{ AttachStderr: false, AttachStdin: false, AttachStdout: false, Domainname: '', Hostname: '' },
    ...{ Image: '', OpenStdin: false, StdinOnce: false, Tty: false },
  };
  const beside = {
    ...{ Id: 'i', RepoTags: [], RepoDigests: [], Parent: '', Comment: '', Author: '', DockerVersion: '' },
    ...{ Created: '0001-01-01T00:00:00Z', Architecture: 'a', Os: 'o', Size: 5, RootFS: { Type: 'layers', Layers: [] } },
    ...{ GraphDriver: { Name: 'overlay2', Data: {} }, Metadata: { LastTagTime: '0001-01-01T00:00:00Z' } },
    // In all versions, for docker-compose 1.
    ContainerConfig: { Cmd: null, ...empty, ...older },
  };
  expect(await inspected('1.51')).toEqual({ ...beside, Config: { ...config, ...empty } });
  expect(await inspected('1.50')).toEqual({ ...beside, Config: { ...config, ...empty } });
  expect(await inspected('1.49')).toEqual({ ...beside, Config: { ...config, ...empty, ...older } });
  expect(await inspected('1.44')).toMatchObject({ ContainerConfig: { Cmd: null, ...empty, ...older } });
  expect(await inspected('1.43')).toMatchObject({ VirtualSize: 5 });
});

test.each(['..%2f..%2ftw', '%2e%2e', 'a%00b', 'a%0d%0aX:1', '%zz', 'x'.repeat(9000)])(
  'the name %.20s does nothing but a 400 or 404',
  async (name) => {
    fake.on('remove', async () => {
      throw new EngineError('not-found', 'No such container');
    });
    fake.onImages('remove', async () => {
      throw new EngineError('not-found', 'No such image');
    });
    for (const kind of ['containers', 'volumes', 'networks', 'images', 'exec', 'plugins']) {
      const answer = await app.inject({ method: 'DELETE', url: `/v1.47/${kind}/${name}` });
      expect([400, 404]).toContain(answer.statusCode);
      expect(answer.headers['content-type']).toBe('application/json');
    }
  },
);

test('a name is refused when it is empty or holds control characters', async () => {
  expect((await get('/containers//json')).statusCode).toBe(400);
  expect((await get('/containers/a%00b/json')).json().message).toMatch(/control character/);
  expect(fake.calls).toEqual([]);
});

test('start has no body to speak of', async () => {
  fake.on('start', async () => undefined);
  expect((await post('/containers/a/start', '{}')).statusCode).toBe(204);
  expect((await post('/containers/a/start', { Binds: ['x'] })).statusCode).toBe(400);
  expect(
    (await post('/containers/a/start', undefined, { 'content-type': 'text/plain', 'content-length': '0' })).statusCode,
  ).toBe(204);
});

test('stop passes time and signal on only when they are given', async () => {
  fake.on('stop', async () => undefined);
  await post('/containers/a/stop?t=-1&signal=INT');
  await post('/containers/a/stop?t=&signal=');
  expect(fake.calls.map((call) => call.args[1])).toEqual([{ timeoutSeconds: -1, signal: 'INT' }, {}]);
  expect((await post('/containers/a/stop?t=x')).statusCode).toBe(400);
});

test.each(['h=x&w=1', 'h=1', 'h=-1&w=1', 'h=1&w=70000'])('resize refuses %s', async (query) => {
  expect((await post(`/containers/a/resize?${query}`)).statusCode).toBe(400);
});

test('exec needs a command, and its id is hex', async () => {
  expect((await post('/containers/a/exec', { Cmd: [] })).json()).toEqual({ message: 'No exec command specified' });
  expect((await get('/exec/..%2f..%2fx/json')).statusCode).toBe(404);
  fake.on('createExec', async () => ({ Id: 'e' }));
  expect((await post('/containers/a/exec', { Cmd: ['x'] })).statusCode).toBe(201);
});

test('commit needs no body, pauses unless told not to, and splits its changes', async () => {
  fake.on('commit', async () => ({ Id: 'sha256:x' }));
  expect((await post('/commit?container=a&repo=r&tag=t&changes=CMD+a%0AENV+b%3Dc')).statusCode).toBe(201);
  expect(fake.calls[0]?.args).toEqual([
    'a',
    { repo: 'r', tag: 't', comment: '', author: '', pause: true, changes: ['CMD a', 'ENV b=c'], config: null },
  ]);
  await post('/commit?container=a&pause=0', { Cmd: ['x'] });
  expect(fake.calls[1]?.args[1]).toMatchObject({ pause: false, config: { Cmd: ['x'] } });
  expect((await post('/commit')).statusCode).toBe(400);
});

test('logs need a stream', async () => {
  expect((await get('/containers/a/logs')).json()).toEqual({
    message: 'Bad parameters: you must choose at least one stream',
  });
});

test('stats refuses a stream of one', async () => {
  expect((await get('/containers/a/stats?one-shot=1')).statusCode).toBe(400);
});

test('what this engine does not have is said', async () => {
  for (const [method, url, status] of [
    ['GET', '/swarm', 503],
    ['GET', '/v1.43/services?filters={}', 503],
    ['POST', '/secrets/create', 503],
    ['GET', '/plugins/x/json', 404],
    ['POST', '/grpc', 501],
    ['PUT', '/volumes/x', 503],
  ] as const) {
    const answer = await app.inject({ method, url });
    expect([url, answer.statusCode, typeof answer.json().message]).toEqual([url, status, 'string']);
  }
  expect((await get('/plugins')).json()).toEqual([]);
});

test('the description names every route with its parameters', async () => {
  const document = (await get('/openapi.json')).json();
  expect(document.openapi).toBe('3.1.0');
  const create = document.paths['/containers/create'].post;
  expect(create.parameters.map((one: { name: string }) => one.name)).toEqual(['name', 'platform']);
  expect(create.requestBody.content['application/json'].schema.properties.HostConfig).toBeDefined();
  expect(document.paths['/containers/{id}/json'].get.parameters[0]).toMatchObject({ name: 'id', in: 'path' });
});
