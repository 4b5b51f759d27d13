// Go's `filepath.Match`, by the examples of its own tests and the cases around them.
import { describe, expect, test } from 'vitest';
import { FormatError } from '../../../../daemon/protocols/format-error.ts';
import { hasWildcard, parsePathPattern, splitAtWildcard } from '../../../../daemon/protocols/ignore/path-pattern.ts';

const cases: [pattern: string, path: string, matches: boolean][] = [
  ['abc', 'abc', true],
  ['*', 'abc', true],
  ['*', '', true],
  ['*', 'a/b', false],
  ['*c', 'abc', true],
  ['a*', 'a', true],
  ['a*', 'ab/c', false],
  ['a*/b', 'abc/b', true],
  ['a*/b', 'a/c/b', false],
  ['a*b*c*d*e*/f', 'axbxcxdxexxx/f', true],
  ['a*b*c*d*e*/f', 'axbxcxdxe/xxx/f', false],
  ['a*b?c*x', 'abxbbxdbxebxczzx', true],
  ['a*b?c*x', 'abxbbxdbxebxczzy', false],
  ['ab[b-d]', 'abc', true],
  ['ab[^b-d]', 'abc', false],
  ['ab[^e-g]', 'abc', true],
  ['a\\*b', 'a*b', true],
  ['a\\*b', 'ab', false],
  ['a?b', 'a☺b', true],
  ['a?b', 'a😀b', true],
  ['a[^a]b', 'a☺b', true],
  ['a???b', 'a☺b', false],
  ['[a-ζ]*', 'α', true],
  ['*[a-ζ]', 'A', false],
  ['a?b', 'a/b', false],
  ['[\\]a]', ']', true],
  ['[\\-x]', '-', true],
  ['[\\-x]', 'a', false],
  ['*x', 'xxx', true],
  ['**', 'ab', true],
  ['**/b', 'a/c/b', false],
];

describe('a path pattern', () => {
  test.each(cases)('%j and %j: %j', (pattern, path, matches) => {
    expect(parsePathPattern(pattern).matches(path)).toBe(matches);
  });

  test.each(['[]a]', '[-]', '[x-]', '[-x]', '\\', '[a-b-c]', '[', '[^', '[^bc', 'a[', 'a*['])(
    '%j is none',
    (pattern) => {
      expect(() => parsePathPattern(pattern)).toThrow(new FormatError('syntax error in pattern'));
    },
  );

  test('of many stars does not take for ever', () => {
    const pattern = parsePathPattern(`${'*a'.repeat(2000)}b`);
    expect(pattern.matches('a'.repeat(4000))).toBe(false);
  });
});

test('a wildcard behind a backslash is none', () => {
  expect(['a*', 'a?', 'a[b]', '\\\\*'].every(hasWildcard)).toBe(true);
  expect(['a', 'a\\*', 'a]', 'a\\[b', '\\'].some(hasWildcard)).toBe(false);
});

test('a path is split at its first part with a wildcard', () => {
  expect(splitAtWildcard('a/b')).toEqual({ directory: 'a/b', pattern: '' });
  expect(splitAtWildcard('a/b*/c')).toEqual({ directory: 'a', pattern: 'b*/c' });
  expect(splitAtWildcard('*')).toEqual({ directory: '', pattern: '*' });
});
