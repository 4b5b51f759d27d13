// Who waits for an end, or follows what happens, is told of it: also when the container is started again at once.
import { beforeAll, expect, test } from 'vitest';
import { create, runDetached, start, wait } from '../harness/containers.ts';
import { hijack } from '../harness/raw-stream.ts';
import { useDaemon } from '../harness/use-daemon.ts';

interface Event {
  Type: string;
  Action: string;
  Actor: { ID: string; Attributes: Record<string, string> };
}

const fixture = useDaemon();
let api = null as unknown as typeof fixture.daemon.api;
beforeAll(() => {
  ({ api } = fixture.daemon);
});
const always = { HostConfig: { RestartPolicy: { Name: 'always' } } };
const query = (filters: object) => `filters=${encodeURIComponent(JSON.stringify(filters))}`;

async function events(parameters: string): Promise<Event[]> {
  const { text } = await api.send('GET', `/events?${parameters}`);
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

async function names(parameters: string): Promise<string[]> {
  const found = await api.get<{ Names: string[] }[]>(`/containers/json?${parameters}`);
  return found.map(({ Names }) => Names[0]?.slice(1) ?? '').sort();
}

test.each(['not-running', 'next-exit'])('wait for %s tells of an end that a restart follows', async (condition) => {
  const id = await create(fixture.daemon, 'sleep 0.3; exit 3', always);
  const waiting = condition === 'next-exit' ? wait(fixture.daemon, id, condition) : undefined;
  await start(fixture.daemon, id);
  expect(await (waiting ?? wait(fixture.daemon, id, condition))).toBe(3);
  // Between its runs it counts as running: the next end is told.
  expect(await wait(fixture.daemon, id)).toBe(3);
});

test('an attached client gets the end of the run, and the restart is not its own', async () => {
  const id = await create(fixture.daemon, 'echo out; sleep 0.3; exit 3', always);
  const { stream } = await hijack(fixture.daemon.socketPath, `/containers/${id}/attach?stream=1&stdout=1`);
  await start(fixture.daemon, id);
  await stream.ended();
  expect(stream.of(1)).toBe('out\n');
});

test('events: since 0 and until alone are all that is kept', async () => {
  const id = await runDetached(fixture.daemon, 'true', { Labels: { mine: 'x' } });
  await wait(fixture.daemon, id);
  const mine = query({ container: [id] });
  const all = ['create', 'start', 'die'];
  const past = `${Date.now() / 1000 + 0.05}`;
  expect((await events(`since=0&until=${past}&${mine}`)).map(({ Action }) => Action)).toEqual(all);
  expect((await events(`until=${past}&${mine}`)).map(({ Action }) => Action)).toEqual(all);
  expect((await events(`until=0&${mine}`)).map(({ Action }) => Action)).toEqual(all);
  const refused = await api.send('GET', '/events?since=1700000001&until=1700000000');
  expect([refused.status, refused.json]).toEqual([
    400,
    { message: '`since` time (1700000001) cannot be after `until` time (1700000000)' },
  ]);
});

test("events of an image have the image's labels", async () => {
  const id = await create(fixture.daemon, 'true');
  const { Id } = await api.post<{ Id: string }>(`/commit?container=${id}&repo=labelled&changes=LABEL+tier%3Dfront`);
  await api.post('/images/labelled/tag?repo=labelled&tag=2');
  await api.delete('/images/labelled:2');
  const found = await events(`until=0&${query({ type: ['image'], label: ['tier=front'] })}`);
  expect(found.map(({ Action, Actor }) => [Action, Actor.ID])).toEqual([
    ['create', Id],
    ['tag', Id],
    ['tag', Id],
    ['untag', Id],
  ]);
  await api.delete('/images/labelled');
});

test('filters of a list: ports, and who is shown without all', async () => {
  const { daemon } = fixture;
  const HostConfig = {
    PortBindings: { '80/tcp': [{ HostPort: '18801' }], '91/udp': [{ HostPort: '18805' }] },
  };
  await runDetached(daemon, 'sleep 1000', { HostConfig, ExposedPorts: { '4000/tcp': {} } }, 'first');
  await wait(daemon, await runDetached(daemon, 'exit 1', {}, 'ended'));
  await runDetached(daemon, 'sleep 1000', {}, 'last');
  const listed = (filters: object, more = '') => names(`${query(filters)}${more}`);
  for (const port of ['18801', '80', '80/tcp', '18000-19000', '18805/udp', '18804-18806/udp', '91/udp']) {
    expect([port, await listed({ publish: [port] })]).toEqual([port, ['first']]);
  }
  for (const port of ['18805', '80/udp', '4000', '18802-18900']) {
    expect([port, await listed({ publish: [port] })]).toEqual([port, []]);
  }
  expect(await listed({ expose: ['4000'] })).toEqual(['first']);
  for (const port of ['x', '90-80', '99999']) {
    expect((await api.send('GET', `/containers/json?${query({ publish: [port] })}`)).status).toBe(400);
  }
  expect(await listed({ since: ['first'] })).toEqual(['last']);
  expect(await listed({ before: ['last'] })).toEqual(['first']);
  expect(await listed({ since: ['first'] }, '&all=1')).toEqual(['ended', 'last']);
  expect(await listed({ exited: ['1'] })).toEqual([]);
  expect(await listed({ exited: ['1'] }, '&all=1')).toEqual(['ended']);
  expect(await listed({ status: ['exited'] })).toEqual(['ended']);
});

test('names and ids of networks are patterns', async () => {
  const listed = async (filters: object) =>
    (await api.get<{ Name: string }[]>(`/networks?${query(filters)}`)).map(({ Name }) => Name).sort();
  expect(await listed({ name: ['^bridge$'] })).toEqual(['bridge']);
  expect(await listed({ name: ['rid'] })).toEqual(['bridge']);
  expect(await listed({ name: ['^rid'] })).toEqual([]);
  expect(await listed({ name: ['^(host|none)$'] })).toEqual(['host', 'none']);
  expect(await listed({ id: ['^[0-9a-f]+$'] })).toEqual(['bridge', 'host', 'none']);
  expect(await listed({ id: ['^g'] })).toEqual([]);
});

test.each(['/containers/json', '/networks', '/volumes', '/images/json', '/events'])(
  'a filter whose list is null is none, on %s',
  async (path) => {
    const key = path === '/images/json' ? 'reference' : path === '/events' ? 'container' : 'name';
    const answer = await api.send('GET', `${path}?${query({ [key]: null })}&until=0`);
    expect(answer.status).toBe(200);
    if (path !== '/containers/json' && path !== '/volumes') expect(answer.text.length).toBeGreaterThan(10);
  },
);

test('patterns that are large together are refused, and nobody waits for them', async () => {
  const value = Array.from({ length: 100 }, () => '(x{1000})');
  for (const path of ['/containers/json', '/networks', '/volumes']) {
    expect((await api.send('GET', `${path}?${query({ name: value })}`)).status).toBe(400);
  }
  const from = performance.now();
  await api.send('GET', `/images/json?${query({ reference: ['*a*a*a*a*ab', `${'*a'.repeat(200)}b`] })}`);
  expect(performance.now() - from).toBeLessThan(1000);
});
