// Goes through a Dockerfile's stages as a build does, with all variables, and builds nothing: for the checks, and for the list of what a build takes.
import { FormatError } from '../../../protocols/format-error.ts';
import { DockerfileError } from '../dockerfile-error.ts';
import { type ExpandOptions, type Expansion, ExpansionError, expand, type Variables } from '../expand.ts';
import type { ArgDeclaration, ArgInstruction, Dockerfile, Instruction, LineRange } from '../instructions.ts';
import { parseInstruction } from '../parse-dockerfile.ts';
import { readMount } from '../run-mount.ts';
import type { RunMount } from '../run-mount-types.ts';
import { readStages, type Stage, StageNames } from '../stages.ts';
import { WorkBudget } from '../work-budget.ts';
import { expandableFiles, expandableWords } from './expandable-words.ts';
import { type GlobalArguments, globalArguments } from './global-arguments.ts';
import { type BaseConfig, type StageState, stateOnImage, stateOnStage } from './stage-state.ts';

export interface EvaluateOptions {
  /** '' for the last stage. */
  target: string;
  /** Stages that the target does not need, too. */
  isAllStages: boolean;
  buildArgs: Variables;
  /** `TARGETPLATFORM`, `BUILDARCH`, `TARGETSTAGE`, … */
  predefined: Variables;
  /** The config of an image; undefined when it is not known. Never asked for `scratch`. */
  configOf(base: string): BaseConfig | undefined;
}

/** One instruction, as it is about to be carried out. */
export interface Visit {
  state: StageState;
  instruction: Instruction;
  /** Its own; for what a base triggers those of FROM. */
  lines: LineRange;
  /** Those of `expandableWords`, expanded. */
  words: string[];
  /** Of RUN. */
  mounts: RunMount[];
}

export interface VisitedArgument {
  declaration: ArgDeclaration;
  /** Undefined: declared, and given nowhere. */
  value: string | undefined;
  /** The value is that of a global argument or a predefined one. */
  isInherited: boolean;
}

export interface Observer {
  from?(stage: Stage, base: Partial<Expansion>, platform: Expansion | undefined, globals: GlobalArguments): void;
  stage?(state: StageState, globals: GlobalArguments): void;
  /** Variables of one word that have no value. */
  unset?(state: StageState, names: ReadonlySet<string>, lines: LineRange): void;
  instruction?(visit: Visit): void;
  argument?(visit: Visit, argument: VisitedArgument, globals: GlobalArguments): void;
}

/** Returns the target's state. Throws a DockerfileError, or 'invalid' for a target that is not there. */
export function evaluate(dockerfile: Dockerfile, options: EvaluateOptions, observer: Observer): StageState {
  return new Evaluation(dockerfile, options, observer).run();
}

/** Bases of the stages that are gone through, with their variables expanded: those that are no stages. Throws as `evaluate`. */
export function imagesOf(dockerfile: Dockerfile, options: Omit<EvaluateOptions, 'configOf'>): string[] {
  const images = new Set<string>();
  const configOf = (base: string) => {
    images.add(base);
    return undefined;
  };
  evaluate(dockerfile, { ...options, configOf }, {});
  return [...images];
}

class Evaluation {
  readonly #dockerfile: Dockerfile;
  readonly #options: EvaluateOptions;
  readonly #observer: Observer;
  readonly #words: ExpandOptions;
  readonly #budget = new WorkBudget();
  readonly #bases = new Map<Stage, string>();
  readonly #states = new Map<Stage, StageState>();

  constructor(dockerfile: Dockerfile, options: EvaluateOptions, observer: Observer) {
    this.#dockerfile = dockerfile;
    this.#options = options;
    this.#observer = observer;
    this.#words = { escape: dockerfile.directives.escape, budget: this.#budget };
  }

