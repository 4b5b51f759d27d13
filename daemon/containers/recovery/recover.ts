// At the start of the daemon, before it listens: what became of the containers while no daemon ran. Running ones are taken over, ended ones
// are concluded from their exit records, and what has no row (a create, start or remove that was cut short) is cleared away.
// INVARIANT: what a monitor still holds is never ended here, whatever is damaged or missing beside it.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Strays } from '../../state/strays.ts';
import { findTask, type TaskAnswer, within } from '../../tasks/find-task.ts';
import type { TaskPlace } from '../../tasks/task.ts';
import type { Container, LockedContainer } from '../container.ts';
import type { ExecRegistry } from '../exec/exec-registry.ts';
import type { Lifecycle } from '../lifecycle/lifecycle.ts';
import { restartsWithDaemon } from '../lifecycle/restart-policy.ts';
import type { Needs } from '../needs.ts';
import { type ContainerNetworkNeeds, settleNetwork } from '../network/container-network.ts';
import { type CgroupPathNeeds, cgroupPathOf } from '../start/cgroup-path.ts';
import {
  type AdoptContainerNeeds,
  type AdoptedNetworks,
  adoptContainer,
  noteHealth,
  noteNetwork,
  readStarted,
} from './adopt-container.ts';
import { type ClearOrphansNeeds, clearOrphans, findHeld } from './clear-orphans.ts';

/** See needs.ts. */
export type RecoverNeeds = Needs<
  | 'cgroups.kill'
  | 'cgroups.remove'
  | 'log'
  | 'networks.heal'
  | 'paths.logs'
  | 'paths.run'
  | 'runs.remove'
  | 'store.all'
  | 'store.load'
  | 'store.saveState'
> &
  AdoptContainerNeeds &
  CgroupPathNeeds &
  ClearOrphansNeeds &
  ContainerNetworkNeeds;

/** The exit code of a run that ended with nobody to see it: a power cut, or a monitor that was killed. */
const unseenEnd = 255;
/** How long the start waits for one monitor. */
const answerLimitMs = 1500;
const askAgainMs = 1000;

export async function recover(
  services: RecoverNeeds,
  lifecycle: Lifecycle,
  execs: ExecRegistry,
  strays: Strays,
): Promise<void> {
  const { store, log } = services;
  const { unreadable, stateless, mended } = store.load();
  for (const [id, error] of unreadable)
    log.warn(
      { container: id, err: error },
      'what is stored of a container cannot be read: it can be removed, and no more',
    );
  for (const [id, error] of stateless)
    log.warn(
      { container: id, err: error },
      'the stored state of a container cannot be read: how it ended is not known',
    );
  for (const id of mended)
    log.warn(
      { container: id },
      'the stored spec of a container is damaged: it is made again out of what inspect shows of it',
    );
  const known = new Set<string>();
  const networks: AdoptedNetworks = new Map();
  await Promise.all(
    [...store.all()].map(async (container) => {
      known.add(container.id);
      try {
        await container.locked((held) => recoverContainer(services, lifecycle, execs, held, networks));
      } catch (error) {
        // No monitor is there: what failed is how its end was to be concluded. Its state stays, and `rm -f` or the next start tries again.
        log.error(
          { err: error, container: container.id, name: container.record.name },
          'cannot recover a container: it is left as it is',
        );
      }
    }),
  );
  const pids = runningPids(services);
  const held = await findHeld(services, known, pids);
  await services.networks.heal(pids);
  for (const [container, adopted] of networks) {
    await container
      .locked(() => settleNetwork(services, container, adopted))
      .catch((error: unknown) =>
        log.warn(
          { err: error, container: container.id, name: container.record.name },
          'cannot bring the networks of a container to what is recorded: it goes on with those that it has',
        ),
      );
  }
  await clearOrphans(services, new Set([...known, ...held]), strays);
}

/** The first processes of running containers: of one whose monitor is silent, as it was noted at its start. */
function runningPids(services: RecoverNeeds): Map<string, number> {
  const pids = new Map<string, number>();
  for (const container of services.store.all()) {
    if (!container.isRunning) continue;
    const pid = container.state.pid || readStarted(services, services.paths.run(container.id))?.pid;
    if (pid !== undefined && pid > 0) pids.set(container.id, pid);
  }
  return pids;
}

