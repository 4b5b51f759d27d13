// `${name}` and its modifiers, from behind the brace.
import { FormatError } from '../../protocols/format-error.ts';
import { findMatch, matchAt, parseShellPattern, reversePattern, type ShellPattern } from './shell-pattern.ts';
import type { WorkBudget } from './work-budget.ts';

export interface Variable {
  name: string;
  /** '' when it is not set. */
  value: string;
  isSet: boolean;
  /** Not set, and to be left as it is written. */
  isKept: boolean;
}

export interface SubstitutionSource {
  readonly isAtEnd: boolean;
  readonly budget: WorkBudget;
  peek(): string;
  next(): string;
  name(): string;
  look(name: string): Variable;
  word(stop: string, rawEscapes: boolean): string;
}

const longestResult = 1024 * 1024;

export function substitute(source: SubstitutionSource): string {
  if (source.isAtEnd) throw new FormatError("syntax error: missing '}'");
  if ('{}:'.includes(source.peek())) throw new FormatError('syntax error: bad substitution');
  const name = source.name();
  const char = source.next();
  if (char === '}') {
    const variable = source.look(name);
    return variable.isKept ? `\${${name}}` : variable.value;
  }
  if (char === '/') return replaced(source, name);
  if (char === ':') return modified(source, name, source.next(), true);
  if ('+-?#%'.includes(char) && char !== '') return modified(source, name, char, false);
  throw unsupported(char);
}

function unsupported(modifier: string): FormatError {
  return new FormatError(`unsupported modifier (${modifier === '' ? '\ufffd' : modifier}) in substitution`);
}

function modified(source: SubstitutionSource, name: string, char: string, isColon: boolean): string {
  const modifier = isColon ? `:${char}` : char;
  if (isColon && (char === '#' || char === '%')) throw unsupported(modifier);
  const word = wordUntil(source, '}', char === '#' || char === '%', "syntax error: missing '}'");
  const variable = source.look(name);
  if (variable.isKept) return `\${${name}${modifier}${word}}`;
  const isMissing = !variable.isSet || (isColon && variable.value === '');
  switch (char) {
    case '-':
      return isMissing ? word : variable.value;
    case '+':
      return isMissing ? '' : word;
    case '?':
      if (!isMissing) return variable.value;
      if (word !== '') throw new FormatError(`${name}: ${word}`);
      throw new FormatError(`${name}: is not allowed to be ${variable.isSet ? 'empty' : 'unset'}`);
    case '#':
    case '%':
      return trimmed(source, variable.value, char, word);
    default:
      throw unsupported(modifier);
  }
}

/** The end of the text is the substitution's fault, anything else the word's own. */
function wordUntil(source: SubstitutionSource, stop: string, rawEscapes: boolean, missing: string): string {
  try {
    return source.word(stop, rawEscapes);
  } catch (error) {
    if (error instanceof FormatError && source.isAtEnd) throw new FormatError(missing, { cause: error });
    throw error;
  }
}

function trimmed(source: SubstitutionSource, value: string, char: '#' | '%', word: string): string {
  const isGreedy = word.startsWith(char);
  const pattern = readPattern(isGreedy ? word.slice(1) : word);
  const chars = [...value];
  source.budget.spend(chars.length);
  if (char === '#') {
    const end = matchAt(pattern, chars, 0, isGreedy, source.budget);
    return end < 0 ? value : chars.slice(end).join('');
  }
  const end = matchAt(reversePattern(pattern), chars.toReversed(), 0, isGreedy, source.budget);
  return end < 0 ? value : chars.slice(0, chars.length - end).join('');
}

function readPattern(text: string): ShellPattern {
  try {
    return parseShellPattern(text);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new FormatError(`invalid pattern (${text}) in substitution: ${error.message}`, { cause: error });
  }
}

function replaced(source: SubstitutionSource, name: string): string {
  const isAll = source.peek() === '/';
  if (isAll) source.next();
  const text = wordUntil(source, '/', true, `syntax error: missing '/' in \${}`);
  const replacement = wordUntil(source, '}', true, "syntax error: missing '}'");
  const variable = source.look(name);
  if (variable.isKept) return `\${${name}/${text}/${replacement}}`;
  const pattern = readPattern(text);
  const chars = [...variable.value];
  source.budget.spend(chars.length);
  const parts: string[] = [];
  let length = 0;
  let at = 0;
  let from = 0;
  // An empty match directly behind another one does not count, which is Go's rule.
  let lastEnd = -1;
  while (from <= chars.length) {
    const match = findMatch(pattern, chars, from, source.budget);
    if (match === undefined) break;
    if (match.end > match.start || match.start !== lastEnd) {
      const part = chars.slice(at, match.start).join('') + replacement;
      length += part.length;
      source.budget.spend(part.length);
      if (length > longestResult) throw new FormatError('the expanded text is too long');
      parts.push(part);
      at = match.end;
      lastEnd = match.end;
    }
    if (!isAll) break;
    from = match.end > match.start ? match.end : match.end + 1;
  }
  return parts.join('') + chars.slice(at).join('');
}
