// Where a container may go from where it is: every change of its state, as a pure function of the state and of what happened. What is to be
// done in the world, before or after, is the actions' business; when a change is stored and told, the use cases'.
import type { RestartPolicy } from '../../spec/container-spec.ts';
import { begunHealth, endedHealth, type HealthState } from '../health/health-rules.ts';
import type { ContainerState, ContainerStatus } from './container-state.ts';
import { planRestart } from './restart-policy.ts';

/** What happened, or was asked for. */
export type LifecycleEvent =
  /** A start by hand: what restarts were counted before is over. */
  | { readonly kind: 'start-asked' }
  /** The back-off of a restart is over. */
  | { readonly kind: 'restart-due'; readonly restartCount: number; readonly delayMs: number }
  /** Its first process runs; `pid` 0 while that is not known. */
  | { readonly kind: 'launched'; readonly pid: number; readonly run: BegunRun }
  | { readonly kind: 'launch-failed'; readonly failure: FailedRun }
  | { readonly kind: 'paused' }
  | { readonly kind: 'unpaused' }
  /** Someone wants it ended: no policy starts it again. */
  | { readonly kind: 'stop-asked' }
  /** It is unhealthy, and to be ended so that it starts again. */
  | { readonly kind: 'renewal-asked' }
  /** A health check has ended. */
  | { readonly kind: 'checked'; readonly health: HealthState }
  /** The kernel's count of kills in the present run. */
  | { readonly kind: 'memory-short'; readonly kills: number }
  | { readonly kind: 'ended'; readonly run: EndedRun; readonly rules: FollowRules }
  /** A daemon that came later found it alive; without `pid` its monitor has not answered yet. */
  | { readonly kind: 'found-alive'; readonly pid?: number }
  /** What the notes beside its monitor's socket say, for a daemon that came later. */
  | { readonly kind: 'noted'; readonly startedNs?: bigint; readonly health?: HealthState }
  /** It had ended, and starts whenever the daemon does. */
  | { readonly kind: 'daemon-started' };

export type EventKind = LifecycleEvent['kind'];

export interface BegunRun {
  readonly startedNs: bigint;
  readonly cgroupPath: string;
  readonly hasProbe: boolean;
}

export interface FailedRun {
  readonly exitCode: number;
  readonly message: string;
  readonly atNs: bigint;
  readonly autoRemove: boolean;
}

export interface EndedRun {
  readonly exitCode: number;
  /** The monitor's own time of the start, when it left one: the daemon's is later than the end of a process that ended at once. */
  readonly startedNs: bigint;
  readonly finishedNs: bigint;
  /** undefined when nobody saw the end. */
  readonly oomKilled: boolean | undefined;
}

/** What decides about the time after an end. */
export interface FollowRules {
  readonly restart: RestartPolicy;
  readonly removesItself: boolean;
  /** Someone is about to start it again: AutoRemove waits. */
  readonly isRestartUnderWay: boolean;
}

/** What is to be done next, by whoever caused the change: see lifecycle.ts. */
export type Follow =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'restart'; readonly delayMs: number; readonly restartCount: number }
  | { readonly kind: 'removal' };

export interface Transition {
  readonly state: ContainerState;
  readonly follow: Follow;
}

const all: readonly ContainerStatus[] = ['created', 'running', 'paused', 'restarting', 'removing', 'exited', 'dead'];
const alive: readonly ContainerStatus[] = ['running', 'paused'];

/**
 * In which states an event means something. What is alive may be found so, and have ended, whatever the state says: the state of a crash is
 * older than the world, and may not have been readable.
 */
const legal: Readonly<Record<EventKind, readonly ContainerStatus[]>> = {
  'start-asked': ['created', 'exited', 'restarting'],
  'restart-due': ['restarting'],
  launched: ['created', 'exited', 'restarting'],
  // Also of what ran for a moment: a later step of the start failed.
  'launch-failed': ['created', 'exited', 'restarting', ...alive],
  paused: ['running'],
  unpaused: ['paused'],
  'stop-asked': [...alive, 'restarting'],
  'renewal-asked': ['running'],
  checked: ['running'],
  'memory-short': alive,
  ended: all,
  'found-alive': all,
  noted: all,
  'daemon-started': ['exited'],
};

