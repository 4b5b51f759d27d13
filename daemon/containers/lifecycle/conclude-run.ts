// The end of a run, however it came: the monitor's connection closes. Reads the exit record, stores the state, tells those who wait, and clears
// away what the run used.

import { beginNewFile } from '../../logs/format/log-directory.ts';
import { wallClockNs } from '../../state/event-log.ts';
import type { TaskEnd } from '../../tasks/task-end.ts';
import type { LockedContainer } from '../container.ts';
import { type ContainerEventsNeeds, publishContainerEvent } from '../container-events.ts';
import { publishVolumesUnmounted, type VolumeUsersNeeds } from '../create/volume-users.ts';
import { healthResult } from '../health/health.ts';
import type { Needs } from '../needs.ts';
import { type EndNetworkNeeds, endNetwork } from '../network/container-network.ts';
import { type CgroupPathNeeds, cgroupPathOf } from '../start/cgroup-path.ts';
import type { Follow } from './transitions.ts';

/** See needs.ts. */
export type ConcludeRunNeeds = Needs<
  'cgroups.kill' | 'cgroups.remove' | 'log.error' | 'log.warn' | 'paths.logs' | 'runs.remove' | 'store.saveState'
> &
  CgroupPathNeeds &
  ContainerEventsNeeds &
  EndNetworkNeeds &
  VolumeUsersNeeds;

/** The exit code of a run whose monitor was killed: its container was killed with it. */
export const killedWithMonitor = 137;

/** How long an attached client may keep the end of the run from being told, in milliseconds. */
const deliveryLimitMs = 1000;

/**
 * `codeWithoutRecord` is the exit code when the monitor left none. Also for runs that ended while no daemon ran. Returns what is to be done
 * next: a restart, a removal, or nothing.
 */
export async function concludeRun(
  services: ConcludeRunNeeds,
  held: LockedContainer,
  { exit, error }: TaskEnd,
  codeWithoutRecord: number,
): Promise<Follow> {
  const { store, paths, cgroups } = services;
  const { container } = held;
  const { restart, removesItself, namespaces } = container.spec;
  container.health?.stop();
  container.health = undefined;
  if (error !== undefined) {
    services.log.warn(
      { err: error, container: container.id, name: container.record.name },
      'cannot read the exit record of a container: how it ended is not known',
    );
  }
  const cgroupPath = cgroupPathOf(services, container);
  const hasOwnPids = namespaces.pid.kind === 'private';
  // Without a record nobody waited for the processes; in a shared pid namespace they outlive the first one.
  if (exit === undefined || !hasOwnPids) await cgroups.kill(cgroupPath);

  if (exit === undefined) beginNewFile(paths.logs(container.id));

  const finishedNs = exit?.finishedNs ?? wallClockNs();
  const startedNs = exit?.startedNs ?? BigInt(container.state.startedNs);
  const exitCode = exit?.code ?? codeWithoutRecord;
  const follow = held.mustApply({
    kind: 'ended',
    run: { exitCode, startedNs, finishedNs, oomKilled: exit?.oomKilled },
    rules: { restart, removesItself, isRestartUnderWay: container.restartsUnderWay > 0 },
  });
  let isStored = true;
  try {
    store.saveState(held);
  } catch (error) {
    // A full disk must not hide that it ended. The exit record stays, so that the next start of the daemon finds the same.
    isStored = false;
    services.log.error(
      { err: error, container: container.id, name: container.record.name },
      'cannot store the end of a container: the next daemon reads it from its exit record',
    );
  }

  // Clients take the end as the word that they have the whole output, as docker gives it.
  await container.outputDelivered(deliveryLimitMs);
  if (container.state.oomKilled && !container.state.oomKills) publishContainerEvent(services, container, 'oom');
  publishContainerEvent(services, container, 'die', {
    exitCode: String(exitCode),
    execDuration: String((finishedNs - startedNs) / 1_000_000_000n),
  });
  // Before anyone is told of the end: its ports and addresses are free for what follows.
  await endNetwork(services, container);
  publishVolumesUnmounted(services, container);
  for (const exec of container.execs.values()) exec.containerEnded();
  // Who waits is told of each end, also when a restart follows: the code is this run's, and docker's clients print it.
  container.wake('next-exit', 'not-running');
  container.tellHealth(healthResult(container));

  try {
    await cgroups.remove(cgroupPath);
  } catch (error) {
    // What follows from the end does not depend on it, and someone may wait for that.
    services.log.warn(
      { err: error, container: container.id, name: container.record.name },
      'cannot remove the cgroup of a run: it is removed at the next start of the daemon',
    );
  }
  if (isStored) services.runs.remove(container.id);
  else container.hasOldRun = true;
  return follow;
}
