// Patterns of `${name#pattern}`, `%` and `/`: `*`, `?` and literal characters, as BuildKit reads them (no brackets; neither wildcard matches a
// newline). Matching goes from star to star without trying again, so that it takes text times pattern steps at the worst.
import { FormatError } from '../../protocols/format-error.ts';
import type { WorkBudget } from './work-budget.ts';

/** What stands between two stars: characters, with undefined for `?`. */
type Segment = readonly (string | undefined)[];

export interface ShellPattern {
  /** At least one; a star is between each two. */
  segments: readonly Segment[];
}

type Text = readonly string[];

/** Throws a FormatError for an escape before anything but `*`, `?`, `\`, `/` and `}`. */
export function parseShellPattern(pattern: string): ShellPattern {
  const segments: (string | undefined)[][] = [[]];
  const chars = [...pattern];
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at] as string;
    if (char === '*') segments.push([]);
    else if (char === '?') segments.at(-1)?.push(undefined);
    else if (char !== '\\') segments.at(-1)?.push(char);
    else {
      const next = chars[at + 1];
      // These two had to be escaped to be in `${}` at all.
      if (next === '}' || next === '/') continue;
      if (next !== '*' && next !== '?' && next !== '\\')
        throw new FormatError(`invalid escape '\\${next ?? '\ufffd'}'`);
      segments.at(-1)?.push(next);
      at++;
    }
  }
  return { segments };
}

/** For matching from the end of a text: with it reversed, the pattern is too. */
export function reversePattern({ segments }: ShellPattern): ShellPattern {
  return { segments: segments.map((segment) => segment.toReversed()).toReversed() };
}

/** Where the shortest or longest match that begins at `start` ends; -1 for none. */
export function matchAt(
  { segments }: ShellPattern,
  text: Text,
  start: number,
  isGreedy: boolean,
  budget: WorkBudget,
): number {
  const [first = [], ...rest] = segments;
  if (!standsAt(first, text, start, budget)) return -1;
  return matchRest(rest, text, start + first.length, isGreedy, budget);
}

/** The first place from `start` on where it matches, with the longest match there. */
export function findMatch(
  { segments }: ShellPattern,
  text: Text,
  start: number,
  budget: WorkBudget,
): { start: number; end: number } | undefined {
  const [first = [], ...rest] = segments;
  let at = start;
  while (at + first.length <= text.length) {
    if (!standsAt(first, text, at, budget)) {
      at++;
      continue;
    }
    const end = matchRest(rest, text, at + first.length, true, budget);
    if (end >= 0) return { start: at, end };
    // What follows in this line does not match from here: a later place in it has less to choose from.
    at = lineEnd(text, at, budget) + 1;
  }
  return undefined;
}

/** Segments behind stars, each as early as it can; the last one as late as it can when greedy. */
function matchRest(
  segments: readonly Segment[],
  text: Text,
  start: number,
  isGreedy: boolean,
  budget: WorkBudget,
): number {
  let at = start;
  for (const [index, segment] of segments.entries()) {
    const isLast = index === segments.length - 1;
    const found = isLast && isGreedy ? findLast(segment, text, at, budget) : findFirst(segment, text, at, budget);
    if (found < 0) return -1;
    at = found + segment.length;
  }
  return at;
}

function findFirst(segment: Segment, text: Text, start: number, budget: WorkBudget): number {
  for (let at = start; at + segment.length <= text.length; at++) {
    if (standsAt(segment, text, at, budget)) return at;
    if (text[at] === '\n') return -1;
  }
  return -1;
}

function findLast(segment: Segment, text: Text, start: number, budget: WorkBudget): number {
  for (let at = Math.min(lineEnd(text, start, budget), text.length - segment.length); at >= start; at--) {
    if (standsAt(segment, text, at, budget)) return at;
  }
  return -1;
}

function lineEnd(text: Text, start: number, budget: WorkBudget): number {
  let at = start;
  while (at < text.length && text[at] !== '\n') at++;
  budget.spend(at - start);
  return at;
}

function standsAt(segment: Segment, text: Text, start: number, budget: WorkBudget): boolean {
  if (start + segment.length > text.length) return false;
  for (let index = 0; index < segment.length; index++) {
    const wanted = segment[index];
    const char = text[start + index];
    if (wanted === undefined ? char === '\n' : char !== wanted) {
      budget.spend(index + 1);
      return false;
    }
  }
  budget.spend(segment.length + 1);
  return true;
}
