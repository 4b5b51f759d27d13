// A file without a name, on the disk: it goes with its last descriptor, whatever ends.

import { randomBytes } from 'node:crypto';
import { closeSync, constants, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** open(2): O_TMPFILE beside O_DIRECTORY, which is part of it. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY;

/** Undefined when there can be none: a disk may be full or read-only, and what needs no scratch file must work on it. */
export function openScratchFile(directory: string): number | undefined {
  try {
    return openSync(directory, O_TMPFILE | constants.O_RDWR, 0o600);
  } catch {
    return openAndUnlink(join(directory, randomBytes(8).toString('hex')));
  }
}

/** Where the file system knows no file without a name. */
function openAndUnlink(path: string): number | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
    rmSync(path);
    return fd;
  } catch {
    if (fd !== undefined) closeSync(fd);
    return undefined;
  }
}
