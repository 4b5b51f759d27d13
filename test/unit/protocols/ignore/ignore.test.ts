// `.dockerignore`: what BuildKit copies of a context that has it. The rules were held against dockerd 28.5 with random trees and patterns.
import { describe, expect, test } from 'vitest';
import { FormatError } from '../../../../daemon/protocols/format-error.ts';
import { readIgnoreFile } from '../../../../daemon/protocols/ignore/ignore-file.ts';
import { IgnoreMatcher } from '../../../../daemon/protocols/ignore/ignore-matcher.ts';

const single: [pattern: string, path: string, isIgnored: boolean][] = [
  ['**', 'file', true],
  ['**/', 'file', true],
  ['**', 'dir/file', true],
  ['**/**', 'dir/file', true],
  ['dir/**', 'dir', false],
  ['dir/**', 'dir/file', true],
  ['dir/**', 'dir/dir2/file', true],
  ['**/dir', 'dir', true],
  ['**/dir', 'dir/file', true],
  ['**/dir', 'a/b/dir', true],
  ['**/dir', 'xdir', false],
  ['**/dir2/*', 'dir/dir2/file', true],
  ['**/dir2/*', 'dir/dir2', false],
  ['**/dir2/**', 'dir/dir2/dir3/file', true],
  ['**file', 'file', true],
  ['**file', 'dir/myfile', true],
  ['**/file*', 'dir/dir/file.txt', true],
  ['**/file*.txt*', 'dir/dir/file.txt', true],
  ['**/**/*.txt', 'file.txt', true],
  ['**/**/*.txt2', 'dir/dir/file.txt', false],
  ['a**/*.txt', 'a/dir/dir/file.txt', true],
  ['a**b**c', 'axb/byb/c', true],
  ['b**c', 'b/x/c', true],
  ['b**c', 'bxc', false],
  ['a*b**c', 'abxbc', true],
  ['a/*.txt', 'a/dir/file.txt', false],
  ['a/*.txt**', 'a/file.txt', true],
  ['a[b-d]e', 'ace', true],
  ['a[b-d]e', 'aae', false],
  ['a[^b-d]e', 'aze', true],
  ['.*', '.foo', true],
  ['.*', 'foo', false],
  ['abc.def', 'abcZdef', false],
  ['abc?def', 'abcZdef', true],
  ['abc?def', 'abc/def', false],
  ['**/.foo', 'bar.foo', false],
  ['a(b)c/def', 'a(b)c/def', true],
  ['a.|)$(}+{bc', 'a.|)$(}+{bc', true],
  ['a\\*b', 'a*b', true],
  ['a\\*b', 'axb', false],
  ['a\\\\', 'a\\', true],
  ['/a', 'a', true],
  ['/', 'a', false],
  ['.', 'a', false],
  ['./a', 'a', true],
  ['a/', 'a', true],
  ['a/../b', 'b', true],
  ['../a', 'a', false],
  ['a//b', 'a/b', true],
  ['dist/*.whl', 'dist/proxy.py-2.4.0rc3.dev36+g08acad9.whl', true],
  ['docs', 'docs/README.md', true],
  ['doc', 'docs', false],
  ['*', 'a/b/c', true],
  ['*/b', 'a/b/c', true],
];

const several: [patterns: string, path: string, isIgnored: boolean][] = [
  ['!a.go\n*.go', 'a.go', true],
  ['*.go\n!a.go', 'a.go', false],
  ['docs\n!docs/README.md', 'docs/README.md', false],
  ['docs\n!docs/README.md', 'docs/other', true],
  ['docs/*\n!docs/README.md', 'docs/README.md', false],
  ['**\n!util/docker/web', 'util/docker/web/foo', false],
  ['**\n!util/docker/web\nutil/docker/web/foo', 'util/docker/web/foo', true],
  ['*\n!**/keep', 'a/b/keep', false],
  ['*\n! keep', 'keep', false],
  ['a\n!a/b\na/b/c', 'a/b/c/d', true],
  ['a\n!a/b\na/b/c', 'a/b/d', false],
];

const ignores = (text: string, path: string) => new IgnoreMatcher(readIgnoreFile(text)).isIgnored(path);

describe('an ignore file', () => {
  test.each(single)('%j and %j: %j', (pattern, path, isIgnored) => {
    expect(ignores(pattern, path)).toBe(isIgnored);
  });

  test.each(several)('%j and %j: the last that matches decides: %j', (text, path, isIgnored) => {
    expect(ignores(text, path)).toBe(isIgnored);
  });

  test('has comments in the first column, blanks around, empty lines, CRLF and a byte order mark', () => {
    expect(readIgnoreFile('\ufeffa\n# b\n #c\n\n  d  \t\r\n! e/ \n/f/g\n')).toEqual(['a', '#c', 'd', '!e', 'f/g']);
  });

  test('an exception of nothing, and what is no pattern, is an error that names it', () => {
    expect(() => ignores('!', 'a')).toThrow(new FormatError('ignore pattern "!": illegal exclusion pattern: "!"'));
    expect(() => ignores('a[', 'a')).toThrow(new FormatError('ignore pattern "a[": syntax error in pattern'));
  });

  test('of a stranger has a limit', () => {
    expect(() => readIgnoreFile('a\n'.repeat(10_001))).toThrow(FormatError);
    expect(() => readIgnoreFile('a'.repeat(2 ** 21))).toThrow(FormatError);
  });

  test('answers in any order of paths', () => {
    const matcher = new IgnoreMatcher(['a', '!a/b', 'c/*/d']);
    const asked = ['a/b/x', 'a/x', 'c/d', 'a/b', 'c/e/d/f', 'a', 'a/b/y', 'ab', 'c/e'];
    expect(asked.map((path) => matcher.isIgnored(path))).toEqual([
      false,
      true,
      false,
      false,
      true,
      true,
      false,
      false,
      false,
    ]);
  });

  test('of many wildcards does not take for ever', () => {
    const matcher = new IgnoreMatcher([`**/${'*a'.repeat(500)}b`, `${'**/a'.repeat(500)}b`, `${'a**'.repeat(500)}b`]);
    expect(matcher.isIgnored(Array.from({ length: 40 }, () => 'a'.repeat(25)).join('/'))).toBe(false);
  });
});

describe('what a path may cost', () => {
  test('is told before, and who hears it may stop', () => {
    const told: number[] = [];
    const matcher = new IgnoreMatcher(['a/*b*c', 'other', '!a/x'], (steps) => told.push(steps));
    expect(matcher.isIgnored('a/xxxx')).toBe(false);
    // Of "a" and of the path itself; the exception cannot change anything.
    expect(told).toEqual([1, 1, 4 * 6, 6]);
    const stopped = new IgnoreMatcher(['a'], () => {
      throw new Error('enough');
    });
    expect(() => stopped.isIgnored('b')).toThrow('enough');
  });
});

describe('a directory may be left out whole', () => {
  test.each([
    ['a', 'a', true],
    ['a', 'a/b', true],
    ['a', 'b', false],
    ['a/*', 'a', false],
    ['a\n!b', 'a', true],
    ['a\n!a/b', 'a', false],
    ['a\n!a/b', 'a/c', true],
    ['a\n!a/b/c', 'a/b', false],
    ['a\n!**/keep', 'a', false],
    ['a\n!a*', 'a', false],
    ['a\n!b*/keep', 'a', true],
    ['!a/b\na', 'a', true],
  ])('%j and %j: %j', (text, directory, isWhole) => {
    expect(new IgnoreMatcher(readIgnoreFile(text)).isIgnoredWhole(directory)).toBe(isWhole);
  });
});
