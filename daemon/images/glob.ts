// Go's path.Match, by which Docker's filter `reference` looks at names: `*` and `?` do not match "/", classes stand in brackets. A pattern comes
// from the client: matching never tries again what an earlier star decided, so that it takes at most pattern times text steps.
import { EngineError } from '../errors/engine-error.ts';

export interface Glob {
  matches(text: string): boolean;
}

type Token = { kind: 'star' } | { kind: 'one'; test(char: string): boolean };

/** Characters of all patterns of a request together: what they cost for each name is that times the name's. */
const sizeLimit = 4096;
const anyChar: Token = { kind: 'one', test: (char) => char !== '/' };

/** Throws 'invalid' for what is no pattern, and when they are too large together. */
export function parseGlobs(patterns: readonly string[]): Glob[] {
  if (patterns.reduce((sum, { length }) => sum + length, 0) > sizeLimit) {
    throw new EngineError('invalid', `invalid filter 'reference': longer than ${sizeLimit} characters together`);
  }
  return patterns.map(parseGlob);
}

function parseGlob(pattern: string): Glob {
  const tokens = tokenise([...pattern], () => {
    throw new EngineError('invalid', `invalid filter 'reference=${pattern}': syntax error in pattern`);
  });
  return { matches: (text) => matchTokens(tokens, [...text]) };
}

function tokenise(chars: readonly string[], fail: () => never): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at] as string;
    if (char === '*') {
      if (tokens.at(-1)?.kind !== 'star') tokens.push({ kind: 'star' });
    } else if (char === '?') tokens.push(anyChar);
    else if (char === '[') {
      const { token, next } = readClass(chars, at + 1, fail);
      tokens.push(token);
      at = next - 1;
    } else {
      const wanted = char === '\\' ? (chars[++at] ?? fail()) : char;
      tokens.push({ kind: 'one', test: (has) => has === wanted });
    }
  }
  return tokens;
}

/** From behind the bracket; `next` is behind the closing one. `^` negates, `a-z` is a range, `\` takes the next as it is. */
function readClass(chars: readonly string[], start: number, fail: () => never): { token: Token; next: number } {
  let at = start;
  const isNegated = chars[at] === '^';
  if (isNegated) at++;
  const ranges: [low: string, high: string][] = [];
  const readChar = (): string => {
    const char = chars[at] ?? fail();
    if (char === '-' || char === ']') fail();
    at++;
    return char === '\\' ? (chars[at++] ?? fail()) : char;
  };
  while (chars[at] !== ']' || ranges.length === 0) {
    const low = readChar();
    if (chars[at] !== '-') ranges.push([low, low]);
    else {
      at++;
      ranges.push([low, readChar()]);
    }
  }
  const holds = (char: string) => ranges.some(([low, high]) => order(low) <= order(char) && order(char) <= order(high));
  return { token: { kind: 'one', test: (char) => holds(char) !== isNegated }, next: at + 1 };
}

function order(char: string): number {
  return char.codePointAt(0) as number;
}

/** The last star takes as little as it can. Giving an earlier one more never helps: what is between them would only move towards the end. */
function matchTokens(tokens: readonly Token[], text: readonly string[]): boolean {
  let token = 0;
  let at = 0;
  let star = -1;
  let starEnd = 0;
  while (at < text.length || token < tokens.length) {
    const now = tokens[token];
    if (now?.kind === 'star') {
      star = token++;
      starEnd = at;
    } else if (now !== undefined && at < text.length && now.test(text[at] as string)) {
      token++;
      at++;
    } else if (star >= 0 && starEnd < text.length && text[starEnd] !== '/') {
      at = ++starEnd;
      token = star + 1;
    } else return false;
  }
  return true;
}
