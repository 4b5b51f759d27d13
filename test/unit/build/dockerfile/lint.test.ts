// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the texts have such variables
// Docker's build checks. Each row is what `docker build --check` of dockerd 28.5 found in the same file, in its order.
import { describe, expect, test } from 'vitest';
import type { BaseConfig } from '../../../../daemon/build/dockerfile/evaluation/stage-state.ts';
import { type LintResult, lint } from '../../../../daemon/build/dockerfile/lint/lint.ts';
import { lintJson, lintStatus, lintText } from '../../../../daemon/build/dockerfile/lint/lint-report.ts';
import { ruleUrl } from '../../../../daemon/build/dockerfile/lint/rules.ts';
import { readIgnoreFile } from '../../../../daemon/protocols/ignore/ignore-file.ts';
import { IgnoreMatcher } from '../../../../daemon/protocols/ignore/ignore-matcher.ts';
import { evaluateOptions } from './evaluate-options.ts';

const rows: { text: string; ignore?: string; found: string[] }[] = [
  {
    text: 'FROM scratch\nEXPOSE 80/TCP 1.2.3.4:80:90 8080:80 $undef 53/UdP\n',
    found: [
      "ExposeInvalidFormat: EXPOSE instruction should not define an IP address or host-port mapping, found '1.2.3.4:80:90' [2]",
      "ExposeProtoCasing: Defined protocol '53/UdP' in EXPOSE instruction should be lowercase [2]",
      "ExposeProtoCasing: Defined protocol '80/TCP' in EXPOSE instruction should be lowercase [2]",
      "ExposeInvalidFormat: EXPOSE instruction should not define an IP address or host-port mapping, found '8080:80' [2]",
    ],
  },
  {
    text: 'FROM scratch\nENV SECRET_FILE=a TOKEN_VERSION=b PUBLIC_KEY=c my_key=d apikeyx=e x-token=f\nARG auth AUTHOR password=1\n',
    found: [
      'SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ENV "SECRET_FILE") [2]',
      'SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ENV "TOKEN_VERSION") [2]',
      'SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ENV "my_key") [2]',
      'SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ARG "auth") [3]',
      'SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ARG "password") [3]',
    ],
  },
  {
    text: 'FROM scratch\nENV token a\nLABEL x y\n',
    found: [
      'LegacyKeyValueFormat: "ENV key=value" should be used instead of legacy "ENV key value" format [2]',
      'SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ENV "token") [2]',
      'LegacyKeyValueFormat: "LABEL key=value" should be used instead of legacy "LABEL key value" format [3]',
    ],
  },
  {
    text: 'FROM scratch\nARG A\nENV B=1\nCOPY $A $B $PATH $TARGETARCH $HTTP_PROXY $AA /x\n',
    found: [
      "UndefinedVar: Usage of undefined variable '$TARGETARCH' [4]",
      "UndefinedVar: Usage of undefined variable '$HTTP_PROXY' [4]",
      "UndefinedVar: Usage of undefined variable '$AA' (did you mean $B?) [4]",
    ],
  },
  {
    text: 'ARG A=1\nFROM scratch\nCOPY $A /x\nARG A\nCOPY $A /x\n',
    found: ["UndefinedVar: Usage of undefined variable '$A' [3]"],
  },
  {
    text: 'FROM scratch AS a\nARG A\nENV B=1\nWORKDIR x\nFROM a\nWORKDIR y\nCOPY $A $B $C /x\n',
    found: [
      'WorkdirRelativePath: Relative workdir "x" can have unexpected results if the base image changes [4]',
      "UndefinedVar: Usage of undefined variable '$C' (did you mean $B?) [7]",
    ],
  },
  {
    text: 'FROM scratch AS a\nSHELL ["x"]\nFROM a\nCMD x\nENTRYPOINT y\nHEALTHCHECK CMD a\nHEALTHCHECK NONE\nCMD ["z"]\n',
    found: [
      'MultipleInstructionsDisallowed: Multiple HEALTHCHECK instructions should not be used in the same stage because only the last one will be used [6]',
      'MultipleInstructionsDisallowed: Multiple CMD instructions should not be used in the same stage because only the last one will be used [4]',
    ],
  },
  {
    text: 'FROM scratch AS a\nONBUILD COPY $zz /a\nONBUILD CMD x\nFROM a\n',
    found: [
      "UndefinedVar: Usage of undefined variable '$zz' [4]",
      'JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior related to OS signals [4]',
    ],
  },
  {
    text: 'FROM scratch\nCOPY <<EOF /x\n$undef\nEOF\n',
    found: ["UndefinedVar: Usage of undefined variable '$undef' [2,3,4]"],
  },
  {
    text: 'FROM --platform=$TARGETPLATFORM scratch\nFROM --platform=${TARGETPLATFORM:-x} scratch\nFROM --platform=linux/$TARGETARCH scratch\nFROM --platform=arm64 scratch AS build-arm64\nFROM --platform=windows scratch AS b\n',
    found: [
      'RedundantTargetPlatform: Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior [1]',
      'RedundantTargetPlatform: Setting platform to predefined ${TARGETPLATFORM:-x} in FROM is redundant as this is the default behavior [2]',
      'FromPlatformFlagConstDisallowed: FROM --platform flag should not use constant value "windows" [5]',
    ],
  },
  {
    text: '# check=skip=JSONArgsRecommended,StageNameCasing;error=true\nFROM scratch AS B\nCMD x\nWORKDIR a\n',
    found: [
      'WorkdirRelativePath: Relative workdir "a" can have unexpected results if the base image changes [4]',
      'error: lint violation found for rules: WorkdirRelativePath []',
    ],
  },
  { text: '# check=skip=all\nFROM scratch AS B\nCMD x\n', found: [] },
  {
    text: '# check=skip=all;experimental=all\n# foo bar\nFROM scratch AS b\n# zz\nARG a b\nCOPY a b /\nADD ./a/ c /\nCOPY . /\n',
    ignore: 'a\n',
    found: [
      'InvalidDefinitionDescription: Comment for FROM should follow the format: `# b <description>` [3]',
      'InvalidDefinitionDescription: Comment for ARG should follow the format: `# <arg_key> <description>` [5]',
      'CopyIgnoredFile: Attempting to Copy file "a" that is excluded by .dockerignore [6]',
      'CopyIgnoredFile: Attempting to Add file "./a/" that is excluded by .dockerignore [7]',
    ],
  },
  {
    text: '# check=experimental=CopyIgnoredFile\n# foo bar\nFROM scratch AS b\nCOPY a /\n',
    ignore: 'a\n!b\n',
    found: ['CopyIgnoredFile: Attempting to Copy file "a" that is excluded by .dockerignore [4]'],
  },
  {
    text: '# check=foo=bar\nFROM scratch\n',
    found: ['error: failed to parse check options: invalid check option "foo" []'],
  },
  {
    text: '# check=error=x\nFROM scratch\n',
    found: [
      'error: failed to parse check options: failed to parse check option "error=x": strconv.ParseBool: parsing "x": invalid syntax []',
    ],
  },
  {
    text: '# check=skip\nFROM scratch\n',
    found: ['error: failed to parse check options: invalid check option "skip" []'],
  },
  { text: '# check=skip=all;error=true;skip=x;y\nFROM scratch\n', found: [] },
  {
    text: 'from scratch as a\nFrom scratch AS b\nFROM scratch As c\nrun a\nRun b\n',
    found: [
      "FromAsCasing: 'As' and 'FROM' keywords' casing do not match [3]",
      "ConsistentInstructionCasing: Command 'From' should match the case of the command majority (lowercase) [2]",
      "ConsistentInstructionCasing: Command 'FROM' should match the case of the command majority (lowercase) [3]",
      "ConsistentInstructionCasing: Command 'Run' should match the case of the command majority (lowercase) [5]",
    ],
  },
  {
    text: 'FROM scratch AS a\nENV a=1 \\\n\n b=2 \\\n\n c=3\nCMD a \\\n b\n',
    found: [
      'NoEmptyContinuation: Empty continuation line [6]',
      'JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior related to OS signals [7,8]',
    ],
  },
  {
    text: 'FROM scratch AS A\nFROM scratch AS 1\n',
    found: [
      "StageNameCasing: Stage name 'A' should be lowercase [1]",
      'error: dockerfile parse error on line 2: invalid name for build stage: "1", name can\'t start with a number or contain symbols [2]',
    ],
  },
  {
    text: '# check=experimental=all\n# x\n\n# b is\nFROM scratch AS b\n#\nARG a\n# b\n#\nARG b\n# c\n# a\nARG c\n# d foo\nCMD ["x"]\n# syntax\nARG a b\n',
    found: [
      'InvalidDefinitionDescription: Comment for ARG should follow the format: `# c <description>` [13]',
      'InvalidDefinitionDescription: Comment for ARG should follow the format: `# <arg_key> <description>` [17]',
    ],
  },
  {
    text: '# check=experimental=all\nFROM scratch AS b\n# zzz\n\nARG a\n# yyy\n   \nARG c\n',
    found: [
      'InvalidDefinitionDescription: Comment for ARG should follow the format: `# a <description>` [5]',
      'InvalidDefinitionDescription: Comment for ARG should follow the format: `# c <description>` [8]',
    ],
  },
  {
    text: 'FROM scratch\nCOPY $u$v ${u:-$w} /x\nADD --chown=$c --chmod=$d --exclude=$g a /$f\nRUN --mount=type=cache,target=/$m/x,id=$n echo $zz\nUSER $us\nWORKDIR /$wd\nVOLUME /$vo\n',
    found: [
      "UndefinedVar: Usage of undefined variable '$u' [2]",
      "UndefinedVar: Usage of undefined variable '$v' [2]",
      "UndefinedVar: Usage of undefined variable '$w' [2]",
      "UndefinedVar: Usage of undefined variable '$u' [2]",
      "UndefinedVar: Usage of undefined variable '$c' [3]",
      "UndefinedVar: Usage of undefined variable '$d' [3]",
      "UndefinedVar: Usage of undefined variable '$f' [3]",
      "UndefinedVar: Usage of undefined variable '$m' [4]",
      "UndefinedVar: Usage of undefined variable '$n' [4]",
      "UndefinedVar: Usage of undefined variable '$us' [5]",
      "UndefinedVar: Usage of undefined variable '$wd' [6]",
      "UndefinedVar: Usage of undefined variable '$vo' [7]",
    ],
  },
  {
    text: 'FROM scratch\nSTOPSIGNAL ${ss:-9}\nLABEL a$k=$l\nENV e=$e\nARG q=$r\nCOPY --exclude=$ex --chmod=$cm --chown=$co a b\nMAINTAINER $mm\nSHELL ["$sh"]\nHEALTHCHECK CMD $hc\nENTRYPOINT ["$x"]\n',
    found: [
      'MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label [7]',
      "UndefinedVar: Usage of undefined variable '$ss' [2]",
      "UndefinedVar: Usage of undefined variable '$k' [3]",
      "UndefinedVar: Usage of undefined variable '$l' [3]",
      "UndefinedVar: Usage of undefined variable '$e' [4]",
      "UndefinedVar: Usage of undefined variable '$r' (did you mean $e?) [5]",
      "UndefinedVar: Usage of undefined variable '$co' (did you mean $e?) [6]",
      "UndefinedVar: Usage of undefined variable '$cm' (did you mean $e?) [6]",
    ],
  },
  {
    text: 'FROM scratch\nADD --checksum=$e http://x.y/z /$f\n',
    found: ["UndefinedVar: Usage of undefined variable '$e' [2]", "UndefinedVar: Usage of undefined variable '$f' [2]"],
  },
  {
    text: 'FROM scratch\nARG a=${b:?no}\nARG a\n',
    found: ["UndefinedVar: Usage of undefined variable '$b' [2]", 'error: failed to process "${b:?no}": b: no [2]'],
  },
  {
    text: 'FROM scratch\nCOPY ${b:?no} /x\n',
    found: ["UndefinedVar: Usage of undefined variable '$b' [2]", 'error: failed to process "${b:?no}": b: no [2]'],
  },
  { text: 'FROM scratch\nRUN --mount=type=foo true\n', found: ['error: unsupported mount type "foo" [2]'] },
  {
    text: 'FROM scratch\nWORKDIR $x\n',
    found: [
      "UndefinedVar: Usage of undefined variable '$x' [2]",
      'WorkdirRelativePath: Relative workdir "" can have unexpected results if the base image changes [2]',
    ],
  },
  { text: 'ARG a=${b:?no}\nFROM scratch\n', found: ['error: failed to process "${b:?no}": b: no [1]'] },
  { text: 'ARG x=$y\nFROM scratch\nARG z=$x\n', found: ["UndefinedVar: Usage of undefined variable '$x' [3]"] },
  {
    text: 'ARG x\nFROM a/B:c${x:-d}\nFROM --platform=$q scratch\n',
    found: [
      'InvalidDefaultArgInFrom: Default value for ARG a/B:c${x:-d} results in empty or invalid base image name [2]',
      "UndefinedArgInFrom: FROM argument 'q' is not declared (did you mean x?) [3]",
      'error: empty platform value from expression $q [3]',
    ],
  },
  { text: 'ARG x\nFROM scratch AS a\nARG x\nRUN a $x\nCOPY $x /\nFROM a\nARG y\nCOPY $x$y /\n', found: [] },
  {
    text: '# check=experimental=all\nFROM scratch\nCOPY a* /\nCOPY a/b /\nADD http://a/b /\nCOPY /a/b /\n',
    ignore: '*\n',
    found: [
      'CopyIgnoredFile: Attempting to Copy file "a*" that is excluded by .dockerignore [3]',
      'CopyIgnoredFile: Attempting to Copy file "a/b" that is excluded by .dockerignore [4]',
      'CopyIgnoredFile: Attempting to Copy file "/a/b" that is excluded by .dockerignore [6]',
    ],
  },
  { text: '# check=experimental=all\nFROM scratch\nCOPY a/b /\n', ignore: '*\n!a/b\n', found: [] },
  {
    text: 'FROM scratch AS context\nFROM scratch AS scratch\nfrom scratch as context\n',
    found: [
      'ReservedStageName: Stage name should not use the same name as reserved stage "context" [1]',
      'ReservedStageName: Stage name should not use the same name as reserved stage "scratch" [2]',
      'ReservedStageName: Stage name should not use the same name as reserved stage "context" [3]',
      'DuplicateStageName: Duplicate stage name "context", stage names should be unique [3]',
      "ConsistentInstructionCasing: Command 'from' should match the case of the command majority (uppercase) [3]",
    ],
  },
  {
    text: 'FROM $a$b\n',
    found: [
      'InvalidDefaultArgInFrom: Default value for ARG $a$b results in empty or invalid base image name [1]',
      "UndefinedArgInFrom: FROM argument 'a' is not declared [1]",
      "UndefinedArgInFrom: FROM argument 'b' is not declared [1]",
      'error: base name ($a$b) should not be blank [1]',
    ],
  },
  {
    text: 'FROM ${q:?need}\n',
    found: [
      "UndefinedArgInFrom: FROM argument 'q' is not declared [1]",
      'error: failed to process "${q:?need}": q: need [1]',
    ],
  },
  {
    text: 'FROM scratch\nRUUN x\nMAINTAINER x\n',
    found: ['error: dockerfile parse error on line 2: unknown instruction: RUUN (did you mean RUN?) [2]'],
  },
  { text: 'FROM scratch\nENV x\n', found: ['error: ENV must have two arguments [2]'] },
  {
    text: 'FROM scratch\nARG FOO=1 BAR=$FO BAZ=$FOO\nENV X=$BA Y=$BAR\n',
    found: [
      "UndefinedVar: Usage of undefined variable '$FO' (did you mean $FOO?) [2]",
      "UndefinedVar: Usage of undefined variable '$BA' (did you mean $BAR?) [3]",
    ],
  },
  { text: 'FROM scratch\nRUN <<EOF\necho $x\nEOF\nCOPY <<"EOF" /x\n$x\nEOF\n', found: [] },
  {
    text: 'FROM scratch\nARG _secret_ secrets SECRET=1 api_key keys passwd PWORD credential\n',
    found: [
      'SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ARG "_secret_") [2]',
      'SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ARG "SECRET") [2]',
      'SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ARG "api_key") [2]',
      'SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ARG "passwd") [2]',
      'SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ARG "PWORD") [2]',
      'SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ARG "credential") [2]',
    ],
  },
  {
    text: 'FROM scratch AS a\nFROM a AS b\nCMD x\nFROM b\nCMD y\n',
    found: [
      'JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior related to OS signals [3]',
      'JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior related to OS signals [5]',
    ],
  },
  {
    text: 'FROM --platform=$BUILDPLATFORM scratch\nFROM --platform=$TARGETPLATFORM$x scratch\n',
    found: ["UndefinedArgInFrom: FROM argument 'x' is not declared [2]"],
  },
  {
    text: 'ARG v=latest\nARG w=Q\nFROM scratch AS ${v}\n',
    found: [
      'error: dockerfile parse error on line 3: invalid name for build stage: "${v}", name can\'t start with a number or contain symbols [3]',
    ],
  },
];

