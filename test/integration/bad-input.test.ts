// What is wrong is refused with Docker's status and words that help; the daemon is unharmed and nothing is half made.
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { create, inspect, run } from '../harness/containers.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();
let pid = 0;
beforeAll(() => {
  pid = fixture.daemon.pid;
});
afterEach(() => expect(fixture.daemon.pid).toBe(pid));

const createWith = (body: unknown, query = '') =>
  fixture.daemon.api.send('POST', `/containers/create${query}`, { body });

describe('names', () => {
  test.each(['', '-a', '_x', 'a/b', 'a b', 'ä', 'a\n', 'x'.repeat(3000), '..', '.', 'a\0b', '%2e%2e'])(
    '%j is no name',
    async (name) => {
      const answer = await createWith({ Image: 'busybox', Cmd: ['true'] }, `?name=${encodeURIComponent(name)}`);
      if (name === '') {
        expect(answer.status).toBe(201);
        return;
      }
      if (name.length > 1000) expect([400, 414, 431]).toContain(answer.status);
      else expect(answer.status).toBe(400);
      expect(answer.text).toMatch(/[Ii]nvalid container name|only \[a-zA-Z0-9\]|too long|null/);
      expect(await fixture.daemon.api.get<unknown[]>('/containers/json?all=1')).toEqual([]);
    },
  );

  test.each(['constructor', 'a__proto__', 'x', 'toString', 'hasOwnProperty', 'prototype'])(
    '%s is only a name',
    async (name) => {
      const { daemon } = fixture;
      const id = await create(daemon, 'true', { Labels: { [name]: 'x' }, Env: [`${name}=1`] }, name);
      expect((await inspect(daemon, name)).Id).toBe(id);
      expect((await inspect(daemon, name)).Config.Labels).toEqual({ [name]: 'x' });
      const filters = encodeURIComponent(JSON.stringify({ name: [`^/${name}$`], label: [name] }));
      expect(await daemon.api.get<unknown[]>(`/containers/json?all=1&filters=${filters}`)).toHaveLength(1);
      expect([400, 404]).toContain((await createWith({ Image: name })).status);
      await daemon.api.delete(`/containers/${name}`);
    },
  );

  test.each([
    '__proto__',
    'constructor',
    'toString',
    '../../tw',
    '..%2f..%2f',
    '%2e%2e',
    'a%00b',
    'a%0d%0aX:1',
    '%',
    '%zz',
    'x'.repeat(4096),
  ])('the reference %j finds nothing, on any route', async (ref) => {
    const { api } = fixture.daemon;
    for (const [method, path] of [
      ['GET', `/containers/${ref}/json`],
      ['DELETE', `/containers/${ref}`],
      ['POST', `/containers/${ref}/start`],
      ['GET', `/images/${ref}/json`],
      ['DELETE', `/images/${ref}`],
      ['GET', `/exec/${ref}/json`],
      ['GET', `/networks/${ref}`],
    ] as const) {
      const { status } = await api.send(method, path);
      expect([400, 404, 405, 414, 431], `${method} ${path}`).toContain(status);
    }
  });
});

