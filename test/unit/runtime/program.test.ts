import { describe, expect, test } from 'vitest';
import { encodeProgram, MAX_PROGRAM_OPS, type Op } from '../../../daemon/runtime/program/program.ts';

function encode(...ops: Op[]): string {
  return encodeProgram({ ops }).toString('hex');
}

describe('encodeProgram', () => {
  test('writes header, operations and every type of argument', () => {
    expect(encode()).toBe(`${Buffer.from('TSD1').toString('hex')}0c00000000000000`);
    expect(encode({ op: 'umask', args: [0o22] }).slice(24)).toBe('28010000' + '1200000000000000');
    expect(encode({ op: 'chdir', args: ['/ü', 1] }).slice(24)).toBe(
      '19020000' + '03000000' + '2fc3bc00' + '0100000000000000',
    );
    expect(encode({ op: 'setgroups', args: [Buffer.of(5, 0, 0, 0)] }).slice(24)).toBe(
      '1d010000' + '04000000' + '05000000',
    );
    expect(encode({ op: 'execve', args: [['a'], [], ['', 'b']] }).slice(24)).toBe(
      '2b030000' + '01000000' + '01000000' + '6100' + '00000000' + '02000000' + '00000000' + '00' + '01000000' + '6200',
    );
    expect(encode({ op: 'setsid', args: [], ignoreMissing: true }).slice(24)).toBe('25000100');
  });

  test('says its own length and count', () => {
    const bytes = encodeProgram({
      ops: [
        { op: 'setsid', args: [] },
        { op: 'close', args: [3] },
      ],
    });
    expect(bytes.readUInt32LE(4)).toBe(bytes.length);
    expect(bytes.readUInt32LE(8)).toBe(2);
  });

  test('takes 64-bit masks with the highest bit set, signed or not', () => {
    expect(encode({ op: 'capbset', args: [2n ** 64n - 1n] })).toBe(encode({ op: 'capbset', args: [-1] }));
    expect(() => encode({ op: 'capbset', args: [2n ** 64n] })).toThrow('does not fit');
  });

  test('leaves out what is only for readers', () => {
    expect(encode({ op: 'setsid', args: [], why: 'because' })).toBe(encode({ op: 'setsid', args: [] }));
  });

  test.each<[string, Op]>([
    ['a NUL in a path', { op: 'sethostname', args: ['a\0b'] }],
    ['a NUL in the environment', { op: 'execve', args: [['/a'], ['a'], ['A=b\0c']] }],
  ])('refuses %s as invalid', (_, op) => {
    expect(() => encode(op)).toThrow(expect.objectContaining({ code: 'invalid' }));
  });

  test.each<[string, Op]>([
    ['too few arguments', { op: 'setresuid', args: [] }],
    ['too many arguments', { op: 'setsid', args: [1] }],
    ['a string for a number', { op: 'setresuid', args: ['0'] }],
    ['a fraction', { op: 'setresuid', args: [0.5] }],
    ['a number for bytes', { op: 'setgroups', args: [1] }],
  ])('refuses %s as a mistake of the engine', (_, op) => {
    expect(() => encode(op)).toThrow(expect.objectContaining({ code: 'system' }));
  });

  test('has limits', () => {
    const many = Array.from({ length: MAX_PROGRAM_OPS + 1 }, (): Op => ({ op: 'setsid', args: [] }));
    expect(() => encode(...many)).toThrow('more than 4096 operations');
    expect(() => encode({ op: 'execve', args: [['/a'], ['x'.repeat(5_000_000)], []] })).toThrow('too large');
  });
});
