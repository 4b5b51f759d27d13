// What every instruction is looked at with.

import { type ExpandOptions, expandWord } from '../../dockerfile/expand.ts';
import type { LineRange } from '../../dockerfile/instructions.ts';
import type { WorkBudget } from '../../dockerfile/work-budget.ts';
import type { DraftEdge, GraphDraft } from '../draft.ts';
import { inLines } from '../in-lines.ts';
import type { PlanOptions } from '../plan.ts';
import type { Stage } from '../stages/stage.ts';
import type { StageState } from '../stages/stage-state.ts';

export interface PlanContext {
  readonly graph: GraphDraft;
  readonly options: PlanOptions;
  readonly budget: WorkBudget;
  /** How words are read: see expand.ts. */
  readonly words: WordOptions;
  readonly epoch: number | undefined;
  /** ARGs before the first FROM, and what is there without being asked for. */
  readonly globals: ReadonlyMap<string, string>;
  readonly cacheNamespace: string;
  readonly hostname: string;
  readonly context: ContextFiles;
}

export type WordOptions = Pick<ExpandOptions, 'escape' | 'budget'>;

/** The files of the main context; what is taken of them is noted, and nothing else is transferred. */
export interface ContextFiles {
  readonly files: DraftEdge | undefined;
  use(path: string): void;
}

/** One instruction of a stage. */
export interface StepContext extends PlanContext {
  readonly stage: Stage;
  readonly state: StageState;
  readonly lines: LineRange;
  readonly isTrigger: boolean;
}

/** With the variables that hold before the instruction. Throws a DockerfileError. */
export function expandIn(step: StepContext, text: string): string {
  return inLines(step.lines, () => expandWord(text, step.state.env.values, step.words));
}