describe('bodies', () => {
  const raw = (text: string, type = 'application/json', path = '/containers/create') =>
    fixture.daemon.api.send('POST', path, { raw: Buffer.from(text), headers: { 'Content-Type': type } });

  test.each([
    ['nothing', ''],
    ['no JSON', '{'],
    ['two documents', '{"Image":"busybox"}{}'],
    ['an array', '[]'],
    ['a number', '5'],
    ['null', 'null'],
    ['a number as an image', '{"Image":5}'],
    ['a string as a command list of numbers', '{"Image":"busybox","Cmd":[1,2]}'],
    ['a list as labels', '{"Image":"busybox","Labels":["a"]}'],
    ['text as a number', '{"Image":"busybox","HostConfig":{"Memory":"lots"}}'],
    ['a fraction of a byte', '{"Image":"busybox","HostConfig":{"Memory":1.5}}'],
    ['more than 64 bits', '{"Image":"busybox","HostConfig":{"Memory":99999999999999999999999}}'],
    ['NaN', '{"Image":"busybox","HostConfig":{"Memory":NaN}}'],
    ['a byte order mark and nothing', '\ufeff'],
    ['depth', `${'{"HostConfig":'.repeat(5000)}1${'}'.repeat(5000)}`],
    ['deep lists', `{"Image":"busybox","Cmd":${'['.repeat(100000)}${']'.repeat(100000)}}`],
    ['NUL in an environment', '{"Image":"busybox","Env":["A=\\u0000"]}'],
    ['no name in an environment', '{"Image":"busybox","Env":["=x"]}'],
    ['no command at all', '{"Image":"busybox","Entrypoint":[],"Cmd":[""]}'],
    ['NUL in a command', '{"Image":"busybox","Cmd":["a\\u0000b"]}'],
    ['a relative working directory', '{"Image":"busybox","WorkingDir":"relative"}'],
    ['an unknown network', '{"Image":"busybox","HostConfig":{"NetworkMode":"nosuch"}}'],
    ['an unknown restart policy', '{"Image":"busybox","HostConfig":{"RestartPolicy":{"Name":"sometimes"}}}'],
    ['restart and remove', '{"Image":"busybox","HostConfig":{"RestartPolicy":{"Name":"always"},"AutoRemove":true}}'],
    ['an unknown security option', '{"Image":"busybox","HostConfig":{"SecurityOpt":["nosuch=1"]}}'],
    ['a bad stop signal', '{"Image":"busybox","StopSignal":"SIGNOPE"}'],
    ['a bad ulimit', '{"Image":"busybox","HostConfig":{"Ulimits":[{"Name":"nosuch","Soft":1,"Hard":1}]}}'],
    [
      'a soft limit above the hard one',
      '{"Image":"busybox","HostConfig":{"Ulimits":[{"Name":"nofile","Soft":9,"Hard":1}]}}',
    ],
  ])('%s is refused', async (what, text) => {
    const answer = await raw(text);
    // Docker itself takes some of these at create and refuses them at start.
    if (answer.status === 201) {
      const started = await fixture.daemon.api.send('POST', `/containers/${(answer.json as { Id: string }).Id}/start`);
      expect(started.status, `${what}: ${answer.text}`).toBeGreaterThanOrEqual(400);
      expect(started.status).not.toBe(500);
    } else {
      expect([400, 404, 409, 413, 501], `${what}: ${answer.text}`).toContain(answer.status);
      expect((answer.json as { message: string }).message.length).toBeGreaterThan(5);
      expect(await fixture.daemon.api.get<unknown[]>('/containers/json?all=1')).toEqual([]);
    }
    expect(answer.headers['content-type']).toBe('application/json');
  });

  test('a form or text body is not JSON: a browser cannot make a container', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data']) {
      const { status } = await raw('{"Image":"busybox"}', type);
      expect([400, 415], type).toContain(status);
    }
  });

  test('a body that is too large is refused and not kept', async () => {
    const answer = await raw(JSON.stringify({ Image: 'busybox', Labels: { a: 'x'.repeat(20 << 20) } })).catch(
      (error: Error) => error,
    );
    if (!(answer instanceof Error)) expect(answer.status).toBe(413);
    expect((await fixture.daemon.api.send('GET', '/_ping')).status).toBe(200);
  });

  test('a body after start is refused', async () => {
    const { daemon } = fixture;
    const id = await create(daemon, 'true');
    expect(
      (await daemon.api.send('POST', `/containers/${id}/start`, { body: { HostConfig: { Privileged: true } } })).status,
    ).toBe(400);
  });

  test('prototypes cannot be reached: __proto__ in a body changes nothing', async () => {
    const { daemon } = fixture;
    const hostile =
      '{"Image":"busybox","Cmd":["true"],"Labels":{"__proto__":"x","constructor":"y"},"__proto__":{"HostConfig":{"Privileged":true}},"HostConfig":{"__proto__":{"Privileged":true,"PidMode":"host"}}}';
    const answer = await raw(hostile);
    if (answer.status === 201) {
      const { HostConfig } = await inspect(daemon, (answer.json as { Id: string }).Id);
      expect(HostConfig.Privileged).toBe(false);
      expect(HostConfig.PidMode).toBe('');
    } else {
      expect(answer.status).toBe(400);
    }
    const id = await create(daemon, 'true');
    expect((await inspect(daemon, id)).HostConfig.Privileged).toBe(false);
    const { stdout } = await run(daemon, 'grep CapEff /proc/self/status');
    expect(stdout).toContain('00000000a80425fb');
  });

  test('unknown fields are taken and ignored, as Docker does', async () => {
    expect((await createWith({ Image: 'busybox', Cmd: ['true'], NoSuchField: 1 })).status).toBe(201);
  });

  test('what is not there yet is 501 and says what is missing', async () => {
    for (const HostConfig of [
      { UsernsMode: 'remap' },
      { Links: ['a:b'] },
      { DeviceRequests: [{ Count: -1 }] },
      { Runtime: 'kata' },
      { StorageOpt: { size: '1G' } },
    ]) {
      const answer = await createWith({ Image: 'busybox', HostConfig });
      expect([400, 501], JSON.stringify(HostConfig)).toContain(answer.status);
      expect((answer.json as { message: string }).message.length).toBeGreaterThan(10);
    }
  });
});

