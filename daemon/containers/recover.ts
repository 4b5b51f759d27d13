// At the start of the daemon, before it listens: what became of the containers while no daemon ran. Running ones are taken over, ended ones
// are concluded from their exit records, and what has no row (a create, start or remove that was cut short) is cleared away.
// INVARIANT: what a monitor still holds is never ended here, whatever is damaged or missing beside it.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Strays } from '../state/strays.ts';
import { type AdoptedNetworks, adoptContainer, healthOf, noteNetwork, readStarted } from './adopt-container.ts';
import { askMonitor, type MonitorAnswer, within } from './ask-monitor.ts';
import { cgroupPathOf } from './cgroup-path.ts';
import { clearOrphans, findHeld } from './clear-orphans.ts';
import type { Container } from './container.ts';
import { settleNetwork } from './container-network.ts';
import type { ExecRegistry } from './exec-registry.ts';
import { concludeRun } from './finish-run.ts';
import { removeLocked } from './remove-container.ts';
import { restartsWithDaemon } from './restart-policy.ts';
import { scheduleRestart } from './schedule-restart.ts';
import type { Services } from './services.ts';

/** The exit code of a run that ended with nobody to see it: a power cut, or a monitor that was killed. */
const unseenEnd = 255;
/** How long the start waits for one monitor. */
const answerLimitMs = 1500;
const askAgainMs = 1000;

export async function recover(services: Services, execs: ExecRegistry, strays: Strays): Promise<void> {
  const { store, log } = services;
  const { unreadable, stateless } = store.load();
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
  const known = new Set<string>();
  const networks: AdoptedNetworks = new Map();
  await Promise.all(
    [...store.all()].map(async (container) => {
      known.add(container.id);
      try {
        await container.lock.run(() => recoverContainer(services, execs, container, networks));
      } catch (error) {
        // No monitor is there: what failed is how its end was to be concluded. Its state stays, and `rm -f` or the next start tries again.
        log.error({ err: error, container: container.id }, 'recover a container: it is left as it is');
      }
    }),
  );
  const pids = runningPids(services);
  const held = await findHeld(services, known, pids);
  await services.networks.heal(pids);
  for (const [container, adopted] of networks) {
    await container.lock
      .run(() => settleNetwork(services, container, adopted))
      .catch((error: unknown) =>
        log.warn({ err: error, container: container.id }, 'bring a network to what is recorded'),
      );
  }
  await clearOrphans(services, new Set([...known, ...held]), strays);
}

/** The first processes of running containers: of one whose monitor is silent, as it was noted at its start. */
function runningPids(services: Services): Map<string, number> {
  const pids = new Map<string, number>();
  for (const container of services.store.all()) {
    if (!container.isRunning) continue;
    const pid = container.state.pid || readStarted(services, services.paths.run(container.id))?.pid;
    if (pid !== undefined && pid > 0) pids.set(container.id, pid);
  }
  return pids;
}

async function recoverContainer(
  services: Services,
  execs: ExecRegistry,
  container: Container,
  networks: AdoptedNetworks,
): Promise<void> {
  const { log } = services;
  const runDir = services.paths.run(container.id);
  if (existsSync(runDir)) {
    const asking = askMonitor(services, runDir);
    const answer = await within(asking, answerLimitMs);
    if (answer === 'silent') {
      // Stopped or starved, but alive: the container is not dead, and the others do not wait for it.
      log.warn({ container: container.id }, 'the monitor does not answer: the container is taken over when it does');
      const status = container.state.status === 'paused' ? 'paused' : 'running';
      container.state = { ...container.state, status };
      try {
        noteNetwork(services, container, networks);
      } catch (error) {
        log.warn({ err: error, container: container.id }, 'take over the network of a running container');
      }
      void adoptLater(services, execs, container, asking);
      return;
    }
    if (answer !== undefined) return adoptContainer(services, execs, container, answer, networks);
  } else if (container.isRunning) {
    log.warn({ container: container.id, runDir }, 'the directory of a run is gone: what may still run of it is ended');
  }
  await settleEnded(services, container);
}

/** Goes on asking a monitor that does not answer, until it does or is gone. */
async function adoptLater(
  services: Services,
  execs: ExecRegistry,
  container: Container,
  first: Promise<MonitorAnswer>,
): Promise<void> {
  try {
    let answer = await first;
    while (answer === 'silent' && container.isRunning) {
      await sleep(askAgainMs, undefined, { ref: false });
      answer = await askMonitor(services, services.paths.run(container.id));
    }
    await container.lock.run(async () => {
      if (!container.isRunning || answer === 'silent') return;
      const networks: AdoptedNetworks = new Map();
      if (answer === undefined) return settleEnded(services, container);
      await adoptContainer(services, execs, container, answer, networks);
      for (const adopted of networks.values()) await settleNetwork(services, container, adopted);
    });
  } catch (error) {
    services.log.error({ err: error, container: container.id }, 'take over a container whose monitor was silent');
  }
}

/** No monitor is there: the run has ended, or never began. The caller holds the lock. */
async function settleEnded(services: Services, container: Container): Promise<void> {
  const { store, paths } = services;
  const runDir = paths.run(container.id);
  const wasRunning = container.isRunning;
  const hasRecord = existsSync(join(runDir, 'exit'));
  if (wasRunning || hasRecord) {
    // The start itself may have been cut short after the launch: its record says when it began.
    const started = readStarted(services, runDir);
    if (started !== undefined) container.state = { ...container.state, startedNs: started.startedNs.toString() };
    container.state = { ...container.state, ...healthOf(services, container) };
    await concludeRun(services, container, unseenEnd);
    return;
  }
  // A start that was cut short before the process ran, or a container whose start failed.
  await services.cgroups.kill(cgroupPathOf(services, container));
  await services.cgroups.remove(cgroupPathOf(services, container));
  services.runs.remove(container.id);
  if (container.state.status === 'restarting') {
    scheduleRestart(services, container, { delayMs: 0, restartCount: container.state.restartCount + 1 });
  } else if (container.record.hostConfig.AutoRemove && container.state.status === 'exited') {
    await removeLocked(services, container, true);
  } else if (
    container.state.status === 'exited' &&
    restartsWithDaemon(container.record.hostConfig, container.state.stoppedByUser)
  ) {
    // As a start by hand: what stopped it before is over.
    container.state = { ...container.state, status: 'restarting', stoppedByUser: false };
    store.saveState(container);
    scheduleRestart(services, container, { delayMs: 0, restartCount: 0 });
  }
}
