// bpf(2), as far as device rules on cgroup v2 need it: load a program and attach it to a cgroup.
import { addressOf, keepAlive } from './call.ts';
import { systemError, trySyscall } from './libc.ts';

const CMD = { PROG_LOAD: 5, PROG_ATTACH: 8 } as const;
const PROG_TYPE_CGROUP_DEVICE = 15;
const ATTACH_CGROUP_DEVICE = 6;
/** Programs of ancestors stay in force: a call must pass all of them. */
const ATTACH_FLAG_ALLOW_MULTI = 2;
const LOG_BYTES = 64 * 1024;

/**
 * Loads a program of type BPF_PROG_TYPE_CGROUP_DEVICE (instructions of 8 bytes) and returns its fd. When the kernel's verifier refuses
 * it, the error ends with what the verifier says.
 */
export function loadDeviceProgram(instructions: Uint8Array): number {
  const license = Buffer.from('Apache-2.0\0');
  const attr = Buffer.alloc(72);
  attr.writeUInt32LE(PROG_TYPE_CGROUP_DEVICE, 0);
  attr.writeUInt32LE(instructions.byteLength / 8, 4);
  attr.writeBigUInt64LE(addressOf(instructions), 8);
  attr.writeBigUInt64LE(addressOf(license), 16);
  attr.write('tsdocker_dev', 48);
  const fd = trySyscall('bpf', CMD.PROG_LOAD, attr, attr.length);
  keepAlive(instructions, license);
  if (fd >= 0) return fd;
  // Only now with the log: a log that does not fit would make a good program fail.
  const log = Buffer.alloc(LOG_BYTES);
  attr.writeUInt32LE(1, 24);
  attr.writeUInt32LE(log.length, 28);
  attr.writeBigUInt64LE(addressOf(log), 32);
  const again = trySyscall('bpf', CMD.PROG_LOAD, attr, attr.length);
  keepAlive(instructions, license, log);
  if (again >= 0) return again;
  const error = systemError('bpf', -again, {
    args: { command: 'BPF_PROG_LOAD', instructions: instructions.byteLength / 8 },
    operand: 'BPF_PROG_LOAD of device rules',
  });
  const end = log.indexOf(0);
  if (end > 0) error.message += `: ${log.toString('utf8', 0, end).trim()}`;
  throw error;
}

/** Attaches a device program to the cgroup v2 directory that is open as `cgroupFd`; it lives as long as the cgroup. */
export function attachDeviceProgram(cgroupFd: number, programFd: number): void {
  const attr = Buffer.alloc(20);
  attr.writeUInt32LE(cgroupFd, 0);
  attr.writeUInt32LE(programFd, 4);
  attr.writeUInt32LE(ATTACH_CGROUP_DEVICE, 8);
  attr.writeUInt32LE(ATTACH_FLAG_ALLOW_MULTI, 12);
  const result = trySyscall('bpf', CMD.PROG_ATTACH, attr, attr.length);
  if (result >= 0) return;
  throw systemError('bpf', -result, {
    args: { command: 'BPF_PROG_ATTACH', cgroupFd, programFd },
    operand: 'BPF_PROG_ATTACH of device rules',
  });
}
