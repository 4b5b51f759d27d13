// Checks of what is written, before any variable is known: casing, comments, names of stages.
import type { ArgInstruction, Dockerfile, FromInstruction, Instruction, LineRange } from '../instructions.ts';
import type { LintWarnings } from './lint-warning.ts';

/** What docker finds while it parses. */
export function checkText({ instructions, warnings: parsed }: Dockerfile, warnings: LintWarnings): void {
  for (const { rule, lines } of parsed) warnings.add(rule, lines, 'Empty continuation line');
  for (const instruction of instructions) {
    if (instruction.kind === 'FROM') checkFrom(instruction, warnings);
    else if (instruction.kind === 'ARG') checkArg(instruction, warnings);
    else if (instruction.kind === 'MAINTAINER') {
      const detail = 'Maintainer instruction is deprecated in favor of using label';
      warnings.add('MaintainerDeprecated', instruction.lines, detail);
    }
  }
}

function checkFrom(from: FromInstruction, warnings: LintWarnings): void {
  const { keyword, as, name, lines, comments } = from;
  if (as === undefined || name === undefined) return;
  if (as.name !== name) warnings.add('StageNameCasing', lines, `Stage name '${as.name}' should be lowercase`);
  const wanted = keyword === keyword.toLowerCase() ? as.keyword.toLowerCase() : as.keyword.toUpperCase();
  if (isOneCase(keyword) && as.keyword !== wanted) {
    warnings.add('FromAsCasing', lines, `'${as.keyword}' and '${keyword}' keywords' casing do not match`);
  }
  checkDescription('FROM', [name], comments, lines, warnings);
}

function checkArg({ args, comments, lines }: ArgInstruction, warnings: LintWarnings): void {
  checkDescription(
    'ARG',
    args.map(({ name }) => name),
    comments,
    lines,
    warnings,
  );
}

/** The last comment begins with what it describes, or it describes nothing. */
function checkDescription(
  kind: 'FROM' | 'ARG',
  names: readonly string[],
  comments: readonly string[],
  lines: LineRange,
  warnings: LintWarnings,
): void {
  const [first = ''] = comments.at(-1)?.split(' ') ?? [];
  if (comments.length === 0 || names.includes(first)) return;
  const name = names.length > 1 ? '<arg_key>' : names[0];
  const detail = `Comment for ${kind} should follow the format: \`# ${name} <description>\``;
  warnings.add('InvalidDefinitionDescription', lines, detail);
}

const reserved: ReadonlySet<string> = new Set(['context', 'scratch']);

export function checkStageNames({ instructions }: Dockerfile, warnings: LintWarnings): void {
  const seen = new Set<string>();
  for (const instruction of instructions) {
    if (instruction.kind !== 'FROM' || instruction.name === undefined) continue;
    const { name, lines } = instruction;
    if (reserved.has(name)) {
      const detail = `Stage name should not use the same name as reserved stage "${name}"`;
      warnings.add('ReservedStageName', lines, detail);
    }
    if (seen.has(name)) {
      warnings.add('DuplicateStageName', lines, `Duplicate stage name "${name}", stage names should be unique`);
    }
    seen.add(name);
  }
}

/** What most keywords are, upper or lower case, all should be. Arguments before the first FROM have no say. */
export function checkKeywordCasing({ instructions }: Dockerfile, warnings: LintWarnings): void {
  const first = instructions.findIndex(({ kind }) => kind === 'FROM');
  const inStages: Instruction[] = first < 0 ? [] : instructions.slice(first);
  const lower = inStages.filter(({ keyword }) => keyword === keyword.toLowerCase()).length;
  const upper = inStages.filter(({ keyword }) => keyword === keyword.toUpperCase()).length;
  const isLower = lower > upper;
  for (const { keyword, lines } of inStages) {
    if (keyword === (isLower ? keyword.toLowerCase() : keyword.toUpperCase())) continue;
    const casing = isLower ? 'lowercase' : 'uppercase';
    const detail = `Command '${keyword}' should match the case of the command majority (${casing})`;
    warnings.add('ConsistentInstructionCasing', lines, detail);
  }
}

function isOneCase(text: string): boolean {
  return text === text.toLowerCase() || text === text.toUpperCase();
}
