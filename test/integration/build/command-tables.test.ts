// What a container of an image runs: the table of CMD and ENTRYPOINT in docker's reference, shell and exec forms, SHELL, and which of them an
// image takes over from the one below it.
import { describe, expect, test } from 'vitest';
import { failureOf, imageOf, outputOf } from '../../harness/build/build-engine.ts';
import { imageConfig } from '../../harness/build/image-files.ts';
import { useBuilder } from '../../harness/build/use-builder.ts';

const fixture = useBuilder();

/** Programs that print their name and arguments, one a line. */
const base = `FROM busybox
RUN for name in exec_entry p1_entry exec_cmd p1_cmd; do \\
  printf '#!/bin/sh\\necho "\${0##*/}"\\nfor word; do echo "$word"; done\\n' >/bin/$name && chmod 755 /bin/$name; done
`;

const entrypoints = {
  'no ENTRYPOINT': '',
  'ENTRYPOINT in shell form': 'ENTRYPOINT exec_entry p1_entry\n',
  'ENTRYPOINT in exec form': 'ENTRYPOINT ["exec_entry", "p1_entry"]\n',
};
const commands = {
  'no CMD': 'CMD []\n',
  'CMD in exec form': 'CMD ["exec_cmd", "p1_cmd"]\n',
  'CMD in shell form': 'CMD exec_cmd p1_cmd\n',
};

type Entry = keyof typeof entrypoints;
type Command = keyof typeof commands;

/** Docker's reference, "Understand how CMD and ENTRYPOINT interact"; undefined: an error, nothing to run. */
const table: [Entry, Command, string | undefined][] = [
  ['no ENTRYPOINT', 'no CMD', undefined],
  ['no ENTRYPOINT', 'CMD in exec form', 'exec_cmd p1_cmd'],
  ['no ENTRYPOINT', 'CMD in shell form', 'exec_cmd p1_cmd'],
  ['ENTRYPOINT in shell form', 'no CMD', 'exec_entry p1_entry'],
  ['ENTRYPOINT in shell form', 'CMD in exec form', 'exec_entry p1_entry'],
  ['ENTRYPOINT in shell form', 'CMD in shell form', 'exec_entry p1_entry'],
  ['ENTRYPOINT in exec form', 'no CMD', 'exec_entry p1_entry'],
  ['ENTRYPOINT in exec form', 'CMD in exec form', 'exec_entry p1_entry exec_cmd p1_cmd'],
  ['ENTRYPOINT in exec form', 'CMD in shell form', 'exec_entry p1_entry /bin/sh -c exec_cmd p1_cmd'],
];

describe('the table of CMD and ENTRYPOINT', () => {
  test.each(table)('%s, %s', async (entry, command, expected) => {
    const image = await imageOf(fixture.engine, base + entrypoints[entry] + commands[command]);
    if (expected === undefined) {
      await expect(outputOf(fixture.engine, image)).rejects.toThrow(/no command specified/i);
    } else expect((await outputOf(fixture.engine, image)).trim().split('\n').join(' ')).toBe(expected);
  });
});

const configOf = async (dockerfile: string) => {
  const { Cmd, Entrypoint } = await imageConfig(fixture.engine, await imageOf(fixture.engine, dockerfile));
  return { Cmd: Cmd ?? null, Entrypoint: Entrypoint ?? null };
};

test('an ENTRYPOINT takes the CMD of the image below away, and leaves that of its own stage', async () => {
  expect(await configOf('FROM busybox\nENTRYPOINT ["e"]')).toEqual({ Cmd: null, Entrypoint: ['e'] });
  expect(await configOf('FROM busybox\nCMD ["c"]\nENTRYPOINT ["e"]')).toEqual({ Cmd: ['c'], Entrypoint: ['e'] });
  expect(await configOf('FROM busybox AS a\nCMD ["c"]\nFROM a\nENTRYPOINT ["e"]')).toEqual({
    Cmd: null,
    Entrypoint: ['e'],
  });
  expect(await configOf('FROM busybox AS a\nENTRYPOINT ["e"]\nFROM a\nCMD ["c"]')).toEqual({
    Cmd: ['c'],
    Entrypoint: ['e'],
  });
});

test('the last of several counts, and an empty list takes away what was there', async () => {
  expect(await configOf('FROM busybox\nCMD one\nCMD ["two"]\nENTRYPOINT x\nENTRYPOINT ["y", "z"]')).toEqual({
    Cmd: ['two'],
    Entrypoint: ['y', 'z'],
  });
  expect(await configOf('FROM busybox AS a\nENTRYPOINT ["e"]\nFROM a\nENTRYPOINT []\nCMD ["c"]')).toMatchObject({
    Cmd: ['c'],
  });
});

test('what looks like a list but is none is a line for the shell', async () => {
  expect(await configOf("FROM busybox\nCMD ['a', 'b']")).toEqual({
    Cmd: ['/bin/sh', '-c', "['a', 'b']"],
    Entrypoint: null,
  });
  expect(await configOf('FROM busybox\nENTRYPOINT ["a" "b"]')).toEqual({
    Cmd: null,
    Entrypoint: ['/bin/sh', '-c', '["a" "b"]'],
  });
  expect((await failureOf(fixture.engine, { Dockerfile: 'FROM busybox\nCMD ["a", 1]' })).error).toContain(
    'arrays must be comprised of strings only',
  );
  expect(await configOf('FROM busybox\nCMD ["a\\tb", "\\u00e9"]')).toEqual({ Cmd: ['a\tb', 'é'], Entrypoint: null });
});

test('variables are the shell’s in the shell form, and nobody’s in the exec form', async () => {
  const { engine } = fixture;
  const shell = await imageOf(engine, 'FROM busybox\nENV NAME=world\nCMD echo hello $NAME "a  b"');
  expect(await outputOf(engine, shell)).toBe('hello world a  b\n');
  const exec = await imageOf(engine, 'FROM busybox\nENV NAME=world\nCMD ["echo", "hello $NAME"]');
  expect(await outputOf(engine, exec)).toBe('hello $NAME\n');
  const run = 'FROM busybox\nENV A=b\nRUN ["sh", "-c", "echo $A >/one"]\nRUN ["touch", "/$A"]\nCMD cat /one; ls /\\$A';
  expect(await outputOf(engine, await imageOf(engine, run))).toBe('b\n/$A\n');
});

test('SHELL is who the shell forms after it are for, in later stages too', async () => {
  const { engine } = fixture;
  const dockerfile = `FROM busybox AS a
RUN echo first $0 >/first
SHELL ["/bin/sh", "-e", "-c"]
RUN false; echo never >/never || true
`;
  const failed = await engine.tryBuild({ Dockerfile: dockerfile });
  expect(failed.code).toBe(1);
  const image = await imageOf(
    engine,
    `FROM busybox AS a
SHELL ["/bin/busybox", "echo", "said:"]
FROM a
CMD one "two"
`,
  );
  expect(await outputOf(engine, image)).toBe('said: one "two"\n');
  expect((await imageConfig(engine, image)).Shell).toEqual(['/bin/busybox', 'echo', 'said:']);
  expect(await engine.tryBuild({ Dockerfile: 'FROM busybox\nSHELL /bin/sh -c' })).toMatchObject({
    error: expect.stringMatching(/SHELL requires the arguments to be in JSON form/),
  });
});
