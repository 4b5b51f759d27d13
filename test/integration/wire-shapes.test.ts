// The shape of what goes over the wire, where clients depend on it: null, absent and empty are three things.
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ApiClient } from '../harness/api-client.ts';
import { collectShapes, differences, type Shape } from '../harness/body-shapes.ts';
import { create, inspect, runDetached } from '../harness/containers.ts';
import { projectRoot } from '../harness/paths.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();
const api = () => fixture.daemon.api;

describe('HostConfig of inspect', () => {
  const lists = [
    ...[
      'Binds',
      'CapAdd',
      'CapDrop',
      'Devices',
      'DeviceCgroupRules',
      'DeviceRequests',
      'Dns',
      'DnsOptions',
      'DnsSearch',
    ],
    ...['ExtraHosts', 'GroupAdd', 'Links', 'SecurityOpt', 'Ulimits', 'VolumesFrom', 'BlkioWeightDevice'],
    ...['BlkioDeviceReadBps', 'BlkioDeviceReadIOps', 'BlkioDeviceWriteBps', 'BlkioDeviceWriteIOps'],
  ];

  test('a list that was not given is null', async () => {
    const { HostConfig } = await inspect(fixture.daemon, await create(fixture.daemon, 'true'));
    const found = Object.fromEntries(lists.map((key) => [key, HostConfig[key]]));
    expect(found).toEqual(Object.fromEntries(lists.map((key) => [key, null])));
    expect(HostConfig.PortBindings).toBeNull();
  });

  test('an empty one that was given is empty', async () => {
    const given = Object.fromEntries(lists.filter((key) => key !== 'Links').map((key) => [key, []]));
    const id = await create(fixture.daemon, 'true', { HostConfig: { ...given, PortBindings: {} } });
    expect((await inspect(fixture.daemon, id)).HostConfig).toMatchObject({ ...given, PortBindings: {} });
  });

  test('a binding of a port has both of its keys, whatever was given', async () => {
    const PortBindings = { '80/tcp': [{ HostPort: '9911' }, {}], '81/udp': [{ HostIp: '127.0.0.1' }], '82/tcp': null };
    const id = await create(fixture.daemon, 'true', { HostConfig: { PortBindings } });
    expect((await inspect(fixture.daemon, id)).HostConfig.PortBindings).toEqual({
      '80/tcp': [
        { HostIp: '', HostPort: '9911' },
        { HostIp: '', HostPort: '' },
      ],
      '81/udp': [{ HostIp: '127.0.0.1', HostPort: '' }],
      '82/tcp': null,
    });
  });
});

describe('requests', () => {
  test.each([
    ['without a body', {}],
    ['with null', { body: null }],
    ['with an empty body that is JSON', { headers: { 'Content-Type': 'application/json' } }],
  ])('a volume is made %s', async (_, options) => {
    const answer = await api().send('POST', '/volumes/create', options);
    expect(answer.status, answer.text).toBe(201);
    expect((answer.json as { Name: string }).Name).toMatch(/^[0-9a-f]{64}$/);
  });

  test('null in filters is no value, and in a list an empty one', async () => {
    for (const [path, key] of [
      ['volumes', 'name'],
      ['containers/json', 'name'],
      ['networks', 'name'],
      ['images/json', 'reference'],
    ] as const) {
      const list = async (filters: string) => {
        const answer = await api().send('GET', `/${path}?filters=${encodeURIComponent(filters)}`);
        expect(answer.status, `${path} ${filters} ${answer.text}`).toBe(200);
        return answer.json;
      };
      expect(await list(`{"${key}":null}`), path).toEqual((await api().send('GET', `/${path}`)).json);
      await list('{"label":[null]}');
      const wrong = await api().send('GET', `/${path}?filters=${encodeURIComponent('{"label":"x"}')}`);
      expect(wrong.status).toBe(400);
    }
  });
});

test('a commit tells of the pause, the image, its name, itself and the end of the pause', async () => {
  interface Event {
    Type: string;
    Action: string;
    Actor: { ID: string; Attributes: Record<string, string> };
  }
  const id = await runDetached(fixture.daemon, ['sleep', '1000'], {}, 'committed');
  const commit = (query: string) => api().post<{ Id: string }>(`/commit?container=${id}&${query}`);
  const told = async (query: string) => {
    const begin = (Date.now() / 1000).toFixed(3);
    const { Id } = await commit(query);
    const answer = await api().send('GET', `/events?since=${begin}&until=${(Date.now() / 1000 + 0.01).toFixed(3)}`);
    const events = answer.text.split('\n').filter((line) => line !== '');
    return { Id, events: events.map((line) => JSON.parse(line) as Event) };
  };
  const named = await told('repo=told');
  expect(named.events.map(({ Type, Action }) => `${Type} ${Action}`)).toEqual([
    'container pause',
    'image create',
    'image tag',
    'container commit',
    'container unpause',
  ]);
  expect(named.events[1]?.Actor).toMatchObject({ ID: named.Id, Attributes: { name: named.Id } });
  const plain = await told('pause=0');
  expect(plain.events.map(({ Type, Action }) => `${Type} ${Action}`)).toEqual(['image create', 'container commit']);
  await api().delete('/images/told');
});

/** Where bodies differ in shape from docker's, and why it does no harm. */
const known: readonly (readonly [path: RegExp, why: string])[] = [
  [/\.Bridge: docker "text"/, 'the recorded docker has a bridge with a name of its own (--bridge)'],
  [/list, .*\/anon\.Source: docker/, 'a list tells where an anonymous volume is, as inspect does'],
  [/^fails: inspect.*Path: docker "text"/, 'nothing was started'],
  [/^disabled: inspect.*(?:Path|Sandbox\w+): docker /, 'it has its files: localhost has a name'],
];

test('bodies have the keys and kinds of values that docker’s have', async () => {
  const file = `${projectRoot}test/fixtures/golden/docker-shapes.json`;
  const reference = process.env.TSD_REFERENCE;
  if (reference !== undefined) {
    const shapes = await collectShapes(new ApiClient(reference));
    const lines = Object.entries(shapes).map(([what, shape]) => `${JSON.stringify(what)}:${JSON.stringify(shape)}`);
    writeFileSync(file, `{\n${lines.join(',\n')}\n}\n`);
  }
  const theirs = JSON.parse(readFileSync(file, 'utf8')) as Record<string, Shape>;
  const ours = await collectShapes(api());
  const found = Object.keys(theirs).flatMap((what) => differences(theirs[what], ours[what], `${what}: `));
  expect(found.filter((line) => !known.some(([path]) => path.test(line)))).toEqual([]);
});