  run(): StageState {
    const { predefined, buildArgs, target, isAllStages } = this.#options;
    const stages = readStages(this.#dockerfile);
    const globals = globalArguments(stages.globalArgs, predefined, buildArgs, this.#words);
    const names = new StageNames(stages);
    for (const stage of stages.all) this.#from(stage, globals);
    const wanted = names.target(target);
    const baseOf = (stage: Stage) => this.#bases.get(stage) ?? stage.from.base;
    names.checkCycles(baseOf);
    const reached = isAllStages ? undefined : names.reachable(wanted, baseOf);
    for (const stage of stages.all) {
      if (reached?.has(stage) !== false) this.#stage(stage, names, globals);
    }
    const state = this.#states.get(wanted);
    if (state === undefined) throw new Error('the target was not gone through');
    return state;
  }

  #from(stage: Stage, globals: GlobalArguments): void {
    const { lines, base, platform } = stage.from;
    let expanded: Expansion;
    try {
      expanded = expand(base, globals.values, this.#words);
    } catch (error) {
      if (error instanceof ExpansionError)
        this.#observer.from?.(stage, { unset: new Set(error.unset) }, undefined, globals);
      throw inLines(error, lines);
    }
    this.#bases.set(stage, expanded.text);
    if (expanded.text === '') {
      this.#observer.from?.(stage, expanded, undefined, globals);
      throw new DockerfileError(`base name (${base}) should not be blank`, lines);
    }
    let place: Expansion | undefined;
    try {
      place = platform === undefined ? undefined : expand(platform, globals.values, this.#words);
    } catch (error) {
      throw inLines(error, lines);
    }
    this.#observer.from?.(stage, expanded, place, globals);
    if (place?.text === '') throw new DockerfileError(`empty platform value from expression ${platform}`, lines);
  }

  #stage(stage: Stage, names: StageNames, globals: GlobalArguments): void {
    const base = this.#bases.get(stage) ?? '';
    const baseStage = names.base(stage, base);
    const known = baseStage && this.#states.get(baseStage);
    const config = known === undefined ? this.#configOf(base) : undefined;
    const state = known === undefined ? stateOnImage(stage, config) : stateOnStage(stage, known, this.#budget);
    this.#states.set(stage, state);
    this.#observer.stage?.(state, globals);
    for (const trigger of config?.onbuild ?? triggersOf(baseStage)) {
      const { lines } = stage.from;
      this.#instruction(
        state,
        atLines(lines, () => parseInstruction(trigger)),
        lines,
        globals,
      );
    }
    for (const instruction of stage.instructions) this.#instruction(state, instruction, instruction.lines, globals);
  }

  #configOf(base: string): BaseConfig | undefined {
    return base === 'scratch' ? { env: [], onbuild: [], hasShell: false } : this.#options.configOf(base);
  }

  #instruction(state: StageState, instruction: Instruction, lines: LineRange, globals: GlobalArguments): void {
    const expandOne = (word: string, keepQuotes = false): string => this.#expand(state, word, lines, keepQuotes);
    const words = expandableWords(instruction).map((word) => expandOne(word));
    for (const { text } of expandableFiles(instruction)) expandOne(text, true);
    const texts = instruction.kind === 'RUN' ? instruction.mounts : [];
    const mounts = texts.map((text) => atLines(lines, () => readMount(text, (value) => expandOne(value))));
    const visit = { state, instruction, lines, words, mounts };
    this.#observer.instruction?.(visit);
    if (instruction.kind === 'ARG') this.#arguments(visit, instruction, globals);
    else if (instruction.kind === 'SHELL') state.hasShell = true;
    else if (instruction.kind === 'WORKDIR') state.hasWorkdir = true;
    else if (instruction.kind === 'ENV') {
      for (let at = 0; at + 1 < words.length; at += 2) state.variables.set(words[at] ?? '', words[at + 1] ?? '');
    }
  }

  #arguments(visit: Visit, { args }: ArgInstruction, globals: GlobalArguments): void {
    const { state, lines } = visit;
    for (const declaration of args) {
      const { name, value: initial } = declaration;
      let value = this.#options.buildArgs.get(name);
      const isInherited = value === undefined && initial === undefined && globals.values.has(name);
      if (isInherited) value = globals.values.get(name);
      else if (value === undefined && initial !== undefined) value = this.#expand(state, initial, lines, false);
      this.#observer.argument?.(visit, { declaration, value, isInherited }, globals);
      state.declared.add(name);
      if (value !== undefined) state.variables.set(name, value);
    }
  }

  /** Throws a DockerfileError, when the observer knows what had no value. */
  #expand(state: StageState, word: string, lines: LineRange, keepQuotes: boolean): string {
    const options: ExpandOptions = keepQuotes ? { budget: this.#budget, keepQuotes } : this.#words;
    try {
      const { text, unset } = expand(word, state.variables, options);
      if (unset.size > 0) this.#observer.unset?.(state, unset, lines);
      return text;
    } catch (error) {
      if (error instanceof ExpansionError) this.#observer.unset?.(state, error.unset, lines);
      throw inLines(error, lines);
    }
  }
}

function triggersOf(stage: Stage | undefined): string[] {
  return (stage?.instructions ?? []).flatMap((one) => (one.kind === 'ONBUILD' ? [one.trigger] : []));
}

function atLines<T>(lines: LineRange, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw inLines(error, lines);
  }
}

function inLines(error: unknown, lines: LineRange): unknown {
  if (error instanceof FormatError) return new DockerfileError(error.message, lines, { cause: error });
  if (error instanceof DockerfileError) return new DockerfileError(error.message, lines, { cause: error });
  return error;
}