const options = { ...evaluateOptions, isAllStages: true, ignore: undefined };

function linesOf(lines: { start: number; end: number } | undefined): string {
  if (lines === undefined) return '';
  return Array.from({ length: lines.end - lines.start + 1 }, (_, index) => lines.start + index).join(',');
}

function found({ warnings, error }: LintResult): string[] {
  const shown = warnings.map(({ rule, detail, lines }) => `${rule}: ${detail} [${linesOf(lines)}]`);
  return error === undefined ? shown : [...shown, `error: ${error.message} [${linesOf(error.lines)}]`];
}

describe('the checks', () => {
  test.each(rows)('of $text', ({ text, ignore, found: wanted }) => {
    const matcher = ignore === undefined ? undefined : new IgnoreMatcher(readIgnoreFile(ignore));
    expect(found(lint(text, { ...options, ignore: matcher }))).toEqual(wanted);
  });

  test('know the variables and the shell of a base image, or say nothing of variables', () => {
    const text = 'FROM image\nCOPY $HOME_OF $nope /\nCMD x\n';
    const config: BaseConfig = { env: ['HOME_OF=/x'], onbuild: ['COPY $gone /'], hasShell: true };
    expect(found(lint(text, { ...options, configOf: () => config }))).toEqual([
      "UndefinedVar: Usage of undefined variable '$gone' [1]",
      "UndefinedVar: Usage of undefined variable '$nope' [2]",
    ]);
    expect(found(lint(text, options)).map((one) => one.replace(/:.*/, ''))).toEqual(['JSONArgsRecommended']);
  });

  test('of a target leave out the stages that it does not need', () => {
    const text = 'FROM scratch AS a\nCMD x\nFROM scratch AS b\nCMD y\n';
    expect(
      lint(text, { ...options, target: 'b', isAllStages: false }).warnings.map(({ lines }) => lines.start),
    ).toEqual([4]);
    expect(lint(text, { ...options, target: 'c' }).error?.message).toContain('target stage "c" could not be found');
  });

  test('take the options of a build argument before those of the file', () => {
    const buildArgs = new Map([['BUILDKIT_DOCKERFILE_CHECK', 'skip=JSONArgsRecommended']]);
    expect(lint('# check=error=true\nFROM scratch\nCMD x\n', { ...options, buildArgs })).toEqual({ warnings: [] });
  });

  test('suggest nothing more where thousands of variables have no value', () => {
    const text = Array.from({ length: 3000 }, (_, index) => `ENV e${index}=$u${index}\n`).join('');
    const { warnings } = lint(`FROM scratch\n${text}`, options);
    expect(warnings).toHaveLength(3000);
    expect(warnings[9]?.detail).toBe("Usage of undefined variable '$u9' (did you mean $e0?)");
    expect(warnings[2999]?.detail).toBe("Usage of undefined variable '$u2999'");
  });

  test('end in an error for a text that asks for too much work', () => {
    const doubled = Array.from({ length: 40 }, (_, index) => `ENV v${index + 1}=$v${index}$v${index}\n`).join('');
    const result = lint(`FROM scratch\nENV v0=${'x'.repeat(1000)}\n${doubled}`, options);
    expect(result.error?.message).toMatch(/too long|too much work/);
    const stages = Array.from(
      { length: 3000 },
      (_, index) => `FROM s${index} AS s${index + 1}\nENV e${index}=1\n`,
    ).join('');
    expect(lint(`FROM scratch AS s0\n${stages}`, options).error?.message).toMatch(/too much work/);
  });
});

