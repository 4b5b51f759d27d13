// What a stage begins with when it does not come from another one: an image, nothing, or a named context.
import { EngineError, isEngineError } from '../../../errors/engine-error.ts';
import { withSuggestion } from '../../dockerfile/suggest.ts';
import { atLines } from '../in-lines.ts';
import type { PlanContext } from '../instructions/step-context.ts';
import { fromName } from '../instructions/step-name.ts';
import type { PlanLookups } from '../plan.ts';
import { canonicalName, imageBase, platformOf } from './image-base.ts';
import { findNamedContext } from './named-context.ts';
import { findNamedFiles } from './named-files.ts';
import type { FoundBase, Stage } from './stage.ts';
import { SCRATCH } from './stage-list.ts';

export interface BaseRequest {
  readonly stage: Stage;
  readonly lookups: PlanLookups;
  /** For a suggestion. */
  readonly stageNames: () => readonly string[];
}

/** Throws a DockerfileError at the stage's FROM, or what the lookups reject with. */
export async function findBase(context: PlanContext, { stage, lookups, stageNames }: BaseRequest): Promise<FoundBase> {
  try {
    return await findFiles(context, stage, lookups);
  } catch (error) {
    throw atLines(isOfLookup(error) ? suggested(error, stage.baseName, stageNames()) : error, stage.lines);
  }
}

/** What is wrong in the file itself says so without the image's name. */
function isOfLookup(error: unknown): error is EngineError {
  return isEngineError(error) && error.code !== 'invalid';
}

const commonImages = ['alpine', 'busybox', 'centos', 'debian', 'golang', 'ubuntu', 'fedora'].flatMap((name) => [
  name,
  `${name}:latest`,
]);

function suggested(error: EngineError, name: string, stageNames: readonly string[]): EngineError {
  const message = withSuggestion(`${name}: ${error.message}`, name, [...stageNames, ...commonImages], true);
  return new EngineError(error.code, message, { cause: error });
}

async function findFiles(context: PlanContext, stage: Stage, lookups: PlanLookups): Promise<FoundBase> {
  const { options } = context;
  const platform = stage.platform ?? options.targetPlatform ?? options.buildPlatform;
  const { replacement, baseName } = stage;
  if (replacement !== undefined) {
    return findNamedFiles(context, { name: stage.name, choice: replacement, stage, platform, lookups });
  }
  if (baseName === SCRATCH) return { files: () => undefined, config: undefined, platform };
  const choice = findNamedContext(options.namedContexts, baseName, platform);
  if (choice !== undefined) return findNamedFiles(context, { name: baseName, choice, stage, platform, lookups });
  const reference = canonicalName(baseName);
  const prefix = options.isMultiPlatform ? `${platform.os}/${platform.architecture} ` : '';
  const name = `[${prefix}internal] load metadata for ${reference}`;
  const image = await lookups.resolveImage({ reference, platform, name });
  const isImplicit = stage.platform === undefined && options.targetPlatform === undefined;
  const own = isImplicit ? platformOf(image.config, platform) : platform;
  return imageBase(context, {
    image,
    platform: own,
    stage,
    name: () => fromName(context, stage, image.reference, own),
  });
}
