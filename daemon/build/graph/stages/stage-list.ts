// The stages of a Dockerfile: whom FROM, COPY --from and RUN --mount=from name, and that nobody waits for himself. Nothing of images is known here.

import { EngineError } from '../../../errors/engine-error.ts';
import { parsePlatform } from '../../../images/documents/platform.ts';
import { DockerfileError } from '../../dockerfile/dockerfile-error.ts';
import { expandWord } from '../../dockerfile/expand.ts';
import type { FromInstruction, Instruction, LineRange } from '../../dockerfile/instructions.ts';
import { mountFrom } from '../../dockerfile/run-mount.ts';
import { withSuggestion } from '../../dockerfile/suggest.ts';
import { inLines } from '../in-lines.ts';
import type { WordOptions } from '../instructions/step-context.ts';
import type { PlanOptions } from '../plan.ts';
import { findNamedContext } from './named-context.ts';
import { type Command, neededBy, type Stage } from './stage.ts';

export const SCRATCH = 'scratch';

export class StageList {
  readonly #stages: Stage[] = [];
  readonly #byName = new Map<string, Stage>();
  readonly #externals = new Map<string, Stage>();
  readonly #options: PlanOptions;
  /** BuildKit counts what a mount comes from as a stage, though it be nothing. */
  #hasMounts = false;

