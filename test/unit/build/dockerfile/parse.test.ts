// What a Dockerfile's text becomes. Continuations, quotes and forms were held against the configs and errors of dockerd 28.5.
import { describe, expect, test } from 'vitest';
import { detectSyntax } from '../../../../daemon/build/dockerfile/directives.ts';
import { DockerfileError } from '../../../../daemon/build/dockerfile/dockerfile-error.ts';
import type { Instruction, InstructionKind } from '../../../../daemon/build/dockerfile/instructions.ts';
import { parseDockerfile, parseInstruction } from '../../../../daemon/build/dockerfile/parse-dockerfile.ts';

/** All but what every instruction has. */
function bare({ keyword: _keyword, lines: _lines, original: _original, comments: _comments, ...rest }: Instruction) {
  return rest;
}

function only<K extends InstructionKind>(text: string, kind: K): Extract<Instruction, { kind: K }> {
  const found = parseDockerfile(`FROM scratch\n${text}\n`).instructions[1];
  const isWanted = (one: Instruction | undefined): one is Extract<Instruction, { kind: K }> => one?.kind === kind;
  if (!isWanted(found)) throw new Error(`${found?.kind} instead of ${kind}`);
  return found;
}

describe('directives', () => {
  test('stand at the very top, in any case, with blanks anywhere', () => {
    const text = '# Syntax = docker/dockerfile:1 more\n  #escape=`\n# CHECK= skip=all;error=true  \nFROM a\n';
    expect(parseDockerfile(text).directives).toEqual({
      syntax: { reference: 'docker/dockerfile:1', line: 1 },
      escape: '`',
      check: { text: 'skip=all;error=true', line: 3 },
    });
  });

  test.each(['# other\n# escape=`\n', '\n# escape=`\n', '# unknown=x\n# escape=`\n', 'ARG x\n# escape=`\n'])(
    'are comments behind %j',
    (before) => {
      expect(parseDockerfile(`${before}FROM a\n`).directives).toEqual({ escape: '\\' });
    },
  );

  test('of a frontend are found in files of other formats', () => {
    expect(detectSyntax('\ufeff#!/usr/bin/env x\n# syntax=a/b\nx')).toEqual({ reference: 'a/b', line: 2 });
    expect(detectSyntax('// syntax=a/b c\n')).toEqual({ reference: 'a/b', line: 1 });
    expect(detectSyntax('{"syntax": "a/b"}')).toEqual({ reference: 'a/b', line: 1 });
    expect(detectSyntax('FROM a\n# syntax=a/b\n')).toBeUndefined();
    expect(detectSyntax('{"syntax": 1}')).toBeUndefined();
  });
});

describe('lines', () => {
  test('go on behind the escape character, over comments and empty lines', () => {
    const { instructions, warnings } = parseDockerfile('FROM a\nRUN x \\ \n # c\n\n  y \\\n#\n&& z\n\nCMD w');
    expect(instructions[1]).toMatchObject({ original: 'RUN x   y && z', lines: { start: 2, end: 7 } });
    expect(instructions[2]).toMatchObject({ original: 'CMD w', lines: { start: 9, end: 9 } });
    expect(warnings).toEqual([{ rule: 'NoEmptyContinuation', lines: { start: 7, end: 7 } }]);
  });

  test('do not go on behind two of them, and with another character not behind a backslash', () => {
    expect(only('ENV a=b\\\\', 'ENV').pairs).toEqual([{ name: 'a', value: 'b\\\\', isLegacy: false }]);
    const { instructions } = parseDockerfile('#escape=`\nFROM a\nRUN x \\\nRUN y `\n z');
    expect(instructions.map(({ original }) => original)).toEqual(['FROM a', 'RUN x \\', 'RUN y  z']);
  });

  test('may end in CRLF, the file begin with a byte order mark', () => {
    const { instructions, text } = parseDockerfile('\ufeffFROM a\r\nENV a=1 \\\r\n  b=2\r\nCMD ["x"]\r\n');
    expect(instructions.map(({ original }) => original)).toEqual(['FROM a', 'ENV a=1   b=2', 'CMD ["x"]']);
    expect(text.startsWith('FROM')).toBe(true);
  });

  test('have the comments before them, from the last empty comment on, without directives', () => {
    const { instructions } = parseDockerfile(
      '# one\n#\n# base the first\n\n#x\nFROM a AS base\n\n# v what it is\nARG v w=1\n',
    );
    expect(parseDockerfile('# check=skip=all\n# b\nFROM a').instructions[0]?.comments).toEqual(['b']);
    expect(instructions.map(({ comments }) => comments)).toEqual([['base the first', 'x'], ['v what it is']]);
    expect(instructions[1]).toMatchObject({
      args: [
        { name: 'v', description: 'what it is' },
        { name: 'w', value: '1' },
      ],
    });
  });

  test('of more than 65535 bytes are refused, as docker does', () => {
    const line = (count: number) => `FROM scratch\nLABEL a=${'x'.repeat(count)}`;
    expect(parseDockerfile(line(65_535 - 8)).instructions).toHaveLength(2);
    expect(() => parseDockerfile(line(65_535 - 7))).toThrow('dockerfile line greater than max allowed size of 65535');
  });
});

