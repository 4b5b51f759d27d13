// The table of all transitions: every state and every event, with the state that follows or '-' where the event means nothing.

import { describe, expect, test } from 'vitest';
import {
  type ContainerState,
  type ContainerStatus,
  newState,
} from '../../../../daemon/containers/lifecycle/container-state.ts';
import { type LifecycleEvent, next } from '../../../../daemon/containers/lifecycle/transitions.ts';
import type { RestartPolicy } from '../../../../daemon/spec/container-spec.ts';

const states = ['created', 'running', 'paused', 'restarting', 'removing', 'exited', 'dead'] as const;

const health = { status: 'healthy', failingStreak: 0, log: [] } as const;
const begun = { startedNs: 5n, cgroupPath: '/p/c', hasProbe: false };
const exit = { exitCode: 3, startedNs: 5n, finishedNs: 9n, oomKilled: false };
const ended = (restart: RestartPolicy = { kind: 'no' }, removesItself = false): LifecycleEvent => ({
  kind: 'ended',
  run: exit,
  rules: { restart, removesItself, isRestartUnderWay: false },
});

const events: Record<string, LifecycleEvent> = {
  'start-asked': { kind: 'start-asked' },
  'restart-due': { kind: 'restart-due', restartCount: 2, delayMs: 200 },
  launched: { kind: 'launched', pid: 42, run: begun },
  'launch-failed': { kind: 'launch-failed', failure: { exitCode: 127, message: 'no', atNs: 7n, autoRemove: false } },
  paused: { kind: 'paused' },
  unpaused: { kind: 'unpaused' },
  'stop-asked': { kind: 'stop-asked' },
  'renewal-asked': { kind: 'renewal-asked' },
  checked: { kind: 'checked', health },
  'memory-short': { kind: 'memory-short', kills: 1 },
  ended: ended(),
  'ended, restarts': ended({ kind: 'always' }),
  'found-alive': { kind: 'found-alive', pid: 42 },
  noted: { kind: 'noted', startedNs: 5n },
  'daemon-started': { kind: 'daemon-started' },
};

/** One line for each event; the columns are the states above. */
const table = `
  start-asked      created     -           -           restarting  -           exited      -
  restart-due      -           -           -           restarting  -           -           -
  launched         running     -           -           running     -           running     -
  launch-failed    created     running     paused      exited      -           exited      -
  paused           -           paused      -           -           -           -           -
  unpaused         -           -           running     -           -           -           -
  stop-asked       -           running     paused      exited      -           -           -
  renewal-asked    -           running     -           -           -           -           -
  checked          -           running     -           -           -           -           -
  memory-short     -           running     paused      -           -           -           -
  ended            exited      exited      exited      exited      exited      exited      exited
  ended, restarts  restarting  restarting  restarting  restarting  restarting  restarting  restarting
  found-alive      running     running     paused      running     running     running     running
  noted            created     running     paused      restarting  removing    exited      dead
  daemon-started   -           -           -           -           -           restarting  -
`;

const rows = table
  .trim()
  .split('\n')
  .map((line) => line.trim().split(/ {2,}/))
  .map(([event = '', ...after]) => ({ event, after }));

function inState(status: ContainerStatus, more: Partial<ContainerState> = {}): ContainerState {
  return { ...newState(), status, startedNs: '1', ...more };
}

function stateAfter(state: ContainerState, event: LifecycleEvent): ContainerState {
  const found = next(state, event);
  if (found === undefined) throw new TypeError('the event means nothing here');
  return found.state;
}

test('the table has every event, and every state for each', () => {
  expect(rows.map(({ event }) => event)).toEqual(Object.keys(events));
  for (const row of rows) expect(row.after, row.event).toHaveLength(states.length);
});

describe.each(rows)('$event', ({ event, after: expected }) => {
  test.each(states.map((status, n) => ({ status, to: expected[n] })))('$status -> $to', ({ status, to }) => {
    const before = Object.freeze(inState(status));
    const transition = next(before, events[event] as LifecycleEvent);
    expect(transition?.state.status ?? '-').toBe(to);
  });
});

