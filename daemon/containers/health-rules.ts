// What health checks are and what their results mean, as docker has it: when the next one is due, and when a container counts as healthy. Pure.
import type { HealthConfig, ResolvedConfig } from '../docker-types/container-config.ts';

export type HealthStatus = 'starting' | 'healthy' | 'unhealthy';

export interface HealthResult {
  /** Decimal nanoseconds since 1970. */
  readonly startNs: string;
  readonly endNs: string;
  /** -1: it could not be run, or took too long. */
  readonly exitCode: number;
  readonly output: string;
}

/** Kept with the container's state. */
export interface HealthState {
  readonly status: HealthStatus;
  /** Failures in a row that count. */
  readonly failingStreak: number;
  /** The last five. */
  readonly log: readonly HealthResult[];
}

export interface Probe {
  readonly args: readonly string[];
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly startPeriodMs: number;
  readonly startIntervalMs: number;
  readonly retries: number;
}

const keptResults = 5;
export const maxOutputBytes = 4096;
const defaults = { intervalMs: 30_000, timeoutMs: 30_000, startPeriodMs: 0, startIntervalMs: 5000, retries: 3 };
const shell = ['/bin/sh', '-c'];
/** What a timer can hold, 24 days, with room for what is added to it: one that is too long fires at once. */
const longestTimerMs = 2 ** 31 - 1 - 60_000;

/** undefined for a container without a check. */
export function probeOf(config: Pick<ResolvedConfig, 'Healthcheck' | 'Shell'>): Probe | undefined {
  const health = config.Healthcheck;
  const [kind, ...words] = health?.Test ?? [];
  if (health === undefined || words.length === 0 || (kind !== 'CMD' && kind !== 'CMD-SHELL')) return undefined;
  return {
    args: kind === 'CMD' ? words : [...(config.Shell?.length ? config.Shell : shell), ...words],
    intervalMs: milliseconds(health.Interval, defaults.intervalMs),
    timeoutMs: milliseconds(health.Timeout, defaults.timeoutMs),
    startPeriodMs: milliseconds(health.StartPeriod, defaults.startPeriodMs),
    startIntervalMs: milliseconds(health.StartInterval, defaults.startIntervalMs),
    retries: health.Retries || defaults.retries,
  };
}

/** Docker makes such a container, and never checks it; here its answer says so. */
export function healthWarnings({ Healthcheck }: Pick<ResolvedConfig, 'Healthcheck'>): string[] {
  const [kind = ''] = Healthcheck?.Test ?? [];
  if (['', 'NONE', 'CMD', 'CMD-SHELL'].includes(kind)) return [];
  return [`the health check is never run: its test begins with "${kind}" instead of NONE, CMD or CMD-SHELL`];
}

function milliseconds(ns: HealthConfig['Interval'], fallback: number): number {
  return ns ? Math.min(Math.max(ns / 1e6, 1), longestTimerMs) : fallback;
}

/** At a start: what was found before stays to be read. */
export function begunHealth(before: HealthState | undefined): HealthState {
  return { status: 'starting', failingStreak: 0, log: before?.log ?? [] };
}

/** When it does not run any more: docker's clients know it like this. */
export function endedHealth(before: HealthState): HealthState {
  return { ...before, status: 'unhealthy' };
}

/** `sinceStartMs` is when the check began. Failures in the start period do not count, until the first success. */
export function afterResult(
  before: HealthState,
  result: HealthResult,
  probe: Probe,
  sinceStartMs: number,
): HealthState {
  const log = [...before.log, result].slice(-keptResults);
  if (result.exitCode === 0) return { status: 'healthy', failingStreak: 0, log };
  if (before.status === 'starting' && sinceStartMs < probe.startPeriodMs) return { ...before, log };
  const failingStreak = before.failingStreak + 1;
  return { status: failingStreak >= probe.retries ? 'unhealthy' : before.status, failingStreak, log };
}

/** Until the next check, from the end of the last one. */
export function nextDelayMs({ status }: HealthState, probe: Probe, sinceStartMs: number): number {
  return status === 'starting' && sinceStartMs < probe.startPeriodMs ? probe.startIntervalMs : probe.intervalMs;
}

/** In ps: "(healthy)", "(unhealthy)", "(health: starting)". */
export function healthText({ status }: HealthState): string {
  return status === 'starting' ? 'health: starting' : status;
}
