// Stages: names, numbers, and which ones a target is made of, as dockerd 28.5 finds them.
import { describe, expect, test } from 'vitest';
import { parseDockerfile } from '../../../../daemon/build/dockerfile/parse-dockerfile.ts';
import {
  readStages,
  type Stage,
  StageNames,
  sourceReferences,
  stageLabel,
} from '../../../../daemon/build/dockerfile/stages.ts';

const baseOf = ({ from }: Stage) => from.base;

function stagesOf(text: string) {
  const stages = readStages(parseDockerfile(text));
  return { ...stages, names: new StageNames(stages), last: stages.all.at(-1) as Stage };
}

const lines = { start: 1, end: 1 };

describe('stages', () => {
  test('begin at FROM, behind the global arguments', () => {
    const { globalArgs, all } = stagesOf('ARG a\nARG b=1\nFROM x AS y\nRUN 1\nARG c\nFROM z\nRUN 2\n');
    expect(globalArgs.flatMap(({ args }) => args.map(({ name }) => name))).toEqual(['a', 'b']);
    expect(all.map((stage) => [stageLabel(stage), stage.instructions.map(({ kind }) => kind)])).toEqual([
      ['y', ['RUN', 'ARG']],
      ['stage-1', ['RUN']],
    ]);
  });

  test('are bases by their name in lower case, the nearest one before', () => {
    const { names, all, last } = stagesOf('FROM x AS A\nFROM y AS a\nFROM a AS a\n');
    expect(names.base(last, 'a')).toBe(all[1]);
    expect(names.base(last, 'A')).toBeUndefined();
    expect(names.base(last, '0')).toBeUndefined();
    expect(names.base(all[0] as Stage, 'a')).toBeUndefined();
  });

  test('are sources by name in any case, the last of that name, or by number', () => {
    const { names, all } = stagesOf('FROM x AS a\nFROM y AS a\nFROM z\n');
    expect(names.source({ from: 'A', lines })).toBe(all[1]);
    expect(names.source({ from: '0', lines })).toBe(all[0]);
    expect(names.source({ from: 'b', lines })).toBeUndefined();
    expect(() => names.source({ from: '7', lines })).toThrow('invalid stage index 7');
  });

  test('are targets by name; a number is none', () => {
    const { names, all, last } = stagesOf('FROM x AS foo\nFROM y AS bar\n');
    expect(names.target('')).toBe(last);
    expect(names.target('FOO')).toBe(all[0]);
    expect(() => names.target('fo')).toThrow('target stage "fo" could not be found (did you mean foo?)');
    expect(() => names.target('0')).toThrow('target stage "0" could not be found');
  });

  test('name others in COPY and in mounts, not with variables', () => {
    const text = 'FROM x\nCOPY --from=a b c\nRUN --mount=from=d,target=/e --mount=type=cache,target=/f g\nADD h i\n';
    expect(sourceReferences(stagesOf(text).last.instructions)).toEqual([
      { from: 'a', lines: { start: 2, end: 2 } },
      { from: 'd', lines: { start: 3, end: 3 } },
    ]);
    const { last } = stagesOf('FROM x\nCOPY --from=$a b c\n');
    expect(() => sourceReferences(last.instructions)).toThrow('variable expansion is not supported for --from');
  });

  test('are reached from a target and no others, later ones too', () => {
    const text =
      'FROM x AS a\nFROM a AS b\nFROM x AS unused\nFROM x AS c\nRUN --mount=from=d,target=/d y\nCOPY --from=b e f\nFROM x AS d\n';
    const { names } = stagesOf(text);
    const reached = [...names.reachable(names.target('c'), baseOf)].map(stageLabel).sort();
    expect(reached).toEqual(['a', 'b', 'c', 'd']);
    expect(() => names.checkCycles(baseOf)).not.toThrow();
  });

  test.each([
    ['FROM x AS a\nCOPY --from=a b c\n', 'a'],
    ['FROM x AS a\nCOPY --from=b x /y\nFROM y AS b\nCOPY --from=a x /y\n', 'a'],
    ['FROM x\nCOPY --from=0 a b\n', 'stage-0'],
  ])('in a circle are refused: %j', (text, name) => {
    const { names } = stagesOf(text);
    expect(() => names.checkCycles(baseOf)).toThrow(`circular dependency detected on stage: ${name}`);
  });

  test('may be ten thousand, each on the one before', () => {
    const text = Array.from(
      { length: 10_000 },
      (_, index) => `FROM s${index} AS s${index + 1}\nCOPY --from=0 a b\n`,
    ).join('');
    const { names, last, all } = stagesOf(`FROM x AS s0\n${text}`);
    expect(names.reachable(last, baseOf).size).toBe(all.length);
    expect(() => names.checkCycles(baseOf)).not.toThrow();
  });
});
