import { describe, expect, test } from 'vitest';
import {
  afterResult,
  begunHealth,
  endedHealth,
  type HealthResult,
  type HealthState,
  nextDelayMs,
} from '../../../daemon/containers/health/health-rules.ts';
import { healthText } from '../../../daemon/docker-api/views/status-text.ts';
import type { HealthCheck } from '../../../daemon/spec/container-spec.ts';

const result = (exitCode: number): HealthResult => ({ startNs: '1', endNs: '2', exitCode, output: '' });
const probe: HealthCheck = {
  args: ['x'],
  intervalMs: 30,
  timeoutMs: 5,
  startPeriodMs: 100,
  startIntervalMs: 7,
  retries: 2,
};
const play = (codes: number[], sinceStartMs: number, from = begunHealth(undefined)): HealthState =>
  codes.reduce((health, code) => afterResult(health, result(code), probe, sinceStartMs), from);

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
