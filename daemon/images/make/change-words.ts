// The words of a Dockerfile instruction: quotes, backslashes and variables as Docker's builder reads them.
import { EngineError } from '../../errors/engine-error.ts';

export type Variables = ReadonlyMap<string, string>;

/** Splits at blanks outside quotes; quotes and backslashes stay in the words. */
export function splitWords(text: string): string[] {
  const words: string[] = [];
  let word = '';
  let isWord = false;
  let quote = '';
  for (let i = 0; i < text.length; i++) {
    const char = text[i] as string;
    if (char === '\\' && quote !== "'" && i + 1 < text.length) {
      word += char + text[++i];
      isWord = true;
    } else if (quote !== '') {
      word += char;
      if (char === quote) quote = '';
    } else if (char === ' ' || char === '\t' || char === '\n') {
      if (isWord) words.push(word);
      word = '';
      isWord = false;
    } else {
      if (char === '"' || char === "'") quote = char;
      word += char;
      isWord = true;
    }
  }
  if (quote !== '')
    throw new EngineError(
      'invalid',
      `unexpected end of statement while looking for matching ${quote === '"' ? 'double' : 'single'}-quote`,
    );
  if (isWord) words.push(word);
  return words;
}

/** Removes quotes and backslashes, and replaces $name, ${name}, ${name:-word} and ${name:+word} outside single quotes. */
export function expandWord(word: string, variables: Variables): string {
  let result = '';
  let quote = '';
  for (let i = 0; i < word.length; i++) {
    const char = word[i] as string;
    if (quote === "'") {
      if (char === "'") quote = '';
      else result += char;
    } else if (char === '\\') {
      const next = word[i + 1];
      if (next === undefined) result += char;
      else if (quote === '"' && !'"$\\'.includes(next)) result += char;
      else {
        result += next;
        i++;
      }
    } else if (char === '"' || (char === "'" && quote === '')) quote = quote === '' ? char : '';
    else if (char === '$') {
      const { value, end } = variableAt(word, i, variables);
      result += value;
      i = end - 1;
    } else result += char;
  }
  return result;
}

function variableAt(word: string, at: number, variables: Variables): { value: string; end: number } {
  const simple = /^\$([A-Za-z_][A-Za-z0-9_]*)/.exec(word.slice(at, at + 300));
  if (simple !== null) return { value: variables.get(simple[1] as string) ?? '', end: at + simple[0].length };
  if (word[at + 1] !== '{') return { value: '$', end: at + 1 };
  const end = word.indexOf('}', at);
  if (end < 0) throw new EngineError('invalid', 'syntax error: missing } in variable');
  const match = /^([A-Za-z_][A-Za-z0-9_]*)(?::([-+])(.*))?$/s.exec(word.slice(at + 2, end));
  if (match === null)
    throw new EngineError('invalid', `unsupported modifier in substitution: ${word.slice(at, end + 1)}`);
  const [, name, modifier, other = ''] = match;
  const value = variables.get(name as string) ?? '';
  if (modifier === '-') return { value: value === '' ? other : value, end: end + 1 };
  if (modifier === '+') return { value: value === '' ? '' : other, end: end + 1 };
  return { value, end: end + 1 };
}
