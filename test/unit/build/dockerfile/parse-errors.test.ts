// What is refused and in which words. Each message is what dockerd 28.5 says to the same text.
import { describe, expect, test } from 'vitest';
import { DockerfileError, excerpt } from '../../../../daemon/build/dockerfile/dockerfile-error.ts';
import { parseDockerfile } from '../../../../daemon/build/dockerfile/parse-dockerfile.ts';

const refused: [text: string, message: string][] = [
  ['FROM scratch\nCOPY --frm=a b c\n', 'dockerfile parse error on line 2: unknown flag: --frm (did you mean from?)'],
  ['FROM scratch\nCOPY --xyzzy=a b c\n', 'dockerfile parse error on line 2: unknown flag: --xyzzy'],
  ['FROM scratch\nCOPY --from=a --from=b b c\n', 'dockerfile parse error on line 2: duplicate flag specified: --from'],
  [
    'FROM scratch\nCOPY --link=x b c\n',
    'dockerfile parse error on line 2: expecting boolean value for flag --link, not: x',
  ],
  ['FROM scratch\nCOPY --link= b c\n', 'dockerfile parse error on line 2: missing a value on flag: --link'],
  ['FROM scratch\nCOPY --from b c\n', 'dockerfile parse error on line 2: missing a value on flag: --from'],
  ['FROM scratch\nRUN --network=foo true\n', 'dockerfile parse error on line 2: invalid network mode "foo"'],
  [
    'FROM scratch\nRUN --mount=from=$x true\n',
    "dockerfile parse error on line 2: 'from' doesn't support variable expansion, define alias stage instead",
  ],
  ['FROM scratch\nRUN --mount true\n', 'dockerfile parse error on line 2: missing a value on flag: --mount'],
  ['FROM scratch\nRUN --mount=\n', 'dockerfile parse error on line 2: failed to parse csv mounts: EOF'],
  ['FROM scratch\nSHELL\n', 'dockerfile parse error on line 2: SHELL requires at least one argument'],
  ['FROM scratch\nSHELL sh -c\n', 'dockerfile parse error on line 2: SHELL requires the arguments to be in JSON form'],
  ['FROM scratch\nSHELL []\n', 'dockerfile parse error on line 2: SHELL requires at least one argument'],
  ['FROM scratch\nCMD [1]\n', 'when using JSON array syntax, arrays must be comprised of strings only'],
  ['FROM scratch\nVOLUME\n', 'dockerfile parse error on line 2: VOLUME requires at least one argument'],
  ['FROM scratch\nVOLUME [" "]\n', 'dockerfile parse error on line 2: VOLUME specified can not be an empty string'],
  ['FROM scratch\nEXPOSE\n', 'dockerfile parse error on line 2: EXPOSE requires at least one argument'],
  ['FROM scratch\nUSER\n', 'dockerfile parse error on line 2: USER requires exactly one argument'],
  ['FROM scratch\nWORKDIR\n', 'dockerfile parse error on line 2: WORKDIR requires exactly one argument'],
  ['FROM scratch\nSTOPSIGNAL\n', 'dockerfile parse error on line 2: STOPSIGNAL requires exactly one argument'],
  ['FROM scratch\nENV\n', 'dockerfile parse error on line 2: ENV requires at least one argument'],
  ['FROM scratch\nENV a\n', 'ENV must have two arguments'],
  ['FROM scratch\nENV a=b c\n', 'Syntax error - can\'t find = in "c". Must be of the form: name=value'],
  ['FROM scratch\nENV =b\n', 'dockerfile parse error on line 2: ENV names can not be blank'],
  ['FROM scratch\nLABEL\n', 'dockerfile parse error on line 2: LABEL requires at least one argument'],
  ['FROM scratch\nLABEL a\n', 'LABEL must have two arguments'],
  ['FROM scratch\nARG\n', 'dockerfile parse error on line 2: ARG requires at least one argument'],
  ['FROM scratch\nARG =x\n', 'dockerfile parse error on line 2: ARG names can not be blank'],
  ['FROM\n', 'dockerfile parse error on line 1: FROM requires either one or three arguments'],
  ['FROM a b\n', 'dockerfile parse error on line 1: FROM requires either one or three arguments'],
  [
    'FROM a as 1x\n',
    'dockerfile parse error on line 1: invalid name for build stage: "1x", name can\'t start with a number or contain symbols',
  ],
  ['FROM a as B_x extra\n', 'dockerfile parse error on line 1: FROM requires either one or three arguments'],
  ['FROM a foo b\n', 'dockerfile parse error on line 1: FROM requires either one or three arguments'],
  ['FROM --platfrm=x a\n', 'dockerfile parse error on line 1: unknown flag: --platfrm (did you mean platform?)'],
  ['RUN x\n', 'no build stage in current context'],
  ['ARG a\n', 'dockerfile contains no stages to build'],
  ['', 'the Dockerfile cannot be empty'],
  ['# c\n', 'file with no instructions'],
  ['FROM scratch\nHEALTHCHECK\n', 'dockerfile parse error on line 2: HEALTHCHECK requires at least one argument'],
  ['FROM scratch\nHEALTHCHECK none x\n', 'dockerfile parse error on line 2: HEALTHCHECK NONE takes no arguments'],
  ['FROM scratch\nHEALTHCHECK CMD\n', 'dockerfile parse error on line 2: Missing command after HEALTHCHECK CMD'],
  [
    'FROM scratch\nHEALTHCHECK FOO x\n',
    'dockerfile parse error on line 2: Unknown type "FOO" in HEALTHCHECK (try CMD)',
  ],
  [
    'FROM scratch\nHEALTHCHECK --interval=1us CMD x\n',
    'dockerfile parse error on line 2: Interval "interval" cannot be less than 1ms',
  ],
  ['FROM scratch\nHEALTHCHECK --interval=x CMD x\n', 'dockerfile parse error on line 2: time: invalid duration "x"'],
  [
    'FROM scratch\nHEALTHCHECK --interval=1 CMD x\n',
    'dockerfile parse error on line 2: time: missing unit in duration "1"',
  ],
  [
    'FROM scratch\nHEALTHCHECK --retries=-1 CMD x\n',
    'dockerfile parse error on line 2: --retries cannot be negative (-1)',
  ],
  [
    'FROM scratch\nHEALTHCHECK --retries=x CMD x\n',
    'dockerfile parse error on line 2: strconv.ParseInt: parsing "x": invalid syntax',
  ],
  [
    'FROM scratch\nHEALTHCHECK --retries=99999999999 CMD x\n',
    'dockerfile parse error on line 2: strconv.ParseInt: parsing "99999999999": value out of range',
  ],
  ['FROM scratch\nONBUILD\n', 'dockerfile parse error on line 2: ONBUILD requires at least one argument'],
  [
    'FROM scratch\nONBUILD ONBUILD RUN x\n',
    "dockerfile parse error on line 2: Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed",
  ],
  ['FROM scratch\nONBUILD FROM x\n', "dockerfile parse error on line 2: FROM isn't allowed as an ONBUILD trigger"],
  ['FROM scratch\nONBUILD ENV x\n', 'ENV must have two arguments'],
  ['FROM scratch\nMAINTAINER\n', 'dockerfile parse error on line 2: MAINTAINER requires exactly one argument'],
  [
    'FROM scratch\nCOPY a\n',
    'dockerfile parse error on line 2: COPY requires at least two arguments, but only one was provided. Destination could not be determined',
  ],
  [
    'FROM scratch\nCOPY <<a <<b\na\nb\n',
    'dockerfile parse error on line 2: COPY cannot accept a heredoc as a destination',
  ],
  ['FROM scratch\nCOPY <<a /x\n', 'unterminated heredoc'],
  ['# escape=x\nFROM scratch\n', "invalid escape token 'x' does not match ` or \\"],
  ['# escape=`\n# escape=`\nFROM scratch\n', 'only one escape parser directive can be used'],
  ['FROM scratch\nCOPY [1]\n', 'when using JSON array syntax, arrays must be comprised of strings only'],
  ['FROM scratch\nruun x\n', 'dockerfile parse error on line 2: unknown instruction: ruun (did you mean run?)'],
  ['FROM scratch\nRuun x\n', 'dockerfile parse error on line 2: unknown instruction: Ruun (did you mean run?)'],
  ['FROM scratch\nXYZZY x\n', 'dockerfile parse error on line 2: unknown instruction: XYZZY'],
  ['FROM scratch\nENV --x=y a=b\n', 'dockerfile parse error on line 2: unknown flag: --x'],
  ['FROM scratch\nUSER --x a\n', 'dockerfile parse error on line 2: unknown flag: --x'],
  ['FROM scratch\nVOLUME --x /a\n', 'dockerfile parse error on line 2: unknown flag: --x'],
  ['FROM scratch\nEXPOSE --x 1\n', 'dockerfile parse error on line 2: unknown flag: --x'],
  ['FROM scratch\nCMD --x 1\n', 'dockerfile parse error on line 2: unknown flag: --x'],
  ['FROM scratch\nMAINTAINER --x 1\n', 'dockerfile parse error on line 2: unknown flag: --x'],
  ['FROM scratch\nONBUILD --x RUN 1\n', 'dockerfile parse error on line 2: unknown flag: --x'],
  ['FROM scratch\nRUN --unknown 1\n', 'dockerfile parse error on line 2: unknown flag: --unknown'],
  ['FROM scratch\nHEALTHCHECK --x CMD y\n', 'dockerfile parse error on line 2: unknown flag: --x'],
  ['FROM scratch\nSHELL --x ["a"]\n', 'dockerfile parse error on line 2: unknown flag: --x'],
];

