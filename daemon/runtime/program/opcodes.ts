// The launcher's instruction set: number, signature and phase of every operation, as in
// native-bindings/launcher/opcodes.def (a unit test compares the two). What an operation
// means is said there; this file only has what the encoder and the disassembler need.

/**
 * Signature letters, one per argument: `i` int64, `f` file descriptor (-100 is AT_FDCWD, -1 none), `d` descriptor
 * that the operation makes (3..1023), `s` string, `b` bytes, `l` list of strings.
 * Phase: `m` in the monitor (up to and with clone3), `c` in the child, `a` in either.
 */
export interface OpcodeInfo {
  readonly code: number;
  readonly signature: string;
  readonly phase: 'm' | 'c' | 'a';
}

export const OPCODES = {
  log: { code: 1, signature: 'fiii', phase: 'm' },
  rundir: { code: 2, signature: 'f', phase: 'm' },
  stdio: { code: 3, signature: 'i', phase: 'm' },
  oom: { code: 4, signature: 'ss', phase: 'm' },
  clone3: { code: 5, signature: 'if', phase: 'm' },
  setns: { code: 10, signature: 'fi', phase: 'a' },
  unshare: { code: 11, signature: 'i', phase: 'a' },
  mount: { code: 12, signature: 'sssis', phase: 'c' },
  umount2: { code: 13, signature: 'si', phase: 'c' },
  fsmount: { code: 14, signature: 'dsil', phase: 'c' },
  open_tree: { code: 15, signature: 'dfsi', phase: 'c' },
  mount_setattr: { code: 16, signature: 'fiiii', phase: 'c' },
  move_mount: { code: 17, signature: 'fsi', phase: 'c' },
  mkdirat: { code: 18, signature: 'fsi', phase: 'c' },
  mknodat: { code: 19, signature: 'fsii', phase: 'c' },
  symlinkat: { code: 20, signature: 'sfs', phase: 'c' },
  openat2: { code: 21, signature: 'dfsii', phase: 'c' },
  write: { code: 22, signature: 'fsib', phase: 'a' },
  close: { code: 23, signature: 'f', phase: 'a' },
  pivot_root: { code: 24, signature: 'f', phase: 'c' },
  chdir: { code: 25, signature: 'si', phase: 'c' },
  sethostname: { code: 26, signature: 's', phase: 'c' },
  setdomainname: { code: 27, signature: 's', phase: 'c' },
  setrlimit: { code: 28, signature: 'iii', phase: 'c' },
  setgroups: { code: 29, signature: 'b', phase: 'c' },
  setresgid: { code: 30, signature: 'i', phase: 'c' },
  setresuid: { code: 31, signature: 'i', phase: 'c' },
  capset: { code: 32, signature: 'iiii', phase: 'c' },
  capbset: { code: 33, signature: 'i', phase: 'c' },
  prctl: { code: 34, signature: 'iiiii', phase: 'c' },
  seccomp: { code: 35, signature: 'bi', phase: 'c' },
  keyctl_session: { code: 36, signature: 's', phase: 'c' },
  setsid: { code: 37, signature: '', phase: 'c' },
  pty: { code: 38, signature: 'fd', phase: 'c' },
  dup_stdio: { code: 39, signature: 'fi', phase: 'c' },
  umask: { code: 40, signature: 'i', phase: 'c' },
  ifup: { code: 41, signature: 's', phase: 'c' },
  init: { code: 42, signature: '', phase: 'c' },
  execve: { code: 43, signature: 'lll', phase: 'c' },
  fork: { code: 44, signature: '', phase: 'c' },
  fchownat: { code: 45, signature: 'fsii', phase: 'c' },
} as const satisfies Record<string, OpcodeInfo>;

export type OpName = keyof typeof OPCODES;