const nothing: Follow = { kind: 'nothing' };

/** undefined when the event means nothing in this state: the caller says so in its own words. Pure. */
export function next(state: ContainerState, event: LifecycleEvent): Transition | undefined {
  if (!legal[event.kind].includes(state.status)) return undefined;
  const to = (change: Partial<ContainerState>, follow = nothing): Transition => ({
    state: { ...state, ...change },
    follow,
  });
  switch (event.kind) {
    case 'start-asked':
      return to({ stoppedByUser: false, restartCount: 0, restartDelayMs: 0 });
    case 'restart-due':
      return to({ restartCount: event.restartCount, restartDelayMs: event.delayMs });
    case 'launched':
      return to({ ...begun(state, event.run), pid: event.pid });
    case 'launch-failed':
      return to(failed(state, event.failure), event.failure.autoRemove ? { kind: 'removal' } : nothing);
    case 'paused':
      return to({ status: 'paused' });
    case 'unpaused':
      return to({ status: 'running' });
    case 'stop-asked':
      return to({ stoppedByUser: true, ...(state.status === 'restarting' ? { status: 'exited' } : {}) });
    case 'renewal-asked':
      return state.stoppedByUser ? undefined : to({ restartAsked: true });
    case 'checked':
      return to({ health: event.health });
    case 'memory-short':
      return to({ oomKilled: state.oomKilled || event.kills > 0, oomKills: event.kills });
    case 'ended':
      return ended(state, event.run, event.rules);
    case 'found-alive':
      return to({
        status: state.status === 'paused' ? 'paused' : 'running',
        ...(event.pid === undefined ? {} : { pid: event.pid }),
      });
    case 'noted':
      return to({
        ...(event.startedNs === undefined ? {} : { startedNs: event.startedNs.toString() }),
        ...(event.health === undefined ? {} : { health: event.health }),
      });
    case 'daemon-started':
      // As a start by hand: what stopped it before is over.
      return to({ status: 'restarting', stoppedByUser: false }, { kind: 'restart', delayMs: 0, restartCount: 0 });
  }
}

function begun(state: ContainerState, run: BegunRun): Partial<ContainerState> {
  return {
    status: 'running',
    exitCode: 0,
    error: '',
    oomKilled: false,
    oomKills: 0,
    startedNs: run.startedNs.toString(),
    cgroupPath: run.cgroupPath,
    restartAsked: false,
    ...(run.hasProbe ? { health: begunHealth(state.health) } : {}),
  };
}

function failed(
  { status, startedNs }: ContainerState,
  { exitCode, message, atNs }: FailedRun,
): Partial<ContainerState> {
  return {
    status: status === 'restarting' ? 'exited' : status,
    pid: 0,
    exitCode,
    error: message,
    ...(startedNs === '0' ? {} : { finishedNs: atNs.toString() }),
  };
}

function ended(state: ContainerState, run: EndedRun, rules: FollowRules): Transition {
  const restart = planRestart(rules.restart, {
    exitCode: run.exitCode,
    stoppedByUser: state.stoppedByUser,
    restartCount: state.restartCount,
    lastDelayMs: state.restartDelayMs,
    durationNs: run.finishedNs - run.startedNs,
    isAsked: state.restartAsked,
  });
  const isToGo = rules.removesItself && !rules.isRestartUnderWay;
  return {
    state: {
      ...state,
      status: restart === undefined ? 'exited' : 'restarting',
      pid: 0,
      exitCode: run.exitCode,
      error: '',
      oomKilled: run.oomKilled ?? state.oomKilled,
      startedNs: run.startedNs.toString(),
      finishedNs: run.finishedNs.toString(),
      restartAsked: false,
      ...(state.health === undefined ? {} : { health: endedHealth(state.health) }),
    },
    follow: restart !== undefined ? { kind: 'restart', ...restart } : isToGo ? { kind: 'removal' } : nothing,
  };
}
