// Errors of what is in a Dockerfile know in which lines it is.
import { EngineError } from '../../errors/engine-error.ts';
import { FormatError } from '../../protocols/format-error.ts';
import { DockerfileError, excerpt } from '../dockerfile/dockerfile-error.ts';
import type { LineRange } from '../dockerfile/instructions.ts';

/** What `work` gives; what it throws of a stranger's words becomes a DockerfileError. */
export function inLines<T>(lines: LineRange, work: () => T, prefix = ''): T {
  try {
    return work();
  } catch (error) {
    throw atLines(error, lines, prefix);
  }
}

export function atLines(error: unknown, lines: LineRange, prefix = ''): unknown {
  if (error instanceof DockerfileError) return error;
  const isOfWords = error instanceof FormatError || (error instanceof EngineError && error.code === 'invalid');
  return isOfWords ? new DockerfileError(`${prefix}${error.message}`, lines, { cause: error }) : error;
}

/** A DockerfileError with the lines around behind its message; others as they are. */
export function withExcerpt(error: unknown, fileName: string, text: string): unknown {
  if (!(error instanceof DockerfileError)) return error;
  const lines = excerpt(fileName, text, error.lines);
  return lines === '' ? error : new DockerfileError(`${error.message}\n${lines}`, error.lines, { cause: error });
}
