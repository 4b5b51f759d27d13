// `<<EOF` in RUN, COPY and ADD: what is one, and what its text is.
import { FormatError } from '../../../protocols/format-error.ts';
import { heredocWords, rawWords } from '../expand.ts';
import type { Heredoc } from '../instructions.ts';

export type HeredocStart = Omit<Heredoc, 'content'>;

/** All of a line, in order. A line whose quotes do not close has none. */
export function heredocsOf(line: string): HeredocStart[] {
  if (!line.includes('<<')) return [];
  return rawWords(line).flatMap((word) => readHeredoc(word) ?? []);
}

/** Undefined for a word that is none. Throws a FormatError when what names it does not read as a word. */
export function readHeredoc(word: string): HeredocStart | undefined {
  const match = /^(\d*)<<(-?)\s*([^<]*)$/.exec(word);
  if (match === null) return undefined;
  const [, descriptor = '', dash = '', rest = ''] = match;
  if (rest === '') return undefined;
  const [name, ...more] = heredocWords(rest, 'taken');
  if (name === undefined || more.length > 0) return undefined;
  const [quoted, ...moreQuoted] = heredocWords(rest, 'kept');
  if (quoted === undefined || moreQuoted.length > 0) throw new FormatError(`a heredoc's name is not one word: ${rest}`);
  return {
    name,
    descriptor: descriptor === '' ? 0 : Number(descriptor),
    expand: countQuotes(name) === countQuotes(quoted),
    stripTabs: dash === '-',
  };
}

/** As `readHeredoc`, for a word that was looked at before. */
export function isHeredoc(word: string): boolean {
  return heredocNamed(word) !== undefined;
}

export function heredocNamed(word: string): HeredocStart | undefined {
  try {
    return readHeredoc(word);
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

/** What the command or the file gets: without leading tabs when it is `<<-`. */
export function heredocText({ content, stripTabs }: Pick<Heredoc, 'content' | 'stripTabs'>): string {
  return stripTabs ? content.replace(/^\t+/gm, '') : content;
}

function countQuotes(text: string): number {
  return text.replace(/[^'"]/g, '').length;
}
