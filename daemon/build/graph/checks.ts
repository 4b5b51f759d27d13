// Docker's build checks while a build is planned, and what is told of them.

import { EngineError } from '../../errors/engine-error.ts';
import type { ImageConfig } from '../../images/documents/image-config.ts';
import { IgnoreMatcher } from '../../protocols/ignore/ignore-matcher.ts';
import { DockerfileError } from '../dockerfile/dockerfile-error.ts';
import type { EvaluateOptions } from '../dockerfile/evaluation/evaluate.ts';
import type { BaseConfig } from '../dockerfile/evaluation/stage-state.ts';
import type { Dockerfile } from '../dockerfile/instructions.ts';
import { lintParsed } from '../dockerfile/lint/lint.ts';
import type { LintWarning } from '../dockerfile/lint/lint-warning.ts';
import { rules, ruleUrl } from '../dockerfile/lint/rules.ts';
import { WorkBudget } from '../dockerfile/work-budget.ts';
import type { BuildEvent } from '../solver/build-event.ts';
import type { MainContext, PlanOptions } from './plan.ts';
import { predefinedArgs } from './stages/global-args.ts';

type Evaluated = Pick<PlanOptions, 'target' | 'buildArgs' | 'targetPlatform' | 'buildPlatform'>;

/** `configOf`: of a base as FROM has it, expanded; undefined where it is not known. */
export function evaluateOptions(
  options: Evaluated,
  { targetStage, configOf }: { targetStage: string; configOf: (base: string) => ImageConfig | undefined },
): Omit<EvaluateOptions, 'isAllStages'> {
  const buildArgs = new Map<string, string>();
  for (const [name, value] of options.buildArgs) if (value !== undefined) buildArgs.set(name, value);
  return {
    target: options.target,
    buildArgs,
    predefined: new Map(predefinedArgs(options, targetStage)),
    configOf: (base) => baseConfig(configOf(base)),
  };
}

function baseConfig(image: ImageConfig | undefined): BaseConfig | undefined {
  if (image === undefined) return undefined;
  const { Env, OnBuild, Shell } = image.config ?? {};
  return { env: Env ?? [], onbuild: OnBuild ?? [], hasShell: (Shell ?? []).length > 0 };
}

/** Throws a FormatError when it has been asked for more work than a check is worth. */
export function ignoreOf(context: MainContext): IgnoreMatcher | undefined {
  if (context.kind !== 'local' || context.exclude.length === 0) return undefined;
  const budget = new WorkBudget();
  return new IgnoreMatcher(context.exclude, (steps) => budget.spend(steps));
}

/** What a build is warned of. Throws 'invalid' where the file (`# check=error=true`) has warnings fail it. */
export function buildWarnings(
  dockerfile: Dockerfile,
  options: Omit<EvaluateOptions, 'isAllStages'>,
  context: MainContext,
): readonly LintWarning[] {
  const { warnings, error } = lintParsed({ dockerfile }, { ...options, isAllStages: false, ignore: ignoreOf(context) });
  if (error === undefined) return warnings;
  throw error.lines === undefined
    ? new EngineError('invalid', error.message)
    : new DockerfileError(error.message, error.lines);
}

/** As BuildKit tells a check's warning; `vertex`: that which the Dockerfile was read of. */
export function warningEvent({ rule, detail, lines }: LintWarning, vertex: string): BuildEvent {
  const short = `${rule}: ${detail} (line ${lines.start})`;
  return {
    kind: 'warning',
    vertex,
    rule,
    short,
    detail: [rules[rule].description],
    url: ruleUrl(rule) ?? '',
    lines: [lines],
  };
}
