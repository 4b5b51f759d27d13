// Device rules as an eBPF program for cgroup v2 (BPF_PROG_TYPE_CGROUP_DEVICE): it is asked with the kind of device, its numbers and what
// is wanted, and answers 1 (allow) or 0. Kernel source: include/uapi/linux/bpf.h, struct bpf_cgroup_dev_ctx.
import { closeSync, openSync } from 'node:fs';
import { attachDeviceProgram, loadDeviceProgram } from '../../native-bindings/bpf.ts';
import type { DeviceRule } from '../spec/container-spec.ts';

/** The low half of access_type. */
const TYPE = { b: 1, c: 2 } as const;
/** The high half. */
const ACCESS = { m: 1, r: 2, w: 4 } as const;
const ALL_ACCESS = 7;

/** Opcodes: class, operation, source of the operand. JMP32 compares 32 bits, so that large device numbers are not sign-extended. */
const LOAD_WORD = 0x61;
const MOVE_REGISTER = 0xbf;
const MOVE_NUMBER = 0xb7;
const AND_NUMBER = 0x57;
const SHIFT_RIGHT = 0x77;
const JUMP32_NOT_EQUAL_NUMBER = 0x56;
const JUMP_NOT_EQUAL_REGISTER = 0x5d;
const EXIT = 0x95;

const CONTEXT = 1;
const [KIND, WANTED, MAJOR, MINOR, SCRATCH] = [2, 3, 4, 5, 6];
const RESULT = 0;

interface Instruction {
  opcode: number;
  destination?: number;
  source?: number;
  /** Instructions to skip. */
  jump?: number;
  number?: number;
}

/** The program for rules that allow; everything else is denied. */
export function compileDeviceRules(rules: readonly DeviceRule[]): Buffer {
  const program: Instruction[] = [
    { opcode: LOAD_WORD, destination: KIND, source: CONTEXT, jump: 0 },
    { opcode: LOAD_WORD, destination: MAJOR, source: CONTEXT, jump: 4 },
    { opcode: LOAD_WORD, destination: MINOR, source: CONTEXT, jump: 8 },
    { opcode: MOVE_REGISTER, destination: WANTED, source: KIND },
    { opcode: AND_NUMBER, destination: KIND, number: 0xffff },
    { opcode: SHIFT_RIGHT, destination: WANTED, number: 16 },
    ...rules.flatMap(compileRule),
    { opcode: MOVE_NUMBER, destination: RESULT, number: 0 },
    { opcode: EXIT },
  ];
  const bytes = Buffer.alloc(program.length * 8);
  program.forEach(({ opcode, destination = 0, source = 0, jump = 0, number = 0 }, index) => {
    bytes.writeUInt8(opcode, index * 8);
    bytes.writeUInt8((source << 4) | destination, index * 8 + 1);
    bytes.writeInt16LE(jump, index * 8 + 2);
    bytes.writeInt32LE(number | 0, index * 8 + 4);
  });
  return bytes;
}

/** Each test that fails jumps behind the rule. */
function compileRule({ type, major, minor, access }: DeviceRule): Instruction[] {
  const tests: Instruction[] = [];
  const differs = (destination: number, number: number) =>
    tests.push({ opcode: JUMP32_NOT_EQUAL_NUMBER, destination, number });
  differs(KIND, TYPE[type]);
  const allowed = [...access].reduce((bits, letter) => bits | ACCESS[letter as keyof typeof ACCESS], 0);
  if (allowed !== ALL_ACCESS) {
    // wanted & allowed != wanted: something is wanted that the rule does not give.
    tests.push({ opcode: MOVE_REGISTER, destination: SCRATCH, source: WANTED });
    tests.push({ opcode: AND_NUMBER, destination: SCRATCH, number: allowed });
    tests.push({ opcode: JUMP_NOT_EQUAL_REGISTER, destination: SCRATCH, source: WANTED });
  }
  if (major !== 'all') differs(MAJOR, major);
  if (minor !== 'all') differs(MINOR, minor);
  const rule = [...tests, { opcode: MOVE_NUMBER, destination: RESULT, number: 1 }, { opcode: EXIT }];
  return rule.map((instruction, index) =>
    [JUMP32_NOT_EQUAL_NUMBER, JUMP_NOT_EQUAL_REGISTER].includes(instruction.opcode)
      ? { ...instruction, jump: rule.length - index - 1 }
      : instruction,
  );
}

/** Puts the rules in force for a cgroup v2 directory, as long as it exists. Throws SystemError. */
export function attachDeviceRules(directory: string, rules: readonly DeviceRule[]): void {
  const cgroup = openSync(directory, 'r');
  try {
    const program = loadDeviceProgram(compileDeviceRules(rules));
    try {
      attachDeviceProgram(cgroup, program);
    } finally {
      closeSync(program);
    }
  } finally {
    closeSync(cgroup);
  }
}
