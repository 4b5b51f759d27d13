// What the image routes answer to clients of different ages, for platforms, and of images that say what cannot be.
import { beforeAll, describe, expect, test } from 'vitest';
import { cli } from '../harness/clis.ts';
import { create, run } from '../harness/containers.ts';
import { busyboxEntries, dockerArchive, rawImage, rawLayer } from '../harness/raw-image.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();

/** Loads an image with this config over the usual one. */
async function load(name: string, config: Record<string, unknown>): Promise<void> {
  const image = rawImage({ layers: [await rawLayer(busyboxEntries())], config });
  const answer = await fixture.daemon.api.send('POST', '/images/load?quiet=1', {
    raw: dockerArchive(image, name),
    headers: { 'Content-Type': 'application/x-tar' },
  });
  expect(answer.text).toContain(`Loaded image: ${name}`);
}

const messageOf = ({ json }: { json: unknown }) => (json as { message: string }).message;
const mine = process.arch === 'arm64' ? 'arm64' : 'amd64';
const other = mine === 'amd64' ? 'arm64' : 'amd64';
const platform = (value: unknown) => encodeURIComponent(JSON.stringify(value));

describe('platforms', () => {
  const calls: [string, string, string, number][] = [
    ['GET', '/images/busybox/json?platform=', '1.49', 200],
    ['GET', '/images/busybox/history?platform=', '1.48', 200],
    ['DELETE', '/images/named:1?platforms=', '1.50', 200],
  ];
  beforeAll(() => fixture.daemon.api.post('/images/busybox/tag?repo=named&tag=1'));
  test.each(calls)('%s %s', async (method, path, since, ok) => {
    const { api } = fixture.daemon;
    const ask = (value: string, version = '1.50') => api.send(method, `/v${version}${path}${value}`);
    const missed = await ask(platform({ os: 'linux', architecture: other }));
    const ref = /images\/([^/?]+)/.exec(path)?.[1];
    expect([missed.status, messageOf(missed)]).toEqual([
      404,
      `image with reference ${ref} was found but its platform (linux/${mine}) does not match the specified platform (linux/${other})`,
    ]);
    for (const half of [{ os: 'linux' }, {}, null, { architecture: mine }]) {
      const answer = await ask(platform(half));
      expect([answer.status, messageOf(answer)]).toEqual([400, 'both OS and Architecture must be provided']);
    }
    for (const bad of ['linux/amd64', '[]', '"x"', platform({ os: 1, architecture: mine })]) {
      const answer = await ask(bad);
      expect([answer.status, messageOf(answer)]).toEqual([400, expect.stringMatching(/^failed to parse platform/)]);
    }
    // Before it had a meaning it was passed over.
    const before = `1.${Number(since.slice(2)) - 1}`;
    if (method === 'GET') expect((await ask('nonsense', before)).status).toBe(200);
    expect((await ask(platform({ os: 'LINUX', architecture: mine === 'amd64' ? 'x86_64' : 'aarch64' }))).status).toBe(
      ok,
    );
  });

  test('two at once are too many', async () => {
    const one = platform({ os: 'linux', architecture: mine });
    const answer = await fixture.daemon.api.send('DELETE', `/v1.50/images/busybox?platforms=${one}&platforms=${one}`);
    expect([answer.status, messageOf(answer)]).toEqual([400, 'multiple platforms are not supported']);
  });

  test('create with what is no platform is 400, so that nobody pulls; with another one 404', async () => {
    const ask = (name: string, image = 'busybox') =>
      fixture.daemon.api.send('POST', `/containers/create?platform=${encodeURIComponent(name)}`, {
        body: { Image: image, Cmd: ['true'] },
      });
    for (const image of ['busybox', 'not-here']) {
      const foo = await ask('foo', image);
      expect([foo.status, messageOf(foo)]).toEqual([
        400,
        '"foo": unknown operating system or architecture: invalid argument',
      ]);
      const long = await ask('linux/amd64/v1/x', image);
      expect(messageOf(long)).toBe('"linux/amd64/v1/x": cannot parse platform specifier: invalid argument');
      expect([(await ask('li nux/amd64', image)).status, (await ask('linux/', image)).status]).toEqual([400, 400]);
    }
    expect((await ask(`linux/${other}`)).status).toBe(404);
    for (const same of ['linux', `linux/${mine}`, mine, `LINUX/${mine}/v9`]) expect((await ask(same)).status).toBe(201);
    const told = await cli(fixture.daemon, 'tsdocker', ['run', '--platform', 'foo', 'not-here', 'true']);
    expect([told.code, told.stderr]).toEqual([
      125,
      expect.stringContaining('unknown operating system or architecture'),
    ]);
    expect(told.stderr).not.toMatch(/Unable to find image/);
  });
});

