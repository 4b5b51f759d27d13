// What grows with the number of things: how much of it, and how others fare. Ratios within one daemon, for machines differ.
import { expect, test } from 'vitest';
import { create, inspect, runDetached, start } from '../harness/containers.ts';
import { timeFactor } from '../harness/eventually.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon({ args: ['--default-address-pool', 'base=10.0.0.0/8,size=24'] });
const allPorts = Object.fromEntries(Array.from({ length: 65_535 }, (_, n) => [`${n + 1}/tcp`, {}]));

interface Listed {
  Id: string;
  Ports: { PrivatePort: number; PublicPort?: number }[];
  SizeRw?: number;
}

async function leastMs(work: () => Promise<unknown>, rounds = 5): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const begun = performance.now();
    await work();
    least = Math.min(least, performance.now() - begun);
  }
  return least;
}

test(
  'ten times as many containers take at most about ten times as long to list, with their sizes',
  async () => {
    const { daemon } = fixture;
    const make = async (count: number, size: string): Promise<void> => {
      for (let made = 0; made < count; made += 10) {
        await Promise.all(Array.from({ length: 10 }, () => create(daemon, ['true'], { Labels: { size } })));
      }
    };
    await make(30, 'few');
    await make(270, 'more');
    const list = (query: string) => daemon.api.get<Listed[]>(`/containers/json?all=1${query}`);
    const few = `&filters=${encodeURIComponent('{"label":["size=few"]}')}`;
    expect(await list('')).toHaveLength(300);
    expect(await list(few)).toHaveLength(30);
    const ofFew = await leastMs(() => list(`${few}&size=1`));
    const ofAll = await leastMs(() => list('&size=1'));
    expect(ofAll / ofFew).toBeLessThan(15);
    const usage = await daemon.api.get<{ Containers: Listed[] }>('/system/df?type=container');
    expect(usage.Containers.filter(({ SizeRw = 0 }) => SizeRw > 0)).toHaveLength(300);
  },
  90_000 * timeFactor,
);

test('a container that exposes every port is shown whole, running and not', async () => {
  const { daemon } = fixture;
  const HostConfig = { PortBindings: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }] } };
  const id = await create(daemon, ['sleep', '1000'], { ExposedPorts: allPorts, HostConfig });
  expect(Object.keys((await inspect(daemon, id)).Config.ExposedPorts ?? {})).toHaveLength(65_535);
  await start(daemon, id);
  const { text } = await daemon.api.send('GET', `/containers/${id}/json`);
  const shown = JSON.parse(text) as { NetworkSettings: { Ports: Record<string, unknown> } };
  expect(text === `${JSON.stringify(shown)}\n`).toBe(true);
  const { '80/tcp': bound, ...unbound } = shown.NetworkSettings.Ports;
  expect(bound).toEqual([{ HostIp: '127.0.0.1', HostPort: expect.stringMatching(/^\d+$/) }]);
  expect(Object.values(unbound).filter((value) => value === null)).toHaveLength(65_534);
  const [listed] = await daemon.api.get<Listed[]>('/containers/json');
  expect(listed?.Ports.filter(({ PublicPort }) => PublicPort !== undefined).map((port) => port.PrivatePort)).toEqual([
    80,
  ]);
  expect(new Set(listed?.Ports.map(({ PrivatePort }) => PrivatePort)).size).toBe(65_535);
});

test(
  'a container on forty networks makes the starts of others no slower',
  async () => {
    const { daemon } = fixture;
    const names = Array.from({ length: 40 }, (_, n) => `growth-${n}`);
    const startMs = async (): Promise<number> => {
      const ids = await Promise.all(Array.from({ length: 8 }, () => create(daemon, ['sleep', '1000'])));
      return leastMs(() => start(daemon, ids.pop() ?? ''), 8);
    };
    await startMs();
    await daemon.removeAllContainers();
    const alone = await startMs();
    await daemon.removeAllContainers();
    const many = await runDetached(daemon, ['sleep', '1000']);
    for (const Name of names) {
      await daemon.api.post('/networks/create', { Name });
      await daemon.api.post(`/networks/${Name}/connect`, { Container: many });
    }
    const { NetworkSettings } = await inspect(daemon, many);
    expect(Object.keys(NetworkSettings.Networks as object)).toHaveLength(41);
    const beside = await startMs();
    expect(beside / alone).toBeLessThan(2.5);
    await daemon.removeAllContainers();
    await daemon.api.post('/networks/prune');
  },
  60_000 * timeFactor,
);
