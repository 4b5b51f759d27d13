// The Status column of a container list, e.g. "Up 3 seconds (Paused)" or "Exited (0) 2 hours ago".
import type { Container } from './container.ts';
import { healthText } from './health-rules.ts';
import { humanDuration } from './timestamps.ts';

export function statusText(container: Container, nowNs: bigint): string {
  const { state } = container;
  const since = (ns: string) => humanDuration(max(nowNs - BigInt(ns), 0n));
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

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
