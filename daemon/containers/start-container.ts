// POST /containers/{id}/start: cgroup, root, program, launch, record. Each step's undo runs in reverse when a later one fails, so that a
// failed start leaves nothing but its reason in the state.
import { close, mkdirSync } from 'node:fs';
import { isErrno } from '../../native-bindings/errno.ts';
import { resourcesFromHostConfig } from '../cgroups/resources.ts';
import { EngineError } from '../errors/engine-error.ts';
import { endOfLog } from '../logs/format/log-directory.ts';
import type { ManagedFiles } from '../runtime/container-input.ts';
import { openContainerProgram } from '../runtime/container-program.ts';
import { resolveDevices } from '../runtime/devices.ts';
import type { MonitorClient } from '../runtime/monitor-client.ts';
import { resolveUser } from '../runtime/user-database.ts';
import { networkModeOf } from '../spec/network-mode.ts';
import { wallClockNs } from '../state/event-log.ts';
import { plannedCgroupPath } from './cgroup-path.ts';
import type { Container } from './container.ts';
import { publishContainerEvent, publishNetworkEvent } from './container-events.ts';
import { containerLog, followLog } from './container-log.ts';
import { endNetwork, reserveNetwork } from './container-network.ts';
import type { ContainerState } from './container-record.ts';
import { watchMonitor } from './finish-run.ts';
import { platformHint } from './foreign-platform.ts';
import { beginHealth } from './health.ts';
import { begunHealth, probeOf } from './health-rules.ts';
import { planNamespaces, takeHostname } from './join-namespaces.ts';
import { launchFailure, launchProgram, terminalSize } from './launch-failure.ts';
import { linkEnvironment } from './links.ts';
import { openSources } from './open-sources.ts';
import { removeLocked } from './remove-container.ts';
import type { Services } from './services.ts';
import { publishVolumesMounted } from './volume-users.ts';
import { updateLinks, writeManagedFiles } from './write-managed-files.ts';

/** What a start changes in the state, apart from the pid. */
type RunState = Omit<ContainerState, 'pid' | 'finishedNs' | 'stoppedByUser' | 'restartCount' | 'restartDelayMs'>;

const noSources: ReadonlyMap<string, number> = new Map();

/** Throws 'not-modified' when it runs already, 'conflict' when its state forbids a start. */
export function startContainer(services: Services, container: Container): Promise<void> {
  return container.lock.run(() => {
    const { state } = container;
    if (container.isRemoving) {
      throw new EngineError('conflict', 'container is marked for removal and cannot be started');
    }
    if (state.status === 'dead') {
      throw new EngineError('conflict', `container ${container.id} is dead and cannot be started: ${state.error}`);
    }
    if (state.status === 'paused') {
      throw new EngineError('conflict', 'cannot start a paused container, try unpause instead');
    }
    if (state.status === 'running') throw new EngineError('not-modified', 'the container runs already');
    container.cancelRestart?.();
    container.state = { ...state, stoppedByUser: false, restartCount: 0, restartDelayMs: 0 };
    return startLocked(services, container);
  });
}

/** The caller holds the lock and has checked the state. */
export async function startLocked(services: Services, container: Container): Promise<void> {
  const undo: (() => void | Promise<void>)[] = [];
  try {
    const run: RunState = {
      status: 'running',
      exitCode: 0,
      error: '',
      oomKilled: false,
      oomKills: 0,
      startedNs: wallClockNs().toString(),
      cgroupPath: plannedCgroupPath(services, container.id, container.record.hostConfig),
      restartAsked: false,
      ...(probeOf(container.record.config) === undefined ? {} : { health: begunHealth(container.state.health) }),
    };
    // Let go when the container counts as running: see ContainerVolumes.open.
    using sources = await openSources(services, container.record.mounts);
    const monitor = await launch(services, container, run, sources?.fds ?? noSources, undo);
    container.state = { ...container.state, ...run, pid: monitor.pid };
    watchMonitor(services, container, monitor);
    followLog(services, container, monitor, container.runLogStart);
    beginHealth(services, container);
    for (const { entry } of services.networks.sandboxes.connections(container.id)) {
      publishNetworkEvent(services, container, 'connect', entry.record);
    }
    updateLinks(services, container);
    publishVolumesMounted(services, container);
    publishContainerEvent(services, container, 'start');
    container.tellStarted(monitor);
    // Those who waited hold the log for themselves now.
    monitor.initialHold?.release();
  } catch (error) {
    for (const step of undo.reverse()) {
      try {
        await step();
      } catch (undoError) {
        services.log.warn({ err: undoError, container: container.id }, 'undo a failed start');
      }
    }
    throw await recordFailure(services, container, error);
  }
}

