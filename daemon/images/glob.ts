// Go's path.Match, by which Docker's filter `reference` looks at names. A pattern comes from the client, so there is a limit to all of a request.
import { EngineError } from '../errors/engine-error.ts';
import { FormatError } from '../protocols/format-error.ts';
import { type PathPattern, parsePathPattern } from '../protocols/ignore/path-pattern.ts';

/** Characters of all patterns of a request together: what they cost for each name is that times the name's. */
const sizeLimit = 4096;

/** Throws 'invalid' for what is no pattern, and when they are too large together. */
export function parseGlobs(patterns: readonly string[]): PathPattern[] {
  if (patterns.reduce((sum, { length }) => sum + length, 0) > sizeLimit) {
    throw new EngineError('invalid', `invalid filter 'reference': longer than ${sizeLimit} characters together`);
  }
  return patterns.map(parseGlob);
}

function parseGlob(pattern: string): PathPattern {
  try {
    return parsePathPattern(pattern);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new EngineError('invalid', `invalid filter 'reference=${pattern}': ${error.message}`, { cause: error });
  }
}
