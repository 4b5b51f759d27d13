// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the words of a Dockerfile have such variables
// Words with quotes, escapes and variables. Every row was built by dockerd 28.5 as a label, which says what it says here.
import { describe, expect, test } from 'vitest';
import { expand, expandWord, namesIn } from '../../../../daemon/build/dockerfile/expand.ts';
import { WorkBudget } from '../../../../daemon/build/dockerfile/work-budget.ts';
import { FormatError } from '../../../../daemon/protocols/format-error.ts';

const variables = new Map([
  ['v', 'a.b/c*a.b'],
  ['w', 'x  y'],
  ['empty', ''],
  ['lines', 'a\nb'],
  ['emoji', '😀x😀'],
]);

const rows: [word: string, text: string][] = [
  ['plain', 'plain'],
  ['"a b"', 'a b'],
  ["'a $v'", 'a $v'],
  ['"a $w"', 'a x  y'],
  ['a"b"\'c\'d', 'abcd'],
  ['\\$v', '$v'],
  ['"\\$v"', '$v'],
  ['"\\n\\\\\\""', '\\n\\"'],
  ["'\\n'", '\\n'],
  ['a\\nb', 'anb'],
  ['a\\', 'a'],
  ['$', '$'],
  ['$$', ''],
  ['a$', 'a$'],
  ['$.v', '$.v'],
  ['$1x', 'x'],
  ['$12', ''],
  ['${1}', ''],
  ['$vv', ''],
  ['${v}v', 'a.b/c*a.bv'],
  ['$nope', ''],
  ['${nope-d}', 'd'],
  ['${nope:-d}', 'd'],
  ['${empty-d}', ''],
  ['${empty:-d}', 'd'],
  ['${v-d}', 'a.b/c*a.b'],
  ['${nope+d}', ''],
  ['${empty+d}', 'd'],
  ['${empty:+d}', ''],
  ['${v:+d}', 'd'],
  ['${v?x}', 'a.b/c*a.b'],
  ['${nope:-${nope2:-deep$w}}', 'deepx  y'],
  ['${nope:-"a b"}', 'a b'],
  ["${nope:-'$v'}", '$v'],
  ['${nope:-\\}}', '}'],
  ['${v#*.}', 'b/c*a.b'],
  ['${v##*.}', 'b'],
  ['${v%.*}', 'a.b/c*a'],
  ['${v%%.*}', 'a'],
  ['${v#a?b}', '/c*a.b'],
  ['${v#b}', 'a.b/c*a.b'],
  ['${v%\\*a.b}', 'a.b/c'],
  ['${v#*\\/}', 'c*a.b'],
  ['${v##*}', ''],
  ['${v#*}', 'a.b/c*a.b'],
  ['${v%"b"}', 'a.b/c*a.'],
  ['${v/a/X}', 'X.b/c*a.b'],
  ['${v//a/X}', 'X.b/c*X.b'],
  ['${v//a/}', '.b/c*.b'],
  ['${v//a.?/X}', 'X/c*X'],
  ['${v/\\//_}', 'a.b_c*a.b'],
  ['${v//\\*/_}', 'a.b/c_a.b'],
  ['${v//*/z}', 'z'],
  ['${v//b*/z}', 'a.z'],
  ['${v//./$w}', 'ax  yb/c*ax  yb'],
  ['${v///-}', '-a-.-b-/-c-*-a-.-b-'],
  ['${v/a/x\\/y}', 'x\\/y.b/c*a.b'],
  ['${emoji#?}', 'x😀'],
  ['${emoji//?/_}', '___'],
  ['${emoji%?}', '😀x'],
];

