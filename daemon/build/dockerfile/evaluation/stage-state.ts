// What is known of a stage while its instructions are gone through, without building anything.
import type { Stage } from '../stages.ts';
import type { WorkBudget } from '../work-budget.ts';

/** Of an image that a stage stands on. */
export interface BaseConfig {
  /** `NAME=value`. */
  env: readonly string[];
  onbuild: readonly string[];
  hasShell: boolean;
}

export interface StageState {
  readonly stage: Stage;
  /** The stage that it stands on. */
  readonly base: StageState | undefined;
  /** ENV and ARG, as they are at an instruction. */
  readonly variables: Map<string, string>;
  /** Names of ARG, with a value or without. */
  readonly declared: Set<string>;
  /** The variables of its image are among `variables`. */
  readonly isImageKnown: boolean;
  /** SHELL, or the image's. */
  hasShell: boolean;
  hasWorkdir: boolean;
}

/** What an entry that is copied costs. */
const entryCost = 64;

export function stateOnStage(stage: Stage, base: StageState, budget: WorkBudget): StageState {
  budget.spend((base.variables.size + base.declared.size) * entryCost);
  const { isImageKnown, hasShell, hasWorkdir } = base;
  const [variables, declared] = [new Map(base.variables), new Set(base.declared)];
  return { stage, base, variables, declared, isImageKnown, hasShell, hasWorkdir };
}

export function stateOnImage(stage: Stage, config: BaseConfig | undefined): StageState {
  const variables = new Map([['PATH', '']]);
  for (const entry of config?.env ?? []) {
    const equals = entry.indexOf('=');
    if (equals < 0) variables.set(entry, '');
    else variables.set(entry.slice(0, equals), entry.slice(equals + 1));
  }
  const isImageKnown = config !== undefined;
  const declared = new Set<string>();
  const hasShell = config?.hasShell ?? false;
  return { stage, base: undefined, variables, declared, isImageKnown, hasShell, hasWorkdir: false };
}
