import { describe, expect, it } from 'vitest';
import { compileDeviceRules } from '../../../daemon/cgroups/device-program.ts';
import { DEFAULT_DEVICE_RULES, deviceRules, formatDeviceRule } from '../../../daemon/cgroups/device-rules.ts';
import type { DeviceRule } from '../../../daemon/spec/container-spec.ts';
import { parseDeviceRule } from '../../../daemon/spec/docker/parse-device.ts';

const format = (rules: readonly DeviceRule[] | undefined) => rules?.map(formatDeviceRule);

describe('device rules', () => {
  it('give every container the nodes of its own /dev, and making any node', () => {
    expect(format(deviceRules(false, [], []))).toEqual([
      'c *:* m',
      'b *:* m',
      'c 1:3 rwm',
      'c 1:5 rwm',
      'c 1:7 rwm',
      'c 1:8 rwm',
      'c 1:9 rwm',
      'c 5:0 rwm',
      'c 5:1 rwm',
      'c 5:2 rwm',
      'c 136:* rwm',
    ]);
  });

  it('add devices that are passed in and rules that are given, one rule per device', () => {
    const custom = ['b 8:0 w', 'c 10:* rm'].flatMap(parseDeviceRule);
    const rules = deviceRules(false, custom, [{ type: 'b', major: 8, minor: 0, permissions: 'r' }]);
    expect(format(rules)?.slice(11)).toEqual(['b 8:0 rw', 'c 10:* rm']);
  });

  it('do not exist for a privileged container', () => {
    expect(deviceRules(true, [], [])).toBeUndefined();
  });

  it('of type a are of both types: the kernel would take them as everything', () => {
    expect(format(parseDeviceRule('a 1:3 r'))).toEqual(['b 1:3 r', 'c 1:3 r']);
  });

  it.each([
    '',
    'c',
    'c 1:3',
    'd 1:3 r',
    'c 1 3 r',
    'c 1:3 x',
    'c 1:3 r\n',
    'c -1:3 r',
    'c 99999999999:1 r',
    'c 1:3  r',
  ])('refuse %j', (text) => {
    expect(() => parseDeviceRule(text)).toThrow(/^invalid device cgroup rule format/);
  });

  it('refuse numbers beyond 32 bits and more than 1024 rules', () => {
    expect(() => parseDeviceRule('c 4294967296:0 r')).toThrow('invalid device number 4294967296');
    expect(() => deviceRules(false, new Array(1025).fill('c 1:1 r').flatMap(parseDeviceRule), [])).toThrow(
      'more than 1024',
    );
  });
});

type Request = { type: 'b' | 'c'; major: number; minor: number; access: string };

/** Runs a program as the kernel would, as far as its opcodes are used here. */
function run(program: Buffer, { type, major, minor, access }: Request): number {
  const bits = { m: 1, r: 2, w: 4 } as const;
  const wanted = [...access].reduce((sum, letter) => sum | bits[letter as 'r'], 0);
  const context = [(wanted << 16) | { b: 1, c: 2 }[type], major, minor];
  const registers = new Array<bigint>(11).fill(0n);
  for (let at = 0, steps = 0; steps < 10_000; steps++, at++) {
    const opcode = program.readUInt8(at * 8);
    const destination = program.readUInt8(at * 8 + 1) & 0xf;
    const source = program.readUInt8(at * 8 + 1) >> 4;
    const offset = program.readInt16LE(at * 8 + 2);
    const number = BigInt(program.readInt32LE(at * 8 + 4));
    const value = registers[destination] as bigint;
    if (opcode === 0x61) registers[destination] = BigInt((context[offset / 4] as number) >>> 0);
    else if (opcode === 0xbf) registers[destination] = registers[source] as bigint;
    else if (opcode === 0xb7) registers[destination] = BigInt.asUintN(64, number);
    else if (opcode === 0x57) registers[destination] = value & BigInt.asUintN(64, number);
    else if (opcode === 0x77) registers[destination] = value >> number;
    else if (opcode === 0x56) at += BigInt.asUintN(32, value) !== BigInt.asUintN(32, number) ? offset : 0;
    else if (opcode === 0x5d) at += value !== registers[source] ? offset : 0;
    else if (opcode === 0x95) return Number(registers[0]);
    else throw new Error(`opcode 0x${opcode.toString(16)} is not expected`);
  }
  throw new Error('the program does not end');
}

/** What cgroup v1 does: one rule must cover everything that is wanted. */
function isAllowed(rules: readonly DeviceRule[], request: Request): boolean {
  return rules.some(
    (rule) =>
      rule.type === request.type &&
      (rule.major === 'all' || rule.major === request.major) &&
      (rule.minor === 'all' || rule.minor === request.minor) &&
      [...request.access].every((letter) => rule.access.includes(letter)),
  );
}

describe('the device program of cgroup v2', () => {
  const rules = [
    ...DEFAULT_DEVICE_RULES,
    ...parseDeviceRule('b 8:0 r'),
    ...parseDeviceRule('c 4294967295:2147483648 rw'),
    ...parseDeviceRule('b 7:* rw'),
  ];
  const program = compileDeviceRules(rules);

  it.each([
    ['opens /dev/null', { type: 'c', major: 1, minor: 3, access: 'rw' }, 1],
    ['does not open /dev/mem', { type: 'c', major: 1, minor: 1, access: 'r' }, 0],
    ['makes any node', { type: 'b', major: 259, minor: 4, access: 'm' }, 1],
    ['does not open what it may make', { type: 'b', major: 259, minor: 4, access: 'rm' }, 0],
    ['opens a pseudo terminal', { type: 'c', major: 136, minor: 77, access: 'rw' }, 1],
    ['tells types apart', { type: 'b', major: 136, minor: 77, access: 'rw' }, 0],
    ['reads what may be read', { type: 'b', major: 8, minor: 0, access: 'r' }, 1],
    ['does not write what may be read', { type: 'b', major: 8, minor: 0, access: 'w' }, 0],
    ['compares all 32 bits', { type: 'c', major: 0xffffffff, minor: 0x80000000, access: 'rw' }, 1],
    ['does not mistake the low bits for the number', { type: 'c', major: 0xffffffff, minor: 0, access: 'rw' }, 0],
  ] as [string, Request, number][])('%s', (_, request, verdict) => {
    expect(run(program, request)).toBe(verdict);
  });

  it('agrees with cgroup v1 on every kind of request', () => {
    const numbers = [0, 1, 3, 5, 7, 8, 136, 0x80000000, 0xffffffff];
    for (const type of ['b', 'c'] as const) {
      for (const major of numbers) {
        for (const minor of numbers) {
          for (const access of ['r', 'w', 'm', 'rw', 'rm', 'wm', 'rwm']) {
            const request = { type, major, minor, access };
            expect([request, run(program, request) === 1]).toEqual([request, isAllowed(rules, request)]);
          }
        }
      }
    }
  });

  it('denies everything without rules', () => {
    expect(run(compileDeviceRules([]), { type: 'c', major: 1, minor: 3, access: 'r' })).toBe(0);
  });
});
