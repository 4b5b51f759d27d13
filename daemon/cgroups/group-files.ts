// Access to the files of control groups. The rest of this folder goes through the interface, so that layouts this host does not have
// can be tested.
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmdirSync,
  statSync,
  writeSync,
} from 'node:fs';
import { isErrno, SystemError } from '../../native-bindings/errno.ts';

export interface GroupFiles {
  /** The whole file, up to a limit; undefined when it (or its group) does not exist. */
  read(file: string): string | undefined;
  /** One write(2) to an existing file. Throws SystemError. */
  write(file: string, value: string): void;
  /** Several writes to one file, each by a write(2) of its own. */
  writeEach(file: string, values: readonly string[]): void;
  makeDirectory(directory: string): void;
  removeDirectory(directory: string): void;
  /** Names of the groups directly below a group; none when it does not exist. */
  childGroups(directory: string): string[];
  /** Names of all files and groups in a group. */
  list(directory: string): string[];
  exists(file: string): boolean;
}

/** Large enough for cgroup.procs of 60,000 processes. */
const READ_LIMIT_BYTES = 512 * 1024;
const buffer = Buffer.allocUnsafeSlow(READ_LIMIT_BYTES);
/** The group went away between open and read. */
const GONE = ['ENOENT', 'ENODEV'] as const;

function failed(call: string, error: unknown, operand: string, args: Record<string, string>): unknown {
  const errno = error instanceof Error && 'errno' in error ? error.errno : undefined;
  return typeof errno === 'number' && errno < 0 ? new SystemError(call, -errno, args, operand) : error;
}

export const kernelFiles: GroupFiles = {
  read(file) {
    let fd: number;
    try {
      fd = openSync(file, 'r');
    } catch (error) {
      if (isErrno(error, ...GONE)) return undefined;
      throw failed('open', error, JSON.stringify(file), { file });
    }
    try {
      let length = 0;
      while (length < buffer.length) {
        const count = readSync(fd, buffer, length, buffer.length - length, null);
        if (count === 0) break;
        length += count;
      }
      return buffer.toString('latin1', 0, length);
    } catch (error) {
      if (isErrno(error, ...GONE)) return undefined;
      throw failed('read', error, JSON.stringify(file), { file });
    } finally {
      closeSync(fd);
    }
  },

  write(file, value) {
    this.writeEach(file, [value]);
  },

  writeEach(file, values) {
    let fd: number;
    try {
      fd = openSync(file, constants.O_WRONLY);
    } catch (error) {
      throw failed('open', error, JSON.stringify(file), { file });
    }
    try {
      for (const value of values) {
        try {
          writeSync(fd, value);
        } catch (error) {
          throw failed('write', error, `${JSON.stringify(value)} to ${JSON.stringify(file)}`, { file, value });
        }
      }
    } finally {
      closeSync(fd);
    }
  },

  makeDirectory(directory) {
    try {
      mkdirSync(directory, 0o755);
    } catch (error) {
      throw failed('mkdir', error, JSON.stringify(directory), { directory });
    }
  },

  removeDirectory(directory) {
    try {
      rmdirSync(directory);
    } catch (error) {
      throw failed('rmdir', error, JSON.stringify(directory), { directory });
    }
  },

  childGroups(directory) {
    try {
      // A group's link count is 2 and one more per group below it: saves reading the directory of a leaf.
      if (statSync(directory).nlink === 2) return [];
      return readdirSync(directory, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => entry.name);
    } catch (error) {
      if (isErrno(error, ...GONE)) return [];
      throw failed('readdir', error, JSON.stringify(directory), { directory });
    }
  },

  list(directory) {
    return readdirSync(directory);
  },

  exists(file) {
    return existsSync(file);
  },
};
