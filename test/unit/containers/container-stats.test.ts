// When a container's use is read, and what each sample is compared with.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { CgroupStats } from '../../../daemon/cgroups/stats.ts';
import { containerStats } from '../../../daemon/containers/seen/container-stats.ts';
import { containerOf } from './container-of.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

function running(status: 'running' | 'exited' = 'running') {
  const container = containerOf({}, { status, startedNs: '1', cgroupPath: '/c' });
  let read = 0;
  const stats = vi.fn((): CgroupStats | undefined => ({ pids_stats: { current: ++read } }) as CgroupStats);
  const services = {
    store: { get: () => container, find: () => undefined },
    cgroups: { stats, groupOf: () => '/c' },
    cgroupParent: '',
  };
  return { container, services, stats };
}

type Options = Parameters<typeof containerStats>[2];

/** The counters of each sample and of the one before it. */
async function take({ services, container }: ReturnType<typeof running>, options: Options, most = 3) {
  const found: (number | undefined)[][] = [];
  const samples = containerStats(services, 'c', options)[Symbol.asyncIterator]();
  for (;;) {
    const next = samples.next();
    await vi.advanceTimersByTimeAsync(1000);
    const { done, value } = await next;
    if (done) return found;
    found.push([value.reading, value.previous].map((reading) => reading?.cgroup.pids_stats.current));
    if (found.length === most) container.isRemoved = true;
  }
}

test('a stream has a sample at once and every second, until the container is removed', async () => {
  expect(await take(running(), { stream: true, oneShot: false })).toEqual([
    [1, undefined],
    [2, 1],
    [3, 2],
  ]);
});

test('a single answer compares two readings, unless the first one is enough', async () => {
  expect(await take(running(), { stream: false, oneShot: false })).toEqual([[2, 1]]);
  expect(await take(running(), { stream: false, oneShot: true })).toEqual([[1, undefined]]);
  expect(() => containerStats(running().services, 'c', { stream: true, oneShot: true })).toThrow('one-shot');
});

test('one that does not run is answered at once, and what was read before it ended is not compared with', async () => {
  expect(await take(running('exited'), { stream: false, oneShot: false })).toEqual([[undefined, undefined]]);
  const one = running();
  one.stats
    .mockImplementationOnce(() => ({ pids_stats: { current: 7 } }) as CgroupStats)
    .mockImplementationOnce(() => undefined);
  expect(await take(one, { stream: true, oneShot: false })).toEqual([
    [7, undefined],
    [undefined, 7],
    [1, undefined],
  ]);
});
