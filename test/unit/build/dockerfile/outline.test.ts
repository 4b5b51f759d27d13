// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the texts have such variables
// `--call=outline` and `--call=targets`, as dockerd 28.5 answers and buildx prints them.
import { describe, expect, test } from 'vitest';
import { imagesOf } from '../../../../daemon/build/dockerfile/evaluation/evaluate.ts';
import { outline, outlineText } from '../../../../daemon/build/dockerfile/outline/outline.ts';
import { targets, targetsText } from '../../../../daemon/build/dockerfile/outline/targets.ts';
import { parseDockerfile } from '../../../../daemon/build/dockerfile/parse-dockerfile.ts';
import { evaluateOptions } from './evaluate-options.ts';

const text = `# BASE the base image
ARG BASE=scratch
ARG UNUSED=3
# first does things
FROM $BASE AS first
# p the param
ARG p=1
ARG r=$p
RUN --mount=type=secret,id=sec,required --mount=type=ssh --mount=type=cache,target=/c,id=cc true
FROM scratch AS other
ARG zz
FROM scratch AS unused
ARG yy
RUN --mount=type=secret,id=nobodys true
# final is it
FROM first AS final
COPY --from=other a b
ARG BASE
RUN --mount=type=secret,id=s2 --mount=type=ssh,id=k,required=true true
`;

const at = (line: number) => ({ ranges: [{ start: { line }, end: { line } }] });

describe('an outline', () => {
  test('has what the target takes: arguments, secrets, sockets', () => {
    expect(outline(text, evaluateOptions)).toEqual({
      name: 'final',
      description: 'is it',
      args: [
        { name: 'BASE', description: 'the base image', value: 'scratch', location: at(2) },
        { name: 'p', description: 'the param', value: '1', location: at(7) },
        { name: 'r', value: '1', location: at(8) },
        { name: 'zz', location: at(11) },
      ],
      secrets: [
        { name: 'sec', required: true, location: at(9) },
        { name: 's2', location: at(19) },
      ],
      ssh: [
        { name: 'default', location: at(9) },
        { name: 'k', required: true, location: at(19) },
      ],
      sources: [Buffer.from(text).toString('base64')],
    });
  });

  test('has the values of a build, and what global arguments are made of', () => {
    const made = 'ARG a=1\nARG b=$a\nARG a=$a-2\nFROM scratch AS x\nARG c=$b\nFROM x\nARG b\n';
    const buildArgs = new Map([['c', 'given']]);
    expect(outline(made, { ...evaluateOptions, buildArgs }).args).toEqual([
      { name: 'b', value: '1', location: at(2) },
      { name: 'a', value: '1-2', location: at(3) },
      { name: 'c', value: 'given', location: at(5) },
    ]);
  });

  test('is printed in tables', () => {
    const printed = outlineText(outline(text, evaluateOptions)).split('\n');
    expect(printed).toEqual([
      'TARGET:      final',
      'DESCRIPTION: is it',
      '',
      'BUILD ARG   VALUE     DESCRIPTION',
      'BASE        scratch   the base image',
      'p           1         the param',
      'r           1         ',
      'zz                    ',
      '',
      'SECRET   REQUIRED',
      'sec      true',
      's2       ',
      '',
      'SSH       REQUIRED',
      'default   ',
      'k         true',
      '',
      '',
    ]);
  });
});

describe('targets', () => {
  test('are the stages, the last by default', () => {
    const { targets: all } = targets('ARG x=y\n# a is\nFROM --platform=$p $x AS A\nFROM a\n');
    expect(all).toEqual([
      { name: 'a', description: 'is', base: '$x', platform: '$p', location: at(3) },
      { default: true, base: 'a', location: at(4) },
    ]);
  });

  test('are printed in a table', () => {
    const printed = targetsText(targets('# a is\nFROM x AS a\nFROM y\nFROM z AS b\n'));
    expect(printed).toBe('TARGET      DESCRIPTION\na           is\n            \nb (default) \n');
    expect(targetsText(targets('FROM y\n'))).toBe('TARGET    DESCRIPTION\n(default) \n');
  });
});

test('the images that a target stands on are known without building', () => {
  const stages = parseDockerfile('ARG v=1\nFROM a:$v AS x\nFROM x\nFROM b\nFROM scratch\nCOPY --from=x a b\n');
  expect(imagesOf(stages, { ...evaluateOptions, isAllStages: false })).toEqual(['a:1']);
  expect(imagesOf(stages, { ...evaluateOptions, isAllStages: true })).toEqual(['a:1', 'b']);
});
