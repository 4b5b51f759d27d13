// A Dockerfile's text to typed instructions. Nothing is expanded, nothing is looked up: a stage that does not exist is the graph's matter.

import { DockerfileError } from './dockerfile-error.ts';
import type { Dockerfile, Instruction } from './instructions.ts';
import { ArgumentError } from './parser/argument-error.ts';
import { FlagError } from './parser/instruction-flags.ts';
import { instructionParsers } from './parser/instruction-parsers.ts';
import { atOnce, type InPieces, linesInPieces } from './parser/logical-lines.ts';
import { readStatement, type Statement } from './parser/statement.ts';
import { withSuggestion } from './suggest.ts';

/** BuildKit gets a Dockerfile in one message, which cannot be larger either. */
const longestText = 16 * 1024 * 1024;

/** Throws a DockerfileError, with docker's message. */
export function parseDockerfile(text: string): Dockerfile {
  const { dockerfile, error } = parseAsFar(text);
  if (error !== undefined) throw error;
  return dockerfile;
}

/**
 * For the checks, which say what they find before the first error too: the instructions before it. Throws a DockerfileError when lines as such
 * cannot be read.
 */
export function parseAsFar(text: string): Parsed {
  return atOnce(parseInPieces(text));
}

export interface Parsed {
  dockerfile: Dockerfile;
  error?: DockerfileError;
}

/** parseAsFar, which for the longest text takes seconds. */
export function* parseInPieces(text: string): InPieces<Parsed> {
  const bare = text.startsWith('\ufeff') ? text.slice(1) : text;
  if (bare.length > longestText) {
    throw new DockerfileError(`the Dockerfile is larger than ${longestText} bytes`, { start: 1, end: 1 });
  }
  if (bare === '') throw new DockerfileError('the Dockerfile cannot be empty', { start: 1, end: 1 });
  const { directives, all: statements, warnings } = yield* linesInPieces(bare, readStatement);
  const dockerfile: Dockerfile = { directives, instructions: [], warnings, text: bare };
  try {
    let isInStage = false;
    for (const statement of statements) {
      yield;
      const instruction = readInstruction(statement);
      const { kind, lines } = instruction;
      isInStage ||= kind === 'FROM';
      if (!isInStage && kind !== 'ARG') throw new DockerfileError('no build stage in current context', lines);
      dockerfile.instructions.push(instruction);
    }
    if (!isInStage) throw new DockerfileError('dockerfile contains no stages to build', { start: 1, end: 1 });
  } catch (error) {
    if (error instanceof DockerfileError) return { dockerfile, error };
    throw error;
  }
  return { dockerfile };
}

/** A trigger of ONBUILD, with its heredocs; lines are counted within it. Throws a DockerfileError. */
export function parseInstruction(text: string): Instruction {
  const { all } = atOnce(linesInPieces(text, readStatement));
  const [first, ...more] = all;
  if (first === undefined || more.length > 0) {
    throw new DockerfileError('onbuild trigger should be a single expression', { start: 1, end: 1 });
  }
  return readInstruction(first);
}

function readInstruction(statement: Statement): Instruction {
  const { keyword, name, line } = statement;
  try {
    const parse = instructionParsers.get(name);
    if (parse !== undefined) return parse(statement);
    const names = [...instructionParsers.keys()];
    throw new ArgumentError(withSuggestion(`unknown instruction: ${keyword}`, keyword, names, false));
  } catch (error) {
    if (!(error instanceof ArgumentError || error instanceof FlagError)) throw error;
    const message = `dockerfile parse error on line ${line.lines.start}: ${error.message}`;
    throw new DockerfileError(message, line.lines, { cause: error });
  }
}
