import { expect, test } from 'vitest';
import { DetachScanner, defaultDetachKeys, parseDetachKeys } from '../../../../daemon/protocols/streams/detach-keys.ts';

test('sequences are read, and what is no key is named', () => {
  expect(parseDetachKeys('ctrl-p,ctrl-q')).toEqual(defaultDetachKeys);
  expect([...parseDetachKeys('a,ctrl-@,ctrl-[')]).toEqual([97, 0, 27]);
  expect(() => parseDetachKeys('ctrl-é')).toThrow("Unknown character: 'ctrl-é'");
  expect(() => parseDetachKeys('ab')).toThrow("Unknown character: 'ab'");
});

function scan(keys: string, ...inputs: string[]): { passed: string; isDetached: boolean } {
  const scanner = new DetachScanner(Buffer.from(keys));
  let passed = '';
  let isDetached = false;
  for (const input of inputs) {
    const found = scanner.scan(Buffer.from(input));
    passed += found.pass.toString();
    isDetached ||= found.isDetached;
  }
  return { passed, isDetached };
}

test('the sequence is found within a chunk and across chunks', () => {
  expect(scan('pq', 'abpq')).toEqual({ passed: 'ab', isDetached: true });
  expect(scan('pq', 'ab', 'p', 'q')).toEqual({ passed: 'ab', isDetached: true });
});

test('keys that only begin the sequence go on when it is clear that they do not end it', () => {
  expect(scan('pq', 'p', 'x')).toEqual({ passed: 'px', isDetached: false });
  expect(scan('pq', 'pp', 'q')).toEqual({ passed: 'p', isDetached: true });
  expect(scan('pq', 'nothing')).toEqual({ passed: 'nothing', isDetached: false });
});

test('a sequence that begins twice is found, and what follows it is dropped', () => {
  expect(scan('\x10\x11', 'x\x10')).toEqual({ passed: 'x', isDetached: false });
  expect(scan('\x10\x11', 'x\x10', 'y')).toEqual({ passed: 'x\x10y', isDetached: false });
  expect(scan('\x10\x11', 'x\x10', '\x10\x11z')).toEqual({ passed: 'x\x10', isDetached: true });
  expect(scan('\x10\x11', 'x\x10\x11')).toEqual({ passed: 'x', isDetached: true });
});
