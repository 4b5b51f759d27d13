// What `--check` and `--call` ask of a Dockerfile: answered without building anything.
import { isEngineError } from '../../errors/engine-error.ts';
import type { ImageConfig } from '../../images/documents/image-config.ts';
import type { BuildCall, BuildOutcome } from '../build-request.ts';
import { lintInPieces } from '../dockerfile/lint/lint.ts';
import { lintJson, lintText } from '../dockerfile/lint/lint-report.ts';
import { outline, outlineText } from '../dockerfile/outline/outline.ts';
import { targets, targetsText } from '../dockerfile/outline/targets.ts';
import { parseInPieces } from '../dockerfile/parse-dockerfile.ts';
import { evaluateOptions, ignoreOf } from './checks.ts';
import { withExcerpt } from './in-lines.ts';
import { type DockerfileRequest, findDockerfile } from './load-dockerfile.ts';
import type { BuildPlatform } from './operation.ts';
import { Pauses } from './pauses.ts';
import type { PlanLookups } from './plan.ts';
import { targetStageOf } from './stages/global-args.ts';
import { canonicalName } from './stages/image-base.ts';

export interface CallRequest extends DockerfileRequest {
  readonly call: Exclude<BuildCall, 'build'>;
  readonly target: string;
  readonly targetPlatform: BuildPlatform | undefined;
}

type Answer = NonNullable<BuildOutcome['answer']>;
type Lookups = Pick<PlanLookups, 'readFile' | 'knownImage'>;

/** Throws as loadDockerfile; what a check finds wrong is its answer. */
export async function answerCall(request: CallRequest, lookups: Lookups): Promise<Answer> {
  const { name, text, context } = await findDockerfile(request, lookups);
  const { call, target } = request;
  try {
    if (call === 'targets') {
      const json = targets(text);
      return { json, text: targetsText(json) };
    }
    // An image that is not here is not fetched to be asked for its variables.
    const configOf = (base: string) => knownConfig(base, request, lookups);
    const options = evaluateOptions(request, { targetStage: await stageOf(text, target), configOf });
    if (call === 'outline') {
      const json = outline(text, options);
      return { json, text: outlineText(json) };
    }
    const checks = lintInPieces(text, { ...options, isAllStages: target === '', ignore: ignoreOf(context) });
    const result = await new Pauses().through(checks);
    return { json: lintJson(result, name, text), text: lintText(result, name, text) };
  } catch (error) {
    throw withExcerpt(error, name, text);
  }
}

/** A text that does not parse has none: what is wrong with it is told by who was asked. */
async function stageOf(text: string, target: string): Promise<string> {
  try {
    const { dockerfile, error } = await new Pauses().through(parseInPieces(text));
    return error === undefined ? targetStageOf(dockerfile.instructions, target) : target;
  } catch (error) {
    if (isEngineError(error, 'invalid')) return target;
    throw error;
  }
}

function knownConfig(
  base: string,
  { targetPlatform, buildPlatform }: CallRequest,
  lookups: Lookups,
): ImageConfig | undefined {
  try {
    return lookups.knownImage({ reference: canonicalName(base), platform: targetPlatform ?? buildPlatform });
  } catch (error) {
    if (isEngineError(error, 'invalid')) return undefined;
    throw error;
  }
}
