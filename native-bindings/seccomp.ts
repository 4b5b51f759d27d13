// libseccomp: builds system call filters and exports them as BPF. The library is loaded when the first filter is built.
import { readSync } from 'node:fs';
import { type NativeFunction, nativeFunction } from './call.ts';
import { SystemError } from './errno.ts';
import { closeFd, lseek, memfdCreate } from './files.ts';
import { type Library, memory, openLibrary } from './load.ts';

/** Actions; ERRNO and TRACE carry a number in their low 16 bits: `SECCOMP_ACT.ERRNO | 1`. */
export const SECCOMP_ACT = {
  KILL_PROCESS: 0x80000000,
  KILL_THREAD: 0x00000000,
  TRAP: 0x00030000,
  ERRNO: 0x00050000,
  NOTIFY: 0x7fc00000,
  TRACE: 0x7ff00000,
  LOG: 0x7ffc0000,
  ALLOW: 0x7fff0000,
} as const;

/** How an argument is compared. MASKED_EQ: (argument & value) == valueTwo. */
export const SECCOMP_CMP = { NE: 1, LT: 2, LE: 3, EQ: 4, GE: 5, GT: 6, MASKED_EQ: 7 } as const;

export const SECCOMP_ARCH = {
  X86: 0x40000003,
  X86_64: 0xc000003e,
  X32: 0x4000003e,
  ARM: 0x40000028,
  AARCH64: 0xc00000b7,
  PPC64LE: 0xc0000015,
  S390X: 0x80000016,
  S390: 0x00000016,
  RISCV64: 0xc00000f3,
} as const;

/** Attributes of a filter. OPTIMIZE 2 sorts the system calls into a binary tree (libseccomp 2.5). */
export const SECCOMP_ATTR = { BAD_ARCH: 2, NO_NEW_PRIVS: 3, TSYNC: 4, LOG: 6, SSB: 7, OPTIMIZE: 8 } as const;

export interface SeccompComparison {
  /** Which argument: 0 to 5. */
  index: number;
  /** SECCOMP_CMP.*. */
  op: number;
  value: bigint;
  valueTwo?: bigint;
}

const LIBRARY = 'libseccomp.so.2';
const FILTER_LIMIT_BYTES = 32_768 * 8;
const functions = new Map<string, NativeFunction>();
let library: Library | undefined;

function call(symbol: string, ...args: Parameters<NativeFunction>[0]): number {
  let fn = functions.get(symbol);
  if (fn === undefined) {
    library ??= openLibrary(LIBRARY);
    fn = nativeFunction(library, symbol);
    functions.set(symbol, fn);
  }
  return fn(args);
}

/** Calls a function that returns 0 or, as a 32-bit int, minus an error number. */
function check(symbol: string, operand: string, ...args: Parameters<NativeFunction>[0]): void {
  const result = call(symbol, ...args) | 0;
  if (result < 0) throw new SystemError(symbol, -result, { operand }, operand);
}

/** `2.5.4`, or undefined when the library is not installed. */
export function seccompVersion(): string | undefined {
  try {
    const pointer = Buffer.alloc(8);
    pointer.writeBigUInt64LE(BigInt(call('seccomp_version')));
    const version = memory.readPointer(pointer, 0, 12);
    return [0, 4, 8].map((offset) => version.readUInt32LE(offset)).join('.');
  } catch {
    return undefined;
  }
}

/**
 * The number of a system call on this machine, a negative pseudo number when other architectures have it and this one does not, or
 * undefined when the library does not know the name.
 */
export function resolveSyscall(name: string): number | undefined {
  const number = call('seccomp_syscall_resolve_name', name) | 0;
  return number === -1 ? undefined : number;
}

/** The same for another architecture of SECCOMP_ARCH. */
export function resolveSyscallArch(arch: number, name: string): number | undefined {
  const number = call('seccomp_syscall_resolve_name_arch', arch, name) | 0;
  return number === -1 ? undefined : number;
}

/** A filter that is being built. It holds memory of the library until it is disposed of. */
export class SeccompFilter implements Disposable {
  #context: number;

  /** `defaultAction` is what happens to calls that no rule names. The filter covers this machine's architecture. */
  constructor(defaultAction: number) {
    this.#context = call('seccomp_init', defaultAction);
    if (this.#context === 0) throw new SystemError('seccomp_init', 22, { defaultAction });
  }

  setAttribute(attribute: number, value: number): void {
    check('seccomp_attr_set', `attribute ${attribute}`, this.#context, attribute, value);
  }

  /** Covers another architecture as well; one that is covered already is left as it is. */
  addArch(arch: number): void {
    const result = call('seccomp_arch_add', this.#context, arch) | 0;
    if (result < 0 && result !== -17) throw new SystemError('seccomp_arch_add', -result, { arch });
  }

  /** Adds a rule for a system call number of `resolveSyscall`; all comparisons must hold. A rule equal to the default is EACCES. */
  addRule(action: number, syscall: number, comparisons: readonly SeccompComparison[] = []): void {
    const array = Buffer.alloc(comparisons.length * 24);
    comparisons.forEach(({ index, op, value, valueTwo = 0n }, i) => {
      array.writeUInt32LE(index, i * 24);
      array.writeUInt32LE(op, i * 24 + 4);
      array.writeBigUInt64LE(value, i * 24 + 8);
      array.writeBigUInt64LE(valueTwo, i * 24 + 16);
    });
    check(
      'seccomp_rule_add_array',
      `for call ${syscall}`,
      this.#context,
      action,
      syscall,
      comparisons.length,
      comparisons.length === 0 ? null : array,
    );
  }

  /** The filter as an array of struct sock_filter (8 bytes each). */
  exportBpf(): Buffer {
    const fd = memfdCreate('seccomp');
    try {
      check('seccomp_export_bpf', '', this.#context, fd);
      const program = Buffer.alloc(FILTER_LIMIT_BYTES);
      lseek(fd, 0, 0);
      const length = readSync(fd, program, 0, program.length, 0);
      return Buffer.from(program.subarray(0, length));
    } finally {
      closeFd(fd);
    }
  }

  [Symbol.dispose](): void {
    if (this.#context !== 0) call('seccomp_release', this.#context);
    this.#context = 0;
  }
}
