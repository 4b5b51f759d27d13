// Names of steps as BuildKit shows them: `[build 2/5] RUN make`.
import { platformText } from '../../../images/documents/platform.ts';
import { FormatError } from '../../../protocols/format-error.ts';
import { expandWord } from '../../dockerfile/expand.ts';
import type { BuildPlatform } from '../operation.ts';
import type { Environment } from '../stages/environment.ts';
import type { Stage } from '../stages/stage.ts';
import type { PlanContext, StepContext } from './step-context.ts';

/** Of the next step of a stage: it is counted. */
export function nextStepName(step: StepContext, text: string): string {
  step.stage.stepIndex++;
  return stepName(step, text);
}

/** Of the step that was named last. */
export function stepName({ stage, state, options, isTrigger }: StepContext, text: string): string {
  const target = options.isMultiPlatform ? targetText(state.platform, state.env) : '';
  return named(stage, text, { platform: options.isMultiPlatform ? state.platform : undefined, target, isTrigger });
}

/** Of the base image: the first step of a stage. */
export function fromName(
  { options }: Pick<PlanContext, 'options'>,
  stage: Stage,
  reference: string,
  platform: BuildPlatform,
): string {
  if (!stage.isExternal) stage.stepIndex++;
  return named(stage, `FROM ${reference}`, {
    platform: options.isMultiPlatform ? platform : undefined,
    target: '',
    isTrigger: false,
  });
}

function named(
  { stepCount, stepIndex, shownName }: Stage,
  text: string,
  { platform, target, isTrigger }: { platform: BuildPlatform | undefined; target: string; isTrigger: boolean },
): string {
  if (stepCount === 0) return text;
  const where = platform === undefined ? '' : `${platformText(platform)}${target} `;
  const index = String(stepIndex).padStart(String(stepCount).length);
  return `[${where}${shownName === '' ? '' : `${shownName} `}${index}/${stepCount}] ${isTrigger ? 'ONBUILD ' : ''}${text}`;
}

/** What the stage compiles for, when its ARGs say that it is something else: `->arm64`. */
function targetText(platform: BuildPlatform, env: Environment): string {
  const [os = '', architecture = '', variant = ''] = (env.get('TARGETPLATFORM') ?? '').split('/');
  const target = {
    os: os || env.get('TARGETOS') || platform.os,
    architecture: architecture || env.get('TARGETARCH') || platform.architecture,
    variant: architecture === '' ? (env.get('TARGETVARIANT') ?? '') : variant,
  };
  if (target.os !== platform.os) return `->${platformText(target)}`;
  if (target.architecture === platform.architecture) return '';
  return `->${target.architecture}${target.variant === '' ? '' : `/${target.variant}`}`;
}

/** An instruction as it is written, its keyword in capitals, with the variables that hold. */
export function shownText(
  step: StepContext,
  original: string,
  options: { keepsQuotes: boolean; hidden?: readonly string[] },
): string {
  const { state, words } = step;
  let variables = state.env.values;
  if (options.hidden !== undefined && options.hidden.length > 0) {
    variables = new Map([...variables, ...options.hidden.map((name): [string, string] => [name, '****'])]);
  }
  return inCapitals(expandedOrNot(original, variables, { ...words, asShown: options.keepsQuotes }));
}

function expandedOrNot(
  text: string,
  variables: ReadonlyMap<string, string>,
  options: Parameters<typeof expandWord>[2],
): string {
  try {
    return expandWord(text, variables, options);
  } catch (error) {
    if (error instanceof FormatError) return text;
    throw error;
  }
}

function inCapitals(text: string): string {
  const space = text.indexOf(' ');
  return space < 0 ? text.toUpperCase() : text.slice(0, space).toUpperCase() + text.slice(space);
}
