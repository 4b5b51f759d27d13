// Taking over a container that runs, at the daemon's start. INVARIANT: nothing that fails here ends it or keeps the rest from being taken
// over: a full disk, a damaged note or a network that is gone is told, and the container goes on.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { resolveResources } from '../../cgroups/resources.ts';
import type { AdoptedSandbox } from '../../networks/sandboxes.ts';
import { parentOf } from '../../runtime/container-process.ts';
import { readStartedRecord, type StartedRecord, writeStartedRecord } from '../../runtime/exit-record.ts';
import { findTask } from '../../tasks/find-task.ts';
import type { Task } from '../../tasks/task.ts';
import { readTaskEnd } from '../../tasks/task-end.ts';
import type { Container, LockedContainer } from '../container.ts';
import { lifting, unknownLimits } from '../create/granted-limits.ts';
import { Exec } from '../exec/exec.ts';
import { readExecFile, unknownExec } from '../exec/exec-file.ts';
import type { ExecRegistry } from '../exec/exec-registry.ts';
import { concludeExec, type ExecRunNeeds, execFiles, watchExec } from '../exec/exec-run.ts';
import { readHealthFile } from '../health/health-file.ts';
import { begunHealth, type HealthState } from '../health/health-rules.ts';
import type { ContainerState } from '../lifecycle/container-state.ts';
import type { Lifecycle } from '../lifecycle/lifecycle.ts';
import type { Needs } from '../needs.ts';
import { adoptNetwork, type ContainerNetworkNeeds } from '../network/container-network.ts';
import { type CgroupPathNeeds, cgroupPathOf } from '../start/cgroup-path.ts';
import { type ContainerLogNeeds, followLog } from '../streams/container-log.ts';

/** See needs.ts. */
export type AdoptContainerNeeds = Needs<'cgroups' | 'log' | 'paths.run' | 'store.saveState'> &
  CgroupPathNeeds &
  ContainerLogNeeds &
  ContainerNetworkNeeds &
  ExecRunNeeds;

const killSignal = 9;
const askAgainMs = 1000;
const idPattern = /^[0-9a-f]{64}$/;

/** What differs between a container's record and its network, for settleNetwork. */
export type AdoptedNetworks = Map<Container, AdoptedSandbox>;

/** Never throws. */
export async function adoptContainer(
  services: AdoptContainerNeeds,
  lifecycle: Lifecycle,
  execs: ExecRegistry,
  held: LockedContainer,
  task: Task,
  networks: AdoptedNetworks,
): Promise<void> {
  const { store, paths, log } = services;
  const { container } = held;
  const runDir = paths.run(container.id);
  const stored = container.state;
  // First of all, so that nothing takes it for one that nobody watches.
  held.mustApply({ kind: 'found-alive', pid: task.pid });
  lifecycle.watch(held, task);
  const steps: [what: string, work: () => void | Promise<void>][] = [
    [
      'store that it runs',
      () => {
        const started = readStarted(services, runDir) ?? mendStarted(container, task, runDir);
        if (started !== undefined) held.mustApply({ kind: 'noted', startedNs: started.startedNs });
        noteHealth(services, held);
        if (!isStored(container.state, stored)) store.saveState(held);
      },
    ],
    ['take over its network', () => noteNetwork(services, container, networks)],
    ['freeze or thaw it as it was', () => settleFreezer(services, container)],
    ['set its limits as they are recorded', () => settleLimits(services, container)],
    ['go on with its log', () => followLog(services, container, task)],
    ['go on with its health checks', () => lifecycle.checkHealth(held)],
    ['take over its execs', () => adoptExecs(services, execs, container)],
  ];
  for (const [what, work] of steps) {
    try {
      await work();
    } catch (error) {
      log.error(
        { err: error, container: container.id, name: container.record.name, what },
        'cannot do a step of taking over a running container: it goes on without',
      );
    }
  }
  log.info({ container: container.id, pid: task.pid }, 'took over a running container');
}

/** What the next daemon learns from the monitor and its records again is no reason for a write, which is synced, one for each container. */
function isStored(now: ContainerState, stored: ContainerState): boolean {
  const { pid, startedNs } = stored;
  return JSON.stringify({ ...now, pid, startedNs }) === JSON.stringify(stored);
}

