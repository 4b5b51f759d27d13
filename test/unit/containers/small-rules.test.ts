import { describe, expect, it } from 'vitest';
import { checkName } from '../../../daemon/containers/create/create-container.ts';
import { generateName } from '../../../daemon/containers/create/generate-name.ts';
import { planRestart, restartsWithDaemon } from '../../../daemon/containers/lifecycle/restart-policy.ts';
import { Mutex } from '../../../daemon/containers/mutex.ts';
import { parsePs } from '../../../daemon/containers/top-container.ts';
import { formatLogTime, formatTime } from '../../../daemon/protocols/units/rfc3339.ts';
import { parseRestartPolicy } from '../../../daemon/spec/docker/parse-restart.ts';
import { parseSignal } from '../../../daemon/spec/signals.ts';
import { parseTimeFilter } from '../../../daemon/state/time-filter.ts';

const second = 1_000_000_000n;

describe('signals', () => {
  it.each([
    ['TERM', 15],
    ['SIGTERM', 15],
    ['sigkill', 9],
    ['9', 9],
    ['RTMIN', 34],
    ['RTMIN+3', 37],
    ['RTMAX-1', 63],
    ['CLD', 17],
  ])('%s is %d', (text, number) => expect(parseSignal(text)).toBe(number));
  it.each(['', '0', '65', 'NOPE', 'RTMIN+99', '__proto__', '-9'])('refuses %j', (text) => {
    expect(() => parseSignal(text)).toThrow('invalid signal');
  });
});

describe('times', () => {
  it('writes RFC 3339 as Go does', () => {
    expect(formatTime(0n)).toBe('0001-01-01T00:00:00Z');
    expect(formatTime(1_700_000_000_120_000_000n)).toBe('2023-11-14T22:13:20.12Z');
    expect(formatTime(1_700_000_000n * second)).toBe('2023-11-14T22:13:20Z');
    expect(formatLogTime(1_700_000_000_120_000_000n)).toBe('2023-11-14T22:13:20.120000000Z');
  });
  it('reads the until filter', () => {
    const at = (text: string) => parseTimeFilter(new Map([['until', [text]]]));
    expect(at('1700000000')).toBe(1_700_000_000n * second);
    expect(at('2023-11-14T22:13:20Z')).toBe(1_700_000_000n * second);
    const hourAgo = BigInt(Date.now()) * 1_000_000n - 5400n * second;
    expect(Number((at('1h30m') ?? 0n) - hourAgo) / 1e9).toBeCloseTo(0, 0);
    expect(() => at('soon')).toThrow("invalid filter 'until=soon'");
  });
});

describe('names', () => {
  it.each(['-a', 'a b', '../x', 'a\n', 'ä1', 'a'.repeat(300), '0'.repeat(64)])('refuses %j', (name) => {
    expect(() => checkName(name)).toThrow('Invalid container name');
  });
  it.each(['constructor', `${'__x'.slice(2)}y`, '/web', 'a.b-c_d'])('takes %j', (name) => {
    expect(checkName(name)).toBe(name.replace('/', ''));
  });
  it('makes names that are free and valid', () => {
    let refused = 0;
    const name = generateName(() => refused++ < 10);
    expect(name).toMatch(/^[a-z]+_[a-z]+\d+$/);
    expect(checkName(name)).toBe(name);
  });
});

describe('restart policy', () => {
  const run = {
    exitCode: 1,
    stoppedByUser: false,
    restartCount: 0,
    lastDelayMs: 0,
    durationNs: second,
    isAsked: false,
  };
  const policy = (Name: string, MaximumRetryCount = 0) => parseRestartPolicy({ Name, MaximumRetryCount });

  it('doubles the delay up to a minute and starts over after a long run', () => {
    expect(planRestart(policy('always'), run)).toEqual({ delayMs: 100, restartCount: 1 });
    expect(planRestart(policy('always'), { ...run, lastDelayMs: 100 })?.delayMs).toBe(200);
    expect(planRestart(policy('always'), { ...run, lastDelayMs: 50_000 })?.delayMs).toBe(60_000);
    expect(planRestart(policy('always'), { ...run, lastDelayMs: 50_000, durationNs: 11n * second })?.delayMs).toBe(100);
  });
  it('counts failures only for on-failure', () => {
    expect(planRestart(policy('on-failure', 2), { ...run, restartCount: 1 })).toBeDefined();
    expect(planRestart(policy('on-failure', 2), { ...run, restartCount: 2 })).toBeUndefined();
    expect(planRestart(policy('on-failure'), { ...run, exitCode: 0 })).toBeUndefined();
    expect(planRestart(policy('unless-stopped'), { ...run, exitCode: 0 })).toBeDefined();
  });
  it('leaves alone what was stopped on request', () => {
    expect(planRestart(policy('always'), { ...run, stoppedByUser: true })).toBeUndefined();
    expect(planRestart(policy('no'), run)).toBeUndefined();
    expect(restartsWithDaemon(policy('always'), true)).toBe(true);
    expect(restartsWithDaemon(policy('unless-stopped'), true)).toBe(false);
    expect(restartsWithDaemon(policy('unless-stopped'), false)).toBe(true);
    expect(restartsWithDaemon(policy('on-failure'), false)).toBe(false);
  });
  it.each([
    ['sometimes', 0, "unknown policy 'sometimes'"],
    ['always', 3, "maximum retry count can only be used with 'on-failure'"],
    ['on-failure', -1, 'cannot be negative'],
  ])('refuses %s:%d', (name, retries, message) => expect(() => policy(name, retries)).toThrow(message));
});

describe('top', () => {
  it('keeps the rows of the container and the blanks of the last column', () => {
    const output =
      'UID PID PPID C STIME TTY TIME CMD\nroot 7 1 0 10:00 ? 00:00:00 sh -c sleep 1\nroot 8 1 0 10:00 ? 00:00:00 x\n';
    expect(parsePs(output, new Set(['7']))).toEqual({
      Titles: ['UID', 'PID', 'PPID', 'C', 'STIME', 'TTY', 'TIME', 'CMD'],
      Processes: [['root', '7', '1', '0', '10:00', '?', '00:00:00', 'sh -c sleep 1']],
    });
    expect(() => parsePs('A B\n1 2\n', new Set())).toThrow("Couldn't find PID field in ps output");
  });
});

describe('mutex', () => {
  it('runs one after the other, whatever fails', async () => {
    const mutex = new Mutex();
    const order: number[] = [];
    const slow = mutex.run(async () => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      order.push(1);
      throw new Error('first');
    });
    const fast = mutex.run(() => order.push(2));
    await expect(slow).rejects.toThrow('first');
    await fast;
    expect(order).toEqual([1, 2]);
  });
});
