// The composition root: locks the roots, opens the state, builds the services, hands them to each other, recovers, and only then listens.
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { binaryDirectory } from '../native-bindings/binaries.ts';
import { unreadByPeer } from '../native-bindings/sockets.ts';
import { openBuilder } from './build/open-builder.ts';
import { CacheRecords } from './build/solver/cache-records.ts';
import { buildCommit, buildTime } from './build-facts.ts';
import { openDriver } from './cgroups/open-driver.ts';
import { publishNetworkChange } from './containers/container-events.ts';
import { ContainerStore } from './containers/container-store.ts';
import { volumeUsers } from './containers/create/volume-users.ts';
import { EngineContainers } from './containers/engine-containers.ts';
import { ExecRegistry } from './containers/exec/exec-registry.ts';
import { Lifecycle } from './containers/lifecycle/lifecycle.ts';
import type { Log } from './containers/log.ts';
import { EnginePaths } from './containers/paths.ts';
import { recover } from './containers/recovery/recover.ts';
import { RunDirectories } from './containers/run-directory.ts';
import { SystemInformation } from './containers/seen/system-info.ts';
import { ApiServer } from './docker-api/api-server.ts';
import { EngineError } from './errors/engine-error.ts';
import { watchIdleMemory } from './idle-memory.ts';
import { openImages } from './images/open-images.ts';
import { jsonFileDriver, localDriver } from './logs/drivers/file-driver.ts';
import { LogDrivers } from './logs/drivers/log-drivers.ts';
import { noneDriver } from './logs/drivers/none-driver.ts';
import { NameServer } from './networks/dns/name-server.ts';
import { BridgeDriver } from './networks/drivers/bridge-driver.ts';
import { hostDriver, nullDriver } from './networks/drivers/fixed-drivers.ts';
import { NetworkDrivers } from './networks/drivers/network-drivers.ts';
import { LinuxNetworkKernel } from './networks/kernel/linux-network-kernel.ts';
import { openNetworks } from './networks/open-networks.ts';
import { copyState, lockRoot, openRoots } from './open-roots.ts';
import { openStorage } from './open-storage.ts';
import type { DaemonOptions } from './options.ts';
import { Launcher } from './runtime/launcher.ts';
import { RuntimeHost } from './runtime/runtime-host.ts';
import { DEFAULT_MASKED_PATHS, DEFAULT_READONLY_PATHS } from './spec/system-paths.ts';
import type { Database } from './state/database.ts';
import { EventLog, wallClockNs } from './state/event-log.ts';
import { openState } from './state/open-state.ts';
import { openStrays } from './state/strays.ts';
import { openVolumes } from './volumes/open-volumes.ts';

/** A container takes some ten of the daemon's while it starts, and three while it runs. */
const fewFiles = 1024;

export interface Engine {
  /** Ends all containers, when the host itself is going down; otherwise they go on. */
  endWithHost(): Promise<void>;
  /** Stops serving; containers go on. */
  close(): Promise<void>;
}

/** Ready-made network namespaces: a burst of starts finds them, an idle engine does not feel them. */
const namespacePoolSize = 16;
/** How long connections may take to close, and jobs to stop: those that do not hold up nothing else. */
const closeLimitMs = 5000;

/** Undone in reverse, on close and when a later step of the start fails. */
type Cleanup = () => void | Promise<void>;

export async function openEngine(options: DaemonOptions, version: string, log: Log): Promise<Engine> {
  const cleanups: Cleanup[] = [];
  const close = async () => {
    for (const cleanup of cleanups.splice(0).reverse()) {
      try {
        await cleanup();
      } catch (error) {
        log.warn({ err: error }, 'cannot close a part of the engine: the next start takes care of it');
      }
    }
  };
  try {
    const containers = await build(options, version, log, cleanups);
    return { close, endWithHost: () => containers.endWithHost() };
  } catch (error) {
    await close();
    throw error;
  }
}

