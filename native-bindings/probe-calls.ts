// Finds out which system calls this process can make at all: each is called with arguments that nothing can be done with, so that the
// kernel's own answer is another error than that of a call which is unknown (an older kernel) or refused (a filter around the process).
import { ERRNO } from './errno.ts';
import { trySyscall } from './libc.ts';

/** No fd. */
const NONE = -1;

const harmless = {
  openat2: () => trySyscall('openat2', NONE, null, null, 0),
  clone3: () => trySyscall('clone3', null, 0),
  close_range: () => trySyscall('close_range', 1, 0, 0),
  pidfd_open: () => trySyscall('pidfd_open', NONE, 0),
  memfd_create: () => trySyscall('memfd_create', null, 0xffff_ffff),
  fsopen: () => trySyscall('fsopen', null, 0),
  fsconfig: () => trySyscall('fsconfig', NONE, 0, null, null, 0),
  fsmount: () => trySyscall('fsmount', NONE, 0, 0),
  open_tree: () => trySyscall('open_tree', NONE, null, 0),
  move_mount: () => trySyscall('move_mount', NONE, null, NONE, null, 0),
  mount_setattr: () => trySyscall('mount_setattr', NONE, null, 0, null, 0),
} as const;

export type ProbedCall = keyof typeof harmless;

export const PROBED_CALLS = Object.keys(harmless) as ProbedCall[];

/** Those of the calls that cannot be made. Only as root: without its capabilities some answer EPERM as a filter does. */
export function refusedCalls(): ProbedCall[] {
  return PROBED_CALLS.filter((name) => {
    const result = harmless[name]();
    return result === -ERRNO.ENOSYS || result === -ERRNO.EPERM;
  });
}