describe('instructions', () => {
  const rows: [text: string, instruction: object][] = [
    ['FROM a', { kind: 'FROM', base: 'a' }],
    [
      'from --platform=$X a as B-1.x',
      { kind: 'FROM', base: 'a', name: 'b-1.x', as: { keyword: 'as', name: 'B-1.x' }, platform: '$X' },
    ],
    ['CMD ["a", "b\\n"]', { kind: 'CMD', command: { form: 'exec', args: ['a', 'b\n'] } }],
    ['CMD []', { kind: 'CMD', command: { form: 'exec', args: [] } }],
    ['CMD', { kind: 'CMD', command: { form: 'shell', line: '' } }],
    ["CMD ['a']", { kind: 'CMD', command: { form: 'shell', line: "['a']" } }],
    ['CMD ["a"] b', { kind: 'CMD', command: { form: 'shell', line: '["a"] b' } }],
    ['CMD  a   "b" $c ', { kind: 'CMD', command: { form: 'shell', line: 'a   "b" $c' } }],
    ['ENTRYPOINT [ "a" ]', { kind: 'ENTRYPOINT', command: { form: 'exec', args: ['a'] } }],
    ['SHELL ["a", "-c"]', { kind: 'SHELL', shell: ['a', '-c'] }],
    ['ENV a=1 b="x y" c=$d\\ e', { kind: 'ENV', pairs: [pair('a', '1'), pair('b', '"x y"'), pair('c', '$d\\ e')] }],
    ['ENV a  b =c ', { kind: 'ENV', pairs: [{ name: 'a', value: 'b =c', isLegacy: true }] }],
    ['LABEL "a b"=c d=', { kind: 'LABEL', pairs: [pair('"a b"', 'c'), pair('d', '')] }],
    [
      'ARG a b=1 c="x y"',
      { kind: 'ARG', args: [{ name: 'a' }, { name: 'b', value: '1' }, { name: 'c', value: '"x y"' }] },
    ],
    ['EXPOSE 80 53/udp\t1000-1002', { kind: 'EXPOSE', ports: ['1000-1002', '53/udp', '80'] }],
    ['VOLUME /a $b', { kind: 'VOLUME', paths: ['/a', '$b'] }],
    ['VOLUME ["/a b", "/c"]', { kind: 'VOLUME', paths: ['/a b', '/c'] }],
    ['USER a b:c', { kind: 'USER', user: 'a b:c' }],
    ['WORKDIR "a b"', { kind: 'WORKDIR', path: '"a b"' }],
    ['STOPSIGNAL $x', { kind: 'STOPSIGNAL', signal: '$x' }],
    ['MAINTAINER a <b@c>', { kind: 'MAINTAINER', maintainer: 'a <b@c>' }],
    ['HEALTHCHECK none', { kind: 'HEALTHCHECK', check: { kind: 'none' } }],
    [
      'HEALTHCHECK --interval=1m30s --timeout=2s --start-period=1s --start-interval=5s --retries=3 CMD a  b',
      { kind: 'HEALTHCHECK', check: check({ form: 'shell', line: 'a  b' }, [90e9, 2e9, 1e9, 5e9, 3]) },
    ],
    ['HEALTHCHECK cmd ["a"]', { kind: 'HEALTHCHECK', check: check({ form: 'exec', args: ['a'] }, [0, 0, 0, 0, 0]) }],
    ['ONBUILD  run  x y', { kind: 'ONBUILD', trigger: 'run  x y' }],
    ['COPY a $b c/', { kind: 'COPY', ...copied(['a', '$b'], 'c/') }],
    ['COPY ["a b", "c"]', { kind: 'COPY', ...copied(['a b'], 'c') }],
    [
      'COPY --from=x --chown=$u:g --chmod=u+x --link --parents=true --exclude=a --exclude="b c" d e',
      {
        kind: 'COPY',
        ...copied(['d'], 'e'),
        from: 'x',
        chown: '$u:g',
        chmod: 'u+x',
        link: true,
        parents: true,
        exclude: ['a', 'b c'],
      },
    ],
    ['COPY -- --link b', { kind: 'COPY', ...copied(['--link'], 'b') }],
    ['COPY --from=0 --link=false a b', { kind: 'COPY', ...copied(['a'], 'b'), from: '0' }],
    [
      'ADD --checksum=sha256:x --keep-git-dir --unpack=false --chmod=0755 a b',
      { kind: 'ADD', ...copied(['a'], 'b'), checksum: 'sha256:x', keepGitDir: true, unpack: false, chmod: '0755' },
    ],
    ['RUN a\\b $c', { kind: 'RUN', command: { form: 'shell', line: 'a\\b $c' }, ...ran }],
    ['RUN ["a"]', { kind: 'RUN', command: { form: 'exec', args: ['a'] }, ...ran }],
  ];

  test.each(rows)('%j', (text, instruction) => {
    const found = /^from/i.test(text)
      ? parseDockerfile(text).instructions[0]
      : parseDockerfile(`FROM x\n${text}`).instructions[1];
    expect(found && bare(found)).toEqual(instruction);
  });

  test('RUN keeps its mounts as they are written', () => {
    const run = only('RUN --mount=type=cache,target=$a --network=none --mount=target=/b --security=insecure x', 'RUN');
    expect(bare(run)).toEqual({
      kind: 'RUN',
      command: { form: 'shell', line: 'x' },
      heredocs: [],
      mounts: ['type=cache,target=$a', 'target=/b'],
      network: 'none',
      security: 'insecure',
      flags: ['mount', 'network', 'mount', 'security'],
    });
  });
});

