// The state of a container: where it stands in its life, and what is known of its present or last run. Stored as a JSON text beside its record.
// Times are decimal nanoseconds since 1970 as text: JSON numbers are too coarse.
import { crc32 } from 'node:zlib';
import type { HealthState } from '../health/health-rules.ts';

export type ContainerStatus = 'created' | 'running' | 'paused' | 'restarting' | 'removing' | 'exited' | 'dead';

/** Immutable: a change is a new one, made by transitions.ts. */
export interface ContainerState {
  readonly status: ContainerStatus;
  /** The first process, as the host numbers it; 0 when there is none. */
  readonly pid: number;
  readonly exitCode: number;
  /** Why the last start failed, for the user. */
  readonly error: string;
  readonly oomKilled: boolean;
  /** How many kills of the present run were told as events. */
  readonly oomKills: number;
  readonly startedNs: string;
  readonly finishedNs: string;
  /** Stopped or killed on request: restart policies leave it alone. */
  readonly stoppedByUser: boolean;
  /** How many restarts the policy made since the last start by hand. */
  readonly restartCount: number;
  /** What the last of them waited, in milliseconds. */
  readonly restartDelayMs: number;
  /** Where the current (or last) run has its control group; empty before the first. */
  readonly cgroupPath: string;
  /** Of a container with a health check that was started at least once. */
  readonly health?: HealthState;
  /** It is being ended so that it starts again: see renew-unhealthy.ts. */
  readonly restartAsked: boolean;
}

export function newState(): ContainerState {
  return {
    status: 'created',
    pid: 0,
    exitCode: 0,
    error: '',
    oomKilled: false,
    oomKills: 0,
    startedNs: '0',
    finishedNs: '0',
    stoppedByUser: false,
    restartCount: 0,
    restartDelayMs: 0,
    cgroupPath: '',
    restartAsked: false,
  };
}

const statuses: ReadonlySet<string> = new Set<ContainerStatus>([
  'created',
  'running',
  'paused',
  'restarting',
  'removing',
  'exited',
  'dead',
]);

/** The text ends with a sum of itself: unlike a record, a state has no other copy that could tell that a bit of it is wrong. */
export function encodeState(state: ContainerState): string {
  const text = JSON.stringify(state);
  return `${text.slice(0, -1)},"sum":"${sumOf(text)}"}`;
}

/** Throws for what is no state, or not the one that was stored. */
export function decodeState(text: string): ContainerState {
  const [, start, sum] = /^(.*),"sum":"([0-9a-f]{8})"\}$/s.exec(text) ?? [];
  if (start !== undefined && sum !== sumOf(`${start}}`)) throw new TypeError("a container's state with a wrong sum");
  // Without a sum: of a version that had none.
  const state = JSON.parse(start === undefined ? text : `${start}}`) as Partial<ContainerState>;
  if (typeof state !== 'object' || state === null) throw new TypeError("a container's state that is no object");
  const found = { ...newState(), ...state };
  if (!statuses.has(found.status)) throw new TypeError(`a container's state with the status ${found.status}`);
  return found;
}

function sumOf(text: string): string {
  return crc32(text).toString(16).padStart(8, '0');
}
