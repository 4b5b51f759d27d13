// Docker's archive operations on a container's files (cp, export). This side opens what lies on the host (mounts, namespaces) and words the
// errors; the files are touched in the jail.
import { closeSync, openSync, readlinkSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { AT, MOUNT_ATTR } from '../../native-bindings/constants.ts';
import { isErrno } from '../../native-bindings/errno.ts';
import { closeFd } from '../../native-bindings/files.ts';
import { mountSetattr } from '../../native-bindings/mount-api.ts';
import { EngineError } from '../errors/engine-error.ts';
import type { Archive, PutOptions, RootView } from './archive-service.ts';
import { decompressed } from './decoding/decompress.ts';
import type { AttachedMount, Place } from './enclosure.ts';
import type { PathStat } from './file-facts.ts';
import { holdTree } from './hold-tree.ts';
import type { Jail } from './jail.ts';

interface OpenView {
  place: Place;
  fds: number[];
}

export class JailedArchive implements Archive {
  readonly #jail: Jail;

  constructor(jail: Jail) {
    this.#jail = jail;
  }

  async stat(view: RootView, path: string): Promise<PathStat> {
    const { place, fds } = openView(view, path);
    try {
      return await this.#jail.run<'stat'>({ do: 'stat', place, path }, fds);
    } catch (error) {
      throw readError(error, view, path);
    }
  }

  async get(view: RootView, path: string): Promise<{ stat: PathStat; tar: Readable }> {
    const { place, fds } = openView(view, path, 'no-devices');
    try {
      const { head, tar } = await this.#jail.stream({ do: 'get', place, path }, fds);
      return { stat: head as PathStat, tar };
    } catch (error) {
      throw readError(error, view, path);
    }
  }

  async put(view: RootView, path: string, tar: Readable, options: PutOptions): Promise<void> {
    let isOpened = false;
    try {
      const input = await decompressed(tar);
      isOpened = true;
      const { place, fds } = openView(view, path);
      const { noOverwriteDirNonDir, owner, signal } = options;
      const job = { do: 'put', place, path, options: { noOverwriteDirNonDir, owner } } as const;
      await this.#jail.run<'put'>(job, fds, { input, ...(signal === undefined ? {} : { signal }) });
    } catch (error) {
      if (!isOpened && view.kind === 'stopped') for (const fd of givenFds(view)) closeFd(fd);
      throw writeError(error, view, path);
    }
  }

  async exportTar(view: RootView): Promise<Readable> {
    const { place, fds } = openView(view.kind === 'running' ? view : { ...view, mounts: [] }, '/', 'root-mount');
    const { tar } = await this.#jail.stream({ do: 'export', place }, fds);
    return tar;
  }
}

/** Opens everything that a job needs of the host. The fds belong to the caller. */
function openView(
  view: RootView,
  path: string,
  sees: 'everything' | 'no-devices' | 'root-mount' = 'everything',
): OpenView {
  if (view.kind === 'running') {
    checkPath(path);
    const nsFd = openMountNamespace(view.pid, view.ref);
    return { place: { kind: 'namespace', nsFd, sees }, fds: [nsFd] };
  }
  const fds = givenFds(view);
  try {
    checkPath(path);
    if (view.readOnlyRoot) makeReadOnly(view.rootFd);
    const mounts: AttachedMount[] = [];
    // Outer mounts first: the inner ones go on top.
    const byDepth = [...view.mounts].sort((a, b) => a.target.length - b.target.length);
    for (const { source, target, readOnly } of byDepth) {
      const fd = typeof source === 'string' ? holdTree(source, true) : source.fd;
      if (typeof source === 'string') fds.push(fd);
      if (readOnly) makeReadOnly(fd, AT.RECURSIVE);
      mounts.push({ fd, target });
    }
    return { place: { kind: 'tree', rootFd: view.rootFd, mounts }, fds };
  } catch (error) {
    for (const fd of fds) closeFd(fd);
    throw error;
  }
}

/** What a view of a stopped container brings along. */
function givenFds(view: RootView & { kind: 'stopped' }): number[] {
  return [view.rootFd, ...view.mounts.flatMap(({ source }) => (typeof source === 'string' ? [] : [source.fd]))];
}

function makeReadOnly(fd: number, flags = 0): void {
  mountSetattr(fd, '', AT.EMPTY_PATH | flags, { set: MOUNT_ATTR.RDONLY });
}

/** A pid that was reused by a process of the host must not give the host's files. */
function openMountNamespace(pid: number, ref: string): number {
  let fd: number;
  try {
    fd = openSync(`/proc/${pid}/ns/mnt`, 'r');
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ESRCH')) throw error;
    throw new EngineError('conflict', `container ${ref} is not running`, { cause: error });
  }
  if (readlinkSync(`/proc/self/fd/${fd}`) === readlinkSync('/proc/self/ns/mnt')) {
    closeSync(fd);
    throw new EngineError('conflict', `container ${ref} has no mount namespace of its own`);
  }
  return fd;
}

function checkPath(path: string): void {
  if (path === '') throw new EngineError('invalid', "bad parameter: 'path' cannot be empty");
  if (path.includes('\0')) throw new EngineError('invalid', "bad parameter: 'path' holds a NUL");
  if (Buffer.byteLength(path) > 4095) throw new EngineError('invalid', "bad parameter: 'path' is too long");
}

function readError(error: unknown, view: RootView, path: string): unknown {
  if (isErrno(error, 'ENOENT')) return notFound(error, view, path);
  if (isErrno(error, 'ENOTDIR')) return new EngineError('invalid', `lstat ${path}: not a directory`, { cause: error });
  if (isErrno(error, 'ELOOP', 'ENAMETOOLONG')) return new EngineError('invalid', messageOf(error), { cause: error });
  return asEngineError(error, `read ${path} of container ${view.ref}`);
}

function writeError(error: unknown, view: RootView, path: string): unknown {
  if (isErrno(error, 'ENOENT')) return notFound(error, view, path);
  if (isErrno(error, 'ENOTDIR'))
    return new EngineError('invalid', 'extraction point is not a directory', { cause: error });
  if (isErrno(error, 'EROFS'))
    return new EngineError('invalid', 'container rootfs is marked read-only', { cause: error });
  if (isErrno(error, 'ELOOP', 'ENAMETOOLONG')) return new EngineError('invalid', messageOf(error), { cause: error });
  return asEngineError(error, `write to ${path} of container ${view.ref}`);
}

function notFound(error: unknown, view: RootView, path: string): EngineError {
  return new EngineError('not-found', `Could not find the file ${path} in container ${view.ref}`, { cause: error });
}

function asEngineError(error: unknown, what: string): unknown {
  if (error instanceof EngineError) return error;
  return new EngineError('system', `${what}: ${messageOf(error)}`, { cause: error });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
