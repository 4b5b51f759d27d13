import { expect, test } from 'vitest';
import { detachKeysOf } from '../../../daemon/docker-api/sessions/detach-keys.ts';

test.each([
  [undefined, [16, 17]],
  ['', [16, 17]],
  ['ctrl-a', [1]],
  ['ctrl-@,a,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_', [0, 97, 27, 28, 29, 30, 31]],
  ['a,b', [97, 98]],
])('%s is read as %j', (text, bytes) => {
  expect([...detachKeysOf(text)]).toEqual(bytes);
});

test.each(['ctrl-', 'ctrl-A', 'ab', 'a,,b', 'ctrl-1', 'é', Array(40).fill('a').join()])('%.10s is refused', (text) => {
  expect(() => detachKeysOf(text)).toThrow(/invalid detach keys/);
});
