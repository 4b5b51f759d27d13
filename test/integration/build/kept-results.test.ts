// What is kept between builds: over restarts and crashes, shown by `system df`, and taken away by `builder prune`.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { eventually } from '../../harness/eventually.ts';
import { tarOf } from '../../harness/tars.ts';
import { useDaemon } from '../../harness/use-daemon.ts';

const fixture = useDaemon();

async function build(dockerfile: string, query = ''): Promise<{ id: string; text: string }> {
  const raw = tarOf([{ name: 'Dockerfile', data: dockerfile }]);
  const headers = { 'Content-Type': 'application/x-tar' };
  const answer = await fixture.daemon.api.send('POST', `/build?${query}`, { raw, headers, timeoutMs: 60_000 });
  const id = /"aux":\{"ID":"(sha256:[0-9a-f]{64})"\}/.exec(answer.text)?.[1];
  if (id === undefined) throw new Error(answer.text);
  return { id, text: answer.text };
}

const cachedSteps = (text: string): number => text.match(/Using cache/g)?.length ?? 0;
const layers = (): string[] => readdirSync(join(fixture.daemon.dataRoot, 'layers'));

interface Entry {
  ID: string;
  Parents?: string[];
  Type: string;
  Description: string;
  Shared: boolean;
  InUse: boolean;
  Size: number;
  UsageCount: number;
}

async function entries(): Promise<Entry[]> {
  const { BuildCache } = await fixture.daemon.api.get<{ BuildCache: Entry[] }>('/system/df?type=build-cache');
  return BuildCache;
}

const dockerfile = `FROM busybox
RUN dd if=/dev/zero of=/one bs=1k count=100
RUN dd if=/dev/zero of=/two bs=1k count=50
CMD ["true"]
`;

test('is there after a restart', async () => {
  const first = await build(dockerfile, 't=kept:1');
  await fixture.daemon.restart();
  const second = await build(dockerfile);
  expect(cachedSteps(second.text)).toBe(2);
  expect(second.id).toBe(first.id);
});

test('does no harm when the daemon is killed: a build is whole or is done again', async () => {
  const lines = dockerfile.replace('FROM busybox', 'FROM busybox\nRUN echo other > /zero');
  const first = await build(lines);
  await fixture.daemon.crash();
  await fixture.daemon.start();
  const second = await build(lines, 't=again:1');
  // The image was made before the daemon was killed: its layers are there, whoever remembers them.
  expect([0, 3]).toContain(cachedSteps(second.text));
  expect((await fixture.daemon.api.send('GET', `/images/${first.id}/json`)).status).toBe(200);
});

test('is shown with sizes and parents, and goes with prune, with its layers', async () => {
  await fixture.daemon.api.send('DELETE', '/images/kept:1?force=1');
  await fixture.daemon.api.send('DELETE', '/images/again:1?force=1');
  await fixture.daemon.api.post('/images/prune');
  const alone = `FROM busybox
RUN dd if=/dev/zero of=/three bs=1k count=70
RUN dd if=/dev/zero of=/four bs=1k count=30 && true
`;
  const { id } = await build(alone);
  const shown = await entries();
  const [three, four] = ['three', 'four'].map((name) => shown.find((entry) => entry.Description.includes(`/${name}`)));
  expect(three).toMatchObject({ Type: 'regular', Shared: true, InUse: false, Size: 70 * 1024 });
  expect(four).toMatchObject({ Size: 30 * 1024, Parents: [three?.ID] });
  const kept = await fixture.daemon.api.post<{ CachesDeleted: string[] | null }>('/build/prune');
  expect(kept.CachesDeleted ?? []).not.toContain(four?.ID);
  await fixture.daemon.api.send('DELETE', `/images/${id}?force=1`);
  const before = layers().length;
  const pruned = await fixture.daemon.api.post<{ CachesDeleted: string[]; SpaceReclaimed: number }>('/build/prune');
  expect(pruned.CachesDeleted.indexOf(four?.ID ?? '')).toBeLessThan(pruned.CachesDeleted.indexOf(three?.ID ?? ''));
  expect(pruned.SpaceReclaimed).toBeGreaterThanOrEqual(100 * 1024);
  expect(await entries()).toEqual([]);
  await eventually('the layers are gone', () => layers().length < before);
  expect(cachedSteps((await build(alone)).text)).toBe(0);
});

test('goes down to what may be kept, what was used longest ago first', async () => {
  await fixture.daemon.api.post('/build/prune?all=1');
  await fixture.daemon.api.post('/images/prune');
  await build('FROM busybox\nRUN dd if=/dev/zero of=/old bs=1k count=60', 'outputs=[{"Type":"tar"}]&events=1').catch(
    () => undefined,
  );
  await build('FROM busybox\nRUN dd if=/dev/zero of=/new bs=1k count=60', 'outputs=[{"Type":"tar"}]&events=1').catch(
    () => undefined,
  );
  expect((await entries()).length).toBe(2);
  const filters = encodeURIComponent('{"description":["no such"]}');
  expect(await fixture.daemon.api.post(`/build/prune?filters=${filters}`)).toMatchObject({ CachesDeleted: null });
  await fixture.daemon.api.post(`/build/prune?all=1&keep-storage=${100 * 1024}`);
  expect((await entries()).map(({ Description }) => Description)).toEqual([expect.stringContaining('/new')]);
});
