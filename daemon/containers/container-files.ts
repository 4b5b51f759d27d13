// diff, export, cp: a container's files, through the jail. A running container is seen with its mounts from the inside; a stopped one gets
// its root mounted for as long as the operation takes, under the container's lock.
import { closeSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { isErrno } from '../../native-bindings/errno.ts';
import type { ContainerPathStat } from '../docker-types/container-actions.ts';
import { EngineError } from '../errors/engine-error.ts';
import type { RootView } from '../jail/archive-service.ts';
import { resolveUser } from '../runtime/user-database.ts';
import { cleanPath } from '../spec/mount-target.ts';
import type { Container } from './container.ts';
import { type ContainerEventsNeeds, publishContainerEvent } from './container-events.ts';
import type { PutArchiveOptions } from './container-service.ts';
import { type RunningProcessNeeds, runningUser } from './exec/running-process.ts';
import type { Needs } from './needs.ts';
import { lastManagedFiles, type WriteManagedFilesNeeds } from './network/write-managed-files.ts';
import { type OpenSourcesNeeds, openSources } from './start/open-sources.ts';

/** See needs.ts. */
export type ContainerFilesNeeds = Needs<
  'archive.exportTar' | 'archive.get' | 'archive.put' | 'archive.stat' | 'layers.diff' | 'layers.mount' | 'store.get'
> &
  ContainerEventsNeeds &
  OpenSourcesNeeds &
  RunningProcessNeeds &
  WriteManagedFilesNeeds;

/** An array of FilesystemChange, or null, as JSON. */
export function containerChanges(services: ContainerFilesNeeds, ref: string): Promise<Readable> {
  return services.layers.diff(services.store.get(ref).id);
}

export function exportContainer(services: ContainerFilesNeeds, ref: string): Promise<Readable> {
  const container = services.store.get(ref);
  publishContainerEvent(services, container, 'export');
  const work = async (view: RootView) => {
    const tar = await services.archive.exportTar(view);
    return { tar, result: tar };
  };
  return streamFrom(services, container, ref, work, 'root only');
}

export function statPath(services: ContainerFilesNeeds, ref: string, path: string): Promise<ContainerPathStat> {
  const container = services.store.get(ref);
  return withView(services, container, ref, (view) => services.archive.stat(view, path));
}

export function getArchive(
  services: ContainerFilesNeeds,
  ref: string,
  path: string,
): Promise<{ stat: ContainerPathStat; tar: Readable }> {
  const container = services.store.get(ref);
  publishContainerEvent(services, container, 'archive-path');
  return streamFrom(services, container, ref, async (view) => {
    const found = await services.archive.get(view, path);
    return { tar: found.tar, result: found };
  });
}

export async function putArchive(
  services: ContainerFilesNeeds,
  ref: string,
  path: string,
  tar: Readable,
  options: PutArchiveOptions,
): Promise<void> {
  const container = services.store.get(ref);
  publishContainerEvent(services, container, 'extract-to-dir');
  try {
    await withView(services, container, ref, (view) =>
      services.archive.put(view, path, tar, {
        noOverwriteDirNonDir: options.noOverwriteDirNonDir,
        ...(options.copyUidGid ? ownerFor(services, container, view) : {}),
      }),
    );
  } catch (error) {
    throw isErrno((error as Error).cause, 'EROFS') && isInReadOnlyMount(container, path)
      ? new EngineError('invalid', 'mounted volume is marked read-only', { cause: error })
      : error;
  }
}

/** As the user wrote the path: only for the words of an error. */
function isInReadOnlyMount({ record }: Container, path: string): boolean {
  const clean = cleanPath(`/${path}`);
  return record.spec.mounts.some(
    ({ readonly, target }) => readonly && (clean === target || clean.startsWith(`${target}/`)),
  );
}

/** With copyUIDGID what comes in belongs to the container's user, when it has one; else the archive's owners stay (measured: dockerd 20.10). */
function ownerFor(
  services: ContainerFilesNeeds,
  container: Container,
  view: RootView,
): { owner?: { uid: number; gid: number } } {
  const { user } = container.spec.process;
  if (user === '') return {};
  if (view.kind === 'running') {
    const { uid, gid } = runningUser(services, container, user, []);
    return { owner: { uid, gid } };
  }
  try {
    const { uid, gid } = resolveUser(view.rootFd, user, []);
    return { owner: { uid, gid } };
  } catch (error) {
    // A stopped view's descriptors are closed by the archive job, which is not begun now.
    closeSync(view.rootFd);
    for (const { source } of view.mounts) if (typeof source !== 'string') closeSync(source.fd);
    throw error;
  }
}

/** Runs `work` on the container's files; a stopped container cannot start meanwhile: two overlays on one upper directory lose data. */
function withView<T>(
  services: ContainerFilesNeeds,
  container: Container,
  ref: string,
  work: (view: RootView) => Promise<T>,
): Promise<T> {
  const running = runningView(container, ref);
  if (running !== undefined) return work(running);
  // Started meanwhile: seen from the inside it needs no lock, and who wants to end it must not wait for a client.
  return container
    .locked(async () => {
      const view = runningView(container, ref);
      if (view !== undefined) return { view };
      return { result: await work(await stoppedView(services, container, ref)) };
    })
    .then((found) => ('view' in found ? work(found.view) : found.result));
}

/** As withView, for work whose result is read later: for a stopped container the lock is held until the stream ends. */
function streamFrom<T>(
  services: ContainerFilesNeeds,
  container: Container,
  ref: string,
  work: (view: RootView) => Promise<{ tar: Readable; result: T }>,
  sees: 'mounts' | 'root only' = 'mounts',
): Promise<T> {
  const running = runningView(container, ref);
  if (running !== undefined) return work(running).then(({ result }) => result);
  return new Promise((resolve, reject) => {
    container
      .locked(async () => {
        const view = runningView(container, ref);
        if (view !== undefined) return view;
        const { tar, result } = await work(await stoppedView(services, container, ref, sees));
        resolve(result);
        await finished(tar).catch(() => undefined);
        return undefined;
      })
      .then(async (view) => {
        if (view !== undefined) resolve((await work(view)).result);
      })
      .catch(reject);
  });
}

function runningView(container: Container, ref: string): RootView | undefined {
  if (!container.isRunning || container.state.pid === 0) return undefined;
  return { kind: 'running', ref, pid: container.state.pid };
}

async function stoppedView(
  services: ContainerFilesNeeds,
  container: Container,
  ref: string,
  sees: 'mounts' | 'root only' = 'mounts',
): Promise<RootView> {
  if (container.isRemoved) throw new EngineError('not-found', `No such container: ${ref}`);
  const all = sees === 'mounts' ? container.spec.mounts : [];
  const managed = sees === 'mounts' ? lastManagedFiles(services, container) : [];
  const readOnlyRoot = container.spec.isRootReadonly;
  using sources = await openSources(services, all);
  const rootFd = services.layers.mount(container.id);
  const taken = sources?.take();
  return {
    kind: 'stopped',
    ref,
    rootFd,
    mounts: [
      ...all
        .filter(({ type }) => type !== 'tmpfs')
        .map(({ source, target, readonly }) => {
          const fd = taken?.get(target);
          return { source: fd === undefined ? source : { fd }, target, readOnly: readonly };
        }),
      ...managed.map((file) => ({ ...file, readOnly: readOnlyRoot })),
    ],
    readOnlyRoot,
  };
}
