// BPF that runs before libseccomp's filter: a system call number that nobody knew when the filter was written must answer ENOSYS, not
// EPERM, or a C library does not fall back to the older call; and calls that are newer than the installed libseccomp are decided here.
import { SECCOMP_ACT, SECCOMP_ARCH } from '../../../native-bindings/seccomp.ts';

const ENOSYS = 38;
const X32_BIT = 0x40000000;
/** x32 has numbers of its own in this range. */
const X32_FIRST = 512;
const X32_LAST = 547;
/** From here on a call has the same number on every architecture. */
const FIRST_COMMON = 424;

/** Calls from Linux 5.1 on; numbers are the same everywhere. */
export const RECENT_SYSCALLS: ReadonlyMap<string, number> = new Map(
  `pidfd_send_signal io_uring_setup io_uring_enter io_uring_register open_tree move_mount fsopen fsconfig fsmount fspick pidfd_open
  clone3 close_range openat2 pidfd_getfd faccessat2 process_madvise epoll_pwait2 mount_setattr quotactl_fd landlock_create_ruleset
  landlock_add_rule landlock_restrict_self memfd_secret process_mrelease futex_waitv set_mempolicy_home_node cachestat fchmodat2
  map_shadow_stack futex_wake futex_wait futex_requeue statmount listmount lsm_get_self_attr lsm_set_self_attr lsm_list_modules
  mseal setxattrat getxattrat listxattrat removexattrat open_tree_attr file_getattr file_setattr`
    .split(/\s+/)
    .map((name, index) => [name, FIRST_COMMON + index]),
);

/** Younger than the rest of x86-64's old table (Linux 6.11), and needed by every process that is traced with uretprobes. */
export const URETPROBE = 335;

export interface LateCall {
  number: number;
  /** SECCOMP_RET_* with its data. */
  action: number;
}

export interface PrologueInput {
  /** Node's name. */
  arch: string;
  /** Numbers of RECENT_SYSCALLS that libseccomp knows: its filter decides. */
  known: ReadonlySet<number>;
  /** Numbers that it does not know and the profile names; below FIRST_COMMON they are of the native table. */
  late: readonly LateCall[];
}

/** struct seccomp_data: where the number and the architecture are. */
const NUMBER = 0;
const ARCH = 4;

type Label = string;
interface Instruction {
  code: number;
  k: number;
  /** Targets of a conditional jump; without one, the next instruction. */
  yes?: Label;
  no?: Label;
}

const LOAD = 0x20;
const AND = 0x54;
const JUMP = 0x05;
const JEQ = 0x15;
const JGT = 0x25;
const JGE = 0x35;
const JSET = 0x45;
const RETURN = 0x06;

/** Pure. Ends by falling through to the filter that follows. */
export function seccompPrologue(input: PrologueInput): Buffer {
  const code: Instruction[] = [];
  const labels = new Map<Label, number>();
  const emit = (instruction: Instruction) => code.push(instruction);
  const label = (name: Label) => labels.set(name, code.length);

  emit({ code: LOAD, k: ARCH });
  if (input.arch === 'x64') {
    emit({ code: JEQ, k: SECCOMP_ARCH.X86_64, yes: 'native' });
    emit({ code: JEQ, k: SECCOMP_ARCH.X86, yes: 'foreign' });
  } else {
    emit({ code: JEQ, k: SECCOMP_ARCH.AARCH64, yes: 'native' });
    emit({ code: JEQ, k: SECCOMP_ARCH.ARM, yes: 'foreign' });
  }
  emit({ code: JUMP, k: 0, yes: 'filter' });

  label('native');
  emit({ code: LOAD, k: NUMBER });
  if (input.arch === 'x64') {
    emit({ code: JSET, k: X32_BIT, no: 'table' });
    emit({ code: AND, k: ~X32_BIT >>> 0 });
    emit({ code: JGE, k: X32_FIRST, no: 'common' });
    emit({ code: JGT, k: X32_LAST, yes: 'common', no: 'filter' });
  }
  // Between the last number of the old table and the common ones there is nothing.
  label('table');
  emit({ code: JGE, k: firstGap(input.arch), no: 'filter' });
  emit({ code: JGE, k: FIRST_COMMON, yes: 'common', no: 'late' });

  label('foreign');
  emit({ code: LOAD, k: NUMBER });
  label('common');
  const last = lastKnown(input.known);
  emit({ code: JGT, k: last, no: 'filter' });
  for (const number of RECENT_SYSCALLS.values()) {
    if (number > last && input.known.has(number)) emit({ code: JEQ, k: number, yes: 'filter' });
  }
  label('late');
  for (const [index, call] of input.late.entries()) {
    const next = `late${index}`;
    emit({ code: JEQ, k: call.number, no: next });
    emit({ code: RETURN, k: call.action });
    label(next);
  }
  emit({ code: RETURN, k: SECCOMP_ACT.ERRNO | ENOSYS });
  label('filter');
  return assemble(code, labels);
}

/** The last number up to which libseccomp knows all. */
function lastKnown(known: ReadonlySet<number>): number {
  let last = FIRST_COMMON - 1;
  while (known.has(last + 1)) last++;
  return last;
}

/** x86-64's own table ends with rseq (334), arm64's with kexec_file_load (294). */
function firstGap(arch: string): number {
  return arch === 'x64' ? 335 : 295;
}

function assemble(code: readonly Instruction[], labels: ReadonlyMap<Label, number>): Buffer {
  const out = Buffer.alloc(code.length * 8);
  for (const [index, instruction] of code.entries()) {
    const distance = (name: Label | undefined): number =>
      name === undefined ? 0 : (labels.get(name) ?? 0) - index - 1;
    const isUnconditional = instruction.code === JUMP;
    const [yes, no] = isUnconditional ? [0, 0] : [distance(instruction.yes), distance(instruction.no)];
    if (yes > 255 || no > 255) throw new RangeError('seccomp prologue: a jump is too long');
    out.writeUInt16LE(instruction.code, index * 8);
    out.writeUInt8(yes, index * 8 + 2);
    out.writeUInt8(no, index * 8 + 3);
    out.writeUInt32LE(isUnconditional ? distance(instruction.yes) : instruction.k >>> 0, index * 8 + 4);
  }
  return out;
}