describe('what a transition changes', () => {
  test('a start by hand forgets the restarts that were counted', () => {
    const before = inState('exited', { stoppedByUser: true, restartCount: 4, restartDelayMs: 800 });
    expect(stateAfter(before, { kind: 'start-asked' })).toEqual(inState('exited'));
  });

  test('a launch begins a run, and leaves what was counted', () => {
    const before = inState('exited', {
      ...{
        exitCode: 3,
        error: 'no',
        oomKilled: true,
        oomKills: 2,
        restartAsked: true,
        restartCount: 1,
        finishedNs: '4',
      },
    });
    const state = stateAfter(before, { kind: 'launched', pid: 42, run: { ...begun, hasProbe: true } });
    expect(state).toEqual({
      ...inState('running', { pid: 42, startedNs: '5', cgroupPath: '/p/c', restartCount: 1, finishedNs: '4' }),
      health: { status: 'starting', failingStreak: 0, log: [] },
    });
  });

  test('a start that fails has an end only if there was a beginning', () => {
    const event = events['launch-failed'] as LifecycleEvent;
    expect(stateAfter(newState(), event)).toMatchObject({ exitCode: 127, error: 'no', pid: 0, finishedNs: '0' });
    expect(stateAfter(inState('exited'), event)).toMatchObject({ finishedNs: '7' });
  });

  test('what is to stop is not renewed', () => {
    expect(next(inState('running', { stoppedByUser: true }), { kind: 'renewal-asked' })).toBeUndefined();
    expect(stateAfter(inState('running'), { kind: 'renewal-asked' }).restartAsked).toBe(true);
  });

  test('kills for want of memory stay, also when the exit record does not know of them', () => {
    const short = stateAfter(inState('running'), { kind: 'memory-short', kills: 1 });
    expect(short).toMatchObject({ oomKilled: true, oomKills: 1 });
    const unseen: LifecycleEvent = {
      ...{ kind: 'ended', run: { ...exit, oomKilled: undefined } },
      rules: { restart: { kind: 'no' }, removesItself: false, isRestartUnderWay: false },
    };
    expect(stateAfter(short, unseen).oomKilled).toBe(true);
    expect(stateAfter(short, ended()).oomKilled).toBe(false);
  });

  test('an end clears the run and keeps its code and times', () => {
    const before = inState('running', { pid: 42, error: 'old', restartAsked: true, health });
    expect(stateAfter(before, ended())).toMatchObject({
      ...{ pid: 0, exitCode: 3, error: '', restartAsked: false, startedNs: '5', finishedNs: '9' },
      health: { status: 'unhealthy' },
    });
  });
});

describe('what follows', () => {
  const follow = (state: ContainerState, event: LifecycleEvent) => next(state, event)?.follow;

  test('nothing, mostly', () => {
    for (const [name, event] of Object.entries(events)) {
      if (['ended, restarts', 'daemon-started'].includes(name)) continue;
      for (const status of states) expect(next(inState(status), event)?.follow.kind ?? 'nothing').toBe('nothing');
    }
  });

  test('a restart, as the policy has it', () => {
    const running = inState('running', { restartCount: 1, restartDelayMs: 100 });
    const event = ended({ kind: 'always' });
    expect(follow(running, event)).toEqual({ kind: 'restart', delayMs: 200, restartCount: 2 });
    expect(follow({ ...running, stoppedByUser: true }, event)).toEqual({ kind: 'nothing' });
    expect(follow({ ...running, restartAsked: true }, ended())).toEqual({
      ...{ kind: 'restart', delayMs: 200, restartCount: 2 },
    });
    expect(follow(inState('exited', { stoppedByUser: true }), { kind: 'daemon-started' })).toEqual({
      ...{ kind: 'restart', delayMs: 0, restartCount: 0 },
    });
  });

  test('the removal that AutoRemove asks for, unless somebody is about to start it again', () => {
    expect(follow(inState('running'), ended({ kind: 'no' }, true))).toEqual({ kind: 'removal' });
    const underWay: LifecycleEvent = {
      ...{ kind: 'ended', run: exit },
      rules: { restart: { kind: 'no' }, removesItself: true, isRestartUnderWay: true },
    };
    expect(follow(inState('running'), underWay)).toEqual({ kind: 'nothing' });
    const failed: LifecycleEvent = {
      kind: 'launch-failed',
      failure: { exitCode: 127, message: 'no', atNs: 7n, autoRemove: true },
    };
    expect(follow(newState(), failed)).toEqual({ kind: 'removal' });
  });
});
