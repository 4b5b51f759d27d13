// The stages of a Dockerfile: where each begins, what it is called, and which others it names. Images and named contexts are not looked up here.
import { EngineError } from '../../errors/engine-error.ts';
import { DockerfileError } from './dockerfile-error.ts';
import { expandWord } from './expand.ts';
import type { ArgInstruction, Dockerfile, FromInstruction, Instruction, LineRange } from './instructions.ts';
import { mountFrom } from './run-mount.ts';
import { withSuggestion } from './suggest.ts';

export type StageInstruction = Exclude<Instruction, FromInstruction>;

export interface Stage {
  index: number;
  from: FromInstruction;
  instructions: StageInstruction[];
}

export interface Stages {
  /** ARG before the first FROM: what FROM may use, and what ARG without a value takes over. */
  globalArgs: ArgInstruction[];
  all: Stage[];
}

/** What another stage, an image or a named context is asked for by. */
export interface SourceReference {
  from: string;
  lines: LineRange;
}

/** The base of a stage with its variables expanded. */
export type BaseOf = (stage: Stage) => string;

export function readStages({ instructions }: Pick<Dockerfile, 'instructions'>): Stages {
  const globalArgs: ArgInstruction[] = [];
  const all: Stage[] = [];
  for (const instruction of instructions) {
    if (instruction.kind === 'FROM') all.push({ index: all.length, from: instruction, instructions: [] });
    else if (all.length > 0) all.at(-1)?.instructions.push(instruction);
    else if (instruction.kind === 'ARG') globalArgs.push(instruction);
  }
  return { globalArgs, all };
}

/** What docker calls it: its name, or `stage-2`. */
export function stageLabel({ index, from }: Stage): string {
  return from.name ?? `stage-${index}`;
}

/** Finds stages. Of two with one name the later one counts. */
export class StageNames {
  readonly #stages: readonly Stage[];
  readonly #byName = new Map<string, Stage[]>();

  constructor({ all }: Stages) {
    this.#stages = all;
    for (const stage of all) {
      const { name } = stage.from;
      if (name === undefined) continue;
      const same = this.#byName.get(name);
      if (same === undefined) this.#byName.set(name, [stage]);
      else same.push(stage);
    }
  }

  /** The stage before `stage` that its expanded base names. Docker wants it in lower case here, and knows no numbers. */
  base(stage: Stage, base: string): Stage | undefined {
    return this.#byName.get(base)?.findLast(({ index }) => index < stage.index);
  }

  /** The stage, earlier or later, that `--from` names or counts. Throws a DockerfileError for a number that no stage has. */
  source({ from, lines }: SourceReference): Stage | undefined {
    if (!/^[+-]?\d+$/.test(from)) return this.#byName.get(from.toLowerCase())?.at(-1);
    const stage = this.#stages[Number(from)];
    if (stage === undefined) throw new DockerfileError(`invalid stage index ${Number(from)}`, lines);
    return stage;
  }

  /** The last one when none is asked for. Throws 'invalid' with a suggestion. */
  target(name: string): Stage {
    const stage = name === '' ? this.#stages.at(-1) : this.#byName.get(name.toLowerCase())?.at(-1);
    if (stage !== undefined) return stage;
    const message = `target stage ${JSON.stringify(name)} could not be found`;
    throw new EngineError('invalid', withSuggestion(message, name, [...this.#byName.keys()], true));
  }

  /** The stages that one is made of: its base and its sources. */
  needs(stage: Stage, baseOf: BaseOf): Stage[] {
    const base = this.base(stage, baseOf(stage));
    const sources = sourceReferences(stage.instructions).flatMap((reference) => this.source(reference) ?? []);
    return base === undefined ? sources : [base, ...sources];
  }

  /** `target` and all that it is made of, itself or through others. */
  reachable(target: Stage, baseOf: BaseOf): Set<Stage> {
    const reached = new Set([target]);
    for (const stage of reached) {
      for (const needed of this.needs(stage, baseOf)) reached.add(needed);
    }
    return reached;
  }

  /** Throws a DockerfileError when any stage is made of itself, as docker does, whether the target needs it or not. */
  checkCycles(baseOf: BaseOf): void {
    const done = new Set<Stage>();
    for (const stage of this.#stages) this.#checkCyclesFrom(stage, baseOf, done);
  }

  #checkCyclesFrom(start: Stage, baseOf: BaseOf, done: Set<Stage>): void {
    if (done.has(start)) return;
    const open = new Set([start]);
    const path = [{ stage: start, needs: this.needs(start, baseOf) }];
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const next = top.needs.pop();
      if (next === undefined) {
        path.pop();
        open.delete(top.stage);
        done.add(top.stage);
      } else if (open.has(next)) {
        throw new DockerfileError(`circular dependency detected on stage: ${stageLabel(start)}`, start.from.lines);
      } else if (!done.has(next)) {
        open.add(next);
        path.push({ stage: next, needs: this.needs(next, baseOf) });
      }
    }
  }
}

/** `COPY --from` and `RUN --mount=from=`, in order. Throws a DockerfileError for a variable, which docker does not expand there. */
export function sourceReferences(instructions: readonly Instruction[]): SourceReference[] {
  return instructions.flatMap((instruction): SourceReference[] => {
    const { lines } = instruction;
    if (instruction.kind === 'RUN') {
      return instruction.mounts.flatMap((mount) => {
        const from = mountFrom(mount);
        return from === undefined ? [] : [{ from, lines }];
      });
    }
    if (instruction.kind !== 'COPY' || instruction.from === undefined) return [];
    if (expandWord(instruction.from, new Map()) !== instruction.from) {
      const instead = 'define a new stage with FROM using ARG from global scope as a workaround';
      throw new DockerfileError(`variable expansion is not supported for --from, ${instead}`, lines);
    }
    return [{ from: instruction.from, lines }];
  });
}
