// `(did you mean RUN?)`: the option that is at most two edits away.

/** `message`, with the suggestion behind it if there is one. */
export function withSuggestion(
  message: string,
  word: string,
  options: readonly string[],
  isCaseSensitive: boolean,
): string {
  const match = suggestion(word, options, isCaseSensitive);
  return match === undefined ? message : `${message} (did you mean ${match}?)`;
}

/** The first one of those that are nearest; none when one is the word itself. Without case it takes on the case of `word`. */
export function suggestion(word: string, options: readonly string[], isCaseSensitive: boolean): string | undefined {
  const wanted = isCaseSensitive ? word : word.toLowerCase();
  let match: string | undefined;
  let least = 3;
  for (const option of options) {
    const candidate = isCaseSensitive ? option : option.toLowerCase();
    if (candidate === wanted) return undefined;
    const edits = distance(wanted, candidate, least);
    if (edits >= least) continue;
    least = edits;
    match = isCaseSensitive ? option : inCaseOf(word, candidate);
  }
  return match;
}

function inCaseOf(word: string, lower: string): string {
  return word === word.toUpperCase() && word !== word.toLowerCase() ? lower.toUpperCase() : lower;
}

/** Levenshtein's; `limit` when it is not less. */
function distance(one: string, other: string, limit: number): number {
  if (Math.abs(one.length - other.length) >= limit) return limit;
  let previous = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let row = 1; row <= one.length; row++) {
    const current = [row];
    for (let column = 1; column <= other.length; column++) {
      const change = one[row - 1] === other[column - 1] ? 0 : 1;
      const [left = 0, up = 0, corner = 0] = [current[column - 1], previous[column], previous[column - 1]];
      current.push(Math.min(left + 1, up + 1, corner + change));
    }
    if (Math.min(...current) >= limit) return limit;
    previous = current;
  }
  return Math.min(limit, previous[other.length] ?? limit);
}
