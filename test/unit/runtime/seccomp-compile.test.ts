// Filters, run by a small interpreter of classic BPF: what each table of system calls answers, this machine's and foreign ones.
import { describe, expect, test } from 'vitest';
import { DEFAULT_CAPABILITIES } from '../../../daemon/runtime/capabilities.ts';
import type { OciSeccomp } from '../../../daemon/runtime/oci-spec.ts';
import { SeccompCompiler } from '../../../daemon/runtime/seccomp/seccomp-compile.ts';
import { DEFAULT_PROFILE, resolveProfile } from '../../../daemon/runtime/seccomp/seccomp-profile.ts';
import { seccompPrologue } from '../../../daemon/runtime/seccomp/seccomp-prologue.ts';
import { parseSeccompProfile } from '../../../daemon/spec/docker/seccomp-parse.ts';
import { SECCOMP_ACT } from '../../../native-bindings/seccomp.ts';

const X86_64 = 0xc000003e;
const I386 = 0x40000003;
const AARCH64 = 0xc00000b7;
const ALLOW = SECCOMP_ACT.ALLOW;
const EPERM = SECCOMP_ACT.ERRNO | 1;
const ENOSYS = SECCOMP_ACT.ERRNO | 38;

/** seccomp(2): what the filter returns for one call. `after` is the answer of a filter that would follow. */
function evaluate(bpf: Buffer, arch: number, number: number, args: readonly number[] = [], after?: number): number {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(number, 0);
  data.writeUInt32LE(arch, 4);
  args.forEach((value, index) => {
    data.writeBigUInt64LE(BigInt(value), 16 + index * 8);
  });
  let accumulator = 0;
  for (let at = 0; at < bpf.length; at += 8) {
    const code = bpf.readUInt16LE(at);
    const [yes, no, k] = [bpf.readUInt8(at + 2), bpf.readUInt8(at + 3), bpf.readUInt32LE(at + 4)];
    const jump = (condition: boolean) => {
      at += 8 * (condition ? yes : no);
    };
    if (code === 0x20) accumulator = data.readUInt32LE(k);
    else if (code === 0x54) accumulator = (accumulator & k) >>> 0;
    else if (code === 0x05) at += 8 * k;
    else if (code === 0x15) jump(accumulator === k);
    else if (code === 0x25) jump(accumulator > k);
    else if (code === 0x35) jump(accumulator >= k);
    else if (code === 0x45) jump((accumulator & k) !== 0);
    else if (code === 0x06) return k;
    else throw new Error(`instruction ${code.toString(16)}`);
  }
  if (after === undefined) throw new Error('the filter ends without an answer');
  return after;
}

function defaultFilter(capabilities: readonly string[] = DEFAULT_CAPABILITIES): Buffer {
  const rules = resolveProfile(DEFAULT_PROFILE, { capabilities, arch: process.arch, kernel: [6, 12] });
  return new SeccompCompiler().compile(rules).bpf;
}

describe.runIf(process.arch === 'x64')('the default profile on x86-64', () => {
  const filter = defaultFilter();

  test.each([
    ['read', 0, ALLOW],
    ['mount', 165, EPERM],
    ['keyctl', 250, EPERM],
    ['clone3', 435, ENOSYS],
    ['io_uring_setup', 425, EPERM],
    ['a number of the gap', 400, ENOSYS],
    ['uretprobe', 335, ALLOW],
    ['uprobe', 336, ENOSYS],
    ['mseal, younger than libseccomp', 462, ALLOW],
    ['statmount, which needs a capability', 457, ENOSYS],
    ['a number of the future', 600, ENOSYS],
  ])('%s', (_, number, action) => expect(evaluate(filter, X86_64, number)).toBe(action));

  test.each([
    ['socket AF_INET', 41, [2], ALLOW],
    ['socket AF_ALG', 41, [38], EPERM],
    ['socket 39', 41, [39], ALLOW],
    ['socket AF_VSOCK', 41, [40], EPERM],
    ['socket AF_MCTP', 41, [45], ALLOW],
    ['socket AF_ALG in the lower half of the register', 41, [2 ** 32 + 38], EPERM],
    ['socket AF_VSOCK in the lower half of the register', 41, [2 ** 32 + 40], EPERM],
    ['socket AF_INET in the lower half of the register', 41, [2 ** 32 + 2], EPERM],
    ['clone of a thread', 56, [0x3d0f00], ALLOW],
    ['clone with CLONE_NEWUSER', 56, [0x10000000], EPERM],
    ['personality 0', 135, [0], ALLOW],
    ['personality ADDR_NO_RANDOMIZE', 135, [0x40000], EPERM],
  ])('%s', (_, number, args, action) => expect(evaluate(filter, X86_64, number, args)).toBe(action));

  test.each([
    ['getpid', 20, ALLOW],
    ['mount', 21, EPERM],
    ['openat2', 437, ALLOW],
    ['clone3', 435, ENOSYS],
    ['the future', 600, ENOSYS],
  ])('32-bit %s', (_, number, action) => expect(evaluate(filter, I386, number)).toBe(action));

  test.each([
    ['getpid', 39, ALLOW],
    ['mount', 165, EPERM],
    ['its own execve', 520, ALLOW],
    ['the future', 600, ENOSYS],
  ])('x32 %s', (_, number, action) => expect(evaluate(filter, X86_64, 0x40000000 + number)).toBe(action));

  test('kills what comes from an unknown architecture', () => {
    expect(evaluate(filter, 0x8000_0016, 0)).toBe(SECCOMP_ACT.KILL_THREAD);
  });

  test('allows mount and clone3 to a holder of CAP_SYS_ADMIN', () => {
    const admin = defaultFilter([...DEFAULT_CAPABILITIES, 'CAP_SYS_ADMIN']);
    for (const number of [165, 435, 272, 457]) expect(evaluate(admin, X86_64, number)).toBe(ALLOW);
    expect(evaluate(admin, X86_64, 155)).toBe(EPERM);
  });
});

