// The Status column of a container list, e.g. "Up 3 seconds (Paused)" or "Exited (0) 2 hours ago".
import type { HealthState } from '../../containers/health/health-rules.ts';
import type { ContainerState } from '../../containers/lifecycle/container-state.ts';
import { humanDuration } from '../../protocols/units/human-units.ts';

export function statusText(state: ContainerState, nowNs: bigint): string {
  const since = (ns: string) => humanDuration(Number(max(nowNs - BigInt(ns), 0n)) / 1e6);
  switch (state.status) {
    case 'running': {
      return `Up ${since(state.startedNs)}${state.health === undefined ? '' : ` (${healthText(state.health)})`}`;
    }
    case 'paused':
      return `Up ${since(state.startedNs)} (Paused)`;
    case 'restarting':
      return `Restarting (${state.exitCode}) ${since(state.finishedNs)} ago`;
    case 'removing':
      return 'Removal In Progress';
    case 'dead':
      return 'Dead';
    case 'created':
      return 'Created';
    case 'exited':
      return `Exited (${state.exitCode}) ${since(state.finishedNs)} ago`;
  }
}

/** "healthy", "unhealthy", "health: starting". */
export function healthText({ status }: HealthState): string {
  return status === 'starting' ? 'health: starting' : status;
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
