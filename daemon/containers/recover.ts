// At the start of the daemon, before it listens: what became of the containers while no daemon ran. Running ones are taken over, ended ones
// are concluded from their exit records, and what has no row (a create, start or remove that was cut short) is cleared away.
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isEngineError } from '../errors/engine-error.ts';
import { readStartedRecord, type StartedRecord } from '../runtime/exit-record.ts';
import { MonitorClient } from '../runtime/monitor-client.ts';
import type { Strays } from '../state/strays.ts';
import { cgroupPathOf } from './cgroup-path.ts';
import type { Container } from './container.ts';
import { adoptNetwork } from './container-network.ts';
import type { ContainerState } from './container-record.ts';
import { Exec } from './exec.ts';
import { readExecFile } from './exec-file.ts';
import type { ExecRegistry } from './exec-registry.ts';
import { concludeExec, watchExec } from './exec-run.ts';
import { concludeRun, watchMonitor } from './finish-run.ts';
import { beginHealth } from './health.ts';
import { readHealthFile } from './health-file.ts';
import { begunHealth, probeOf } from './health-rules.ts';
import { removeLocked } from './remove-container.ts';
import { restartsWithDaemon } from './restart-policy.ts';
import { scheduleRestart } from './schedule-restart.ts';
import type { Services } from './services.ts';

/** The exit code of a run that ended with nobody to see it: a power cut, or a monitor that was killed. */
const unseenEnd = 255;
const killSignal = 9;
/** How long the start waits for one monitor. */
const answerLimitMs = 1500;
const idPattern = /^[0-9a-f]{64}$/;