const accepted = [
  'FROM scratch\nCOPY --from= b c\n',
  'FROM scratch\nCOPY -- b c\n',
  'FROM scratch\nADD --unpack --keep-git-dir=true --checksum=x --exclude=y b c\n',
  'FROM scratch\nRUN --mount=type=bnd,x=y true\n',
  'FROM scratch\nRUN\n',
  'FROM scratch\nCMD\n',
  'FROM scratch\nENTRYPOINT\n',
  'FROM scratch\nHEALTHCHECK none\n',
  'FROM scratch\nHEALTHCHECK --interval=1s NONE\n',
  'FROM scratch\nONBUILD RUUN x\n',
  'FROM scratch\nONBUILD COPY x\n',
  'FROM scratch\nCMD ["a", "b"\n',
  'FROM scratch\nSTOPSIGNAL --x SIGKILL\n',
  'FROM scratch\nARG --x 1\n',
  'FROM scratch\nHEALTHCHECK --x NONE\n',
  'FROM scratch\nCMD ["a"] x\n',
  'FROM scratch\nCOPY --"link" a b\n',
];

function errorOf(text: string): DockerfileError {
  try {
    parseDockerfile(text);
  } catch (error) {
    if (error instanceof DockerfileError) return error;
    throw error;
  }
  throw new Error(`${JSON.stringify(text)} was accepted`);
}

