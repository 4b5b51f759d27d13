// HEALTHCHECK: what is run, when. Docker's durations are nanoseconds, and 0 is its default.
import type { HealthConfig } from '../../docker-types/container-config.ts';
import type { HealthCheck } from '../container-spec.ts';

const defaults = { intervalMs: 30_000, timeoutMs: 30_000, startPeriodMs: 0, startIntervalMs: 5000, retries: 3 };
const defaultShell = ['/bin/sh', '-c'];
/** What a timer can hold, 24 days, with room for what is added to it: one that is too long fires at once. */
const longestTimerMs = 2 ** 31 - 1 - 60_000;

/** `shell`: what runs the words of CMD-SHELL. undefined for a container without a check. */
export function parseHealthCheck(
  health: HealthConfig | null | undefined,
  shell: readonly string[] | undefined,
): HealthCheck | undefined {
  const [kind, ...words] = health?.Test ?? [];
  if (!health || words.length === 0 || (kind !== 'CMD' && kind !== 'CMD-SHELL')) return undefined;
  return {
    args: kind === 'CMD' ? words : [...(shell?.length ? shell : defaultShell), ...words],
    intervalMs: milliseconds(health.Interval, defaults.intervalMs),
    timeoutMs: milliseconds(health.Timeout, defaults.timeoutMs),
    startPeriodMs: milliseconds(health.StartPeriod, defaults.startPeriodMs),
    startIntervalMs: milliseconds(health.StartInterval, defaults.startIntervalMs),
    retries: health.Retries || defaults.retries,
  };
}

function milliseconds(ns: HealthConfig['Interval'], fallback: number): number {
  return ns ? Math.min(Math.max(ns / 1e6, 1), longestTimerMs) : fallback;
}