  /** `globals`: the variables that hold in FROM. Throws a DockerfileError. */
  constructor(
    instructions: readonly Instruction[],
    { options, globals, words }: { options: PlanOptions; globals: ReadonlyMap<string, string>; words: WordOptions },
  ) {
    this.#options = options;
    const expanded = (text: string, lines: LineRange) => inLines(lines, () => expandWord(text, globals, words));
    const parts = divide(instructions).map(([from, own]) => ({ stage: this.#add(from, own, expanded), own }));
    for (const { stage, own } of parts) {
      if (stage.replacement !== undefined) continue;
      stage.commands = own.map((instruction) => this.command(instruction, instruction.lines, false));
    }
    this.#refuseCycles();
    const [only, second] = [...this.#stages, ...this.#externals.values()];
    if (only !== undefined && second === undefined && !this.#hasMounts) only.shownName = '';
  }

  /** In the file's order. */
  get stages(): readonly Stage[] {
    return this.#stages;
  }

  /** Throws 'invalid' with a suggestion when there is no such stage. */
  target(name: string): Stage {
    const target = name === '' ? this.#stages.at(-1) : this.#byName.get(name.toLowerCase());
    if (target !== undefined) {
      target.isBase = true;
      return target;
    }
    const message = `target stage ${JSON.stringify(name)} could not be found`;
    throw new EngineError('invalid', withSuggestion(message, name, this.names(), true));
  }

  names(): string[] {
    return this.#stages.map(({ name, shownName }) => name || shownName).filter((name) => name !== '');
  }

  /** With the stages that it takes files from. Throws a DockerfileError at `lines`. */
  command(instruction: Instruction, lines: LineRange, isTrigger: boolean): Command {
    if (instruction.kind === 'COPY' && instruction.from !== undefined) {
      return { instruction, sources: [this.#copySource(instruction.from, lines)], isTrigger };
    }
    if (instruction.kind === 'RUN') {
      this.#hasMounts ||= instruction.mounts.length > 0;
      const sources = instruction.mounts.map((mount) => {
        const from = mountFrom(mount);
        return from === undefined ? undefined : (this.#byName.get(from.toLowerCase()) ?? this.#external(from, lines));
      });
      return { instruction, sources, isTrigger };
    }
    return { instruction, sources: [], isTrigger };
  }

  #add(
    from: FromInstruction,
    own: readonly Instruction[],
    expanded: (text: string, lines: LineRange) => string,
  ): Stage {
    const { lines, name = '' } = from;
    const baseName = expanded(from.base, lines);
    if (baseName === '') throw new DockerfileError(`base name (${from.base}) should not be blank`, lines);
    const platform = from.platform === undefined ? undefined : this.#platform(from.platform, lines, expanded);
    const replacement =
      name === ''
        ? undefined
        : findNamedContext(this.#options.namedContexts, name, platform ?? this.#options.targetPlatform);
    const base = replacement === undefined ? this.#byName.get(baseName.toLowerCase()) : undefined;
    const isImage = base === undefined && baseName !== SCRATCH;
    const stage: Stage = {
      name,
      shownName: name === '' ? `stage-${this.#stages.length}` : name,
      lines,
      from,
      baseName,
      base,
      platform,
      replacement,
      isExternal: false,
      isBase: false,
      ignoresCache: this.#ignoresCache(name),
      commands: [],
      stepCount: (isImage ? 1 : 0) + own.filter(({ kind }) => stepKinds.has(kind)).length,
      stepIndex: 0,
      usedPaths: base?.usedPaths ?? new Set(),
      found: undefined,
      end: undefined,
    };
    if (base !== undefined) base.isBase = true;
    this.#stages.push(stage);
    if (name !== '') this.#byName.set(name.toLowerCase(), stage);
    return stage;
  }

  #platform(text: string, lines: LineRange, expanded: (text: string, lines: LineRange) => string): Stage['platform'] {
    const platform = expanded(text, lines);
    if (platform === '') throw new DockerfileError(`empty platform value from expression ${text}`, lines);
    return inLines(lines, () => parsePlatform(platform), `failed to parse platform ${text}: `);
  }

  #ignoresCache(name: string): boolean {
    const { ignoresCache, ignoresCacheOf } = this.#options;
    return ignoresCache || ignoresCacheOf.some((stage) => stage.toLowerCase() === name.toLowerCase());
  }

  #copySource(from: string, lines: LineRange): Stage {
    if (inLines(lines, () => expandWord(from, new Map())) !== from) {
      const way = 'define a new stage with FROM using ARG from global scope as a workaround';
      throw new DockerfileError(`variable expansion is not supported for --from, ${way}`, lines);
    }
    if (/^[+-]?\d{1,15}$/.test(from)) {
      const stage = this.#stages[Number(from)];
      if (stage === undefined) throw new DockerfileError(`invalid stage index ${Number(from)}`, lines);
      return stage;
    }
    return this.#byName.get(from.toLowerCase()) ?? this.#external(from, lines);
  }

  #external(baseName: string, lines: LineRange): Stage {
    const known = this.#externals.get(baseName);
    if (known !== undefined) return known;
    const external: Stage = {
      name: '',
      shownName: '',
      lines,
      from: { original: '' },
      baseName,
      base: undefined,
      platform: undefined,
      replacement: undefined,
      isExternal: true,
      isBase: false,
      ignoresCache: false,
      commands: [],
      stepCount: 0,
      stepIndex: 0,
      usedPaths: new Set(),
      found: undefined,
      end: undefined,
    };
    this.#externals.set(baseName, external);
    return external;
  }

  /** Without recursion: a chain may have as many stages as the file has lines. */
  #refuseCycles(): void {
    const done = new Set<Stage>();
    const open = new Set<Stage>();
    for (const start of this.#stages) {
      const path = [{ stage: start, next: neededBy(start).reverse() }];
      open.add(start);
      for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
        const needed = top.next.pop();
        if (needed === undefined) {
          open.delete(top.stage);
          done.add(top.stage);
          path.pop();
        } else if (open.has(needed)) {
          const next = path[path.findIndex(({ stage }) => stage === needed) + 1]?.stage ?? needed;
          const message = `circular dependency detected on stage: ${needed.shownName}`;
          throw new DockerfileError(message, linesOfNeed(needed, next));
        } else if (!done.has(needed)) {
          open.add(needed);
          path.push({ stage: needed, next: neededBy(needed).reverse() });
        }
      }
    }
  }
}

/** What makes a step of its own: it is counted in `[build 2/5]`. */
const stepKinds: ReadonlySet<Instruction['kind']> = new Set(['ADD', 'COPY', 'RUN', 'WORKDIR']);

function linesOfNeed(stage: Stage, needed: Stage): LineRange {
  return stage.commands.find(({ sources }) => sources.includes(needed))?.instruction.lines ?? stage.lines;
}

/** Each FROM with the instructions up to the next. */
function divide(instructions: readonly Instruction[]): [FromInstruction, Instruction[]][] {
  const parts: [FromInstruction, Instruction[]][] = [];
  for (const instruction of instructions) {
    if (instruction.kind === 'FROM') parts.push([instruction, []]);
    else parts.at(-1)?.[1].push(instruction);
  }
  return parts;
}
