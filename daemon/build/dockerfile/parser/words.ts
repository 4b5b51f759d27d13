// How a line falls into keyword, flags and arguments, before anything is expanded.
import { isSpace, trimSpace, trimStart } from '../characters.ts';
import type { EscapeChar } from '../instructions.ts';

/** Go's `\s`-like class of the parser: no newline in it, and nothing beyond ASCII. */
const blanks = /[\t\v\f\r ]+/;

export interface SplitLine {
  keyword: string;
  /** `--name=value`, without quotes. */
  flags: string[];
  args: string;
}

export function splitLine(line: string): SplitLine {
  const text = trimSpace(line);
  const end = text.search(blanks);
  if (end < 0) return { keyword: text, flags: [], args: '' };
  const { flags, rest } = splitFlags(text.slice(end).replace(/^[\t\v\f\r ]+/, ''));
  return { keyword: text.slice(0, end), flags, args: trimSpace(rest) };
}

/** Words that begin with `--`, up to the first that does not or to a lone `--`. Quotes and backslashes in them are taken away. */
function splitFlags(text: string): { flags: string[]; rest: string } {
  const flags: string[] = [];
  let at = 0;
  for (;;) {
    while (at < text.length && isSpace(text.charAt(at))) at++;
    if (!text.startsWith('--', at)) return { flags, rest: text.slice(at) };
    const { word, end } = flagWord(text, at);
    at = end;
    if (word === '--') return { flags, rest: text.slice(at) };
    flags.push(word);
  }
}

/** The backslash escapes here, whatever the escape character of the file. */
function flagWord(text: string, start: number): { word: string; end: number } {
  let word = '';
  let quote = '';
  let at = start;
  for (; at < text.length; at++) {
    let char = text.charAt(at);
    if (quote === '' && isSpace(char)) break;
    if (quote === '' && (char === "'" || char === '"')) {
      quote = char;
      continue;
    }
    if (char === quote) {
      quote = '';
      continue;
    }
    if (char === '\\') {
      if (at + 1 === text.length) continue;
      char = text.charAt(++at);
    }
    word += char;
  }
  return { word, end: at };
}

/** Words of ENV, LABEL and ARG: quotes and escapes hold them together and stay. */
export function quotedWords(text: string, escapeChar: EscapeChar): string[] {
  const words: string[] = [];
  let word = '';
  let quote = '';
  let isBlankAllowed = false;
  const end = () => {
    if (isBlankAllowed || word !== '') words.push(word);
    word = '';
    isBlankAllowed = false;
  };
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at);
    if (quote === '' && isSpace(char)) {
      end();
      continue;
    }
    if (char === escapeChar && quote !== "'") {
      // One at the very end is nothing, and ends a quote.
      if (at + 1 === text.length) break;
      word += char + text.charAt(++at);
      continue;
    }
    word += char;
    if (quote === '' && (char === "'" || char === '"')) {
      quote = char;
      isBlankAllowed = true;
    } else if (char === quote) quote = '';
  }
  end();
  return words;
}

/** Split at blanks, whatever the quotes. '' gives no word. */
export function blankWords(text: string): string[] {
  return text === '' ? [] : text.split(blanks);
}

/** At the first blanks: a legacy `NAME value with blanks`. */
export function cutAtBlanks(text: string): { before: string; after: string } | undefined {
  const match = blanks.exec(text);
  if (match === null) return undefined;
  return { before: text.slice(0, match.index), after: text.slice(match.index + match[0].length) };
}

/** Undefined when it is no JSON array at all; 'not-strings' when something else is in it. */
export function jsonWords(text: string): string[] | 'not-strings' | undefined {
  const json = trimStart(text);
  if (!json.startsWith('[')) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (!Array.isArray(value)) return undefined;
  const words = value.filter((item) => typeof item === 'string');
  return words.length === value.length ? words : 'not-strings';
}
