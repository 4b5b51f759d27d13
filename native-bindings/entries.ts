// Entries of held directories, for who works through many: fewer objects and calls than node:fs makes. Names are one component each, as byte
// strings (latin1), and are never followed. What is not thrown is told: the result of a call, or minus the error number.
import { AT, O } from './constants.ts';
import { ERRNO } from './errno.ts';
import { systemError, trySyscall } from './libc.ts';
import type { SyscallName } from './syscall-numbers.ts';

const STATX_BASIC = 0x7ff;
const STATX_BTIME = 0x800;
const STRUCT_BYTES = 256;
const TIMES_BYTES = 32;
const ASCII = /^[\x01-\x7f]*$/;

/** What statx(2) told last. */
export class EntryStat {
  readonly #bytes = Buffer.alloc(STRUCT_BYTES);

  /** Of an entry; the empty name stands for what `fd` is itself. 0, or minus the error number. */
  read(fd: number, name: string): number {
    const flags = AT.SYMLINK_NOFOLLOW | AT.NO_AUTOMOUNT | (name === '' ? AT.EMPTY_PATH : 0);
    return trySyscall('statx', fd, bytesOf(name), flags, STATX_BASIC | STATX_BTIME, this.#bytes);
  }

  get nlink(): number {
    return this.#bytes.readUInt32LE(16);
  }

  get uid(): number {
    return this.#bytes.readUInt32LE(20);
  }

  get gid(): number {
    return this.#bytes.readUInt32LE(24);
  }

  /** With its type. */
  get mode(): number {
    return this.#bytes.readUInt16LE(28);
  }

  get ino(): bigint {
    return this.#bytes.readBigUInt64LE(32);
  }

  get sizeBytes(): number {
    return Number(this.#bytes.readBigUInt64LE(40));
  }

  /** Of 512 bytes. */
  get blocks(): number {
    return Number(this.#bytes.readBigUInt64LE(48));
  }

  /** Of a device: major and minor number. */
  get device(): readonly [major: number, minor: number] {
    return [this.#bytes.readUInt32LE(128), this.#bytes.readUInt32LE(132)];
  }

  /** Of the file system that it is on: one number. */
  get dev(): bigint {
    return (BigInt(this.#bytes.readUInt32LE(136)) << 32n) | BigInt(this.#bytes.readUInt32LE(140));
  }

  /** When it was made, since 1970; undefined: the file system does not say. */
  get bornNs(): bigint | undefined {
    return (this.#bytes.readUInt32LE(0) & STATX_BTIME) === 0 ? undefined : this.#timeAt(80);
  }

  /** When its content was changed. */
  get changedNs(): bigint {
    return this.#timeAt(112);
  }

  #timeAt(at: number): bigint {
    return this.#bytes.readBigInt64LE(at) * 1_000_000_000n + BigInt(this.#bytes.readUInt32LE(at + 8));
  }

  /** When its content was changed, as `setTimes` takes it. */
  get times(): Times {
    const times = Buffer.allocUnsafe(TIMES_BYTES);
    for (const at of [0, 16]) {
      this.#bytes.copy(times, at, 112, 120);
      times.writeBigInt64LE(BigInt(this.#bytes.readUInt32LE(120)), at + 8);
    }
    return times;
  }
}

/** Time of access and of change, the same. */
export type Times = Buffer;

/** Seconds since 1970. */
export function timesOf(seconds: number): Times {
  const times = Buffer.alloc(TIMES_BYTES);
  for (const at of [0, 16]) times.writeBigInt64LE(BigInt(Math.floor(seconds)), at);
  return times;
}

/** openat(2) with a mode for what it makes. */
export function openIn(fd: number, name: string, flags: number, mode = 0): number {
  return trySyscall('openat', fd, bytesOf(name), flags | O.CLOEXEC | O.NOFOLLOW, mode);
}

export function makeDirectoryIn(fd: number, name: string, mode: number): number {
  return trySyscall('mkdirat', fd, bytesOf(name), mode);
}

/** `mode` with its type; `device` from makeDevice. */
export function makeNodeIn(fd: number, name: string, mode: number, device: number): number {
  return trySyscall('mknodat', fd, bytesOf(name), mode, device);
}

export function makeSymlinkIn(target: string, fd: number, name: string): number {
  return trySyscall('symlinkat', bytesOf(target), fd, bytesOf(name));
}

export function linkIn(fromFd: number, from: string, fd: number, name: string): number {
  return trySyscall('linkat', fromFd, bytesOf(from), fd, bytesOf(name), 0);
}

/** The empty name: of what `fd` is, which may be a handle. */
export function setOwner(fd: number, name: string, uid: number, gid: number): void {
  const flags = AT.SYMLINK_NOFOLLOW | (name === '' ? AT.EMPTY_PATH : 0);
  check('fchownat', trySyscall('fchownat', fd, bytesOf(name), uid, gid, flags), name);
}

/** Of what is open. */
export function setTimes(fd: number, times: Times): void {
  check('utimensat', trySyscall('utimensat', fd, null, times, 0), '');
}

/** Of an entry. */
export function setTimesOf(fd: number, name: string, times: Times): void {
  check('utimensat', trySyscall('utimensat', fd, bytesOf(name), times, AT.SYMLINK_NOFOLLOW), name);
}

/** copy_file_range(2) at the offsets of both files: how many bytes it were, or minus the error number. */
export function copyRange(from: number, to: number, bytes: number): number {
  return trySyscall('copy_file_range', from, null, to, null, bytes, 0);
}

/** Throws what a call said. */
export function check(call: SyscallName, result: number, name: string): number {
  if (result >= 0) return result;
  throw systemError(call, -result, { args: { name }, operand: JSON.stringify(textOf(name)) });
}

/** Nothing has that name. */
export function isAbsent(result: number): boolean {
  return result === -ERRNO.ENOENT || result === -ERRNO.ENOTDIR;
}

function textOf(name: string): string {
  return Buffer.from(name, 'latin1').toString();
}

/** As a call takes it: a buffer of its own only where text would become other bytes. */
function bytesOf(name: string): string | Buffer {
  return ASCII.test(name) ? name : Buffer.from(`${name}\0`, 'latin1');
}
