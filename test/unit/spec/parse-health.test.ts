import { describe, expect, test } from 'vitest';
import { parseHealthCheck } from '../../../daemon/spec/docker/parse-health.ts';
import { restartsUnhealthy } from '../../../daemon/spec/docker/parse-restart.ts';

describe('what is run', () => {
  test.each([
    [
      ['CMD', '/bin/x', 'y'],
      ['/bin/x', 'y'],
    ],
    [
      ['CMD-SHELL', 'a | b'],
      ['/bin/sh', '-c', 'a | b'],
    ],
    [['NONE'], undefined],
    [[], undefined],
    [['CMD'], undefined],
    [[''], undefined],
  ])('%j', (Test, args) => expect(parseHealthCheck({ Test }, undefined)?.args).toEqual(args));

  test('the image’s shell, docker’s times', () => {
    expect(parseHealthCheck({ Test: ['CMD-SHELL', 'x'] }, ['/bin/ash', '-ec'])).toEqual({
      args: ['/bin/ash', '-ec', 'x'],
      intervalMs: 30_000,
      timeoutMs: 30_000,
      startPeriodMs: 0,
      startIntervalMs: 5000,
      retries: 3,
    });
    expect(parseHealthCheck({ Test: ['CMD', 'x'], Interval: 5_000_000, Retries: 1 }, [])).toMatchObject({
      intervalMs: 5,
      retries: 1,
    });
    // A timer that is too long would fire at once.
    expect(parseHealthCheck({ Test: ['CMD', 'x'], Interval: 2 ** 53 - 1 }, [])?.intervalMs).toBe(2 ** 31 - 60_001);
  });
});

test('--restart-unhealthy is a field, or an annotation; a label is nothing', () => {
  expect(restartsUnhealthy({ RestartUnhealthy: true })).toBe(true);
  expect(restartsUnhealthy({ Annotations: { 'io.tsdocker.restart-unhealthy': 'true' } })).toBe(true);
  expect(restartsUnhealthy({ RestartUnhealthy: false, Annotations: { 'io.tsdocker.restart-unhealthy': 'true' } })).toBe(
    false,
  );
  expect(restartsUnhealthy({ Annotations: { other: 'true' } })).toBe(false);
  expect(restartsUnhealthy({})).toBe(false);
});