async function build(
  options: DaemonOptions,
  version: string,
  log: Log,
  cleanups: Cleanup[],
): Promise<EngineContainers> {
  const paths = new EnginePaths(options.dataRoot, options.execRoot);
  const { isReadOnly } = openRoots(paths);
  cleanups.push(lockRoot(paths.dataRoot), lockRoot(paths.execRoot));
  cleanups.push(writePidfile(options.pidfile));

  const tell = (fields: object, message: string) => log.warn(fields, message);
  if (isReadOnly)
    tell(
      { dataRoot: paths.dataRoot },
      'the data root is read-only: what is there is served, and nothing of what changes is kept',
    );
  const state = openState({
    directory: isReadOnly ? copyState(paths) : paths.dataRoot,
    dataRoot: paths.dataRoot,
    holdings: ['layers', 'containers'],
    tell,
  });
  const { database } = state;
  cleanups.push(() => state.close());
  const strays = openStrays(database, state.isDoubtful, tell);
  const events = new EventLog();
  const host = RuntimeHost.open();
  const launcher = Launcher.open(launcherPath());
  cleanups.push(() => launcher[Symbol.dispose]());
  const { cgroups, note, close: closeCgroups } = await openDriver(options.cgroupDriver);
  cleanups.push(closeCgroups);
  if (note !== undefined) log.warn({}, note);
  const files = host.facts.limits.get('nofile')?.soft ?? -1;
  if (files >= 0 && files < fewFiles) {
    log.warn(
      { files },
      `the limit of open files is low: with ulimit -n or LimitNOFILE below ${fewFiles} starts may fail`,
    );
  }
  const cgroupParent = options.cgroupParent ?? cgroups.defaultParent;
  cgroups.checkParent(cgroupParent);
  // The parent group is only for containers: without any it goes with the daemon.
  cleanups.push(async () => {
    if (!cgroups.isParentShared && cgroups.children(cgroupParent).length === 0) await cgroups.remove(cgroupParent);
  });
  const store = new ContainerStore(database);
  const onTrashError = (error: unknown) =>
    log.warn({ err: error }, 'cannot delete what was thrown away: tried again later');
  const storage = openStorage({ dataRoot: paths.dataRoot, database, strays, isReadOnly, onError: onTrashError });
  cleanups.push(() => withinLimit(storage.close()));
  // It holds the layers of its records: before those that nobody holds go.
  const cacheRecords = new CacheRecords(database, storage.layers, (error) =>
    log.warn({ err: error }, 'cannot write what is remembered of builds: tried again with the next build'),
  );
  cleanups.push(() => cacheRecords.close());
  const images = openImages({
    storage,
    database,
    isReadOnly,
    usersOfImage: (imageId) => containers.usersOfImage(imageId),
    registry: options.registry,
    onEvent: ({ action, id, attributes }, labels) => events.publish('image', action, id, attributes, labels),
    onError: onTrashError,
  });
  cleanups.push(async () => images.close());

  const engineId = setting(database, 'engine-id', randomUUID);
  const kernel = new LinuxNetworkKernel({
    engineId,
    runDirectory: paths.execRoot,
    poolSize: namespacePoolSize,
    isForwardingSet: options.networks.isForwardingSet,
    startMode: (name, fds, end, label) => launcher.startMode(name, fds, end, label),
    onNotice: (notice) => log.warn({}, `networks: ${notice}`),
  });
  const networks = await openNetworks({
    database,
    engineId,
    created: setting(database, 'engine-created', () => new Date().toISOString()),
    options: options.networks,
    kernel,
    drivers: new NetworkDrivers([new BridgeDriver(kernel), hostDriver, nullDriver]),
    openResolvers: (directory) => {
      const names = new NameServer({
        directory,
        onError: (error) => log.warn({ err: error }, 'cannot answer a question of a container for a name'),
      });
      cleanups.push(() => names[Symbol.dispose]());
      return names;
    },
    onEvent: (action, record) => publishNetworkChange(events, action, record),
    isWanted: ({ id }) =>
      [...store.all()].some(({ record }) => record.endpoints.some(({ networkId }) => networkId === id)),
    log,
  });
  cleanups.push(() => networks.close());
  const { volumes, close: closeVolumes } = openVolumes({
    root: join(paths.dataRoot, 'volumes'),
    database,
    jail: storage.jail,
    usersOf: (name) => volumeUsers(store, name),
    onEvent: (action, id, attributes) => events.publish('volume', action, id, attributes),
    nowNs: wallClockNs,
    onError: (error) => log.warn({ err: error }, 'cannot delete the files of a volume: tried again at the next start'),
    onNote: (fields, message) => log.warn(fields, message),
  });
  cleanups.push(closeVolumes);
  const execs = new ExecRegistry();
  const services = {
    store,
    execs,
    volumes,
    events,
    images: images.store,
    layers: storage.snapshots,
    archive: storage.archive,
    cgroups,
    launcher,
    networks,
    logs: new LogDrivers([jsonFileDriver, localDriver, noneDriver]),
    host,
    paths,
    runs: new RunDirectories(paths, log),
    defaults: {
      cgroupVersion: cgroups.version,
      shmSizeBytes: options.shmSizeBytes,
      ...(options.pidsLimit === undefined ? {} : { pidsLimit: options.pidsLimit }),
      logDriver: options.logDriver,
      logOptions: options.logOptions,
      dns: options.networks.dns,
      hostGateways: options.networks.hostGateways,
      maskedPaths: DEFAULT_MASKED_PATHS,
      readonlyPaths: DEFAULT_READONLY_PATHS,
    },
    cgroupParent,
    log,
  };

  const lifecycle = new Lifecycle(services);
  const containers = new EngineContainers(services, lifecycle, execs);
  const builder = await openBuilder({
    exec: {
      ...{ launcher, cgroups, cgroupParent, networks, host, log },
      snapshots: storage.snapshots,
      layers: storage.layers,
      jail: storage.jail,
      defaults: services.defaults,
      paths: { runs: join(paths.execRoot, 'build'), staging: paths.staging, snapshots: paths.containers },
    },
    catalogue: images.catalogue,
    registry: images.registry,
    files: storage.files,
    trash: storage.trash,
    records: cacheRecords,
    path: join(isReadOnly ? paths.execRoot : paths.dataRoot, 'build-state'),
  });
  cleanups.push(() => withinLimit(builder.close()));
  const system = new SystemInformation(services, {
    engineId,
    version,
    gitCommit: buildCommit,
    buildTime,
    labels: options.labels,
    isDebug: options.isDebug,
    registries: images.registry.service.facts(),
  });
  await recover(services, lifecycle, execs, strays);

  const api = await ApiServer.build({
    containers,
    images: images.store,
    registry: images.registry.service,
    build: builder.service,
    volumes,
    networks: networks.service,
    system,
    log,
    unreadByPeer,
  });
  const gid = groupId(options);
  await api.listen(options.hosts, {
    ...(gid === undefined ? {} : { gid }),
    ...(options.tls === undefined ? {} : { tls: options.tls }),
  });
  cleanups.push(() => withinLimit(api.close()));
  const idleMemory = watchIdleMemory();
  cleanups.push(() => idleMemory[Symbol.dispose]());
  setImmediate(() => host.warmUp());
  return containers;
}

