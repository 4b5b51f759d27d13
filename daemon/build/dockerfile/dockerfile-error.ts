// What is wrong with a Dockerfile, where, and the lines around it as BuildKit prints them.
import { EngineError } from '../../errors/engine-error.ts';
import type { LineRange } from './instructions.ts';

/** The message is BuildKit's, without `failed to solve:`. Its lines are the file's, for `excerpt`. */
export class DockerfileError extends EngineError {
  readonly lines: LineRange;

  constructor(message: string, lines: LineRange, options?: { cause?: unknown }) {
    super('invalid', message, options);
    this.name = 'DockerfileError';
    this.lines = lines;
  }
}

/** Characters of a line; the rest tells nobody anything. */
const longestShown = 500;

/** `Dockerfile:3`, a rule, the lines with two before and behind (four when it is one line), those of `lines` marked, a rule. */
export function excerpt(fileName: string, text: string, lines: LineRange): string {
  const all = text.split('\n');
  if (lines.start < 1 || lines.start > all.length) return '';
  const { from, to } = surroundings(lines.start, Math.min(lines.end, all.length), all.length);
  const rule = '-'.repeat(20);
  const shown = all.slice(from - 1, to).map((line, index) => {
    const number = from + index;
    const mark = number >= lines.start && number <= lines.end ? '>>>' : '   ';
    return ` ${String(number).padStart(3)} | ${mark} ${cut(line)}`;
  });
  return `${fileName}:${lines.start}\n${rule}\n${shown.join('\n')}\n${rule}\n`;
}

function cut(line: string): string {
  return line.length > longestShown ? `${line.slice(0, longestShown)}…` : line;
}

/** Grows to both sides in turn; a round that finds no line there counts nevertheless. */
function surroundings(start: number, end: number, count: number): { from: number; to: number } {
  const wanted = start === end ? 4 : 2;
  let from = start;
  let to = end;
  for (let added = 0; added < wanted; added++) {
    if (from > 1) {
      from--;
      added++;
    }
    if (to !== count) {
      to++;
      added++;
    }
  }
  return { from, to };
}
