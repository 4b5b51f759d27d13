// A seccomp profile in Docker's form: rules with conditions, which are resolved for one container at its start.

/** A comparison with one argument of a system call, as libseccomp has it. */
export interface SeccompArgument {
  index: number;
  value: number;
  valueTwo?: number;
  /** SCMP_CMP_… */
  op: string;
}

export interface ProfileCondition {
  /** CAP_ names: includes need all of them, excludes any of them. */
  caps?: readonly string[] | null;
  /** Docker's names: amd64, x86, x32, arm, arm64 … */
  arches?: readonly string[] | null;
  /** "4.8" */
  minKernel?: string | null;
}

export interface ProfileRule {
  names: readonly string[];
  action: string;
  errnoRet?: number;
  args?: readonly SeccompArgument[];
  includes?: ProfileCondition;
  excludes?: ProfileCondition;
}

export interface SeccompProfile {
  defaultAction: string;
  defaultErrnoRet?: number;
  /** Each architecture with those that its processors run as well (SCMP_ARCH_ names). */
  architectures: readonly { architecture: string; subArchitectures: readonly string[] }[];
  flags?: readonly string[];
  syscalls: readonly ProfileRule[];
}

export const SECCOMP_ACTIONS: ReadonlySet<string> = new Set(
  ['KILL', 'KILL_THREAD', 'KILL_PROCESS', 'TRAP', 'ERRNO', 'TRACE', 'ALLOW', 'LOG'].map((name) => `SCMP_ACT_${name}`),
);
export const SECCOMP_OPERATORS: ReadonlySet<string> = new Set(
  ['NE', 'LT', 'LE', 'EQ', 'GE', 'GT', 'MASKED_EQ'].map((name) => `SCMP_CMP_${name}`),
);
export const SECCOMP_FLAGS: ReadonlyMap<string, number> = new Map([
  ['SECCOMP_FILTER_FLAG_TSYNC', 1],
  ['SECCOMP_FILTER_FLAG_LOG', 2],
  ['SECCOMP_FILTER_FLAG_SPEC_ALLOW', 4],
]);
