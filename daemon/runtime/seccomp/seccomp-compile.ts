// From the spec's seccomp rules to the BPF that the launcher installs: libseccomp makes the filter, seccomp-prologue.ts puts in front
// of it what libseccomp is too old to know. Compiling takes some milliseconds, so filters are kept: most containers share one.
import {
  resolveSyscall,
  SECCOMP_ACT,
  SECCOMP_ARCH,
  SECCOMP_ATTR,
  SECCOMP_CMP,
  SeccompFilter,
} from '../../../native-bindings/seccomp.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { SECCOMP_FLAGS } from '../../spec/seccomp-rules.ts';
import type { OciSeccomp, OciSeccompRule } from '../oci-spec.ts';
import { type LateCall, RECENT_SYSCALLS, seccompPrologue, URETPROBE } from './seccomp-prologue.ts';

const EPERM = 1;
const ENOSYS = 38;
const MAX_CACHED = 64;

export interface CompiledSeccomp {
  /** Array of struct sock_filter. */
  bpf: Buffer;
  /** SECCOMP_FILTER_FLAG_*. */
  flags: number;
}

export class SeccompCompiler {
  readonly #compiled = new Map<string, CompiledSeccomp>();

  compile(rules: OciSeccomp): CompiledSeccomp {
    const key = JSON.stringify(rules);
    let filter = this.#compiled.get(key);
    if (filter === undefined) {
      filter = compileSeccomp(rules);
      if (this.#compiled.size >= MAX_CACHED) this.#compiled.delete(this.#compiled.keys().next().value ?? '');
      this.#compiled.set(key, filter);
    }
    return filter;
  }
}

function compileSeccomp(rules: OciSeccomp): CompiledSeccomp {
  const defaultAction = actionNumber(rules.defaultAction, rules.defaultErrnoRet);
  using filter = new SeccompFilter(defaultAction);
  filter.setAttribute(SECCOMP_ATTR.OPTIMIZE, 2);
  for (const name of rules.architectures) filter.addArch(architectureNumber(name));
  const late = new Map<number, LateCall>();
  for (const rule of rules.syscalls) {
    const action = actionNumber(rule.action, rule.errnoRet);
    for (const name of rule.names) {
      const number = resolveSyscall(name);
      if (number !== undefined) {
        if (action !== defaultAction) addRule(filter, action, number, rule);
      } else {
        // Without arguments only: what depends on them stays unknown, which is the safe side.
        const recent = name === 'uretprobe' && process.arch === 'x64' ? URETPROBE : RECENT_SYSCALLS.get(name);
        if (recent !== undefined && !rule.args?.length) late.set(recent, { number: recent, action });
      }
    }
  }
  const bpf = filter.exportBpf();
  let flags = 0;
  for (const flag of rules.flags ?? []) flags |= SECCOMP_FLAGS.get(flag) ?? 0;
  if (!denies(defaultAction)) return { bpf, flags };
  const known = new Set<number>();
  for (const [name, number] of RECENT_SYSCALLS) if (resolveSyscall(name) !== undefined) known.add(number);
  const prologue = seccompPrologue({ arch: process.arch, known, late: [...late.values()] });
  return { bpf: Buffer.concat([prologue, bpf]), flags };
}

/** A filter that lets unknown calls through, or answers ENOSYS itself, needs no help. */
function denies(action: number): boolean {
  const allowing: number[] = [SECCOMP_ACT.ALLOW, SECCOMP_ACT.LOG, SECCOMP_ACT.ERRNO | ENOSYS];
  return !allowing.includes(action);
}

/** Several conditions on one argument are alternatives, as runc reads them: libseccomp takes one per argument and rule. */
function addRule(filter: SeccompFilter, action: number, number: number, rule: OciSeccompRule): void {
  const comparisons = (rule.args ?? []).map(({ index, value, valueTwo, op }) => ({
    index,
    op: operatorNumber(op),
    value: BigInt(value),
    ...(valueTwo === undefined ? {} : { valueTwo: BigInt(valueTwo) }),
  }));
  const indexes = new Set(comparisons.map(({ index }) => index));
  if (indexes.size === comparisons.length) filter.addRule(action, number, comparisons);
  else for (const comparison of comparisons) filter.addRule(action, number, [comparison]);
}

function actionNumber(name: string, errno = EPERM): number {
  switch (name) {
    case 'SCMP_ACT_ALLOW':
      return SECCOMP_ACT.ALLOW;
    case 'SCMP_ACT_ERRNO':
      return SECCOMP_ACT.ERRNO | errno;
    case 'SCMP_ACT_TRACE':
      return SECCOMP_ACT.TRACE | errno;
    case 'SCMP_ACT_TRAP':
      return SECCOMP_ACT.TRAP;
    case 'SCMP_ACT_LOG':
      return SECCOMP_ACT.LOG;
    case 'SCMP_ACT_KILL':
    case 'SCMP_ACT_KILL_THREAD':
      return SECCOMP_ACT.KILL_THREAD;
    case 'SCMP_ACT_KILL_PROCESS':
      return SECCOMP_ACT.KILL_PROCESS;
    default:
      throw new EngineError('invalid', `seccomp profile: unknown action "${name}"`);
  }
}

function operatorNumber(name: string): number {
  const word = name.replace('SCMP_CMP_', '');
  if (!Object.hasOwn(SECCOMP_CMP, word))
    throw new EngineError('invalid', `seccomp profile: unknown operator "${name}"`);
  return SECCOMP_CMP[word as keyof typeof SECCOMP_CMP];
}

function architectureNumber(name: string): number {
  const word = name.replace('SCMP_ARCH_', '');
  if (!Object.hasOwn(SECCOMP_ARCH, word)) {
    throw new EngineError('invalid', `seccomp profile: unknown architecture "${name}"`);
  }
  return SECCOMP_ARCH[word as keyof typeof SECCOMP_ARCH];
}
