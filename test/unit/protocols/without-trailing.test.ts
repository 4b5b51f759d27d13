// Characters at the end of a stranger's text. A run of them that does not end it must not be gone through anew from each of its characters, which
// takes minutes for these texts.
import { describe, expect, test } from 'vitest';
import { parseDockerfile } from '../../../daemon/build/dockerfile/parse-dockerfile.ts';
import { readMount } from '../../../daemon/build/dockerfile/run-mount.ts';
import { withoutTrailing } from '../../../daemon/protocols/without-trailing.ts';
import { commandCandidates } from '../../../daemon/runtime/environment.ts';

test.each([
  ['', ''],
  ['//', ''],
  ['/a//b', '/a//b'],
  ['/a//b//', '/a//b'],
  ['/a/\n', '/a/\n'],
])('%j without slashes at its end is %j', (text, without) => {
  expect(withoutTrailing(text, '/')).toBe(without);
});

describe('a long run in the middle takes no minutes', () => {
  test('in a line of a Dockerfile', () => {
    const line = `#${'\r'.repeat(65_000)}x\n`;
    expect(parseDockerfile(`${line.repeat(20)}FROM scratch\r\r\n`).instructions).toHaveLength(1);
  });

  test('in the target of a secret', () => {
    const target = `${'/'.repeat(300_000)}a`;
    expect(readMount(`type=secret,target=${target}`, (value) => value)).toMatchObject({ id: 'a', target });
  });

  test('in an image’s PATH', () => {
    const directory = `${'/'.repeat(300_000)}a`;
    expect(commandCandidates('b', [`PATH=${directory}:/c//`])).toEqual([`${directory}/b`, '/c/b']);
  });
});
