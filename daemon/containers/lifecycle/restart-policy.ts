// When a container that ended is started again, and how long that waits. Pure.
import type { HostConfig } from '../../docker-types/host-config.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { restartsUnhealthy } from './restarts-unhealthy.ts';

const firstDelayMs = 100;
const maxDelayMs = 60_000;
/** A run of this length ends a series of failures. */
const stableRunNs = 10_000_000_000n;
const policies: ReadonlySet<string> = new Set(['no', 'always', 'on-failure', 'unless-stopped']);

export function checkRestartPolicy(hostConfig: HostConfig): void {
  const name = hostConfig.RestartPolicy?.Name || 'no';
  const retries = hostConfig.RestartPolicy?.MaximumRetryCount ?? 0;
  if (!policies.has(name)) {
    throw new EngineError(
      'invalid',
      `invalid restart policy: unknown policy '${name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
    );
  }
  if (retries < 0) {
    throw new EngineError('invalid', 'invalid restart policy: maximum retry count cannot be negative');
  }
  if (retries > 0 && name !== 'on-failure') {
    throw new EngineError('invalid', "invalid restart policy: maximum retry count can only be used with 'on-failure'");
  }
  if (hostConfig.AutoRemove && name !== 'no') {
    throw new EngineError('invalid', "can't create 'AutoRemove' container with restart policy");
  }
  if (hostConfig.AutoRemove && restartsUnhealthy(hostConfig)) {
    throw new EngineError('invalid', "can't create 'AutoRemove' container with RestartUnhealthy");
  }
}

export interface EndedRun {
  exitCode: number;
  stoppedByUser: boolean;
  /** Restarts so far. */
  restartCount: number;
  /** What the last restart waited, 0 for none. */
  lastDelayMs: number;
  durationNs: bigint;
  /** The engine ended it so that it starts again. */
  isAsked: boolean;
}

/** The delay before the next start in milliseconds and the new count; undefined when it stays ended. */
export function planRestart(
  hostConfig: HostConfig,
  run: EndedRun,
): { delayMs: number; restartCount: number } | undefined {
  const name = hostConfig.RestartPolicy?.Name || 'no';
  if (run.stoppedByUser || (name === 'no' && !run.isAsked)) return undefined;
  if (name === 'on-failure') {
    const limit = hostConfig.RestartPolicy?.MaximumRetryCount ?? 0;
    if ((run.exitCode === 0 && !run.isAsked) || (limit > 0 && run.restartCount >= limit)) return undefined;
  }
  const isFirst = run.lastDelayMs === 0 || run.durationNs >= stableRunNs;
  const delayMs = isFirst ? firstDelayMs : Math.min(run.lastDelayMs * 2, maxDelayMs);
  return { delayMs, restartCount: run.restartCount + 1 };
}

/** At the start of the daemon: who is started again that had already ended when it went. */
export function restartsWithDaemon(hostConfig: HostConfig, stoppedByUser: boolean): boolean {
  const name = hostConfig.RestartPolicy?.Name || 'no';
  return name === 'always' || (name === 'unless-stopped' && !stoppedByUser);
}
