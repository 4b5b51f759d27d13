// What health checks are and what their results mean, as docker has it: when the next one is due, and when a container counts as healthy. Pure.
import type { ResolvedConfig } from '../../docker-types/container-config.ts';
import type { HealthCheck } from '../../spec/container-spec.ts';

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

const keptResults = 5;
export const maxOutputBytes = 4096;

/** Docker makes such a container, and never checks it; here its answer says so. */
export function healthWarnings({ Healthcheck }: Pick<ResolvedConfig, 'Healthcheck'>): string[] {
  const [kind = ''] = Healthcheck?.Test ?? [];
  if (['', 'NONE', 'CMD', 'CMD-SHELL'].includes(kind)) return [];
  return [`the health check is never run: its test begins with "${kind}" instead of NONE, CMD or CMD-SHELL`];
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
  probe: HealthCheck,
  sinceStartMs: number,
): HealthState {
  const log = [...before.log, result].slice(-keptResults);
  if (result.exitCode === 0) return { status: 'healthy', failingStreak: 0, log };
  if (before.status === 'starting' && sinceStartMs < probe.startPeriodMs) return { ...before, log };
  const failingStreak = before.failingStreak + 1;
  return { status: failingStreak >= probe.retries ? 'unhealthy' : before.status, failingStreak, log };
}

/** Until the next check, from the end of the last one. */
export function nextDelayMs({ status }: HealthState, probe: HealthCheck, sinceStartMs: number): number {
  return status === 'starting' && sinceStartMs < probe.startPeriodMs ? probe.startIntervalMs : probe.intervalMs;
}
