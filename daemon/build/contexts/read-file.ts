// One small file of a client's directory (a Dockerfile, .dockerignore), read where the directory lies. Links are followed inside the directory by
// the kernel (openat2(2), RESOLVE_IN_ROOT), and nothing but a regular file is ever opened: opening a device or a FIFO can do something.
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { O, RESOLVE } from '../../../native-bindings/constants.ts';
import { isErrno } from '../../../native-bindings/errno.ts';
import { closeFd, openat2 } from '../../../native-bindings/files.ts';
import { EngineError } from '../../errors/engine-error.ts';
import type { DirectoryResult } from '../steps/step.ts';

const READ_BYTES = 64 * 1024;

/**
 * The bytes of the file that `path` leads to in the directory. Throws 'not-found', and 'invalid' for what is no file or has more than `maxBytes`;
 * with `cuts` no more are read.
 */
export function readFile(
  directory: Pick<DirectoryResult, 'path'>,
  path: string,
  maxBytes: number,
  { cuts = false } = {},
): Buffer {
  const fd = openFile(directory, path);
  try {
    return readAll(fd, shownPath(path), maxBytes, cuts);
  } finally {
    closeSync(fd);
  }
}

/** A descriptor of the regular file that `path` leads to in the directory; the caller closes it. Throws 'not-found' and 'invalid'. */
export function openFile(directory: Pick<DirectoryResult, 'path'>, path: string): number {
  const shown = shownPath(path);
  if (path.includes('\0')) throw new EngineError('invalid', `open ${shown}: its name holds a NUL`);
  const root = openSync(directory.path, constants.O_RDONLY | constants.O_DIRECTORY);
  let handle: number | undefined;
  try {
    handle = openat2(root, path, { flags: O.PATH, resolve: RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS });
    if (!fstatSync(handle).isFile()) throw new EngineError('invalid', `open ${shown}: it is not a regular file`);
    return openSync(`/proc/self/fd/${handle}`, constants.O_RDONLY);
  } catch (error) {
    if (error instanceof EngineError) throw error;
    if (isErrno(error, 'ENOENT', 'ENOTDIR'))
      throw new EngineError('not-found', `open ${shown}: no such file or directory`, { cause: error });
    if (isErrno(error, 'ELOOP', 'ENAMETOOLONG', 'EINVAL'))
      throw new EngineError('invalid', `open ${shown}: ${(error as Error).message}`, { cause: error });
    throw error;
  } finally {
    if (handle !== undefined) closeFd(handle);
    closeSync(root);
  }
}

function shownPath(path: string): string {
  return JSON.stringify(path.slice(0, 300));
}

/** As many bytes as come, whatever the file's size says: it may be on a file system that tells none. */
function readAll(fd: number, shown: string, maxBytes: number, cuts: boolean): Buffer {
  const parts: Buffer[] = [];
  for (let bytes = 0; ; ) {
    const part = Buffer.allocUnsafe(READ_BYTES);
    const count = readSync(fd, part);
    if (count === 0) return Buffer.concat(parts);
    bytes += count;
    if (bytes > maxBytes && cuts) return Buffer.concat([...parts, part]).subarray(0, maxBytes);
    if (bytes > maxBytes) throw new EngineError('invalid', `read ${shown}: it has more than ${maxBytes} bytes`);
    parts.push(part.subarray(0, count));
  }
}