const refused: [word: string, message: string][] = [
  ['${v', 'unsupported modifier (\ufffd) in substitution'],
  ['${', "syntax error: missing '}'"],
  ['${}', 'syntax error: bad substitution'],
  ['${:x}', 'syntax error: bad substitution'],
  ['${{v}}', 'syntax error: bad substitution'],
  ['${v:-x', "syntax error: missing '}'"],
  ['${v:#a}', 'unsupported modifier (:#) in substitution'],
  ['${v=x}', 'unsupported modifier (=) in substitution'],
  ['${v:=x}', 'unsupported modifier (:=) in substitution'],
  ['${v//b}', "syntax error: missing '/' in ${}"],
  ['${v/a/b', "syntax error: missing '}'"],
  ['${v//\\./x}', "invalid pattern (\\.) in substitution: invalid escape '\\.'"],
  ['${nope:?boo}', 'nope: boo'],
  ['${nope?}', 'nope: is not allowed to be unset'],
  ['${empty:?}', 'empty: is not allowed to be empty'],
  ['"a', 'unexpected end of statement while looking for matching double-quote'],
  ["'a", 'unexpected end of statement while looking for matching single-quote'],
  ["${v-'}", "syntax error: missing '}'"],
];

function failureOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof FormatError) return error.message;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('a word', () => {
  test.each(rows)('%j is %j', (word, text) => {
    expect(expandWord(word, variables)).toBe(text);
  });

  test.each(refused)('%j is refused: %s', (word, message) => {
    expect(failureOf(() => expandWord(word, variables))).toBe(`failed to process ${JSON.stringify(word)}: ${message}`);
  });

  test('has another escape character where the file says so', () => {
    expect(expandWord('`$v\\x``', variables, { escape: '`' })).toBe('$v\\x`');
    expect(expandWord('"`"\\"', variables, { escape: '`' })).toBe('"\\');
  });

  test('is split at blanks outside quotes, those of variables too', () => {
    const wordsOf = (word: string) => expand(word, variables).words;
    expect(wordsOf('a  $w "$w" \\ b')).toEqual(['a', 'x', 'y', 'x  y', ' b']);
    expect(wordsOf('80/tcp$nope')).toEqual(['80/tcp']);
    expect(wordsOf('')).toEqual([]);
    expect(wordsOf('""')).toEqual([]);
  });

  test('tells which names it asked for', () => {
    const { used, unset } = expand('$v${w:-$nope}${x+y}\\$z', variables);
    expect([...used]).toEqual(['v', 'w']);
    expect([...unset]).toEqual(['nope', 'x']);
    expect(() => expand('$a${b:?x}', variables)).toThrow(expect.objectContaining({ unset: new Set(['a', 'b']) }));
    expect([...namesIn('${a:-$b}$c')].sort()).toEqual(['a', 'b', 'c']);
  });

  test('of a heredoc keeps its quotes and loses its escapes', () => {
    const text = 'a \\$x \\n \\\\ "q" \'q $v\'\n';
    expect(expandWord(text, variables, { keepQuotes: true })).toBe('a $x n \\ "q" \'q a.b/c*a.b\'\n');
  });

  test('has wildcards that do not match a newline', () => {
    expect(expandWord('${lines#*b}', variables)).toBe('a\nb');
    expect(expandWord('${lines//?/x}', variables)).toBe('x\nx');
    expect(expandWord('${lines%%*}', variables)).toBe('a\n');
  });
});

describe('the work of a hostile word', () => {
  test('nests only so deep', () => {
    expect(() => expandWord(`${'${a:-'.repeat(20_000)}x${'}'.repeat(20_000)}`, variables)).toThrow(/inside each other/);
    expect(expandWord(`${'${a:-'.repeat(200)}x${'}'.repeat(200)}`, variables)).toBe('x');
  });

  test('grows only so far', () => {
    const big = new Map([['a', 'x'.repeat(200_000)]]);
    expect(() => expandWord('$a$a$a$a', big)).toThrow(/too long/);
    expect(() => expandWord('${a//x/xxxxxxxxxx}', big)).toThrow(/too long/);
  });

  test('does not try patterns again and again', () => {
    const value = new Map([['a', 'a'.repeat(100_000)]]);
    expect(expandWord(`\${a#${'*a'.repeat(1000)}b}`, value)).toHaveLength(100_000);
    expect(expandWord(`\${a//${'a*'.repeat(1000)}b/}`, value)).toHaveLength(100_000);
  });

  test('ends where the budget of a build does', () => {
    const budget = new WorkBudget(100);
    expect(expandWord('$v$v', variables, { budget })).toHaveLength(18);
    expect(() => expandWord('x'.repeat(100), variables, { budget })).toThrow(/too much work/);
  });
});