describe('what they answer', () => {
  const text = 'FROM scratch\nCMD x \\\n  y\n';

  test("is BuildKit's JSON", () => {
    expect(lintJson(lint(text, options), 'Dockerfile', text)).toEqual({
      warnings: [
        {
          ruleName: 'JSONArgsRecommended',
          description:
            'JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals',
          url: 'https://docs.docker.com/go/dockerfile/rule/json-args-recommended/',
          detail: 'JSON arguments recommended for CMD to prevent unintended behavior related to OS signals',
          location: {
            ranges: [
              { start: { line: 2 }, end: { line: 2 } },
              { start: { line: 3 }, end: { line: 3 } },
            ],
          },
        },
      ],
      sources: [{ filename: 'Dockerfile', data: Buffer.from(text).toString('base64'), language: 'Dockerfile' }],
    });
    expect(lintJson(lint('FROM scratch\nFOO\n', options), 'D', '')).toMatchObject({
      warnings: null,
      buildError: { location: { ranges: [{ start: { line: 2 }, end: { line: 2 } }] } },
    });
  });

  test("is buildx's text, the file's order, an error last", () => {
    const shown = (one: string) => lintText(lint(one, options), 'Dockerfile', one);
    expect(shown(text)).toBe(
      [
        'Check complete, 1 warning has been found!',
        '',
        'WARNING: JSONArgsRecommended - https://docs.docker.com/go/dockerfile/rule/json-args-recommended/',
        'JSON arguments recommended for CMD to prevent unintended behavior related to OS signals',
        'Dockerfile:2',
        '--------------------',
        '   1 |     FROM scratch',
        '   2 | >>> CMD x \\',
        '   3 | >>>   y',
        '   4 |     ',
        '--------------------',
        '',
      ].join('\n'),
    );
    expect(shown('FROM scratch\n')).toBe('Check complete, no warnings found.\n');
    expect(shown('FROM scratch AS A\nWORKDIR x\nFOO\n')).toMatch(
      /^Check complete, 1 warning[\s\S]*WARNING: StageName[\s\S]*\nERROR: /,
    );
    expect(lintStatus(lint(text, options))).toBe(1);
    expect(lintStatus(lint('FROM scratch\n', options))).toBe(0);
  });

  test('has the addresses of the rules', () => {
    expect(ruleUrl('StageNameCasing')).toMatch(/\/stage-name-casing\/$/);
    expect(ruleUrl('JSONArgsRecommended')).toMatch(/\/json-args-recommended\/$/);
    expect(ruleUrl('SecretsUsedInArgOrEnv')).toMatch(/\/secrets-used-in-arg-or-env\/$/);
    expect(ruleUrl('FromPlatformFlagConstDisallowed')).toMatch(/\/from-platform-flag-const-disallowed\/$/);
    expect(ruleUrl('InvalidBaseImagePlatform')).toBeUndefined();
  });
});
