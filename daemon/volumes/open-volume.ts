// A volume as a detached mount that the caller holds and a container attaches. Nothing is mounted in the host's tree, whatever the options say:
// when the last descriptor and the last container are gone, so is the mount.

import { lookup } from 'node:dns/promises';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { isIP } from 'node:net';
import { AT, O, OPEN_TREE, RESOLVE } from '../../native-bindings/constants.ts';
import { isErrno } from '../../native-bindings/errno.ts';
import { closeFd, openat2 } from '../../native-bindings/files.ts';
import { mountDetached, mountSetattr, openTree } from '../../native-bindings/mount-api.ts';
import { EngineError } from '../errors/engine-error.ts';
import type { Jail } from '../jail/jail.ts';
import { mountOptions } from '../jail/jobs/hold-mount.ts';
import type { LocalMount } from './local-options.ts';

const TREE = OPEN_TREE.CLONE | AT.RECURSIVE | AT.EMPTY_PATH;
const BENEATH = RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS;

/** A directory of the host, or a path below it. Whoever changes the directory meanwhile cannot lead the lookup out of it. */
export function openBelow(directory: string, subpath: string): number {
  if (subpath === '') return openTree(AT.FDCWD, directory, OPEN_TREE.CLONE | AT.RECURSIVE);
  const root = openSync(directory, O.PATH | O.DIRECTORY);
  try {
    const fd = openat2(root, subpath, { flags: O.PATH, resolve: BENEATH });
    try {
      return openTree(fd, '', TREE);
    } finally {
      closeFd(fd);
    }
  } catch (error) {
    throw noSuchPath(error, subpath);
  } finally {
    closeSync(root);
  }
}

/** The same below a detached mount, which is taken over. Done in a jail: a path can only be looked up where something is attached. */
export async function narrow(jail: Jail, mountFd: number, subpath: string): Promise<number> {
  if (subpath === '') return mountFd;
  try {
    return await jail.run<'clone-mount'>(
      { do: 'clone-mount', place: { kind: 'tree', rootFd: mountFd, mounts: [], isPlain: true }, path: subpath },
      [mountFd],
    );
  } catch (error) {
    throw noSuchPath(error, subpath);
  }
}

function noSuchPath(error: unknown, subpath: string): unknown {
  if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return error;
  const why = isErrno(error, 'ELOOP') ? 'too many levels of symbolic links' : 'no such file or directory';
  return new EngineError('invalid', `cannot access path ${subpath} of the volume: ${why}`, { cause: error });
}

/** What the options of a volume name. A mount that asks another host is made by a worker: the daemon goes on meanwhile. */
export async function openLocalMount(jail: Jail, name: string, plan: LocalMount): Promise<number> {
  try {
    if (plan.kind === 'bind') return openDevice(plan);
    const { type, device, attributes, isRemote } = plan;
    const options = isRemote ? await withAddress(plan) : plan.options;
    if (isRemote) {
      return await jail.run<'mount'>({ do: 'mount', place: { kind: 'home' }, type, device, options, attributes }, []);
    }
    return mountDetached(type, mountOptions(device, options), attributes);
  } catch (error) {
    if (error instanceof EngineError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new EngineError('invalid', `error while mounting volume '${name}': ${why}`, { cause: error });
  }
}

function openDevice(plan: LocalMount & { kind: 'bind' }): number {
  const fd = openTree(AT.FDCWD, plan.device, OPEN_TREE.CLONE | (plan.recursive ? AT.RECURSIVE : 0));
  if (plan.attributes === 0) return fd;
  try {
    mountSetattr(fd, '', AT.EMPTY_PATH | (plan.recursive ? AT.RECURSIVE : 0), { set: plan.attributes });
    return fd;
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

/** The kernel wants numbers: names are looked up here, as mount.nfs(8) does; without `addr` the device's host is meant. */
async function withAddress({
  type,
  device,
  options,
}: LocalMount & { kind: 'file-system' }): Promise<readonly string[]> {
  const given = options.find((option) => option.startsWith('addr='));
  const host = given?.slice('addr='.length) ?? hostOf(type, device);
  if (host === undefined || host === '') return options;
  const address = isIP(host) > 0 ? host : (await lookup(host)).address;
  return [...options.filter((option) => option !== given), `addr=${address}`];
}

function hostOf(type: string, device: string): string | undefined {
  if (type.startsWith('nfs')) return /^\[(.+)\]:|^([^:]+):/.exec(device)?.slice(1).find(Boolean);
  if (type === 'cifs' || type === 'smb3') return /^\/\/([^/]+)\//.exec(device)?.[1];
  return undefined;
}

/** The number of the file system that a mount shows (st_dev). */
export function deviceOf(mountFd: number): number {
  return fstatSync(mountFd).dev;
}