test.each([
  [{ MacAddress: 'zz' }, 400, 'invalid MAC address zz'],
  [{ MacAddress: '01:00:5e:00:00:01' }, 400, 'invalid MAC address'],
  [{ MacAddress: '02:42:ac:11:00:99', HostConfig: { NetworkMode: 'host' } }, 400, 'mac-address and the network mode'],
  [
    { NetworkingConfig: { EndpointsConfig: { bridge: { IPAMConfig: { IPv4Address: '172.17.0.9' } } } } },
    400,
    String.raw`invalid config for network bridge: invalid endpoint settings:\nuser specified IP address is supported on user defined networks only`,
  ],
])('an address that nobody would get is refused: %j', async (body, status, words) => {
  const answer = await createWith({ Image: 'busybox', Cmd: ['true'], ...body });
  expect(answer.status, answer.text).toBe(status);
  expect(answer.text).toContain(words);
});

test('words that scripts match are docker’s', async () => {
  const { daemon } = fixture;
  const id = await create(daemon, ['sleep', '1000'], {}, 'one');
  await create(daemon, 'true', {}, 'two');
  await daemon.api.post('/containers/one/start');
  const query = (filters: object) => `filters=${encodeURIComponent(JSON.stringify(filters))}`;
  for (const [method, path, status, message] of [
    ['POST', '/containers/one/kill?signal=FOO', 400, 'cannot kill container: one: invalid signal: FOO'],
    ['POST', '/containers/two/kill', 409, /^cannot kill container: two: container [0-9a-f]{64} is not running$/],
    [
      'POST',
      '/containers/one/rename?name=two',
      409,
      /^Error when allocating new name: Conflict\. The container name "\/two" is already in use by container "[0-9a-f]{64}"\. You have to remove \(or rename\)/,
    ],
    [
      'DELETE',
      `/containers/${id.slice(0, 12)}`,
      409,
      `cannot remove container "${id.slice(0, 12)}": container is running: stop the container before removing or force remove`,
    ],
    [
      'GET',
      `/containers/json?${query({ status: ['bad'] })}`,
      400,
      "invalid filter 'status=bad': invalid value for state (bad): must be one of created, running, paused, restarting, removing, exited, dead",
    ],
    [
      'GET',
      `/containers/json?${query({ health: ['bad'] })}`,
      400,
      "invalid filter 'health=bad': invalid value for health (bad): must be one of none, starting, healthy, unhealthy",
    ],
    [
      'POST',
      '/images/busybox/tag?repo=UP&tag=b',
      400,
      'invalid reference format: repository name (library/UP) must be lowercase',
    ],
    ['GET', `/containers/json?${query({ 'is-task': ['x'] })}`, 400, "invalid filter 'is-task=[x]'"],
  ] as const) {
    const answer = await daemon.api.send(method, path);
    const said = (answer.json as { message: string }).message;
    expect([answer.status, said]).toEqual([
      status,
      typeof message === 'string' ? message : expect.stringMatching(message),
    ]);
  }
});
