// One start: cgroup, root, program, launch, record. Each step's undo runs in reverse when a later one fails, so that a
// failed start leaves nothing but its reason in the state.

import { close, mkdirSync } from 'node:fs';
import { isErrno } from '../../../native-bindings/errno.ts';
import { resolveResources } from '../../cgroups/resources.ts';
import { endOfLog } from '../../logs/format/log-directory.ts';
import type { ManagedFiles } from '../../runtime/container-input.ts';
import { resolveDevices } from '../../runtime/devices.ts';
import { resolveUser } from '../../runtime/user-database.ts';
import { wallClockNs } from '../../state/event-log.ts';
import { runTask } from '../../tasks/run-task.ts';
import type { Task } from '../../tasks/task.ts';
import type { Container, LockedContainer } from '../container.ts';
import { type ContainerEventsNeeds, publishContainerEvent, publishNetworkEvent } from '../container-events.ts';
import { platformHint } from '../create/foreign-platform.ts';
import { publishVolumesMounted, type VolumeUsersNeeds } from '../create/volume-users.ts';
import type { Needs } from '../needs.ts';
import { type ContainerNetworkNeeds, endNetwork, reserveNetwork } from '../network/container-network.ts';
import { type LinksNeeds, linkEnvironment } from '../network/links.ts';
import { updateLinks, type WriteManagedFilesNeeds, writeManagedFiles } from '../network/write-managed-files.ts';
import { type CgroupPathNeeds, plannedCgroupPath } from '../start/cgroup-path.ts';
import { type JoinNamespacesNeeds, planNamespaces, takeHostname } from '../start/join-namespaces.ts';
import { launchFailure } from '../start/launch-failure.ts';
import { type OpenSourcesNeeds, openSources } from '../start/open-sources.ts';
import { type ContainerLogNeeds, containerLog, followLog } from '../streams/container-log.ts';
import { type BegunRun, type Follow, next } from './transitions.ts';

/** See needs.ts. */
export type StartRunNeeds = Needs<
  | 'cgroups'
  | 'host'
  | 'images'
  | 'launcher'
  | 'layers.makeRoom'
  | 'layers.mount'
  | 'log.warn'
  | 'networks.sandboxes.build'
  | 'networks.sandboxes.connections'
  | 'paths.logs'
  | 'paths.run'
  | 'paths.staging'
  | 'runs.remove'
  | 'store.saveState'
> &
  CgroupPathNeeds &
  ContainerEventsNeeds &
  ContainerLogNeeds &
  ContainerNetworkNeeds &
  JoinNamespacesNeeds &
  LinksNeeds &
  OpenSourcesNeeds &
  VolumeUsersNeeds &
  WriteManagedFilesNeeds;

/** What takes a start back, in reverse order. */
type Undo = (() => void | Promise<void>)[];

const noSources: ReadonlyMap<string, number> = new Map();

/**
 * Starts it, which the caller has checked that it may. `begin` is called once it is recorded as running, before anyone is told. Throws what
 * recordFailure is to be given.
 */
export async function startRun(
  services: StartRunNeeds,
  held: LockedContainer,
  begin: (task: Task) => void,
): Promise<void> {
  const { container } = held;
  const undo: Undo = [];
  try {
    const run: BegunRun = {
      startedNs: wallClockNs(),
      cgroupPath: plannedCgroupPath(services, container.id, container.spec),
      hasProbe: container.spec.healthCheck !== undefined,
    };
    // Let go when the container counts as running: see ContainerVolumes.open.
    using sources = await openSources(services, container.spec.mounts);
    const task = await launch(services, held, run, sources?.fds ?? noSources, undo);
    held.mustApply({ kind: 'launched', run, pid: task.pid });
    begin(task);
    followLog(services, container, task, container.runLogStart);
    for (const { entry } of services.networks.sandboxes.connections(container.id)) {
      publishNetworkEvent(services, container, 'connect', entry.record);
    }
    updateLinks(services, container);
    publishVolumesMounted(services, container);
    publishContainerEvent(services, container, 'start');
    container.tellStarted(task);
    // Those who waited hold the log for themselves now.
    task.initialHold?.release();
  } catch (error) {
    for (const step of undo.reverse()) {
      try {
        await step();
      } catch (undoError) {
        services.log.warn(
          { err: undoError, container: container.id, name: container.record.name },
          'cannot undo a part of a failed start: it is undone at the next start of the daemon',
        );
      }
    }
    throw error;
  }
}