describe('the prologue', () => {
  test('on arm64', () => {
    const prologue = seccompPrologue({
      arch: 'arm64',
      known: new Set([424, 425]),
      late: [{ number: 462, action: ALLOW }],
    });
    const answer = (number: number) => evaluate(prologue, AARCH64, number, [], EPERM);
    expect([0, 294, 295, 423, 424, 425, 426, 462, 463].map(answer)).toEqual([
      EPERM,
      EPERM,
      ENOSYS,
      ENOSYS,
      EPERM,
      EPERM,
      ENOSYS,
      ALLOW,
      ENOSYS,
    ]);
    expect(evaluate(prologue, 0x40000028, 300, [], EPERM)).toBe(EPERM);
    expect(evaluate(prologue, 1, 999, [], EPERM)).toBe(EPERM);
  });
});

describe('profiles of the user', () => {
  const base = { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [] };
  const compile = (text: unknown): Buffer => {
    const profile = parseSeccompProfile(JSON.stringify(text));
    const rules: OciSeccomp = resolveProfile(profile, { capabilities: [], arch: process.arch, kernel: [6, 12] });
    return new SeccompCompiler().compile(rules).bpf;
  };
  const native = process.arch === 'x64' ? X86_64 : AARCH64;

  test('that allow by default get no prologue', () => {
    expect(evaluate(compile(base), native, 9999)).toBe(ALLOW);
  });

  test('conditions on one argument are alternatives', () => {
    const args = [5, 6].map((value) => ({ index: 0, value, op: 'SCMP_CMP_EQ' }));
    const filter = compile({ ...base, syscalls: [{ names: ['personality'], action: 'SCMP_ACT_ERRNO', args }] });
    const number = process.arch === 'x64' ? 135 : 92;
    expect([4, 5, 6].map((value) => evaluate(filter, native, number, [value]))).toEqual([ALLOW, EPERM, EPERM]);
  });

  test.each([
    ['no JSON', 'x', 'Unexpected token'],
    ['no default action', {}, 'defaultAction'],
    ['an unknown action', { defaultAction: 'SCMP_ACT_MAYBE' }, 'unknown action "SCMP_ACT_MAYBE"'],
    ['a rule without names', { ...base, syscalls: [{ action: 'SCMP_ACT_ALLOW' }] }, 'names no system call'],
    [
      'an unknown operator',
      { ...base, syscalls: [{ names: ['x'], action: 'SCMP_ACT_ALLOW', args: [{ index: 0, value: 1, op: 'EQUALS' }] }] },
      'unknown operator "EQUALS"',
    ],
    [
      'both kinds of architectures',
      { ...base, architectures: ['SCMP_ARCH_X86'], archMap: [{ architecture: 'SCMP_ARCH_X86' }] },
      'use either',
    ],
  ])('%s', (_, profile, message) => {
    const text = typeof profile === 'string' ? profile : JSON.stringify(profile);
    expect(() => parseSeccompProfile(text)).toThrow(message);
  });

  test('minKernel, caps and arches decide whether a rule applies', () => {
    const rule = (includes: object, excludes: object = {}) => ({
      names: ['getpid'],
      action: 'SCMP_ACT_ALLOW',
      includes,
      excludes,
    });
    const count = (...rules: object[]) =>
      resolveProfile(parseSeccompProfile(JSON.stringify({ ...base, syscalls: rules })), {
        capabilities: ['CAP_BPF'],
        arch: 'x64',
        kernel: [5, 15],
      }).syscalls.length;
    expect(count(rule({ minKernel: '5.15' }), rule({ caps: ['CAP_BPF'] }), rule({ arches: ['amd64'] }))).toBe(3);
    expect(count(rule({ minKernel: '6.0' }), rule({ caps: ['CAP_KILL'] }), rule({ arches: ['arm'] }))).toBe(0);
    expect(
      count(rule({}, { caps: ['CAP_BPF'] }), rule({}, { arches: ['amd64'] }), rule({}, { minKernel: '5.1' })),
    ).toBe(0);
  });
});
