// Looking at files that may go, or become something else, at any time: what is not there any more is passed over. Names are of the working
// directory, one component each.
import { constants, lstatSync, openSync, readlinkSync, type Stats } from 'node:fs';
import { EngineError } from '../../errors/engine-error.ts';
import { displayName, fromBytes } from '../../protocols/tar/tar-entry.ts';
import { isCode, isMissing } from './path-walk.ts';

export const OPEN_FILE = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

export function lstatOrSkip(name: string): Stats | undefined {
  try {
    return lstatSync(fromBytes(name));
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

export function openOrSkip(name: string, flags: number): number | undefined {
  try {
    return openSync(fromBytes(name), flags);
  } catch (error) {
    // Gone or replaced since it was listed; a device in its place cannot be opened here.
    if (isMissing(error) || isCode(error, 'ELOOP') || isCode(error, 'ENXIO')) return undefined;
    if (isCode(error, 'EACCES') && isDevice(name)) return undefined;
    // Without O_NONBLOCK it would take 45 seconds (fcntl(2), F_SETLEASE), for each file that a hostile container has such a one on.
    if (isCode(error, 'EAGAIN')) {
      throw new EngineError('conflict', `read ${displayName(name)}: a process has a lease on it`);
    }
    throw error;
  }
}

/** Some of the kernel's files can only be written. */
export function openIfReadable(name: string): number | undefined {
  try {
    return openSync(fromBytes(name), OPEN_FILE);
  } catch {
    return undefined;
  }
}

function isDevice(name: string): boolean {
  const stats = lstatOrSkip(name);
  return stats !== undefined && (stats.isCharacterDevice() || stats.isBlockDevice());
}

export function linkTarget(name: string): string | undefined {
  try {
    return readlinkSync(fromBytes(name), { encoding: 'latin1' });
  } catch (error) {
    if (isMissing(error) || isCode(error, 'EINVAL')) return undefined;
    throw error;
  }
}