async function launch(
  services: StartRunNeeds,
  held: LockedContainer,
  run: BegunRun,
  sources: ReadonlyMap<string, number>,
  undo: Undo,
): Promise<Task> {
  const { paths, cgroups } = services;
  const { container } = held;
  takeHostname(services, container);
  const { id, spec } = container;
  const { process } = spec;
  const { hasTerminal, consoleSize } = process;
  const runDir = paths.run(id);
  // Of an end that could not be stored, the record is still there.
  if (container.hasOldRun) services.runs.remove(id);
  container.hasOldRun = false;
  mkdirSync(runDir, { recursive: true, mode: 0o700 });
  undo.push(() => services.runs.remove(id));
  const sandbox = reserveNetwork(services, container);
  undo.push(() => endNetwork(services, container));
  const managedFiles = await writeWithRoom(services, container);
  const ownsNamespace = sandbox !== undefined && spec.network.kind !== 'host';
  using network = ownsNamespace ? await services.networks.sandboxes.build(sandbox) : undefined;
  const namespaces = planNamespaces(services, spec, network);

  const { cgroupPath } = run;
  const { resources } = resolveResources(spec, cgroups, resolveDevices(spec.devices.mappings));
  const placement = await cgroups.create(cgroupPath, resources);
  undo.push(async () => {
    await cgroups.kill(cgroupPath);
    await cgroups.remove(cgroupPath);
  });

  let rootFd: number | undefined;
  try {
    rootFd = services.layers.mount(id);
    const logStart = endOfLog(paths.logs(id));
    container.runLogStart = logStart;
    const launching = runTask(services.launcher, {
      id,
      runDir,
      logDir: paths.logs(id),
      log: { ...containerLog(services, spec).limits, firstSeq: logStart.seq },
      holdLog: container.hasStartListeners,
      terminalSize: hasTerminal && consoleSize ? [consoleSize.height, consoleSize.width] : undefined,
      platformHint: platformHint(services.images, container.record.imageId),
      process: {
        kind: 'own root',
        input: {
          id,
          container: spec,
          linkEnv: linkEnvironment(services, container),
          user: resolveUser(rootFd, process.user, process.groups),
          sources,
          managedFiles,
          namespaces,
          cgroupPath,
          cgroupVersion: cgroups.version,
          facts: services.host.facts,
          host: services.host,
          rootFd,
          cgroup: placement,
          stagingDir: paths.staging,
        },
      },
    });
    // Written while the launcher works. The pid is not needed: recovery asks the monitor.
    const ahead = next(container.state, { kind: 'launched', run, pid: 0 });
    await saveWhile(launching, () => services.store.saveState(held, ahead?.state));
    return await launching;
  } finally {
    // Off the main thread: the kernel takes its time over a file that a mount hangs on.
    if (rootFd !== undefined) close(rootFd, () => undefined);
    placement.release?.();
  }
}

/** On a full disk what was removed lately may not be deleted yet. */
async function writeWithRoom(services: StartRunNeeds, container: Container): Promise<ManagedFiles> {
  try {
    return writeManagedFiles(services, container);
  } catch (error) {
    if (!isErrno(error, 'ENOSPC', 'EDQUOT')) throw error;
    await services.layers.makeRoom();
    return writeManagedFiles(services, container);
  }
}

/** What fails here fails the start, but only after the launch is over: till then there is nothing that could be undone. */
async function saveWhile(launching: Promise<unknown>, save: () => void): Promise<void> {
  launching.catch(() => undefined);
  try {
    save();
  } catch (error) {
    await launching.catch(() => undefined);
    throw error;
  }
}

/** Notes why it did not start. Returns the error for the user, and what is to be done next: with AutoRemove the container goes. */
export function recordFailure(
  services: StartRunNeeds,
  held: LockedContainer,
  error: unknown,
): { failure: Error; follow: Follow } {
  const { container } = held;
  const { error: failure, exitCode } = launchFailure(error);
  const autoRemove = container.spec.removesItself;
  const follow = held.mustApply({
    kind: 'launch-failed',
    failure: { exitCode, message: failure.message, atNs: wallClockNs(), autoRemove },
  });
  try {
    services.store.saveState(held);
  } catch (saveError) {
    // Those who wait are told all the same.
    services.log.warn(
      { err: saveError, container: container.id, name: container.record.name },
      'cannot store why a container did not start: its state says nothing of it',
    );
  }
  container.tellStarted(undefined);
  container.wake('next-exit', 'not-running');
  container.tellHealth({ StatusCode: 1, Error: { Message: failure.message } });
  return { failure, follow };
}