async function launch(
  services: Services,
  container: Container,
  run: RunState,
  sources: ReadonlyMap<string, number>,
  undo: (() => void | Promise<void>)[],
): Promise<MonitorClient> {
  const { paths, cgroups } = services;
  takeHostname(services, container);
  const { id, config, hostConfig } = container.record;
  const runDir = paths.run(id);
  // Of an end that could not be stored, the record is still there.
  if (container.hasOldRun) services.runs.remove(id);
  container.hasOldRun = false;
  mkdirSync(runDir, { recursive: true, mode: 0o700 });
  undo.push(() => services.runs.remove(id));
  const sandbox = reserveNetwork(services, container);
  undo.push(() => endNetwork(services, container));
  const managedFiles = await writeWithRoom(services, container);
  const ownsNamespace = sandbox !== undefined && networkModeOf(container.record).kind !== 'host';
  using network = ownsNamespace ? await services.networks.sandboxes.build(sandbox) : undefined;
  const namespaces = planNamespaces(services, container.record, network);

  const { cgroupPath } = run;
  const { resources } = resourcesFromHostConfig(hostConfig, cgroups, resolveDevices(hostConfig));
  const placement = await cgroups.create(cgroupPath, resources);
  undo.push(async () => {
    await cgroups.kill(cgroupPath);
    await cgroups.remove(cgroupPath);
  });

  let rootFd: number | undefined;
  try {
    rootFd = services.layers.openRoot(id);
    const logStart = endOfLog(paths.logs(id));
    container.runLogStart = logStart;
    using open = openContainerProgram({
      id,
      config: { ...config, Env: [...linkEnvironment(services, container), ...config.Env] },
      hostConfig,
      user: resolveUser(rootFd, config.User, hostConfig.GroupAdd ?? []),
      mounts: container.record.mounts,
      sources,
      managedFiles,
      namespaces,
      cgroupPath,
      cgroupVersion: cgroups.version,
      facts: services.host.facts,
      host: services.host,
      rootFd,
      cgroup: placement,
      logDir: paths.logs(id),
      logOptions: containerLog(services, hostConfig).limits,
      nextLogSeq: logStart.seq,
      runDir,
      stagingDir: paths.staging,
      init: hostConfig.Init ?? false,
    });
    const hold = container.hasStartListeners ? { holdLogFrom: logStart.seq } : {};
    const size = config.Tty ? terminalSize(hostConfig.ConsoleSize) : {};
    const launching = launchProgram(
      services.launcher,
      open,
      { id, runDir, ...hold, ...size },
      'create',
      platformHint(services.images, container.record.imageId),
    );
    // Written while the launcher works. The pid is not needed: recovery asks the monitor.
    await saveWhile(launching, () => services.store.saveState(container, { ...container.state, ...run, pid: 0 }));
    return await launching;
  } finally {
    // Off the main thread: the kernel takes its time over a file that a mount hangs on.
    if (rootFd !== undefined) close(rootFd, () => undefined);
    placement.release?.();
  }
}

/** On a full disk what was removed lately may not be deleted yet. */
async function writeWithRoom(services: Services, container: Container): Promise<ManagedFiles> {
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

/** Notes why it did not start; with AutoRemove the container goes. Returns the error for the caller to throw. */
async function recordFailure(services: Services, container: Container, error: unknown): Promise<unknown> {
  const failure = launchFailure(error);
  const { state } = container;
  container.state = {
    ...state,
    status: state.status === 'restarting' ? 'exited' : state.status,
    pid: 0,
    exitCode: failure.exitCode,
    error: failure.error.message,
    ...(state.startedNs === '0' ? {} : { finishedNs: wallClockNs().toString() }),
  };
  try {
    services.store.saveState(container);
  } catch (saveError) {
    // Those who wait are told all the same.
    services.log.warn({ err: saveError, container: container.id }, 'store why a container did not start');
  }
  container.tellStarted(undefined);
  container.wake('next-exit', 'not-running');
  container.tellHealth({ StatusCode: 1, Error: { Message: failure.error.message } });
  if (container.record.hostConfig.AutoRemove) await removeLocked(services, container, true);
  return failure.error;
}
