// Processes: pidfds, signals, resource limits, capabilities, prctl, terminals, and who is at the other end of a socket.
import { CAPABILITIES, RLIMIT, type RlimitName } from './capabilities.ts';
import { PR, TIOC } from './constants.ts';
import { ERRNO } from './errno.ts';
import { decodeValue } from './flags.ts';
import { syscall, systemError, trySyscall } from './libc.ts';

/** pidfd_open(2), Linux 5.3. Close-on-exec; belongs to the caller. */
export function pidfdOpen(pid: number): number {
  return syscall('pidfd_open', [pid, 0], () => ({ args: { pid }, operand: `${pid}` }));
}

/** pidfd_send_signal(2): false when the process has ended. */
export function pidfdSendSignal(pidfd: number, signal: number): boolean {
  const result = trySyscall('pidfd_send_signal', pidfd, signal, null, 0);
  if (result === -ERRNO.ESRCH) return false;
  if (result < 0) throw systemError('pidfd_send_signal', -result, { args: { pidfd, signal }, operand: `${signal}` });
  return true;
}

/** pidfd_getfd(2): a copy of another process's fd. */
export function pidfdGetfd(pidfd: number, targetFd: number): number {
  return syscall('pidfd_getfd', [pidfd, targetFd, 0], () => ({ args: { pidfd, targetFd }, operand: `fd ${targetFd}` }));
}

/** setpriority(2) of the calling thread alone, as Linux has it: 0 to 19, the higher the more it gives way to others. Inherited by what it starts. */
export function setThreadNice(nice: number): void {
  syscall('setpriority', [0, 0, nice], () => ({ args: { nice }, operand: 'of this thread' }));
}

/** kill(2): false when there is no such process. A pid may have been reused: prefer pidfdSendSignal. */
export function kill(pid: number, signal: number): boolean {
  const result = trySyscall('kill', pid, signal);
  if (result === -ERRNO.ESRCH) return false;
  if (result < 0)
    throw systemError('kill', -result, { args: { pid, signal }, operand: `${pid} with signal ${signal}` });
  return true;
}

/** A limit; undefined is "no limit" (RLIM_INFINITY). */
export interface ResourceLimit {
  soft: bigint | undefined;
  hard: bigint | undefined;
}

const RLIM_INFINITY = 2n ** 64n - 1n;

/** prlimit(2) without a new value; pid 0 is this process. */
export function getrlimit(name: RlimitName, pid = 0): ResourceLimit {
  const old = Buffer.alloc(16);
  syscall('prlimit64', [pid, RLIMIT[name], null, old], () => ({ args: { name, pid }, operand: name }));
  return { soft: readLimit(old, 0), hard: readLimit(old, 8) };
}

/** prlimit(2). Raising a hard limit needs CAP_SYS_RESOURCE: EPERM without it. */
export function setrlimit(name: RlimitName, { soft, hard }: ResourceLimit, pid = 0): void {
  const value = Buffer.alloc(16);
  value.writeBigUInt64LE(soft ?? RLIM_INFINITY, 0);
  value.writeBigUInt64LE(hard ?? RLIM_INFINITY, 8);
  syscall('prlimit64', [pid, RLIMIT[name], value, null], () => ({
    args: { name, soft: soft ?? 'unlimited', hard: hard ?? 'unlimited', pid },
    operand: `${name} to ${soft ?? 'unlimited'}:${hard ?? 'unlimited'}`,
  }));
}

function readLimit(struct: Buffer, offset: number): bigint | undefined {
  const value = struct.readBigUInt64LE(offset);
  return value === RLIM_INFINITY ? undefined : value;
}

export interface CapabilitySets {
  effective: bigint;
  permitted: bigint;
  inheritable: bigint;
}

/** capget(2), version 3; pid 0 is the calling thread. */
export function capget(pid = 0): CapabilitySets {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(0x20080522, 0);
  header.writeInt32LE(pid, 4);
  const data = Buffer.alloc(24);
  syscall('capget', [header, data], () => ({ args: { pid } }));
  const word = (offset: number) => BigInt(data.readUInt32LE(offset)) | (BigInt(data.readUInt32LE(offset + 12)) << 32n);
  return { effective: word(0), permitted: word(4), inheritable: word(8) };
}

/** prctl(2). */
export function prctl(option: number, ...args: number[]): number {
  return syscall('prctl', [option, ...args], () => ({
    args: { option: decodeValue('PR', PR, option), arguments: args.join(' ') },
    operand: decodeValue('PR', PR, option),
  }));
}

/** The mask of the calling thread's bounding set, limited to the capabilities that this kernel has. */
export function capabilityBoundingSet(): bigint {
  let mask = 0n;
  for (let bit = 0; bit < 64; bit++) {
    const isSet = trySyscall('prctl', PR.CAPBSET_READ, bit, 0, 0, 0);
    if (isSet < 0) break;
    if (isSet === 1) mask |= 1n << BigInt(bit);
  }
  return mask;
}

/** The number of the last capability that both this kernel and this program know. */
export function lastCapability(): number {
  let last = -1;
  while (last + 1 < CAPABILITIES.length && trySyscall('prctl', PR.CAPBSET_READ, last + 1, 0, 0, 0) >= 0) last++;
  return last;
}

export interface WindowSize {
  rows: number;
  cols: number;
}

/** The size of the terminal behind `fd`, or undefined when it is none. */
export function getWindowSize(fd: number): WindowSize | undefined {
  const struct = Buffer.alloc(8);
  const result = trySyscall('ioctl', fd, TIOC.GWINSZ, struct);
  return result < 0 ? undefined : { rows: struct.readUInt16LE(0), cols: struct.readUInt16LE(2) };
}

export interface PeerCredentials {
  pid: number;
  uid: number;
  gid: number;
}

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;

/** Who connected a unix socket (SO_PEERCRED); node:net has the fd in `socket._handle.fd`. */
export function peerCredentials(fd: number): PeerCredentials {
  const struct = Buffer.alloc(12);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(struct.length);
  syscall('getsockopt', [fd, SOL_SOCKET, SO_PEERCRED, struct, length], () => ({
    args: { fd },
    operand: `SO_PEERCRED of fd ${fd}`,
  }));
  return { pid: struct.readInt32LE(0), uid: struct.readUInt32LE(4), gid: struct.readUInt32LE(8) };
}

/**
 * exit_group(2): ends the process at once, whatever its threads are doing. process.exit() first stops worker threads, and one that is
 * inside of a native call then may abort the process instead.
 */
export function exitNow(status: number): void {
  trySyscall('exit_group', status);
}
