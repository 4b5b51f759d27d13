// What --chmod makes of a directory of mode 7755 and of a file of mode 6644: as BuildKit 0.25 does it.
import { expect, test } from 'vitest';
import { modeChange } from '../../../daemon/jail/jobs/files/mode-change.ts';

test.each([
  ['u=rwX,go=', '1700', '600'],
  ['go=', '5700', '4600'],
  ['ug=', '1005', '4'],
  ['a=', '1000', '0'],
  ['=', '1000', '0'],
  ['u=rwx', '3755', '2744'],
  ['g=rx', '5755', '4654'],
  ['o=x', '7751', '6641'],
  ['a=rx', '1555', '555'],
  ['a-s', '1755', '644'],
  ['a-t', '6755', '6644'],
  ['+t', '7755', '7644'],
  ['u+s', '7755', '6644'],
  ['+x', '7755', '6755'],
  ['-x', '7644', '6644'],
  ['u=g', '7555', '6444'],
  ['g=u', '7775', '6664'],
  ['u=rws,g=s', '7605', '6604'],
  ['a+X', '7755', '6644'],
  ['0755', '755', '755'],
])('%s', (words, directory, file) => {
  const change = modeChange(words);
  expect([change(0o7755, true).toString(8), change(0o6644, false).toString(8)]).toEqual([directory, file]);
});

test.each(['', '9', 'u', 'u~x', 'z+x', '77777', 'u=rwx,'])('%j is refused', (words) => {
  expect(() => modeChange(words)).toThrow(/invalid mode/);
});
