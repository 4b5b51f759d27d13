// When a container that ended is started again, and how long that waits. Pure.
import type { RestartPolicy } from '../../spec/container-spec.ts';

const firstDelayMs = 100;
const maxDelayMs = 60_000;
/** A run of this length ends a series of failures. */
const stableRunNs = 10_000_000_000n;

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
  policy: RestartPolicy,
  run: EndedRun,
): { delayMs: number; restartCount: number } | undefined {
  if (run.stoppedByUser || (policy.kind === 'no' && !run.isAsked)) return undefined;
  if (policy.kind === 'on-failure') {
    const { maxRetries } = policy;
    if ((run.exitCode === 0 && !run.isAsked) || (maxRetries > 0 && run.restartCount >= maxRetries)) return undefined;
  }
  const isFirst = run.lastDelayMs === 0 || run.durationNs >= stableRunNs;
  const delayMs = isFirst ? firstDelayMs : Math.min(run.lastDelayMs * 2, maxDelayMs);
  return { delayMs, restartCount: run.restartCount + 1 };
}

/** At the start of the daemon: who is started again that had already ended when it went. */
export function restartsWithDaemon({ kind }: RestartPolicy, stoppedByUser: boolean): boolean {
  return kind === 'always' || (kind === 'unless-stopped' && !stoppedByUser);
}