function withinLimit(closing: Promise<void>): Promise<void> {
  return Promise.race([closing, sleep(closeLimitMs)]);
}

function writePidfile(path: string): Cleanup {
  const holder = existsSync(path) ? Number.parseInt(readFileSync(path, 'latin1'), 10) : 0;
  if (holder > 0 && holder !== process.pid && isDaemon(holder)) {
    throw new EngineError('conflict', `process with PID ${holder} is still running: it holds ${path}`);
  }
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.new`, `${process.pid}\n`, { mode: 0o644 });
  renameSync(`${path}.new`, path);
  return () => rmSync(path, { force: true });
}

/** Process numbers are used again: only a process that looks like this one counts. */
function isDaemon(pid: number): boolean {
  try {
    const commandLine = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
    return /tsdockerd|daemon\/main\.ts/.test(commandLine);
  } catch {
    return false;
  }
}

function setting(database: Database, key: string, make: () => string): string {
  const row = database.get('SELECT value FROM settings WHERE key = ?', key);
  if (row !== undefined) return String(row.value);
  const value = make();
  database.run('INSERT INTO settings (key, value) VALUES (?, ?)', key, value);
  return value;
}

/** With the bundle's binaries, or where make puts it when the daemon runs from its sources. */
/** TSDOCKER_LAUNCHER is another build of it: for a debugger, or with sanitizers. */
function launcherPath(): string {
  if (process.env.TSDOCKER_LAUNCHER) return process.env.TSDOCKER_LAUNCHER;
  if (import.meta.url.endsWith('.mjs')) return `${binaryDirectory()}/tsdocker-launcher`;
  return new URL('../native-bindings/launcher/tsdocker-launcher', import.meta.url).pathname;
}

/** undefined: the socket stays with root's group. A group that was asked for has to exist. */
function groupId({ group, isGroupAsked }: DaemonOptions): number | undefined {
  if (/^\d+$/.test(group)) return Number(group);
  for (const line of readFileSync('/etc/group', 'utf8').split('\n')) {
    const [name, , gid] = line.split(':');
    if (name === group) return Number(gid);
  }
  if (isGroupAsked) throw new EngineError('invalid', `group ${group}: there is no such group on this host`);
  return undefined;
}
