import { describe, expect, it } from 'vitest';
import { loadDeviceProgram } from '../../../native-bindings/bpf.ts';
import { closeFd } from '../../../native-bindings/files.ts';
import {
  resolveSyscall,
  resolveSyscallArch,
  SECCOMP_ACT,
  SECCOMP_ARCH,
  SECCOMP_ATTR,
  SECCOMP_CMP,
  SeccompFilter,
  seccompVersion,
} from '../../../native-bindings/seccomp.ts';

const hasLibrary = seccompVersion() !== undefined;

/** Runs a classic BPF program over a struct seccomp_data: what the kernel does with a filter. */
function evaluate(program: Buffer, data: { nr: number; arch: number; args?: bigint[] }): number {
  const packet = Buffer.alloc(64);
  packet.writeInt32LE(data.nr, 0);
  packet.writeUInt32LE(data.arch, 4);
  (data.args ?? []).forEach((arg, index) => {
    packet.writeBigUInt64LE(arg, 16 + index * 8);
  });
  let accumulator = 0;
  for (let pc = 0; pc < program.length / 8; pc++) {
    const code = program.readUInt16LE(pc * 8);
    const [whenTrue, whenFalse] = [program.readUInt8(pc * 8 + 2), program.readUInt8(pc * 8 + 3)];
    const k = program.readUInt32LE(pc * 8 + 4);
    if (code === 0x20) accumulator = packet.readUInt32LE(k);
    else if (code === 0x15) pc += accumulator === k ? whenTrue : whenFalse;
    else if (code === 0x25) pc += accumulator > k ? whenTrue : whenFalse;
    else if (code === 0x35) pc += accumulator >= k ? whenTrue : whenFalse;
    else if (code === 0x54) accumulator = (accumulator & k) >>> 0;
    else if (code === 0x05) pc += k;
    else if (code === 0x06) return k;
    else throw new Error(`code 0x${code.toString(16)} is not expected`);
  }
  throw new Error('the filter does not return');
}

describe.skipIf(!hasLibrary)('libseccomp', () => {
  const { X86_64, X86, AARCH64 } = SECCOMP_ARCH;
  const native = process.arch === 'arm64' ? AARCH64 : X86_64;

  it('knows calls by name', () => {
    expect(seccompVersion()).toMatch(/^\d+\.\d+\.\d+$/);
    expect(resolveSyscall('clone3')).toBe(435);
    expect(resolveSyscall('nonsense')).toBeUndefined();
    expect(resolveSyscallArch(X86_64, 'mount')).toBe(165);
    expect(resolveSyscallArch(AARCH64, 'mount')).toBe(40);
    expect(resolveSyscallArch(X86, 'mount')).toBe(21);
  });

  it('compiles rules into a filter that does what they say', () => {
    using filter = new SeccompFilter(SECCOMP_ACT.ERRNO | 1);
    const personality = resolveSyscall('personality') as number;
    filter.setAttribute(SECCOMP_ATTR.OPTIMIZE, 2);
    filter.addRule(SECCOMP_ACT.ALLOW, resolveSyscall('getpid') as number);
    filter.addRule(SECCOMP_ACT.ALLOW, personality, [{ index: 0, op: SECCOMP_CMP.EQ, value: 0xffffffffffn }]);
    filter.addRule(SECCOMP_ACT.ALLOW, resolveSyscall('clone') as number, [
      { index: 0, op: SECCOMP_CMP.MASKED_EQ, value: 0x7e020000n, valueTwo: 0n },
    ]);
    filter.addRule(SECCOMP_ACT.ERRNO | 38, resolveSyscall('clone3') as number);
    const program = filter.exportBpf();
    const run = (name: string, ...args: bigint[]) =>
      evaluate(program, { nr: resolveSyscall(name) as number, arch: native, args });
    expect(run('getpid')).toBe(SECCOMP_ACT.ALLOW);
    expect(run('mount')).toBe(SECCOMP_ACT.ERRNO | 1);
    expect(run('clone3')).toBe(SECCOMP_ACT.ERRNO | 38);
    expect(run('personality', 0xffffffffffn)).toBe(SECCOMP_ACT.ALLOW);
    expect(run('personality', 0xffffffffn)).toBe(SECCOMP_ACT.ERRNO | 1);
    expect(run('clone', 0x01000000n)).toBe(SECCOMP_ACT.ALLOW);
    expect(run('clone', 0x10000000n)).toBe(SECCOMP_ACT.ERRNO | 1);
  });

  it('names the call that failed', () => {
    using filter = new SeccompFilter(SECCOMP_ACT.ALLOW);
    expect(() => filter.addRule(SECCOMP_ACT.ALLOW, 1)).toThrow(
      'seccomp_rule_add_array for call 1: EACCES (permission denied)',
    );
    filter.addArch(native);
    filter.addArch(native);
  });
});

describe.skipIf(process.getuid?.() !== 0)('bpf', () => {
  const instructions = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

  it('loads a program that the verifier accepts', () => {
    closeFd(loadDeviceProgram(instructions('b700000001000000 9500000000000000')));
  });

  it('passes on what the verifier says', () => {
    expect(() => loadDeviceProgram(instructions('9500000000000000'))).toThrow(
      /^bpf BPF_PROG_LOAD of device rules: EACCES \(permission denied\): (.|\n)*R0 !read_ok/,
    );
  });
});
