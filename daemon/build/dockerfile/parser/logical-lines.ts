// The lines of a Dockerfile put together: continuations, comments and empty lines between them, heredocs behind them.

import { FormatError } from '../../../protocols/format-error.ts';
import { withoutTrailing } from '../../../protocols/without-trailing.ts';
import { trimSpace, trimStart } from '../characters.ts';
import { DirectiveReader } from '../directives.ts';
import { DockerfileError } from '../dockerfile-error.ts';
import type { Directives, EscapeChar, Heredoc, LineRange, ParseWarning } from '../instructions.ts';
import { heredocsOf } from './heredocs.ts';
import { jsonWords, splitLine } from './words.ts';

export interface LogicalLine {
  text: string;
  lines: LineRange;
  comments: string[];
  heredocs: Heredoc[];
}

export interface LogicalLines<T> {
  directives: Directives;
  all: T[];
  warnings: ParseWarning[];
}

/** Docker's: a line of the file with more bytes is refused. */
const longestLine = 65535;
const mostInstructions = 200_000;

/** Called for each line before its heredocs are read, which are put into it then: what is wrong with the line itself is told first. */
export type ReadLine<T> = (line: LogicalLine, escapeChar: EscapeChar) => T;

/** Where others may have their turn: after each line, since there may be millions. */
export type InPieces<T> = Generator<undefined, T>;

/** Throws a DockerfileError; what `read` throws goes through. */
export function linesInPieces<T>(text: string, read: ReadLine<T>): InPieces<LogicalLines<T>> {
  return new LineReader(text, read).read();
}

export function atOnce<T>(pieces: InPieces<T>): T {
  for (;;) {
    const { done, value } = pieces.next();
    if (done) return value;
  }
}

class LineReader<T> {
  readonly #lines: string[];
  readonly #readLine: ReadLine<T>;
  readonly #directives = new DirectiveReader();
  readonly #all: T[] = [];
  readonly #warnings: ParseWarning[] = [];
  /** Lines that have been taken. */
  #taken = 0;

  constructor(text: string, readLine: ReadLine<T>) {
    this.#readLine = readLine;
    this.#lines = text.split('\n');
    // A newline ends a line, so there is none behind the last.
    if (this.#lines.at(-1) === '') this.#lines.pop();
  }

  *read(): InPieces<LogicalLines<T>> {
    let comments: string[] = [];
    for (;;) {
      yield;
      const raw = this.#take();
      if (raw === undefined) break;
      const line = trimStart(withoutReturn(raw));
      this.#directives.read(line, this.#taken);
      if (line.startsWith('#')) comments = this.#withComment(comments, line);
      else if (line !== '') {
        if (this.#all.length === mostInstructions) {
          const lines = { start: this.#taken, end: this.#taken };
          throw new DockerfileError(`there are more than ${mostInstructions} instructions`, lines);
        }
        this.#all.push(this.#instruction(line, comments));
        comments = [];
      }
    }
    if (this.#all.length === 0) {
      throw new DockerfileError('file with no instructions', { start: this.#taken, end: this.#taken });
    }
    return { directives: this.#directives.directives, all: this.#all, warnings: this.#warnings };
  }

  /** A comment without text ends those before it, an empty line does not. Directives are none. */
  #withComment(comments: string[], line: string): string[] {
    if (!this.#directives.isDone) return comments;
    const comment = trimSpace(line.slice(1));
    if (comment === '') return [];
    comments.push(comment);
    return comments;
  }

  /** The next line, with the `\r` that it may end in. */
  #take(): string | undefined {
    const line = this.#lines[this.#taken];
    if (line === undefined) return undefined;
    if (line.length > longestLine / 3 && Buffer.byteLength(line) > longestLine) {
      const message = `dockerfile line greater than max allowed size of ${longestLine}`;
      const at = this.#taken + 1;
      throw new DockerfileError(message, { start: at, end: at });
    }
    this.#taken++;
    return line;
  }

  #instruction(first: string, comments: string[]): T {
    const start = this.#taken;
    const text = this.#continued(first);
    const line: LogicalLine = { text, lines: { start, end: this.#taken }, comments, heredocs: [] };
    const result = this.#readLine(line, this.#directives.directives.escape);
    line.heredocs.push(...this.#heredocs(text, start));
    line.lines.end = this.#taken;
    return result;
  }

  /** `first` and the lines that continue it. Their leading blanks stay, as docker keeps them. */
  #continued(first: string): string {
    const escapeChar = this.#directives.directives.escape;
    const parts: string[] = [];
    let hasEmptyLine = false;
    let { text, isContinued } = cutContinuation(first, escapeChar);
    parts.push(text);
    while (isContinued) {
      const raw = this.#take();
      if (raw === undefined) break;
      const line = withoutReturn(raw);
      const bare = trimStart(line);
      if (bare.startsWith('#')) continue;
      if (bare === '') {
        hasEmptyLine = true;
        continue;
      }
      ({ text, isContinued } = cutContinuation(line, escapeChar));
      parts.push(text);
    }
    if (hasEmptyLine) {
      this.#warnings.push({ rule: 'NoEmptyContinuation', lines: { start: this.#taken, end: this.#taken } });
    }
    return parts.join('');
  }

  #heredocs(text: string, start: number): Heredoc[] {
    if (!text.includes('<<') || !mayHaveHeredoc(text)) return [];
    try {
      return heredocsOf(text).map((heredoc) => ({ ...heredoc, content: this.#heredocContent(heredoc, start) }));
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      throw new DockerfileError(error.message, { start, end: this.#taken }, { cause: error });
    }
  }

  #heredocContent({ name, stripTabs }: { name: string; stripTabs: boolean }, start: number): string {
    const lines: string[] = [];
    for (;;) {
      const raw = this.#take();
      if (raw === undefined) throw new DockerfileError('unterminated heredoc', { start, end: this.#taken });
      const line = withoutReturn(raw);
      if ((stripTabs ? line.replace(/^\t+/, '') : line) === name) return lines.join('');
      lines.push(`${raw}\n`);
    }
  }
}

function withoutReturn(line: string): string {
  return withoutTrailing(line, '\r');
}

/** RUN, COPY and ADD, of ONBUILD too, unless the arguments are a JSON array. */
function mayHaveHeredoc(text: string): boolean {
  let { keyword, args } = splitLine(text);
  if (keyword.toUpperCase() === 'ONBUILD') ({ keyword, args } = splitLine(args));
  return /^(RUN|COPY|ADD)$/i.test(keyword) && !Array.isArray(jsonWords(args));
}

/** The escape character at the end, blanks behind it or not; two of them are none. */
function cutContinuation(line: string, escapeChar: EscapeChar): { text: string; isContinued: boolean } {
  let end = line.length;
  while (end > 0 && (line[end - 1] === ' ' || line[end - 1] === '\t')) end--;
  if (line[end - 1] !== escapeChar || line[end - 2] === escapeChar) return { text: line, isContinued: false };
  return { text: line.slice(0, end - 1), isContinued: true };
}
