import { afterEach, describe, expect, it, vi } from 'vitest';
import { EventLog, wallClockNs } from '../../../daemon/state/event-log.ts';

async function take(stream: AsyncIterable<string>, count: number): Promise<Record<string, unknown>[]> {
  const found: Record<string, unknown>[] = [];
  for await (const text of stream) {
    found.push(JSON.parse(text));
    if (found.length === count) break;
  }
  return found;
}

describe('event log', () => {
  it('delivers what is published after the subscription, in order', async () => {
    const log = new EventLog();
    const stream = log.subscribe({});
    log.publish('container', 'create', 'id1', { name: 'a', image: 'i' });
    log.publish('container', 'start', 'id1', { name: 'a', image: 'i' });
    const events = await take(stream, 2);
    expect(events.map(({ Action }) => Action)).toEqual(['create', 'start']);
    expect(events[0]).toMatchObject({ status: 'create', id: 'id1', from: 'i', scope: 'local', Type: 'container' });
    expect(log.listeners).toBe(0);
  });

  it('has labels among the attributes, in order, where the engine says nothing itself', async () => {
    const log = new EventLog();
    const labels = JSON.parse('{"z":"1","__proto__":"p","image":"label","a":"2"}') as Record<string, string>;
    log.publish('container', 'create', 'id1', { name: 'n', image: 'i' }, labels);
    let text = '';
    for await (const one of log.subscribe({ sinceNs: 1n, untilNs: wallClockNs() })) text += one;
    expect(text).toContain('"from":"i"');
    expect(text).toContain('"Attributes":{"__proto__":"p","a":"2","image":"i","name":"n","z":"1"}');
  });

  it('replays the last 256 for since, and ends at until', async () => {
    const log = new EventLog();
    for (let i = 0; i < 300; i++) log.publish('network', 'connect', `n${i}`, {});
    const replayed = await take(log.subscribe({ sinceNs: 1n, untilNs: wallClockNs() }), 1000);
    expect(replayed).toHaveLength(256);
    expect(replayed[0]).toMatchObject({ Actor: { ID: 'n44' } });
  });

  it.each([
    ['since 0', { sinceNs: 0n, untilNs: 1n << 62n }, 3],
    ['since before 1970', { sinceNs: -5n, untilNs: 1n << 62n }, 3],
    ['until alone', { untilNs: 1n << 62n }, 3],
    ['until 0 has no end in the past', { untilNs: 0n }, 3],
    ['until long ago', { untilNs: 1n }, 0],
    ['neither', {}, 0],
  ])('replays what is kept: %s', async (_, options, count) => {
    const log = new EventLog();
    for (const id of ['a', 'b', 'c']) log.publish('network', 'connect', id, {});
    const stream = log.subscribe(options);
    stream.close();
    expect(await take(stream, 100)).toHaveLength(count);
    expect(log.listeners).toBe(0);
  });

  it('refuses since after until, in seconds as they were written', () => {
    const log = new EventLog();
    const range = { sinceNs: 1_700_000_001_500_000_000n, untilNs: 1_700_000_000_000_000_000n };
    expect(() => log.subscribe(range)).toThrow('`since` time (1700000001.5) cannot be after `until` time (1700000000)');
    expect(log.listeners).toBe(0);
  });

  it.each([
    [{ type: ['network'] }, 0],
    [{ type: ['container'] }, 2],
    [{ event: ['die'] }, 0],
    [{ event: ['exec_create'] }, 1],
    [{ container: ['web'] }, 2],
    [{ container: ['id1'], event: ['start'] }, 1],
    [{ label: ['tier=front'] }, 2],
    [{ label: ['tier=back'] }, 0],
    [{ label: ['tier', '__proto__'] }, 0],
    [{ image: ['app'] }, 2],
  ])('filters by %j', async (filters, count) => {
    const log = new EventLog();
    const attributes = { name: 'web', image: 'app:1', tier: 'front' };
    log.publish('container', 'start', 'id1', attributes);
    log.publish('container', 'exec_create: sh -c x', 'id1', attributes);
    const options = { sinceNs: 1n, untilNs: wallClockNs(), filters: new Map(Object.entries(filters)) };
    expect(await take(log.subscribe(options), 100)).toHaveLength(count);
  });

  it('keeps nanoseconds that a number cannot hold', async () => {
    const log = new EventLog();
    log.publish('container', 'create', 'x', {});
    for await (const text of log.subscribe({ sinceNs: 1n, untilNs: wallClockNs() })) {
      expect(text).toMatch(/"timeNano":\d{16}000\}$/);
    }
  });
});

describe('events that carry much', () => {
  const much = { name: 'x', label: 'v'.repeat(1024 * 1024) };

  it('are kept up to a few megabytes', async () => {
    const log = new EventLog();
    for (let number = 0; number < 30; number++) log.publish('container', `${number}`, 'x', much);
    const seen = await take(log.subscribe({ sinceNs: 1n, untilNs: wallClockNs() }), 100);
    expect(seen.length).toBeLessThan(10);
    expect(seen.at(-1)?.Action).toBe('29');
  });

  it('cut off who does not read them', async () => {
    const log = new EventLog();
    const stream = log.subscribe({});
    for (let number = 0; number < 30; number++) log.publish('container', `${number}`, 'x', much);
    expect(log.listeners).toBe(0);
    expect((await take(stream, 100)).length).toBeLessThan(10);
  });
});

describe('the wall clock', () => {
  afterEach(() => vi.restoreAllMocks());

  it('follows the clock of the host when that is set, or when the host has slept', () => {
    const hourLater = Date.now() + 3_600_000;
    vi.spyOn(Date, 'now').mockReturnValue(hourLater);
    expect(wallClockNs()).toBe(BigInt(hourLater) * 1_000_000n);
  });

  it('is finer than a millisecond otherwise', () => {
    const all = Array.from({ length: 100 }, () => wallClockNs());
    expect(all.some((ns) => ns % 1_000_000n !== 0n)).toBe(true);
  });
});
