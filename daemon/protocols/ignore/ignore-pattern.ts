// One pattern of an ignore file: Go's `filepath.Match`, and `**` for any number of directories, as moby's patternmatcher reads it.
import { FormatError } from '../format-error.ts';
import { cleanPath } from './clean-path.ts';
import { type OneToken, pathTokens, readOne } from './path-pattern.ts';

export interface IgnorePattern {
  /** `!`: what matches is kept. */
  isException: boolean;
  /** What every match begins with; all of it when there is no wildcard. */
  prefix: string;
  isExact: boolean;
  matches(path: string): boolean;
  /** Steps that takes at the most. */
  costOf(path: string): number;
}

/** `rest`: anything at all, at the end. `directories`: nothing, or anything that ends in a slash. */
type Token = Wildcard | { kind: 'rest' } | OneToken;

/** `index` among those of its pattern. */
interface Wildcard {
  kind: 'star' | 'directories';
  index: number;
}

/** Throws a FormatError in moby's words. */
export function parseIgnorePattern(text: string): IgnorePattern {
  const clean = cleanPath(text.trim());
  const isException = clean.startsWith('!');
  const pattern = isException ? clean.slice(1) : clean;
  if (pattern === '') throw new FormatError('illegal exclusion pattern: "!"');
  // Only for what it says of a pattern that is none.
  pathTokens(pattern);
  return { isException, ...matcherOf(pattern) };
}

function matcherOf(pattern: string): Omit<IgnorePattern, 'isException'> {
  const prefix = /^[^*?[\\]*/.exec(pattern)?.[0] ?? '';
  const rest = pattern.slice(prefix.length);
  if (rest === '') return { prefix, isExact: true, matches: (path) => path === pattern, costOf: lengthOf };
  // Patterns such as `**/name` and `name/**` are most of what people write.
  if (prefix === '' && /^\*\*[^*?[\\]*$/.test(rest)) {
    const suffix = pattern.slice(2);
    const name = suffix.startsWith('/') ? suffix.slice(1) : undefined;
    return { prefix, isExact: false, matches: (path) => path.endsWith(suffix) || path === name, costOf: lengthOf };
  }
  if (rest === '**') return { prefix, isExact: false, matches: (path) => path.startsWith(prefix), costOf: lengthOf };
  const tokens = ignoreTokens([...rest]);
  const matches = (path: string) =>
    path.startsWith(prefix) && new Match(tokens, [...path.slice(prefix.length)]).from(0, 0);
  const costOf = (path: string) => (path.startsWith(prefix) ? rest.length * path.length : path.length);
  return { prefix, isExact: false, matches, costOf };
}

function lengthOf(path: string): number {
  return path.length;
}

function ignoreTokens(chars: readonly string[]): Token[] {
  const tokens: Token[] = [];
  let index = 0;
  for (let at = 0; at < chars.length; ) {
    if (chars[at] !== '*') {
      const { token, next } = readOne(chars, at);
      tokens.push(token);
      at = next;
    } else if (chars[at + 1] !== '*') {
      tokens.push({ kind: 'star', index: index++ });
      at++;
    } else {
      at += chars[at + 2] === '/' ? 3 : 2;
      tokens.push(at === chars.length ? { kind: 'rest' } : { kind: 'directories', index: index++ });
    }
  }
  return tokens;
}

/** One text against one pattern. What a wildcard at a place came to is not asked again: at most tokens times characters steps. */
class Match {
  readonly #tokens: readonly Token[];
  readonly #text: readonly string[];
  /** For each wildcard that was met, its places. */
  readonly #tried: Uint8Array[] = [];

  constructor(tokens: readonly Token[], text: readonly string[]) {
    this.#tokens = tokens;
    this.#text = text;
  }

  /** Calls itself at most once for each character of the text and each wildcard without one between. */
  from(start: number, startAt: number): boolean {
    let at = startAt;
    for (let token = start; token < this.#tokens.length; token++) {
      const now = this.#tokens[token];
      if (now === undefined) return false;
      if (now.kind === 'rest') return !this.#text.includes('\n', at);
      if (now.kind !== 'one') {
        return now.kind === 'star' ? this.#star(now, token, at) : this.#directories(now, token, at);
      }
      const char = this.#text[at++];
      if (char === undefined || !now.test(char)) return false;
    }
    return at === this.#text.length;
  }

  #star(wildcard: Wildcard, token: number, start: number): boolean {
    for (let at = start; this.#isNew(wildcard, at); at++) {
      if (this.from(token + 1, at)) return true;
      if (at === this.#text.length || this.#text[at] === '/') return false;
    }
    return false;
  }

  #directories(wildcard: Wildcard, token: number, start: number): boolean {
    if (this.from(token + 1, start)) return true;
    for (let at = start; at < this.#text.length && this.#isNew(wildcard, at); at++) {
      if (this.#text[at] === '\n') return false;
      if (this.#text[at] === '/' && this.from(token + 1, at + 1)) return true;
    }
    return false;
  }

  #isNew({ index }: Wildcard, at: number): boolean {
    const places = this.#tried[index] ?? new Uint8Array(this.#text.length + 1);
    this.#tried[index] = places;
    const isNew = places[at] === 0;
    places[at] = 1;
    return isNew;
  }
}