const ran = { heredocs: [], mounts: [], network: 'default', security: 'sandbox', flags: [] };

function pair(name: string, value: string) {
  return { name, value, isLegacy: false };
}

function check(command: object, [intervalNs, timeoutNs, startPeriodNs, startIntervalNs, retries]: number[]) {
  return { kind: 'command', command, intervalNs, timeoutNs, startPeriodNs, startIntervalNs, retries };
}

function copied(sources: string[], destination: string) {
  return { sources, files: [], destination, link: false, parents: false, exclude: [] };
}

describe('heredocs', () => {
  test('that are all of RUN are a script', () => {
    expect(only('RUN <<-EOF\n\ta\n\t b\n\tEOF', 'RUN')).toMatchObject({
      command: { form: 'script', name: 'EOF', text: 'a\n b\n' },
      heredocs: [{ name: 'EOF', descriptor: 0, expand: true, stripTabs: true, content: '\ta\n\t b\n' }],
      original: 'RUN <<-EOF',
      lines: { start: 2, end: 5 },
    });
  });

  test('of a command are given back to the shell', () => {
    const run = only('RUN cat <<A 3<<"B C" > /x\n1\nA\n2\nB C', 'RUN');
    expect(run.command).toEqual({ form: 'shell', line: 'cat <<A 3<<"B C" > /x\n1\nA\n2\nB C' });
    expect(run.heredocs.map(({ name, descriptor, expand }) => [name, descriptor, expand])).toEqual([
      ['A', 0, true],
      ['B C', 3, false],
    ]);
  });

  test('may have blanks before their name, as in a shell', () => {
    const run = only('RUN cat << A 3<<\t"B C" << -\n1\nA\n2\nB C\n3\n-', 'RUN');
    expect(run.heredocs.map(({ name, content }) => [name, content])).toEqual([
      ['A', '1\n'],
      ['B C', '2\n'],
      ['-', '3\n'],
    ]);
    expect(only('RUN << A\n1\nA', 'RUN').command).toEqual({ form: 'script', name: 'A', text: '1\n' });
  });

  test('of COPY are files, in any order with sources', () => {
    const copy = only("COPY <<-a x <<'b' /dst/\n\t1$v\n\ta\n\t2\nb", 'COPY');
    expect(copy).toMatchObject({ sources: ['x'], destination: '/dst/' });
    expect(copy.files).toEqual([
      { name: 'a', text: '1$v\n', expand: true },
      { name: 'b', text: '\t2\n', expand: false },
    ]);
  });

  test('keep carriage returns, and end where one is behind the name', () => {
    expect(only('COPY <<a /x\n1\r\na\r', 'COPY').files).toEqual([{ name: 'a', text: '1\r\n', expand: true }]);
  });

  test.each([
    'RUN ["<<a"]',
    'CMD <<a',
    'RUN echo $((1<<2))',
    'RUN cat <<-  a',
    'RUN cat <<',
    'RUN cat <<< a',
    'RUN cat << <a',
    'RUN cat a<< b',
    'RUN echo "<<a"',
    'RUN echo \\<<a',
    "RUN a '<<b",
  ])('are none in %j', (text) => {
    const { instructions } = parseDockerfile(`FROM x\n${text}\nENV a=1`);
    expect(instructions).toHaveLength(3);
  });

  test('of a trigger belong to it', () => {
    const { trigger } = only('ONBUILD RUN <<a\nx\na', 'ONBUILD');
    expect(trigger).toBe('RUN <<a\nx\na');
    expect(parseInstruction(trigger)).toMatchObject({
      kind: 'RUN',
      command: { form: 'script', name: 'a', text: 'x\n' },
    });
  });
});