/** Whoever enters the container asks the record who its monitor is: the parent of a process that cannot have been reaped meanwhile. */
function mendStarted(container: Container, { pid }: Task, runDir: string): StartedRecord | undefined {
  const monitor = parentOf(pid);
  if (monitor === undefined) return undefined;
  const record = { pid, monitor, startedNs: BigInt(container.state.startedNs) };
  writeStartedRecord(runDir, record);
  return record;
}

export function noteNetwork(services: AdoptContainerNeeds, container: Container, networks: AdoptedNetworks): void {
  const adopted = adoptNetwork(services, container);
  if (adopted !== undefined) networks.set(container, adopted);
}

/** As the last daemon left it; nothing for a container without a check. */
export function noteHealth(services: AdoptContainerNeeds, held: LockedContainer): void {
  const { id, record, state } = held.container;
  if (record.spec.healthCheck === undefined) return;
  const health: HealthState = readHealthFile(services.paths.run(id)) ?? state.health ?? begunHealth(undefined);
  held.mustApply({ kind: 'noted', health });
}

/** A commit or a pause that was cut short has left the freezer in another state than the stored one, which is what the user was told. */
async function settleFreezer(services: AdoptContainerNeeds, container: Container): Promise<void> {
  const cgroup = cgroupPathOf(services, container);
  if (container.state.status === 'paused') await services.cgroups.freeze(cgroup);
  else await services.cgroups.thaw(cgroup);
}

/** An update that was cut short has changed the kernel's limits and not the record, which is what the user sees. */
function settleLimits(services: AdoptContainerNeeds, container: Container): void {
  const { resources } = resolveResources(container.spec, services.cgroups);
  services.cgroups.update(cgroupPathOf(services, container), lifting(unknownLimits, resources));
}

function adoptExecs(services: AdoptContainerNeeds, execs: ExecRegistry, container: Container): void {
  const execDir = join(services.paths.run(container.id), 'exec');
  if (!existsSync(execDir)) return;
  for (const id of readdirSync(execDir)) {
    if (!idPattern.test(id)) continue;
    adoptExec(services, execs, container, id).catch((error: unknown) => {
      services.log.error(
        { err: error, container: container.id, name: container.record.name, exec: id },
        'cannot take over an exec: it goes on, and its end is not recorded',
      );
    });
  }
}

async function adoptExec(
  services: AdoptContainerNeeds,
  execs: ExecRegistry,
  container: Container,
  id: string,
): Promise<void> {
  const { place, clean } = execFiles(services, container, id);
  const { runDir } = place;
  const found = readExecFile(runDir);
  if (found === 'damaged')
    services.log.warn(
      { container: container.id, name: container.record.name, exec: id },
      'the note about an exec is damaged',
    );
  const record = found === 'damaged' || found?.id !== id ? found && unknownExec(container.id, id) : found;
  let answer = await findTask(place, services.log);
  while (answer === 'silent' && container.isRunning) {
    await sleep(askAgainMs, undefined, { ref: false });
    answer = await findTask(place, services.log);
  }
  const task = answer === 'silent' ? undefined : answer;
  if (record === undefined || record.isProbe) {
    // It was being started when the daemon went: nobody knows of it. A health check is done again.
    task?.signal(killSignal);
    task?.letGo();
    if (task === undefined) clean();
    return;
  }
  const exec = new Exec(record);
  execs.add(container, exec);
  if (task === undefined) {
    concludeExec(services, execs, container, exec, readTaskEnd(runDir), clean);
    return;
  }
  exec.tellStarted(task);
  watchExec(services, execs, container, exec, task, clean);
  void exec.ended.then(clean);
}

/** A damaged record costs the time of the start, nothing more. */
export function readStarted(services: AdoptContainerNeeds, runDir: string): StartedRecord | undefined {
  try {
    return readStartedRecord(runDir);
  } catch (error) {
    services.log.warn({ err: error, runDir }, 'cannot read when a container was started: another time is shown');
    return undefined;
  }
}
