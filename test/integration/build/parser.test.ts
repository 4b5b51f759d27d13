// How a Dockerfile is read: directives, continued lines, comments, line ends; and what is told where it is wrong.
import { describe, expect, test } from 'vitest';
import { build, failureOf, imageOf } from '../../harness/build/build-engine.ts';
import { imageConfig } from '../../harness/build/image-files.ts';
import { isReference, useBuilder } from '../../harness/build/use-builder.ts';

const fixture = useBuilder();
const printed = async (dockerfile: string) =>
  (await build(fixture.engine, { Dockerfile: dockerfile }, { noCache: true })).output;
const labels = async (dockerfile: string) =>
  (await imageConfig(fixture.engine, await imageOf(fixture.engine, dockerfile))).Labels;

test('instructions in any case, blanks before them, lines without an end, and a byte order mark', async () => {
  expect(await printed('\uFEFFfrom busybox\n   rUn echo any case\n\tRUN echo tab')).toBe('any case\ntab\n');
});

test('line ends of Windows', async () => {
  expect(await labels('FROM scratch\r\nLABEL a=1 \\\r\n  b=2\r\n\r\nLABEL c=3\r\n')).toEqual({
    a: '1',
    b: '2',
    c: '3',
  });
});

test('comments and empty lines inside a continued line are not part of it', async () => {
  const dockerfile = `FROM busybox
# a comment \\
RUN echo one \\
  # not this

    && echo two \\
# nor this
    && echo "three # stays"
`;
  expect(await printed(dockerfile)).toBe('one\ntwo\nthree # stays\n');
});

test('the escape directive, and a line that ends in what is no escape', async () => {
  const dockerfile = '# escape=`\nFROM busybox\nRUN echo a\\\\b `\n  && echo c\nLABEL l=x` y\n';
  const { id, output } = await build(fixture.engine, { Dockerfile: dockerfile }, { noCache: true });
  expect(output).toBe('a\\b\nc\n');
  expect((await imageConfig(fixture.engine, id)).Labels).toEqual({ l: 'x y' });
});

test('a directive counts before everything else only', async () => {
  expect(await labels('#\n# escape=`\nFROM scratch\nLABEL a=1 \\\n b=2\n')).toEqual({ a: '1', b: '2' });
  expect(await labels('# unknown=thing\nFROM scratch\nLABEL a=1\n')).toEqual({ a: '1' });
  await failureOf(fixture.engine, { Dockerfile: '# escape=\\\n# escape=`\nFROM scratch\n' });
  await failureOf(fixture.engine, { Dockerfile: '# escape=x\nFROM scratch\n' });
});

describe('what is wrong is told with its line', () => {
  test.each([
    ['FROM busybox\nRUNN true\n', [/line 2|Dockerfile:2/, /unknown instruction: RUNN \(did you mean RUN\?\)/]],
    ['FROM busybox\n\nCOPY --form=x a /b\n', [/line 3|Dockerfile:3/, /unknown flag: --form \(did you mean from\?\)/]],
    ['FROM busybox\nENV\n', [/line 2|Dockerfile:2/, /ENV requires at least one argument/]],
    ['FROM busybox\nENV a\n', [/line 2|Dockerfile:2/, /ENV must have two arguments/]],
    ['FROM busybox\nLABEL\n', [/line 2|Dockerfile:2/, /LABEL requires at least one argument/]],
    ['FROM busybox\nWORKDIR\n', [/line 2|Dockerfile:2/, /WORKDIR requires exactly one argument/]],
    ['FROM busybox\nARG\n', [/line 2|Dockerfile:2/, /ARG requires at least one argument/]],
    ['FROM busybox AS\n', [/line 1|Dockerfile:1/, /FROM requires either one or three arguments/]],
    ['FROM busybox\nRUN --mount=type=none,target=/x true\n', [/line 2|Dockerfile:2/, /unsupported mount type "none"/]],
    ['FROM busybox\nRUN --network=far true\n', [/far/]],
    ['FROM busybox\nEXPOSE a-b\n', [/port|EXPOSE|a-b/i]],
    ['FROM busybox\nUSER\n', [/line 2|Dockerfile:2/, /USER requires exactly one argument/]],
    ['FROM busybox\nSHELL []\n', [/line 2|Dockerfile:2/, /SHELL requires at least one argument/]],
    ['FROM busybox\nVOLUME\n', [/line 2|Dockerfile:2/, /VOLUME requires at least one argument/]],
    ['FROM busybox\nVOLUME [""]\n', [/VOLUME specified can not be an empty string/]],
    ['just text\n', [/line 1|Dockerfile:1/, /unknown instruction: just/]],
    ['', [/cannot be empty|no instructions/]],
  ])('%j', async (dockerfile, words) => {
    const { error } = await failureOf(fixture.engine, { Dockerfile: dockerfile });
    // buildx shows most lines beside the error.
    for (const word of words) if (!isReference || !word.source.startsWith('line')) expect(error).toMatch(word);
  });

  test('no Dockerfile at all, or not the one that is asked for', async () => {
    const missing = await failureOf(fixture.engine, { file: 'x' });
    expect(missing.error).toMatch(/Dockerfile.*(no such file|not found)|(no such file|not found).*Dockerfile/i);
    const other = await failureOf(fixture.engine, { Dockerfile: 'FROM scratch' }, { dockerfile: 'other' });
    expect(other.error).toMatch(/other/);
  });

  test('a command that fails: its status, and its words before', async () => {
    const failed = await failureOf(fixture.engine, { Dockerfile: 'FROM busybox\nRUN echo told; exit 42\n' });
    expect(failed).toMatchObject({ code: 42, output: 'told\n' });
    expect(failed.error).toMatch(/exit (code|status): 42|returned a non-zero code: 42/);
    expect((await failureOf(fixture.engine, { Dockerfile: 'FROM busybox\nRUN none-such-command' })).code).toBe(127);
    const exec = await failureOf(fixture.engine, { Dockerfile: 'FROM busybox\nRUN ["none-such"]' });
    expect(exec.error).toMatch(/none-such/);
  });
});