async function recoverContainer(
  services: RecoverNeeds,
  lifecycle: Lifecycle,
  execs: ExecRegistry,
  held: LockedContainer,
  networks: AdoptedNetworks,
): Promise<void> {
  const { log } = services;
  const { container } = held;
  const runDir = services.paths.run(container.id);
  if (existsSync(runDir)) {
    const asking = findTask(taskPlace(services, container.id), log);
    const answer = await within(asking, answerLimitMs);
    if (answer === 'silent') {
      // Stopped or starved, but alive: the container is not dead, and the others do not wait for it.
      log.warn(
        { container: container.id, name: container.record.name },
        'the monitor does not answer: the container is taken over when it does',
      );
      held.mustApply({ kind: 'found-alive' });
      try {
        noteNetwork(services, container, networks);
      } catch (error) {
        log.warn(
          { err: error, container: container.id, name: container.record.name },
          'cannot take over the network of a running container: it goes on, and the engine does not change it',
        );
      }
      void adoptLater(services, lifecycle, execs, container, asking);
      return;
    }
    if (answer !== undefined) return adoptContainer(services, lifecycle, execs, held, answer, networks);
  } else if (container.isRunning) {
    log.warn(
      { container: container.id, name: container.record.name, runDir },
      'the directory of a run is gone: what may still run of it is ended',
    );
  }
  await settleEnded(services, lifecycle, held);
}

function taskPlace({ paths }: RecoverNeeds, id: string): TaskPlace {
  return { runDir: paths.run(id), logDir: paths.logs(id) };
}

/** Goes on asking a monitor that does not answer, until it does or is gone. */
async function adoptLater(
  services: RecoverNeeds,
  lifecycle: Lifecycle,
  execs: ExecRegistry,
  container: Container,
  first: Promise<TaskAnswer>,
): Promise<void> {
  try {
    let answer = await first;
    while (answer === 'silent' && container.isRunning) {
      await sleep(askAgainMs, undefined, { ref: false });
      answer = await findTask(taskPlace(services, container.id), services.log);
    }
    await container.locked(async (held) => {
      if (!container.isRunning || answer === 'silent') return;
      const networks: AdoptedNetworks = new Map();
      if (answer === undefined) return settleEnded(services, lifecycle, held);
      await adoptContainer(services, lifecycle, execs, held, answer, networks);
      for (const adopted of networks.values()) await settleNetwork(services, container, adopted);
    });
  } catch (error) {
    services.log.error(
      { err: error, container: container.id, name: container.record.name },
      'cannot take over a container whose monitor was silent: it is left as it is',
    );
  }
}

/** No monitor is there: the run has ended, or never began. */
async function settleEnded(services: RecoverNeeds, lifecycle: Lifecycle, held: LockedContainer): Promise<void> {
  const { container } = held;
  const { store, paths } = services;
  const runDir = paths.run(container.id);
  const wasRunning = container.isRunning;
  const hasRecord = existsSync(join(runDir, 'exit'));
  if (wasRunning || hasRecord) {
    // The start itself may have been cut short after the launch: its record says when it began.
    const started = readStarted(services, runDir);
    if (started !== undefined) held.mustApply({ kind: 'noted', startedNs: started.startedNs });
    noteHealth(services, held);
    await lifecycle.conclude(held, unseenEnd);
    return;
  }
  // A start that was cut short before the process ran, or a container whose start failed.
  await services.cgroups.kill(cgroupPathOf(services, container));
  await services.cgroups.remove(cgroupPathOf(services, container));
  services.runs.remove(container.id);
  const { state, record } = container;
  if (state.status === 'restarting') {
    await lifecycle.follow(held, { kind: 'restart', delayMs: 0, restartCount: state.restartCount + 1 });
  } else if (record.spec.removesItself && state.status === 'exited') {
    await lifecycle.follow(held, { kind: 'removal' });
  } else if (state.status === 'exited' && restartsWithDaemon(record.spec.restart, state.stoppedByUser)) {
    const follow = held.mustApply({ kind: 'daemon-started' });
    store.saveState(held);
    await lifecycle.follow(held, follow);
  }
}
