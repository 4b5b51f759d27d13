// Go's `filepath.Match`: `*` and `?` do not match "/", classes stand in brackets, `\` takes the next character as it is. Patterns come from
// strangers: matching never tries again what an earlier star decided, so that it takes at most pattern times text steps.
import { FormatError } from '../format-error.ts';

export type PatternToken = { kind: 'star' } | OneToken;

/** Exactly one character. */
export interface OneToken {
  kind: 'one';
  test(char: string): boolean;
}

export interface PathPattern {
  matches(path: string): boolean;
}

const anyChar: OneToken = { kind: 'one', test: (char) => char !== '/' };

/** Throws a FormatError in Go's words. */
export function parsePathPattern(pattern: string): PathPattern {
  const tokens = pathTokens(pattern);
  return { matches: (path) => matchTokens(tokens, [...path]) };
}

/** COPY's sources: whether it is more than one path. Characters behind `\` do not count. */
export function hasWildcard(path: string): boolean {
  for (let at = 0; at < path.length; at++) {
    const char = path[at];
    if (char === '\\') at++;
    else if (char === '*' || char === '?' || char === '[') return true;
  }
  return false;
}

/** The parts of a path before the first with a wildcard, and the pattern from there on; both without slashes at the seam. */
export function splitAtWildcard(path: string): { directory: string; pattern: string } {
  const parts = path.split('/');
  const first = parts.findIndex(hasWildcard);
  if (first < 0) return { directory: path, pattern: '' };
  return { directory: parts.slice(0, first).join('/'), pattern: parts.slice(first).join('/') };
}

export function pathTokens(pattern: string): PatternToken[] {
  const chars = [...pattern];
  const tokens: PatternToken[] = [];
  for (let at = 0; at < chars.length; ) {
    if (chars[at] === '*') {
      if (tokens.at(-1)?.kind !== 'star') tokens.push({ kind: 'star' });
      at++;
    } else {
      const { token, next } = readOne(chars, at);
      tokens.push(token);
      at = next;
    }
  }
  return tokens;
}

/** Anything but a star. `next` is behind it. */
export function readOne(chars: readonly string[], at: number): { token: OneToken; next: number } {
  const char = chars[at];
  if (char === '?') return { token: anyChar, next: at + 1 };
  if (char === '[') return readClass(chars, at + 1);
  const next = char === '\\' ? at + 1 : at;
  const wanted = chars[next] ?? fail();
  return { token: { kind: 'one', test: (has) => has === wanted }, next: next + 1 };
}

/** From behind the bracket; `next` is behind the closing one. `^` negates, `a-z` is a range. */
function readClass(chars: readonly string[], start: number): { token: OneToken; next: number } {
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

function fail(): never {
  throw new FormatError('syntax error in pattern');
}

function order(char: string): number {
  return char.codePointAt(0) ?? 0;
}

/** The last star takes as little as it can. Giving an earlier one more never helps: what is between them would only move towards the end. */
function matchTokens(tokens: readonly PatternToken[], text: readonly string[]): boolean {
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
