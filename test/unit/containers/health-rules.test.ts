import { describe, expect, test } from 'vitest';
import {
  afterResult,
  begunHealth,
  endedHealth,
  type HealthResult,
  type HealthState,
  healthText,
  nextDelayMs,
  type Probe,
  probeOf,
} from '../../../daemon/containers/health-rules.ts';
import { restartsUnhealthy } from '../../../daemon/containers/lifecycle/restarts-unhealthy.ts';

const result = (exitCode: number): HealthResult => ({ startNs: '1', endNs: '2', exitCode, output: '' });
const probe: Probe = { args: ['x'], intervalMs: 30, timeoutMs: 5, startPeriodMs: 100, startIntervalMs: 7, retries: 2 };
const play = (codes: number[], sinceStartMs: number, from = begunHealth(undefined)): HealthState =>
  codes.reduce((health, code) => afterResult(health, result(code), probe, sinceStartMs), from);

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
  ])('%j', (Test, args) => expect(probeOf({ Healthcheck: { Test } })?.args).toEqual(args));

  test('the image’s shell, docker’s times', () => {
    expect(probeOf({ Shell: ['/bin/ash', '-ec'], Healthcheck: { Test: ['CMD-SHELL', 'x'] } })).toEqual({
      args: ['/bin/ash', '-ec', 'x'],
      intervalMs: 30_000,
      timeoutMs: 30_000,
      startPeriodMs: 0,
      startIntervalMs: 5000,
      retries: 3,
    });
    expect(probeOf({ Healthcheck: { Test: ['CMD', 'x'], Interval: 5_000_000, Retries: 1 } })).toMatchObject({
      intervalMs: 5,
      retries: 1,
    });
    // A timer that is too long would fire at once.
    expect(probeOf({ Healthcheck: { Test: ['CMD', 'x'], Interval: 2 ** 53 - 1 } })?.intervalMs).toBe(2 ** 31 - 60_001);
  });
});

describe('what results mean', () => {
  test('one success is healthy, so many failures in a row are not', () => {
    expect(play([0], 500).status).toBe('healthy');
    expect(play([1], 500)).toMatchObject({ status: 'starting', failingStreak: 1 });
    expect(play([1, 0, 1], 500)).toMatchObject({ status: 'healthy', failingStreak: 1 });
    expect(play([0, 1, 1], 500)).toMatchObject({ status: 'unhealthy', failingStreak: 2 });
    expect(play([1, -1, 0], 500)).toMatchObject({ status: 'healthy', failingStreak: 0 });
  });

  test('failures in the start period do not count until the first success', () => {
    expect(play([1, 1, 1], 50)).toMatchObject({ status: 'starting', failingStreak: 0 });
    expect(play([1, 0, 1, 1], 50).status).toBe('unhealthy');
  });

  test('five results are kept, also over a restart', () => {
    const health = play([1, 2, 3, 4, 5, 6], 50);
    expect(health.log.map(({ exitCode }) => exitCode)).toEqual([2, 3, 4, 5, 6]);
    expect(begunHealth(endedHealth(health))).toEqual({ status: 'starting', failingStreak: 0, log: health.log });
    expect(endedHealth(play([0], 0)).status).toBe('unhealthy');
  });

  test('checks come more often in the start period, until the first success', () => {
    expect(nextDelayMs(begunHealth(undefined), probe, 50)).toBe(7);
    expect(nextDelayMs(begunHealth(undefined), probe, 150)).toBe(30);
    expect(nextDelayMs(play([0], 50), probe, 50)).toBe(30);
  });

  test('words of ps', () => {
    expect([begunHealth(undefined), play([0], 0), play([1, 1], 500)].map(healthText)).toEqual([
      'health: starting',
      'healthy',
      'unhealthy',
    ]);
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