describe('what a Dockerfile may not say', () => {
  test.each(refused)('%j', (text, message) => {
    expect(errorOf(text).message).toBe(message);
    expect(errorOf(text).code).toBe('invalid');
  });

  test.each(accepted)('%j is accepted, as docker does', (text) => {
    expect(parseDockerfile(text).instructions.length).toBeGreaterThan(0);
  });
});

test('the first error of the lines as such comes first, then that of the instructions', () => {
  expect(errorOf('FROM a\nFOO\nENV x\nRUN <<a\n').message).toBe('ENV must have two arguments');
  expect(errorOf('FROM a\nFOO\nRUN <<a\nENV x\n').message).toBe('unterminated heredoc');
});

describe('an excerpt', () => {
  test('marks all lines of the instruction, with two of the lines around', () => {
    const text = '# comment\nFROM scratch AS base\nRUUN echo hi \\\n  there\n\nCOPY a b\n';
    const error = errorOf(text);
    expect(error.lines).toEqual({ start: 3, end: 4 });
    expect(excerpt('Dockerfile', text, error.lines)).toBe(
      [
        'Dockerfile:3',
        '--------------------',
        '   2 |     FROM scratch AS base',
        '   3 | >>> RUUN echo hi \\',
        '   4 | >>>   there',
        '   5 |     ',
        '--------------------',
        '',
      ].join('\n'),
    );
  });

  test('shows two lines on each side of a single one, fewer at the ends of the file', () => {
    const text = ['FROM a', 'ENV a=1', 'ENV b=2', 'FOO', 'ENV c=3', 'ENV d=4', 'ENV e=5'].join('\n');
    const shown = (line: number) =>
      excerpt('f', text, { start: line, end: line })
        .match(/^ +\d+/gm)
        ?.map(Number);
    expect(shown(4)).toEqual([2, 3, 4, 5, 6]);
    expect(shown(1)).toEqual([1, 2, 3]);
    expect(shown(7)).toEqual([5, 6, 7]);
  });

  test('cuts lines that nobody can read', () => {
    const text = `FROM scratch\nFOO ${'x'.repeat(60_000)}`;
    expect(excerpt('f', text, errorOf(text).lines).length).toBeLessThan(1000);
  });
});