export async function recover(services: Services, execs: ExecRegistry, strays: Strays): Promise<void> {
  const { store, log } = services;
  const { unreadable } = store.load();
  for (const id of unreadable) log.warn({ container: id }, 'read a container from the database: it is left alone');
  const known = new Set(unreadable);
  await Promise.all(
    [...store.all()].map(async (container) => {
      known.add(container.id);
      try {
        await container.lock.run(() => recoverContainer(services, execs, container));
      } catch (error) {
        log.error({ err: error, container: container.id }, 'recover a container: it is taken for dead');
        await container.lock.run(() => concludeRun(services, container, unseenEnd)).catch(() => undefined);
      }
    }),
  );
  await services.networks.heal(runningPids(services));
  await clearOrphans(services, known, strays);
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

async function recoverContainer(services: Services, execs: ExecRegistry, container: Container): Promise<void> {
  const runDir = services.paths.run(container.id);
  if (existsSync(runDir)) {
    const connecting = connect(services, runDir);
    const monitor = await within(connecting, answerLimitMs);
    if (monitor === 'silent') {
      // Stopped or starved, but alive: the container is not dead, and the others do not wait for it.
      services.log.warn(
        { container: container.id },
        'the monitor does not answer: the container is taken over when it does',
      );
      container.state = { ...container.state, status: container.state.status === 'paused' ? 'paused' : 'running' };
      adoptNetwork(services, container);
      void adoptLater(services, execs, container, connecting);
      return;
    }
    if (monitor !== undefined) return adopt(services, execs, container, monitor);
  }
  await settleEnded(services, container);
}

/** Goes on asking a monitor that does not answer, until it does or is gone. */
async function adoptLater(
  services: Services,
  execs: ExecRegistry,
  container: Container,
  first: Promise<MonitorClient | 'silent' | undefined>,
): Promise<void> {
  let answer = await first;
  while (answer === 'silent' && container.isRunning) answer = await connect(services, services.paths.run(container.id));
  await container.lock.run(async () => {
    if (!container.isRunning || answer === 'silent') return;
    if (answer !== undefined) await adopt(services, execs, container, answer);
    else await settleEnded(services, container);
  });
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

async function adopt(
  services: Services,
  execs: ExecRegistry,
  container: Container,
  monitor: MonitorClient,
): Promise<void> {
  const { store, paths, log } = services;
  const started = readStarted(services, paths.run(container.id));
  const isPaused = container.state.status === 'paused';
  container.state = {
    ...container.state,
    status: isPaused ? 'paused' : 'running',
    pid: monitor.pid,
    startedNs: started?.startedNs.toString() ?? container.state.startedNs,
    ...healthOf(services, container),
  };
  store.saveState(container);
  adoptNetwork(services, container);
  watchMonitor(services, container, monitor);
  await settleFreezer(services, container);
  beginHealth(services, container);
  log.info({ container: container.id, pid: monitor.pid }, 'took over a running container');
  const execDir = join(paths.run(container.id), 'exec');
  if (!existsSync(execDir)) return;
  for (const id of readdirSync(execDir)) {
    if (idPattern.test(id)) void adoptExec(services, execs, container, id);
  }
}

/** As the last daemon left it; nothing for a container without a check. */
function healthOf(services: Services, { id, record, state }: Container): Pick<ContainerState, 'health'> {
  if (probeOf(record.config) === undefined) return {};
  return { health: readHealthFile(services.paths.run(id)) ?? state.health ?? begunHealth(undefined) };
}

/** A commit or a pause that was cut short has left the freezer in another state than the stored one, which is what the user was told. */
async function settleFreezer(services: Services, container: Container): Promise<void> {
  const cgroup = cgroupPathOf(services, container);
  try {
    if (container.state.status === 'paused') await services.cgroups.freeze(cgroup);
    else await services.cgroups.thaw(cgroup);
  } catch (error) {
    services.log.warn({ err: error, container: container.id }, 'freeze or thaw a container as it was');
  }
}

async function adoptExec(services: Services, execs: ExecRegistry, container: Container, id: string): Promise<void> {
  const runDir = services.paths.execRun(container.id, id);
  const logDir = services.paths.execLogs(container.id, id);
  const clean = () => {
    rmSync(runDir, { recursive: true, force: true });
    rmSync(logDir, { recursive: true, force: true });
  };
  const record = readExecFile(runDir);
  const answer = await connect(services, runDir);
  const monitor = answer === 'silent' ? undefined : answer;
  if (record === undefined || record.isProbe) {
    // It was being started when the daemon went: nobody knows of it. A health check is done again.
    monitor?.signal(killSignal);
    monitor?.close();
    if (monitor === undefined) clean();
    return;
  }
  const exec = new Exec(record);
  execs.add(container, exec);
  if (monitor === undefined) {
    concludeExec(services, execs, container, exec, clean);
    return;
  }
  exec.tellStarted(monitor);
  watchExec(services, execs, container, exec, monitor, clean);
  void exec.ended.then(clean);
}

/** A damaged record costs the time of the start, nothing more. */
function readStarted(services: Services, runDir: string): StartedRecord | undefined {
  try {
    return readStartedRecord(runDir);
  } catch (error) {
    services.log.warn({ err: error, runDir }, 'read when a container was started');
    return undefined;
  }
}

/** 'silent' when something listens but does not speak; undefined when nothing listens. */
async function connect(services: Services, runDir: string): Promise<MonitorClient | 'silent' | undefined> {
  try {
    return await MonitorClient.connect(runDir);
  } catch (error) {
    services.log.debug({ runDir, why: error instanceof Error ? error.message : error }, 'no monitor answers');
    return isEngineError(error, 'unavailable') ? 'silent' : undefined;
  }
}

async function within<T>(work: Promise<T>, limitMs: number): Promise<T | 'silent'> {
  const { promise, resolve } = Promise.withResolvers<'silent'>();
  const timer = setTimeout(() => resolve('silent'), limitMs);
  return Promise.race([work, promise]).finally(() => clearTimeout(timer));
}

/**
 * Directories, cgroups and monitors that belong to no row. Only directories below this engine's own roots say that something is its own: another
 * engine may have the same cgroup parent, so a group that nothing here tells of is removed when it is empty and left alone otherwise.
 */
async function clearOrphans(services: Services, rows: ReadonlySet<string>, strays: Strays): Promise<void> {
  const { paths, layers, cgroups, cgroupParent, runs, log } = services;
  runs.emptyTrash();
  const lost = orphans(list(paths.containers), rows).filter((id) => strays.keeps(`containers/${id}`));
  const known = new Set([...rows, ...lost]);
  const withRun = orphans(list(paths.runs), known);
  const withLayer = orphans(list(paths.containers), known);
  for (const id of withRun) {
    const monitor = await within(connect(services, paths.run(id)), answerLimitMs);
    if (monitor !== undefined && monitor !== 'silent') {
      monitor.signal(killSignal);
      await within(monitor.ended, answerLimitMs);
    }
  }
  const own = new Set([...withRun, ...withLayer]);
  for (const id of orphans(cgroups.containersIn(cgroupParent), known)) {
    const group = cgroups.groupOf(cgroupParent, id);
    if (own.has(id)) await cgroups.kill(group);
    else if (cgroups.isParentShared) continue;
    else if (cgroups.pids(group).length > 0) {
      log.warn({ cgroup: group }, 'a cgroup of another engine: give each engine a --cgroup-parent of its own');
      continue;
    }
    await cgroups.remove(group);
  }
  // Last: until then they say whose the groups are.
  for (const id of withRun) runs.remove(id);
  for (const id of withLayer) layers.remove(id);
}

function orphans(ids: readonly string[], known: ReadonlySet<string>): string[] {
  return ids.filter((id) => idPattern.test(id) && !known.has(id));
}

function list(dir: string): string[] {
  return existsSync(dir) ? readdirSync(dir) : [];
}
