// `docker build --check`: all checks of a Dockerfile, and the error that would end a build.
import { EngineError } from '../../../errors/engine-error.ts';
import { FormatError } from '../../../protocols/format-error.ts';
import type { IgnoreMatcher } from '../../../protocols/ignore/ignore-matcher.ts';
import { DockerfileError } from '../dockerfile-error.ts';
import { type EvaluateOptions, evaluate } from '../evaluation/evaluate.ts';
import { globalArguments } from '../evaluation/global-arguments.ts';
import { expand } from '../expand.ts';
import type { Dockerfile, LineRange } from '../instructions.ts';
import { type Parsed, parseInPieces } from '../parse-dockerfile.ts';
import { atOnce, type InPieces } from '../parser/logical-lines.ts';
import { readStages } from '../stages.ts';
import { WorkBudget } from '../work-budget.ts';
import { type CheckOptions, readCheckOptions } from './check-options.ts';
import { isImageName } from './image-name.ts';
import { type LintWarning, LintWarnings } from './lint-warning.ts';
import { StageChecks } from './stage-checks.ts';
import { checkKeywordCasing, checkStageNames, checkText } from './text-checks.ts';

export interface LintOptions extends EvaluateOptions {
  /** Of the context; undefined when it has no ignore file. */
  ignore: IgnoreMatcher | undefined;
}

export interface LintResult {
  /** In the order in which docker finds them. */
  warnings: LintWarning[];
  error?: { message: string; lines?: LineRange };
}

/** Never throws for what the text says: that is its `error`. The build argument BUILDKIT_DOCKERFILE_CHECK goes before the file's directive. */
export function lint(text: string, options: LintOptions): LintResult {
  return atOnce(lintInPieces(text, options));
}

/** As lint. */
export function* lintInPieces(text: string, options: LintOptions): InPieces<LintResult> {
  try {
    return lintParsed(yield* parseInPieces(text), options);
  } catch (error) {
    return { warnings: [], error: shownError(error) };
  }
}

/** As lint. */
export function lintParsed({ dockerfile, error }: Parsed, options: LintOptions): LintResult {
  let warnings: LintWarnings | undefined;
  try {
    const given = options.buildArgs.get('BUILDKIT_DOCKERFILE_CHECK');
    const checks = readCheckOptions(given ?? dockerfile.directives.check?.text ?? '');
    warnings = new LintWarnings(checks);
    checkText(dockerfile, warnings);
    if (error !== undefined) throw error;
    checkStageNames(dockerfile, warnings);
    checkKeywordCasing(dockerfile, warnings);
    checkDefaultBases(dockerfile, options, warnings);
    evaluate(dockerfile, options, new StageChecks(warnings, options.ignore));
    failOnWarnings(warnings.all, checks);
    return { warnings: warnings.all };
  } catch (error) {
    return { warnings: warnings?.all ?? [], error: shownError(error) };
  }
}

/** `# check=error=true`. Throws 'invalid' in docker's words when there are any warnings. */
export function failOnWarnings(warnings: readonly LintWarning[], { isError }: CheckOptions): void {
  if (!isError || warnings.length === 0) return;
  const names = new Set(warnings.map(({ rule }) => rule));
  throw new EngineError('invalid', `lint violation found for rules: ${[...names].join(', ')}`);
}

function shownError(error: unknown): { message: string; lines?: LineRange } {
  if (error instanceof DockerfileError) return { message: error.message, lines: error.lines };
  if (error instanceof EngineError || error instanceof FormatError) return { message: error.message };
  throw error;
}

/** A base must be an image's name when nobody gives a build argument. */
function checkDefaultBases(dockerfile: Dockerfile, { predefined }: LintOptions, warnings: LintWarnings): void {
  const words = { escape: dockerfile.directives.escape, budget: new WorkBudget() };
  const stages = readStages(dockerfile);
  try {
    const { values } = globalArguments(stages.globalArgs, predefined, new Map(), words);
    for (const { from } of stages.all) {
      if (isImageName(expand(from.base, values, words).text)) continue;
      const detail = `Default value for ARG ${from.base} results in empty or invalid base image name`;
      warnings.add('InvalidDefaultArgInFrom', from.lines, detail);
    }
  } catch (error) {
    // What does not expand is the build's error, and told there.
    if (!(error instanceof DockerfileError || error instanceof FormatError)) throw error;
  }
}
