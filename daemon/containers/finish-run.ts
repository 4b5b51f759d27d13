// The end of a run, however it came: the monitor's connection closes. Reads the exit record, stores the state, tells those who wait, clears
// away what the run used, and decides what follows: removal, a restart, or nothing.

import { beginNewFile } from '../logs/format/log-directory.ts';
import { type ExitRecord, readExitRecord } from '../runtime/exit-record.ts';
import type { MonitorClient } from '../runtime/monitor-client.ts';
import { wallClockNs } from '../state/event-log.ts';
import { cgroupPathOf } from './cgroup-path.ts';
import type { Container } from './container.ts';
import { publishContainerEvent } from './container-events.ts';
import { endNetwork } from './container-network.ts';
import { healthResult } from './health.ts';
import { endedHealth } from './health-rules.ts';
import { removeLocked } from './remove-container.ts';
import { planRestart } from './restart-policy.ts';
import { scheduleRestart } from './schedule-restart.ts';
import type { Services } from './services.ts';
import { publishVolumesUnmounted } from './volume-users.ts';

/** The exit code of a run whose monitor was killed: its container was killed with it. */
const killedWithMonitor = 137;

/** How long an attached client may keep the end of the run from being told, in milliseconds. */
const deliveryLimitMs = 1000;

/** From now on the end of the monitor is the end of the run. */
export function watchMonitor(services: Services, container: Container, monitor: MonitorClient): void {
  container.monitor = monitor;
  watchMemory(services, container, monitor);
  container.exited = monitor.ended
    .then(() => container.lock.run(() => finishRun(services, container, monitor)))
    .catch((error) => {
      services.log.error({ err: error, container: container.id }, 'record the end of a container');
    });
}

/**
 * Any process of the container counts, an exec's too. INVARIANT of `state` (see container.ts): this is not inside the lock, but waits for
 * nothing between its reading and its writing.
 */
function watchMemory(services: Services, container: Container, monitor: MonitorClient): void {
  let toldStalls: number | undefined;
  monitor.onShortage(({ kills, stalls }) => {
    if (container.monitor !== monitor) return;
    const told = container.state.oomKills;
    const events = Math.max(0, kills - told) + (stalls - (toldStalls ?? stalls));
    toldStalls = stalls;
    if (events === 0) return;
    container.state = { ...container.state, oomKilled: container.state.oomKilled || kills > 0, oomKills: kills };
    try {
      services.store.saveState(container);
    } catch (error) {
      services.log.warn({ err: error, container: container.id }, 'store that a container lacks memory');
    }
    for (let n = 0; n < events; n++) publishContainerEvent(services, container, 'oom');
  });
}

async function finishRun(services: Services, container: Container, monitor: MonitorClient): Promise<void> {
  if (container.monitor !== monitor) return;
  container.monitor = undefined;
  await concludeRun(services, container, killedWithMonitor);
}

/**
 * The caller holds the lock. `codeWithoutRecord` is the exit code when the monitor left none. Also used by recovery, for runs that ended
 * while no daemon ran.
 */
export async function concludeRun(services: Services, container: Container, codeWithoutRecord: number): Promise<void> {
  const { store, paths, cgroups } = services;
  const { hostConfig } = container.record;
  container.health?.stop();
  container.health = undefined;
  const exit = readExit(services, container);
  const cgroupPath = cgroupPathOf(services, container);
  const hasOwnPids = !hostConfig.PidMode;
  // Without a record nobody waited for the processes; in a shared pid namespace they outlive the first one.
  if (exit === undefined || !hasOwnPids) await cgroups.kill(cgroupPath);

  if (exit === undefined) beginNewFile(paths.logs(container.id));

  const finishedNs = exit?.finishedNs ?? wallClockNs();
  // The monitor's own time of the start: the daemon's is later than the end of a process that ended at once.
  const startedNs = exit?.startedNs ?? BigInt(container.state.startedNs);
  const durationNs = finishedNs - startedNs;
  const exitCode = exit?.code ?? codeWithoutRecord;
  const restart = planRestart(hostConfig, {
    exitCode,
    stoppedByUser: container.state.stoppedByUser,
    restartCount: container.state.restartCount,
    lastDelayMs: container.state.restartDelayMs,
    durationNs,
    isAsked: container.state.restartAsked,
  });
  container.state = {
    ...container.state,
    status: restart === undefined ? 'exited' : 'restarting',
    pid: 0,
    exitCode,
    error: '',
    oomKilled: exit?.oomKilled ?? container.state.oomKilled,
    startedNs: startedNs.toString(),
    finishedNs: finishedNs.toString(),
    restartAsked: false,
    ...(container.state.health === undefined ? {} : { health: endedHealth(container.state.health) }),
  };
  let isStored = true;
  try {
    store.saveState(container);
  } catch (error) {
    // A full disk must not hide that it ended. The exit record stays, so that the next start of the daemon finds the same.
    isStored = false;
    services.log.error({ err: error, container: container.id }, 'store the end of a container');
  }

  // Clients take the end as the word that they have the whole output, as docker gives it.
  await container.outputDelivered(deliveryLimitMs);
  if (container.state.oomKilled && !container.state.oomKills) publishContainerEvent(services, container, 'oom');
  publishContainerEvent(services, container, 'die', {
    exitCode: String(exitCode),
    execDuration: String(durationNs / 1_000_000_000n),
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
    services.log.warn({ err: error, container: container.id }, 'remove the cgroup of a run');
  }
  if (isStored) services.runs.remove(container.id);
  else container.hasOldRun = true;
  if (restart !== undefined) scheduleRestart(services, container, restart);
  else if (hostConfig.AutoRemove && container.restartsUnderWay === 0) await removeLocked(services, container, true);
}

function readExit(services: Services, container: Container): ExitRecord | undefined {
  try {
    return readExitRecord(services.paths.run(container.id));
  } catch (error) {
    services.log.warn({ err: error, container: container.id }, 'read the exit record');
    return undefined;
  }
}
