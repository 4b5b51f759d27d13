import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { OPCODES } from '../../../daemon/runtime/program/opcodes.ts';

test('opcodes.ts and the launcher’s opcodes.def are the same table', () => {
  const definitions = readFileSync(new URL('../../../native-bindings/launcher/opcodes.def', import.meta.url), 'utf8');
  const fromC = [...definitions.matchAll(/^OP\((\d+),\s*(\w+),\s*"([a-z]*)",\s*([mca])\)/gm)].map(
    ([, code, name, signature, phase]) => [name, { code: Number(code), signature, phase }],
  );
  expect(fromC).toEqual(Object.entries(OPCODES));
});

test('every opcode has its own number', () => {
  const codes = Object.values(OPCODES).map((info) => info.code);
  expect(new Set(codes).size).toBe(codes.length);
});
