// A stage while it is planned: what the Dockerfile says of it, which others it needs, and where it stands.

import type { ImageConfig } from '../../../images/documents/image-config.ts';
import type { ContextChoice } from '../../build-request.ts';
import type { Instruction, LineRange } from '../../dockerfile/instructions.ts';
import type { DraftEdge } from '../draft.ts';
import type { BuildPlatform } from '../operation.ts';
import type { StageState } from './stage-state.ts';

/** `sources`: where a COPY, or each mount of a RUN, takes files from; undefined: the context, or nothing. */
export interface Command {
  readonly instruction: Instruction;
  readonly sources: readonly (Stage | undefined)[];
  /** It came with the base image or stage: ONBUILD. */
  readonly isTrigger: boolean;
}

export interface FoundBase {
  /** Drafts them: called once, when it is the stage's turn. */
  readonly files: () => DraftEdge | undefined;
  /** undefined: files without a config. */
  readonly config: ImageConfig | undefined;
  readonly platform: BuildPlatform;
}

export interface Stage {
  /** In lower case; empty when it has none. */
  readonly name: string;
  /** In names of steps; empty when there is one stage only. */
  shownName: string;
  readonly lines: LineRange;
  /** FROM as it is written. */
  readonly from: { readonly original: string };
  /** An image or "scratch", expanded. With a `base` that stage's name. */
  readonly baseName: string;
  readonly base: Stage | undefined;
  readonly platform: BuildPlatform | undefined;
  /** A named context that stands in for the stage: its instructions are not looked at. */
  readonly replacement: ContextChoice | undefined;
  /** Not a stage of the Dockerfile but an image or named context of a --from. */
  readonly isExternal: boolean;
  readonly ignoresCache: boolean;
  /** The image is made of it, or another stage goes on from it. */
  isBase: boolean;
  commands: Command[];
  stepCount: number;
  stepIndex: number;
  /** What is taken of a local named context that the stage begins with; shared with the stages it comes from. */
  readonly usedPaths: Set<string>;
  /** What its image or context was found to be; undefined: it comes from another stage, or nobody needs it. */
  found: FoundBase | undefined;
  /** Where it ends; undefined until its instructions were looked at. */
  end: StageState | undefined;
}

/** All that have to be there before the stage. */
export function neededBy(stage: Stage): Stage[] {
  const needed = stage.base === undefined ? [] : [stage.base];
  for (const { sources } of stage.commands) {
    for (const source of sources) if (source !== undefined) needed.push(source);
  }
  return needed;
}