test('a trigger is one instruction', () => {
  expect(parseInstruction('COPY . /app')).toMatchObject({ kind: 'COPY', sources: ['.'] });
  expect(() => parseInstruction('RUN a\nRUN b')).toThrow('onbuild trigger should be a single expression');
  expect(() => parseInstruction('')).toThrow(DockerfileError);
});

describe('a hostile file', () => {
  test('is read in linear time', () => {
    const stages = Array.from(
      { length: 20_000 },
      (_, index) => `FROM s${index} AS s${index + 1}\nENV a=$b c="d\\"e"\n`,
    );
    expect(parseDockerfile(stages.join('')).instructions).toHaveLength(40_000);
    const heredocs = `RUN ${Array.from({ length: 5000 }, (_, index) => `<<a${index}`).join(' ')}\n`;
    const ends = Array.from({ length: 5000 }, (_, index) => `x\na${index}\n`).join('');
    expect(only(heredocs + ends.trimEnd(), 'RUN').heredocs).toHaveLength(5000);
    const continued = `RUN ${'a \\\n# c\n\n'.repeat(100_000)}b`;
    expect(only(continued, 'RUN').original.length).toBe(200_005);
    for (const char of ['"', "'", '\\', '$', '{', '<', '[', ' ', '=', '-']) {
      for (const kind of ['RUN ', 'ENV a=', 'COPY --', 'CMD [', 'LABEL ', 'FROM ', 'ONBUILD ']) {
        expect(() => attempt(`FROM x\n${kind}${char.repeat(60_000)}\n`)).not.toThrow();
      }
    }
    expect(() => attempt(`FROM x\nCMD ${'['.repeat(60_000)}`)).not.toThrow();
    expect(() => attempt(`FROM x\nONBUILD ${'ONBUILD '.repeat(8000)}`)).not.toThrow();
  });

  test('has a size', () => {
    expect(() => parseDockerfile('FROM a\n'.repeat(3_000_000))).toThrow(/larger than/);
    expect(() => parseDockerfile(`FROM a\n${'RUN a\n'.repeat(200_000)}`)).toThrow(/more than 200000 instructions/);
  });
});

/** The one error that is allowed is caught. */
function attempt(text: string): void {
  try {
    parseDockerfile(text);
  } catch (error) {
    if (!(error instanceof DockerfileError)) throw error;
  }
}
