// A Dockerfile's text to typed instructions. Nothing is expanded, nothing is looked up: a stage that does not exist is the graph's matter.

import { DockerfileError } from './dockerfile-error.ts';
import type { Dockerfile, EscapeChar, Instruction } from './instructions.ts';
import { ArgumentError } from './parser/argument-error.ts';
import { FlagError } from './parser/instruction-flags.ts';
import { instructionParsers } from './parser/instruction-parsers.ts';
import { type LogicalLine, readLogicalLines } from './parser/logical-lines.ts';
import { readStatement } from './parser/statement.ts';
import { withSuggestion } from './suggest.ts';

/** BuildKit gets a Dockerfile in one message, which cannot be larger either. */
const longestText = 16 * 1024 * 1024;

/** Throws a DockerfileError, with docker's message. */
export function parseDockerfile(text: string): Dockerfile {
  const bare = text.startsWith('\ufeff') ? text.slice(1) : text;
  if (bare.length > longestText) {
    throw new DockerfileError(`the Dockerfile is larger than ${longestText} bytes`, { start: 1, end: 1 });
  }
  if (bare === '') throw new DockerfileError('the Dockerfile cannot be empty', { start: 1, end: 1 });
  const { directives, all, warnings } = readLogicalLines(bare);
  const instructions = all.map((line) => readInstruction(line, directives.escape));
  let isInStage = false;
  for (const { kind, lines } of instructions) {
    isInStage ||= kind === 'FROM';
    if (!isInStage && kind !== 'ARG') throw new DockerfileError('no build stage in current context', lines);
  }
  if (!isInStage) throw new DockerfileError('dockerfile contains no stages to build', { start: 1, end: 1 });
  return { directives, instructions, warnings, text: bare };
}

/** A trigger of ONBUILD, with its heredocs; lines are counted within it. Throws a DockerfileError. */
export function parseInstruction(text: string): Instruction {
  const { directives, all } = readLogicalLines(text);
  const [first, ...more] = all;
  if (first === undefined || more.length > 0) {
    throw new DockerfileError('onbuild trigger should be a single expression', { start: 1, end: 1 });
  }
  return readInstruction(first, directives.escape);
}

function readInstruction(line: LogicalLine, escapeChar: EscapeChar): Instruction {
  try {
    const statement = readStatement(line, escapeChar);
    const parse = instructionParsers.get(statement.name);
    if (parse !== undefined) return parse(statement);
    const names = [...instructionParsers.keys()];
    throw new ArgumentError(
      withSuggestion(`unknown instruction: ${statement.keyword}`, statement.keyword, names, false),
    );
  } catch (error) {
    if (!(error instanceof ArgumentError || error instanceof FlagError)) throw error;
    const message = `dockerfile parse error on line ${line.lines.start}: ${error.message}`;
    throw new DockerfileError(message, line.lines, { cause: error });
  }
}
