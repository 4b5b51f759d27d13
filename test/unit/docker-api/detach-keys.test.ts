import { expect, test } from 'vitest';
import { DetachScanner, parseDetachKeys } from '../../../daemon/docker-api/detach-keys.ts';

test.each([
  [undefined, [16, 17]],
  ['', [16, 17]],
  ['ctrl-a', [1]],
  ['ctrl-@,a,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_', [0, 97, 27, 28, 29, 30, 31]],
  ['a,b', [97, 98]],
])('%s is read as %j', (text, bytes) => {
  expect([...parseDetachKeys(text)]).toEqual(bytes);
});

test.each(['ctrl-', 'ctrl-A', 'ab', 'a,,b', 'ctrl-1', 'é', Array(40).fill('a').join()])('%.10s is refused', (text) => {
  expect(() => parseDetachKeys(text)).toThrow(/invalid detach keys/);
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
