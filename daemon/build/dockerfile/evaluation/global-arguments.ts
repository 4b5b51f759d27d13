// ARG before the first FROM, with what a build gives and what is predefined.
import { DockerfileError } from '../dockerfile-error.ts';
import { type ExpandOptions, type Expansion, ExpansionError, expand, type Variables } from '../expand.ts';
import type { ArgDeclaration, ArgInstruction, LineRange } from '../instructions.ts';

export interface GlobalArgument {
  declaration: ArgDeclaration;
  lines: LineRange;
  value: string | undefined;
  /** Other global arguments that its value was made of. */
  needs: Set<string>;
}

export interface GlobalArguments {
  /** Predefined ones too. */
  values: Map<string, string>;
  declared: Map<string, GlobalArgument>;
}

/** Throws a DockerfileError. */
export function globalArguments(
  instructions: readonly ArgInstruction[],
  predefined: Variables,
  buildArgs: Variables,
  options: ExpandOptions,
): GlobalArguments {
  const values = new Map(predefined);
  const declared = new Map<string, GlobalArgument>();
  for (const { args, lines } of instructions) {
    for (const declaration of args) {
      const { name } = declaration;
      const given = buildArgs.get(name);
      const made = given === undefined ? expandDefault(declaration, values, lines, options) : undefined;
      const needs = new Set(made?.used);
      if (needs.delete(name)) for (const need of declared.get(name)?.needs ?? []) needs.add(need);
      const value = given ?? made?.text;
      if (value !== undefined) values.set(name, value);
      declared.set(name, { declaration, lines, value, needs });
    }
  }
  return { values, declared };
}

function expandDefault(
  { value }: ArgDeclaration,
  values: Variables,
  lines: LineRange,
  options: ExpandOptions,
): Expansion | undefined {
  if (value === undefined) return undefined;
  try {
    return expand(value, values, options);
  } catch (error) {
    if (!(error instanceof ExpansionError)) throw error;
    throw new DockerfileError(error.message, lines, { cause: error });
  }
}