describe('what an image is configured with', () => {
  const always = ['Cmd', 'Entrypoint', 'Env', 'Labels', 'OnBuild', 'User', 'Volumes', 'WorkingDir'];
  const ofContainers = [
    'AttachStderr',
    'AttachStdin',
    'AttachStdout',
    'Domainname',
    'Hostname',
    'Image',
    'OpenStdin',
    'StdinOnce',
    'Tty',
  ];
  beforeAll(() => load('bare:1', { config: { Hostname: 'builder', StopSignal: 'SIGINT' }, container: 'abc' }));

  test.each<[string, string[], string[]]>([
    ['1.24', ofContainers, ['Container', 'ContainerConfig', 'VirtualSize']],
    ['1.43', ofContainers, ['Container', 'ContainerConfig', 'VirtualSize']],
    ['1.44', ofContainers, ['Container', 'ContainerConfig']],
    ['1.45', ofContainers, ['ContainerConfig']],
    ['1.49', ofContainers, ['ContainerConfig']],
    ['1.50', [], ['ContainerConfig']],
  ])('in %s has every field that clients index, null or empty', async (version, more, beside) => {
    type Inspect = Record<string, unknown> & { Config: Record<string, unknown> };
    const found = await fixture.daemon.api.get<Inspect>(`/v${version}/images/bare:1/json`);
    expect(Object.keys(found.Config).sort()).toEqual([...always, ...more, 'StopSignal'].sort());
    expect(found.Config).toMatchObject({ Cmd: null, Entrypoint: null, Labels: null, User: '', WorkingDir: '' });
    if (more.length > 0) expect(found.Config).toMatchObject({ Hostname: 'builder', Tty: false });
    const old = Object.keys(found).filter((key) => ['Container', 'ContainerConfig', 'VirtualSize'].includes(key));
    expect(old.sort()).toEqual(beside);
  });
});

describe('an image that says what cannot be', () => {
  test.each<[string, Record<string, unknown>, RegExp]>([
    ['stopsignal', { StopSignal: 'SIGFOO' }, /StopSignal is ignored: .*SIGFOO/],
    [
      'ports',
      { ExposedPorts: { foo: {}, '80/tcp': {}, '70-60/tcp': {}, '99999/udp': {} } },
      /ExposedPorts is ignored: .*"foo"/,
    ],
    ['check', { Healthcheck: { Test: ['true'] } }, /health check is never run/],
    ['interval', { Healthcheck: { Test: ['CMD', 'true'], Interval: 5 } }, /Healthcheck is ignored: .*1ms/],
    ['env', { Env: ['PATH=/bin', '=x', ''] }, /Env is ignored/],
  ])('%s: runs, and a warning says so', async (name, config, warning) => {
    const { daemon } = fixture;
    await load(`odd:${name}`, { config: { Env: ['PATH=/bin'], ...config } });
    const body = { Image: `odd:${name}`, Cmd: ['/bin/busybox', 'echo', 'runs'] };
    const made = await daemon.api.post<{ Warnings: string[] }>('/containers/create', body);
    expect(made.Warnings.join('\n')).toMatch(warning);
    expect((await run(daemon, body.Cmd, { Image: body.Image })).stdout).toBe('runs\n');
    if (name !== 'ports') return;
    const id = await create(daemon, body.Cmd, { Image: body.Image });
    const { Config } = await daemon.api.get<{ Config: { ExposedPorts: object } }>(`/containers/${id}/json`);
    expect(Object.keys(Config.ExposedPorts)).toEqual(['80/tcp']);
  });

  test('in a request the same is an error', async () => {
    for (const body of [{ StopSignal: 'SIGFOO' }, { ExposedPorts: { foo: {} } }, { Healthcheck: { Interval: 5 } }]) {
      const answer = await fixture.daemon.api.send('POST', '/containers/create', {
        body: { Image: 'busybox', ...body },
      });
      expect(answer.status).toBe(400);
    }
  });
});
